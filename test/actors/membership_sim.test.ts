/**
 * Whole nodes that join, leave and upgrade, with real messages and files in the simulated world: what strangers, nodes
 * and admins may ask over the bus, and what is on the disk afterwards.
 *
 * Does NOT promise: faults; test/swarm has those.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readIdentity } from "../../actors/storage/node_identity.ts";
import { nodeVerbs } from "../../actors/verbs/verbs.ts";
import { isServing } from "../../actors/views.ts";
import { nodeIdOfKey } from "../../transport/nats_keys.ts";
import { Codec } from "../../transport/wire/codec.ts";
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { buildSubject } from "../../transport/wire/subjects.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import type { ClusterId, Generation, NodeId } from "../../transport/wire/terms.ts";
import { CLUSTER_ID, SimCluster, STATE, STEP_MS, turn } from "./sim_nodes.ts";

const test = suite("membership of nodes in the simulated world");

const INVITE_ID = "1".repeat(32);
/** Public keys of users, with right checksums. */
const ADMIN_KEY = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
const STAMPS = { gen: 0n as Generation, stamp: 0n };
/** Meta files: where the format stands. */
const FORMAT_AT = 8;

type Outcome = { readonly ok?: unknown; readonly code?: string; readonly text?: string };

async function ready(seed: number, format = 2, levels: Readonly<Record<number, number>> = {}) {
  const cluster = new SimCluster(seed, 3, format);
  for (const [n, level] of Object.entries(levels)) cluster.levels.set(Number(n), level);
  await cluster.create();
  await cluster.until(() => cluster.allServe && cluster.leader !== undefined, 10_000);
  return cluster;
}

/** Asks on the socket of a node. */
async function ask(cluster: SimCluster, n: number, verb: string, args: object): Promise<Outcome> {
  const call = { item: () => false, onCancel: () => {} };
  const asked = Promise.resolve().then(() =>
    nodeVerbs(cluster.nodes[n]!).get(verb)!({ ...args }, call)
  );
  return await cluster.time.drive(
    asked.then(
      (ok) => ({ ok }),
      (error: CtdbxError) => ({ code: error.code, text: error.message }),
    ),
    turn,
  );
}

/** Asks a node over the bus of a machine, under any id and with any cluster. */
async function askOver(
  cluster: SimCluster,
  from: { readonly machine: number; readonly own: NodeId; readonly clusterId?: ClusterId },
  to: number,
  verb: string,
  args: object,
): Promise<Outcome> {
  const world = cluster.machines[from.machine]!.world ?? cluster.machines[from.machine]!.boot();
  await cluster.until(() => world.bus.status === "connected", 2000);
  const codec = new Codec({ cluster: "sim", own: from.own, firstId: BigInt(cluster.dice.u32()) });
  codec.clusterId = from.clusterId;
  const subject = buildSubject({
    cluster: "sim",
    class: "ask",
    to: tagOf(cluster.ids[to]!),
    from: tagOf(from.own),
  });
  const message = { kind: "ask", verb, args: JSON.stringify(args) };
  const [payload = new Uint8Array()] = codec.encode(message, STAMPS);
  const asked = world.bus.request(subject, payload, 12_000);
  const answer = await cluster.time.drive(asked, turn);
  const received = codec.decode(undefined, answer.payload, 0);
  if (received === undefined || isRefusal(received)) throw new Error("no answer");
  const { message: said } = received;
  if (said.kind !== "answer") throw new Error(said.kind);
  const { ok, code, text } = said;
  return {
    ...(ok === undefined ? {} : { ok: JSON.parse(ok) as unknown }),
    ...(code === undefined ? {} : { code }),
    ...(text === undefined ? {} : { text }),
  };
}

interface Invited {
  readonly pnn: number;
  readonly clusterId: string;
  readonly format: number;
  readonly seeds: readonly { readonly nodeId: NodeId; readonly name: string }[];
}

