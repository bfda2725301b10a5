/**
 * Whole nodes (composition, post, codec, files, state page) in the simulated world: what the machine's own simulator
 * leaves out, because it passes messages by hand.
 *
 * Does NOT promise: many faults; the swarm and the live tests have those.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StatePage } from "../../actors/storage/state_page.ts";
import { nodeVerbs } from "../../actors/verbs/verbs.ts";
import { nodeRows } from "../../actors/views.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { RUN, started, STATE, STEP_MS, turn } from "./sim_nodes.ts";

/** Longest pause of a node that is not concerned, ms of virtual time. */
const PAUSE_MAX_MS = 250;

const test = suite("nodes in the simulated world");

test.either("three nodes find each other, agree, and all serve", async () => {
  const cluster = await started(1);
  for (const node of cluster.nodes) {
    const rows = nodeRows(node!.state, node!.nowMs);
    assert.equal(rows.map(({ condition }) => condition), ["ok", "ok", "ok"]);
    assert.is(node!.post.counters.refused.size, 0, "nothing was refused");
  }
  assert.equal(cluster.ends, []);
});

test.either(
  "the leader's process is killed: another leads, the others serve on, it comes back in a new life",
  async () => {
    const cluster = await started(2);
    const old = cluster.leader!;
    const others = [0, 1, 2].filter((n) => n !== old);
    const before = cluster.nodes[old]!.state.incarnation;
    cluster.crash(old, "process");
    await cluster.until(() => cluster.leader !== undefined && cluster.leader !== old, 5000);
    await cluster.until(() => {
      const { adopted } = cluster.nodes[others[0]!]!.state;
      return adopted?.view.members.length === 2 && others.every((n) => cluster.serves(n));
    }, 6000);
    await cluster.start(old);
    await cluster.until(() => cluster.allServe, 5000);
    assert.ok(cluster.nodes[old]!.state.incarnation > before);
  },
);

test.either("a stopped leader serves nothing when it wakes, until it has a new lease in a new life", async () => {
  const cluster = await started(3);
  const old = cluster.leader!;
  const node = cluster.nodes[old]!;
  const page = StatePage.open(cluster.machines[old]!.images, `${RUN}/state`);
  const life = page.read()!.incarnation;
  cluster.machines[old]!.pause();
  await cluster.run(10_000);
  assert.not(cluster.leader === old);
  const wokeNs = BigInt(Math.floor(node.nowMs * 1e6));
  assert.ok(page.read()!.leaseEndNs < wokeNs, "its clients have stopped by its clock");
  cluster.machines[old]!.resume();
  await cluster.until(() => cluster.serves(old), 5000);
  assert.ok(node.state.incarnation > life);
  assert.is(page.read()!.leaseEndNs, 0n, "the page of the former life is ended");
});

test.either("all lose power: what was promised is still promised, and the generation rises", async () => {
  const cluster = await started(4);
  const before = cluster.nodes[0]!.state;
  const { generation, version } = before.adopted!;
  const { promised } = before;
  for (const n of [0, 1, 2]) cluster.crash(n, "power");
  await cluster.run(1000);
  for (const n of [0, 1, 2]) await cluster.start(n);
  await cluster.until(() => cluster.allServe, 10_000);
  const after = cluster.nodes[0]!.state;
  assert.ok(after.adopted!.generation > generation);
  assert.ok(after.adopted!.version > version);
  assert.ok(after.promised >= promised);
});

test.either("a planned stop hands the lead over: the others pause for one round at most", async () => {
  const cluster = await started(5);
  const old = cluster.leader!;
  const others = [0, 1, 2].filter((n) => n !== old);
  const stopping = cluster.nodes[old]!.stop();
  let pausedMs = 0;
  let longestMs = 0;
  await cluster.until(() => {
    pausedMs = others.every((n) => cluster.serves(n)) ? 0 : pausedMs + STEP_MS;
    longestMs = Math.max(longestMs, pausedMs);
    return cluster.nodes[others[0]!]!.state.adopted?.view.members.length === 2 && pausedMs === 0;
  }, 6000);
  await cluster.time.drive(stopping, turn);
  assert.ok(longestMs <= PAUSE_MAX_MS, `they paused for ${longestMs} ms`);
  assert.equal(cluster.ends, [], "an end that was asked for is not reported");
});

test.either("a node whose disk is new comes back: its new life counts as later than all of the old one", async () => {
  const cluster = await started(7);
  const n = [0, 1, 2].find((each) => each !== cluster.leader)!;
  const before = cluster.nodes[n]!.state.incarnation;
  cluster.crash(n, "process");
  await cluster.run(500);
  const world = cluster.machines[n]!.boot();
  for (const name of ["meta.a", "meta.b"]) world.disk.remove(`${STATE}/${name}`);
  await cluster.start(n);
  await cluster.until(() => cluster.allServe, 15_000);
  const { incarnation, durable } = cluster.nodes[n]!.state;
  assert.ok(incarnation > before);
  assert.ok(durable.accepted !== undefined);
});

test.either("a command that was passed on to a leader that has died is done by the next one", async () => {
  const cluster = await started(8);
  const old = cluster.leader!;
  const [asker, third] = [0, 1, 2].filter((n) => n !== old) as [number, number];
  cluster.crash(old, "process");
  const verbId = "a".repeat(32);
  const command = {
    verb: "flags",
    pnn: old as Pnn,
    set: ["draining"],
    clear: [],
    why: "a test",
  } as const;
  const asked = cluster.nodes[asker]!.cluster.command(verbId, command, 9000);
  const result = await cluster.time.drive(asked, turn);
  assert.is(result.outcome, "done", result.text);
  await cluster.run(500);
  const { nodes } = cluster.nodes[third]!.state.adopted!;
  assert.ok(nodes.find(({ pnn }) => pnn === old)!.adminFlags.includes("draining"));
});

test.either("half a surrogate pair in a request is refused, and the node lives", async () => {
  const cluster = await started(9);
  const node = cluster.nodes[[0, 1, 2].find((n) => n !== cluster.leader)!]!;
  const call = { item: () => false, onCancel: () => {} };
  let code = "";
  try {
    await nodeVerbs(node).get("leader yield")!({ why: "\ud800" }, call);
  } catch (error) {
    code = (error as { code: string }).code;
  }
  assert.is(code, "state");
  await cluster.run(1000);
  assert.ok(cluster.allServe);
});

test.either("two daemons for one folder: the second is refused, the first goes on", async () => {
  const cluster = await started(6);
  const node = cluster.nodes[0];
  let code = "";
  await cluster.start(0).catch((error: { code: string }) => void (code = error.code));
  assert.is(code, "exists");
  cluster.nodes[0] = node;
  await cluster.run(3000);
  assert.ok(cluster.allServe);
});

test.run();
