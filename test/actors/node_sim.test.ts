/**
 * Whole nodes (composition, post, codec, files, state page) in the simulated world: what the machine's own simulator
 * leaves out, because it passes messages by hand.
 *
 * Does NOT promise: many faults; the swarm and the live tests have those.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { genesis } from "../../actors/machines/cluster/document.ts";
import { Node } from "../../actors/node.ts";
import { MetaFile } from "../../actors/storage/meta_file.ts";
import { makeIdentity } from "../../actors/storage/node_identity.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import { nodeVerbs } from "../../actors/verbs.ts";
import { isServing, leaderOf, nodeRows } from "../../actors/views.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimLock, SimRegister } from "../../transport/sim/lock.ts";
import { SimNetwork } from "../../transport/sim/network.ts";
import { SimMachine } from "../../transport/sim/world.ts";
import type { ClusterId, Incarnation, NodeId, Pnn, Token } from "../../transport/wire/terms.ts";

const STATE = "/var/lib/ctdbx/sim";
const RUN = "/run/ctdbx/sim";
const CLUSTER_ID = "c".repeat(32) as ClusterId;
/** Virtual time between two turns of the event loop, ms. */
const STEP_MS = 5;
/** Longest pause of a node that is not concerned, ms of virtual time. */
const PAUSE_MAX_MS = 250;

/** Lets everything that promises continue run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Three nodes and their machines. */
class SimCluster {
  readonly time = new SimTime();
  readonly dice: SeededDice;
  readonly machines: SimMachine[] = [];
  readonly nodes: (Node | undefined)[] = [];
  readonly ids: NodeId[] = [];
  readonly ends: string[] = [];
  readonly register: SimRegister;

  constructor(seed: number, count: number) {
    this.dice = new SeededDice(seed);
    const network = new SimNetwork(this.time, this.dice);
    this.register = new SimRegister(this.time, this.dice);
    for (let n = 0; n < count; n++) {
      const { dice } = this;
      const clock = { rate: 0.995 + n / 300 };
      this.machines.push(new SimMachine({ name: `n${n}`, network, dice, clock }));
      this.ids.push(`${n}`.repeat(32) as NodeId);
    }
  }

  /** Virtual time goes on. */
  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(this.time.nowMs + STEP_MS);
      await turn();
    }
  }

  /** Time goes on until something is so, at most `limitMs`. */
  async until(isSo: () => boolean, limitMs: number): Promise<void> {
    const endMs = this.time.nowMs + limitMs;
    while (!isSo()) {
      assert.ok(this.time.nowMs < endMs, `it has not come in ${limitMs} ms`);
      await this.run(STEP_MS);
    }
  }

  /** Gives each machine its files, and starts all nodes. */
  async create(): Promise<void> {
    const accepted = genesis({
      clusterId: CLUSTER_ID,
      nodes: this.ids.map((nodeId, n) => ({
        nodeId,
        name: `n${n}`,
        addr: `n${n}:4379`,
        isVoter: true,
      })),
    });
    for (const n of this.machines.keys()) {
      const world = this.machines[n]!.boot();
      const made = makeIdentity(world, STATE, { name: `n${n}`, nodeId: this.ids[n]! });
      const { diskId } = await this.time.drive(made, turn);
      const durable = { diskId, promised: 0n as Token, accepted, incarnation: 0n as Incarnation };
      const saved = new Promise<void>((done, fail) =>
        new MetaFile(world.disk, STATE).save(
          durable,
          (error) => error === undefined ? done() : fail(error),
        )
      );
      await this.time.drive(saved, turn);
      await this.start(n);
    }
  }

  /** Starts the node of a machine, which is booted first when it is down. */
  async start(n: number): Promise<void> {
    const machine = this.machines[n]!;
    const world = machine.world ?? machine.boot();
    const starting = Node.start({
      world,
      config: {
        cluster: "sim",
        name: `n${n}`,
        nats: { servers: ["none"] },
        lock: { kind: "single" },
        log: { level: "info" },
        chaos: false,
      },
      stateFolder: STATE,
      runFolder: RUN,
      socketPath: `${RUN}/ctdbx.sock`,
      lock: new SimLock(this.register, world.life, world.clock),
      onEnd: (why) => void this.ends.push(`n${n}: ${why}`),
    });
    this.nodes[n] = await this.time.drive(starting, turn);
  }

  /** The process of a node is killed, or its machine loses power. */
  crash(n: number, how: "process" | "power"): void {
    this.machines[n]!.crash(how);
    this.nodes[n] = undefined;
  }

  serves(n: number): boolean {
    const node = this.nodes[n];
    return node !== undefined && isServing(node.state, node.nowMs);
  }

  get allServe(): boolean {
    return this.nodes.every((_, n) => this.serves(n));
  }

  /** The node that leads, as all that run see it; undefined: they differ, or none is known. */
  get leader(): number | undefined {
    const seen = new Set(
      this.nodes.flatMap((node) => node === undefined ? [] : [leaderOf(node.state)]),
    );
    const [one] = seen;
    return seen.size === 1 && one !== undefined ? this.ids.indexOf(one) : undefined;
  }
}

async function started(seed: number): Promise<SimCluster> {
  const cluster = new SimCluster(seed, 3);
  await cluster.create();
  await cluster.until(() => cluster.allServe && cluster.leader !== undefined, 10_000);
  return cluster;
}

const test = suite("nodes in the simulated world");

test("three nodes find each other, agree, and all serve", async () => {
  const cluster = await started(1);
  for (const node of cluster.nodes) {
    const rows = nodeRows(node!.state, node!.nowMs);
    assert.equal(rows.map(({ condition }) => condition), ["ok", "ok", "ok"]);
    assert.is(node!.post.counters.refused.size, 0, "nothing was refused");
  }
  assert.equal(cluster.ends, []);
});

test("the leader's process is killed: another leads, the others serve on, it comes back in a new life", async () => {
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
});

test("a stopped leader serves nothing when it wakes, until it has a new lease in a new life", async () => {
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

test("all lose power: what was promised is still promised, and the generation rises", async () => {
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

test("a planned stop hands the lead over: the others pause for one round at most", async () => {
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

test("a node whose disk is new comes back: its new life counts as later than all of the old one", async () => {
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

test("a command that was passed on to a leader that has died is done by the next one", async () => {
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

test("half a surrogate pair in a request is refused, and the node lives", async () => {
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

test("two daemons for one folder: the second is refused, the first goes on", async () => {
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