async function invited(cluster: SimCluster, n: number, more: object = {}): Promise<Invited> {
  const args = {
    inviteId: INVITE_ID,
    name: `n${n}`,
    nodeId: cluster.ids[n],
    voter: true,
    ttlMs: 60_000,
  };
  const { ok, text } = await ask(cluster, 0, "cluster invite", { ...args, ...more });
  assert.ok(ok !== undefined, text);
  return ok as Invited;
}

/** A new machine is invited, joins, and its daemon is started. */
async function joined(cluster: SimCluster): Promise<number> {
  const n = cluster.addMachine();
  const invitation = await invited(cluster, n);
  assert.is(invitation.seeds.length, 3);
  // One that does not lead: it must be asked for the document, and not only be told that somebody is there.
  const seeds = cluster.ids.slice(0, 3).filter((_, each) => each !== cluster.leader).slice(0, 1);
  const more = { clusterId: CLUSTER_ID, seeds, format: 2 };
  const diskId = await cluster.install(n, undefined, more);
  const own = cluster.ids[n]!;
  const args = { inviteId: INVITE_ID, nodeId: own, diskId, addr: `n${n}:1`, format: 2 };
  const from = { machine: n, own };
  const { ok, text } = await askOver(cluster, from, 1, "cluster join", {
    ...args,
    clusterId: CLUSTER_ID,
  });
  assert.ok(ok !== undefined, text);
  await cluster.start(n);
  await cluster.until(() => cluster.serves(n), 5000);
  await cluster.until(() => cluster.nodes[0]!.state.adopted!.voters.length === 4, 5000);
  return n;
}

test.either("a stranger with an invitation asks, joins, serves and votes; all have one document", async () => {
  const cluster = await ready(1);
  const n = cluster.addMachine();
  const own = cluster.ids[n]!;
  const from = { machine: n, own };
  const question = { inviteId: INVITE_ID, nodeId: own, addr: "n3:1", format: 2 };
  const before = (await askOver(cluster, from, 0, "cluster preflight", question)).ok as Record<
    string,
    unknown
  >;
  assert.equal([before["invitation"], before["name"], before["leader"]], [
    "unknown",
    undefined,
    undefined,
  ]);
  cluster.machines.pop();
  cluster.ids.pop();
  const joiner = await joined(cluster);
  const after = (await askOver(cluster, from, 2, "cluster preflight", question)).ok as Record<
    string,
    unknown
  >;
  assert.equal([after["invitation"], after["name"], after["pnn"]], ["used", "n3", 3]);
  await cluster.run(500);
  const digests = await Promise.all(
    [0, 1, 2, joiner].map(async (each) => (await ask(cluster, each, "cluster digest", {})).ok),
  ) as Record<string, unknown>[];
  assert.is(new Set(digests.map(({ hash, version }) => `${hash} ${version}`)).size, 1);
  assert.match(String(digests[0]?.["hash"]), /^[0-9a-f]{16}$/);
  for (const node of cluster.nodes) assert.is(node!.post.counters.refused.size, 0);
});

test.either("an invitation for another cluster, or in another's name, gets nobody in", async () => {
  const cluster = await ready(2);
  const n = cluster.addMachine();
  const own = cluster.ids[n]!;
  await invited(cluster, n);
  const args = { inviteId: INVITE_ID, nodeId: own, diskId: "d".repeat(32), addr: "x:1", format: 2 };
  const other = { ...args, clusterId: "e".repeat(32) };
  // It knows no cluster: the answer to a codec that knows another one would be refused by that.
  const from = { machine: n, own };
  assert.match(
    (await askOver(cluster, from, 0, "cluster join", other)).text ?? "",
    /another cluster of this name/,
  );
  const forger = { machine: n, own: "9".repeat(32) as NodeId };
  assert.is((await askOver(cluster, forger, 0, "cluster join", args)).code, "denied");
  const old = await askOver(cluster, { machine: n, own }, 0, "cluster join", {
    ...args,
    format: 1,
  });
  assert.match(old.text ?? "", /format 1 only/);
  assert.is(cluster.nodes[0]!.state.adopted!.nodes.length, 3);
});

test.either("strangers may ask for nothing else: they are not answered, and counted", async () => {
  const cluster = await ready(3);
  const n = cluster.addMachine();
  const from = { machine: n, own: cluster.ids[n]! };
  const asked = askOver(cluster, from, 0, "cluster status", {});
  let failure = "";
  await asked.catch((error: CtdbxError) => void (failure = error.code));
  assert.is(failure, "timeout");
  assert.is(cluster.nodes[0]!.post.counters.refused.get("cluster"), 1);
});

test.either("over the bus only admins have something changed; nodes may have one another stop", async () => {
  const cluster = await ready(4);
  const node = { machine: 1, own: cluster.ids[1]!, clusterId: CLUSTER_ID };
  const admin = { machine: 1, own: nodeIdOfKey(ADMIN_KEY), clusterId: CLUSTER_ID };
  const drain = { node: "n2", set: ["draining"], clear: [] };
  for (const from of [node, admin]) {
    assert.is((await askOver(cluster, from, 0, "node flags", drain)).code, "denied");
    assert.is((await askOver(cluster, from, 0, "cluster leave", { node: "n2" })).code, "denied");
  }
  const user = { role: "admin", name: "ops", natsKey: ADMIN_KEY };
  assert.ok((await ask(cluster, 0, "user add", user)).ok !== undefined);
  await cluster.until(() => cluster.nodes[2]!.state.adopted?.users?.length === 1, 2000);
  const changed = (await askOver(cluster, admin, 2, "node flags", drain)).ok as Record<
    string,
    unknown
  >;
  assert.equal(changed["adminFlags"], ["draining"]);
  assert.is((await askOver(cluster, node, 0, "node flags", drain)).code, "denied");
  assert.ok((await ask(cluster, 0, "user remove", { name: "ops" })).ok !== undefined);
  await cluster.until(() => cluster.nodes[2]!.state.adopted?.users?.length === 0, 2000);
  assert.is((await askOver(cluster, admin, 2, "node unban", { node: "n2" })).code, "denied");
  const stopped = (await ask(cluster, 0, "node shutdown", { node: "n2" })).ok as Record<
    string,
    unknown
  >;
  assert.is(stopped["stopping"], true);
  await cluster.until(() => cluster.ends.length > 0, 5000);
  assert.equal(cluster.ends, ["n2: told to stop"]);
});

test.either("a node that leaves ends by itself, is marked, and does not start again", async () => {
  const cluster = await ready(5);
  const n = await joined(cluster);
  const dry = await ask(cluster, 0, "cluster leave", { node: `n${n}`, dryRun: true });
  assert.is((dry.ok as Record<string, unknown>)["done"], false);
  assert.is(
    cluster.nodes[0]!.state.adopted!.nodes.find(({ pnn }) => pnn === n)?.leaving,
    undefined,
  );
  const { ok, text } = await ask(cluster, n, "cluster leave", { node: `n${n}` });
  assert.ok(ok !== undefined, text);
  await cluster.until(() => cluster.ends.length > 0, 10_000);
  assert.match(cluster.ends[0] ?? "", /no part of the cluster any more: it has left/);
  const { disk } = cluster.machines[n]!.world!;
  const left = readIdentity(disk, STATE)?.left;
  assert.match(left?.why ?? "", /it has left/);
  cluster.nodes[n] = undefined;
  let refusal = "";
  await cluster.start(n).catch((error: CtdbxError) =>
    void (refusal = `${error.code} ${error.message}`)
  );
  assert.match(refusal, /^state Cannot start n3: .*stays gone/);
  const again = await ask(cluster, 0, "cluster leave", { node: `n${n}` });
  assert.equal([(again.ok as Record<string, unknown>)["step"], again.text], ["gone", undefined]);
  const others = [0, 1, 2];
  await cluster.until(() => others.every((each) => cluster.serves(each)), 5000);
});

test.either("a leave that would break the quorum is refused before anything is begun", async () => {
  const cluster = await ready(6);
  const gone = [0, 1, 2].find((each) => each !== cluster.leader)!;
  const [at, other] = [0, 1, 2].filter((each) => each !== gone) as [number, number];
  cluster.crash(gone, "process");
  await cluster.until(() => cluster.nodes[at]!.state.adopted!.view.members.length === 2, 8000);
  for (const args of [{ dryRun: true }, {}]) {
    const { code, text = "" } = await ask(cluster, at, "cluster leave", {
      node: `n${other}`,
      ...args,
    });
    assert.is(code, "state");
    assert.match(text, new RegExp(`quorum would be lost.*start n${gone}`));
  }
});

test.either("versions mixed: files and documents stay old until all are upgraded and it is finalized", async () => {
  const cluster = await ready(7, 1, { 0: 1, 1: 1, 2: 1 });
  const formats = () =>
    [0, 1, 2].map((n) => {
      const { disk } = cluster.machines[n]!.world!;
      const bytes = [`${STATE}/meta.a`, `${STATE}/meta.b`].map((path) => disk.read(path));
      return Math.max(
        ...bytes.map((each) =>
          each === undefined
            ? 0
            : new DataView(each.buffer, each.byteOffset).getUint32(FORMAT_AT, true)
        ),
      );
    });
  for (const n of [0, 1, 2]) {
    await cluster.time.drive(cluster.nodes[n]!.stop(), turn);
    cluster.machines[n]!.crash("process");
    cluster.levels.delete(n);
    await cluster.start(n);
    await cluster.until(() => cluster.allServe && cluster.leader !== undefined, 10_000);
    assert.equal(formats(), [1, 1, 1]);
    if (n === 2) continue;
    const { code, text } = await ask(cluster, n, "cluster finalize", {});
    assert.is(code, "state", text ?? "not before all know it");
  }
  await cluster.run(1000);
  const upgrade = (await ask(cluster, 1, "cluster upgrade", {})).ok as Record<string, unknown>;
  assert.equal([upgrade["format"], upgrade["ready"], upgrade["why"]], [1, true, undefined]);
  const invite = { inviteId: INVITE_ID, name: "x", nodeId: "9".repeat(32), ttlMs: 60_000 };
  assert.is((await ask(cluster, 1, "cluster invite", invite)).code, "version");
  const { ok, text } = await ask(cluster, 1, "cluster finalize", {});
  assert.is((ok as Record<string, unknown> | undefined)?.["format"], 2, text);
  await cluster.run(1000);
  assert.equal(formats(), [2, 2, 2]);
  cluster.crash(2, "process");
  cluster.levels.set(2, 1);
  let refusal = "";
  await cluster.start(2).catch((error: CtdbxError) => void (refusal = error.code));
  assert.is(refusal, "version");
});

test.either("a rolling restart: nobody else stops serving for over a round; slots move before", async () => {
  const cluster = await ready(8);
  /** Longest time, ms, in which a node that is not being restarted does not serve. */
  let longestMs = 0;
  for (const n of [0, 1, 2]) {
    const others = [0, 1, 2].filter((each) => each !== n);
    const life = cluster.nodes[n]!.state.incarnation;
    const stopping = cluster.nodes[n]!.stop();
    let isOver = false;
    void stopping.then(() => isOver = true);
    let pausedMs = 0;
    await cluster.until(() => {
      pausedMs = others.every((each) => cluster.serves(each)) ? 0 : pausedMs + STEP_MS;
      longestMs = Math.max(longestMs, pausedMs);
      return isOver && pausedMs === 0;
    }, 6000);
    // Nobody had to be told of its death, or to wait for it.
    const { view } = cluster.nodes[others[0]!]!.state.adopted!;
    assert.not.ok(view.members.some(({ pnn, incarnation }) => pnn === n && incarnation === life));
    cluster.machines[n]!.crash("process");
    await cluster.start(n);
    await cluster.until(() => cluster.allServe && cluster.leader !== undefined, 6000);
  }
  assert.ok(longestMs <= 100, `they paused for ${longestMs} ms`);
  assert.ok(cluster.nodes.every((node) => isServing(node!.state, node!.nowMs)));
});

test.run();
