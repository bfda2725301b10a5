/**
 * What nodes tell monitors, in the simulated world: a listener on the bus that asks nobody anything, virtual time, real
 * encodings.
 */

import { Decoder } from "cbor-x/decode";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConditionWatch } from "../../../actors/monitoring/event_views.ts";
import type { ClusterState } from "../../../actors/machines/cluster/state.ts";
import { LOOKING } from "../../../actors/monitoring/audit.ts";
import { answerAsk, nodeVerbs } from "../../../actors/verbs/verbs.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import {
  type AuditEvent,
  EVENT_EVERY_MS,
  EVENTS,
  type HeartbeatEvent,
  readEvent,
  type StateEvent,
  type TopicEvent,
} from "../../../transport/wire/messages/event.ts";
import { EVENT_MAX } from "../../../transport/wire/messages/event_form.ts";
import { eventSubscription, parseSubject } from "../../../transport/wire/subjects.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { type Tag, tagOf } from "../../../transport/wire/terms.ts";
import { type SimCluster, started, turn } from "../sim_nodes.ts";

/** A heartbeat comes each second, or a look of the monitor later. */
const BEAT_MAX_MS = EVENT_EVERY_MS + 50;

/** Verbs that change something. One that is new belongs here, or into LOOKING of actors/monitoring/audit.ts. */
const AUDITED: readonly string[] = [
  "cluster finalize",
  "cluster force",
  "cluster invite",
  "cluster join",
  "cluster leave",
  "cluster replace",
  "cluster uninvite",
  "db attach",
  "db detach",
  "db force primary",
  "db set",
  "db vacuum",
  "db wipe",
  ...["disable", "enable", "run"].map((word) => `event ${word}`),
  "iface set",
  ...["add", "arp", "del", "move", "rebalance", "reload"].map((word) => `ip ${word}`),
  ...["add", "del", "send"].map((word) => `ip tickle ${word}`),
  "leader yield",
  "meta set",
  "node ban",
  "node caps",
  "node flags",
  "node shutdown",
  "node unban",
  "node zone",
  "recovery run",
  "resource move",
  ...["disable", "enable", "run"].map((word) => `service ${word}`),
  ...["reset", "set"].map((word) => `tunable ${word}`),
  "user add",
  "user remove",
];

/** An event as it came. */
interface Heard {
  readonly atMs: number;
  readonly event: TopicEvent;
  readonly json: unknown;
}

/** A machine beside the cluster that listens. */
class Listener {
  readonly heard: Heard[] = [];
  /** Decoded CBOR, in its order. */
  readonly cbor: unknown[] = [];
  /** What was not as declared. */
  readonly odd: string[] = [];

  constructor(cluster: SimCluster) {
    const { network, dice, time } = cluster;
    const { bus } = new SimMachine({ name: "monitor", network, dice, clock: { rate: 1 } }).boot();
    const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });
    bus.subscribe(eventSubscription("sim", undefined), ({ subject, payload }) => {
      const json: unknown = JSON.parse(new TextDecoder().decode(payload));
      const parsed = parseSubject(subject);
      const event = parsed?.class === "ev" ? readEvent(parsed.to, json) : undefined;
      if (payload.length > EVENT_MAX) this.odd.push(`${subject} has ${payload.length} bytes`);
      if (event?.tag !== parsed?.from) this.odd.push(`${subject} ${JSON.stringify(json)}`);
      else if (event !== undefined) this.heard.push({ atMs: time.nowMs, event, json });
    });
    bus.subscribe(
      eventSubscription("sim", undefined, true),
      ({ payload }) => void this.cbor.push(decoder.decode(payload)),
    );
  }

  of<T extends TopicEvent["topic"]>(topic: T): Extract<TopicEvent, { topic: T }>[] {
    return this.heard.map(({ event }) => event).filter((event) => event.topic === topic) as Extract<
      TopicEvent,
      { topic: T }
    >[];
  }

  states(): string[] {
    return this.of("state").map(({ node, about, from, to }) => `${node}: ${about} ${from}>${to}`);
  }

  /** Forgets what came. */
  clear(): void {
    this.heard.length = 0;
    this.cbor.length = 0;
  }
}

async function listened(seed: number): Promise<{ cluster: SimCluster; listener: Listener }> {
  const cluster = await started(seed);
  const listener = new Listener(cluster);
  await cluster.run(1500);
  listener.clear();
  return { cluster, listener };
}

const test = suite("what nodes tell monitors");

test.either("each node tells its heartbeat and its statistics once a second, as declared, without gaps", async () => {
  const { cluster, listener } = await listened(11);
  await cluster.run(10_000);
  assert.equal(listener.odd, []);
  for (const id of cluster.ids) {
    const own = listener.heard.filter(({ event }) => event.tag === tagOf(id));
    for (const topic of ["heartbeat", "stats"] as const) {
      const times = own.filter(({ event }) => event.topic === topic).map(({ atMs }) => atMs);
      assert.ok(times.length >= 9 && times.length <= 11, `${topic}: ${times.length}`);
      const gaps = times.slice(1).map((atMs, at) => atMs - (times[at] ?? 0));
      assert.ok(Math.max(...gaps) <= BEAT_MAX_MS, `${topic}: ${gaps}`);
    }
    const numbers = own.map(({ event }) => event.seq);
    assert.equal(numbers, numbers.map((_, at) => (numbers[0] ?? 0) + at), "seq has no gap");
  }
  const leader = `n${cluster.leader}`;
  for (const beat of listener.of("heartbeat")) {
    const { condition, runstate, members, nodes, serving } = beat;
    assert.equal([condition, runstate, members, nodes, serving], ["ok", "running", 3, 3, true]);
    assert.is(beat.leader, leader);
    assert.is(beat.isLeader, beat.node === leader);
    assert.ok(beat.leaseMs > 0);
  }
  for (const { messages, machine, process } of listener.of("stats")) {
    assert.ok(messages.sentRate > 0 && messages.receivedRate > 0 && messages.sentBytesRate > 0);
    assert.ok(machine.stepsRate > 0);
    assert.is(process.rssBytes, 0, "nobody has said what the process uses");
  }
});

test.either("CBOR says the same as JSON, event by event", async () => {
  const { cluster, listener } = await listened(12);
  await cluster.run(3000);
  const byNumber = (value: unknown): string => {
    const { tag, seq } = value as HeartbeatEvent;
    return `${tag} ${String(seq).padStart(6, "0")}`;
  };
  const sorted = (values: readonly unknown[]): unknown[] =>
    [...values].sort((one, other) => byNumber(one) < byNumber(other) ? -1 : 1);
  assert.ok(listener.cbor.length > 15);
  assert.equal(sorted(listener.cbor), sorted(listener.heard.map(({ json }) => json)));
});

test.either("the leader dies: the next one tells of it within 3 s, and of nobody else", async () => {
  const { cluster, listener } = await listened(13);
  const old = cluster.leader!;
  cluster.crash(old, "process");
  await cluster.run(3000);
  const next = cluster.leader!;
  assert.is.not(next, old);
  assert.equal(listener.states(), [`n${next}: n${old} ok>disconnected`]);
  await cluster.start(old);
  await cluster.until(() => cluster.allServe, 5000);
  await cluster.run(500);
  const { about, to } = listener.of("state").filter(({ node }) => node === `n${next}`).at(-1)!;
  assert.equal([about, to], [`n${old}`, "ok"]);
});

test.either("the leader's death is certified before another leads: told all the same, once", async () => {
  const { cluster, listener } = await listened(19);
  const old = cluster.leader!;
  const others = [0, 1, 2].filter((n) => n !== old);
  const { incarnation, pnn } = cluster.nodes[old]!.state;
  cluster.crash(old, "process");
  for (const n of others) {
    const node = cluster.nodes[n]!;
    const dead = { kind: "dead", pnn: pnn!, incarnation, tMs: node.nowMs } as const;
    node.cluster.tell({ kind: "message", from: cluster.ids[old]!, message: dead });
  }
  await cluster.until(() => listener.states().length > 0, 1000);
  await cluster.run(3000);
  assert.equal(listener.states(), [`n${cluster.leader}: n${old} ok>disconnected`]);
});

test.either("all machines slept: nobody is taken for lost", async () => {
  const { cluster, listener } = await listened(20);
  for (const machine of cluster.machines) machine.pause();
  await cluster.run(5000);
  for (const machine of cluster.machines) machine.resume();
  await cluster.until(() => cluster.allServe, 6000);
  await cluster.run(2000);
  assert.equal(listener.states().filter((text) => text.endsWith("disconnected")), []);
});

test.either("who ends tells nothing of itself on its way out", async () => {
  const { cluster } = await listened(21);
  const { state, nowMs } = cluster.nodes[[0, 1, 2].find((n) => n !== cluster.leader)!]!;
  const { view } = state.adopted!;
  const members = view.members.filter(({ pnn }) => pnn !== state.pnn);
  const out = { ...state, adopted: { ...state.adopted!, view: { ...view, members } } };
  const changes = (later: ClusterState): string[] => {
    const watch = new ConditionWatch();
    watch.changes(state, nowMs);
    return watch.changes(later, nowMs).map(({ about, from, to }) => `${about} ${from}>${to}`);
  };
  assert.equal(changes(out), [`n${state.pnn} ok>joining`]);
  assert.equal(changes({ ...out, leaving: true }), []);
});

test.either("a leader that is new, or has just woken, concludes nothing from silence", async () => {
  const { cluster } = await listened(22);
  const { state, nowMs } = cluster.nodes[cluster.leader!]!;
  const peers = new Map(
    [...state.peers].map(([nodeId, peer]) => [nodeId, { ...peer, recvMs: nowMs - 2000 }]),
  );
  const told = (chosenMs: number, wokeMs: number): number => {
    const watch = new ConditionWatch();
    watch.changes(state, nowMs);
    const later = { ...state, peers, wokeMs, lead: { ...state.lead!, chosenMs } };
    return watch.changes(later, nowMs).filter(({ to }) => to === "disconnected").length;
  };
  assert.is(told(nowMs - 5000, nowMs - 5000), 2);
  assert.is(told(nowMs - 100, nowMs - 5000), 0);
  assert.is(told(nowMs - 5000, nowMs - 100), 0);
});

test.either("a flag that an operator sets: told by the leader and by the node itself, with the reason", async () => {
  const { cluster, listener } = await listened(14);
  const leader = cluster.leader!;
  const of = [0, 1, 2].find((n) => n !== leader)!;
  const command = {
    verb: "flags",
    pnn: of as Pnn,
    set: ["draining"],
    clear: [],
    why: "a test",
  } as const;
  const asked = cluster.nodes[leader]!.cluster.command("a".repeat(32), command, 5000);
  assert.is((await cluster.time.drive(asked, turn)).outcome, "done");
  await cluster.run(1500);
  assert.equal(
    listener.states().sort(),
    [
      `n${leader}: n${of} ok>draining`,
      `n${of}: n${of} ok>draining`,
    ].sort(),
  );
  assert.is(
    listener.of("heartbeat").filter(({ node }) => node === `n${of}`).at(-1)?.condition,
    "draining",
  );
});

test.either("a planned end: the last heartbeat says so, and the leader tells of it at once", async () => {
  const { cluster, listener } = await listened(15);
  const of = [0, 1, 2].find((n) => n !== cluster.leader)!;
  await cluster.time.drive(cluster.nodes[of]!.stop(), turn);
  await cluster.run(300);
  const last = listener.of("heartbeat").filter(({ node }) => node === `n${of}`).at(-1);
  assert.equal([last?.runstate, last?.condition, last?.leaseMs], ["shutdown", "disconnected", 0]);
  assert.equal(listener.states(), [`n${cluster.leader}: n${of} ok>disconnected`]);
});

test.either("a leader that was stopped does not take the others for lost when it wakes", async () => {
  const { cluster, listener } = await listened(16);
  const old = cluster.leader!;
  cluster.machines[old]!.pause();
  await cluster.run(6000);
  listener.clear();
  cluster.machines[old]!.resume();
  await cluster.until(() => cluster.allServe, 6000);
  await cluster.run(2000);
  const wrong = listener.of("state").filter(({ about, to }) =>
    about !== `n${old}` && to === "disconnected"
  );
  assert.equal(wrong, []);
  const claims = listener.of("heartbeat").filter(({ node, isLeader }) =>
    node === `n${old}` && isLeader && cluster.leader !== old
  );
  assert.equal(claims, [], "nor itself for the leader");
});

test.either("a command that changes something is told with its outcome; one that looks is not", async () => {
  const { cluster, listener } = await listened(17);
  const node = cluster.nodes[cluster.leader!]!;
  const verbs = node.monitoring.audit(nodeVerbs(node));
  const by = { way: "socket", uid: 1000, pid: 4711 } as const;
  const call = { by, item: () => false, onCancel: () => {} };
  await verbs.get("node status")!({}, call);
  const yielded = Promise.resolve(verbs.get("leader yield")!({ why: "a drill" }, call));
  await cluster.time.drive(yielded, turn);
  const failed = Promise.resolve(verbs.get("leader yield")!({ to: "n9" }, call)).catch(() => {});
  await cluster.time.drive(failed, turn);
  await cluster.run(500);
  const told = listener.of("audit").map((
    { verb, args, way, uid, pid, outcome, code }: AuditEvent,
  ) => ({ verb, args, way, uid, pid, outcome, code }));
  const common = { verb: "leader yield", ...by };
  assert.equal(told, [
    { ...common, args: `why="a drill"`, outcome: "done", code: undefined },
    { ...common, args: "to=n9", outcome: "refused", code: "not_found" },
  ]);
});

test.either("what a stranger may not do is told, and he cannot make us flood the bus", async () => {
  const { cluster, listener } = await listened(23);
  const node = cluster.nodes[0]!;
  const by = { way: "bus", tag: "aaaaaaaaaa" as Tag } as const;
  for (let count = 0; count < 100; count++) {
    const asked = answerAsk(node, { kind: "ask", verb: "leader yield", args: "{}" }, by);
    const answer = await cluster.time.drive(asked, turn);
    assert.is(answer.code, "denied");
  }
  await cluster.run(500);
  const told = listener.of("audit");
  assert.ok(told.length >= 10 && told.length <= 20, `${told.length} were told`);
  const [{ verb, by: sender, outcome, code } = {} as AuditEvent] = told;
  assert.equal([verb, sender, outcome, code], ["leader yield", "aaaaaaaaaa", "refused", "denied"]);
});

test.either("every verb is known to audit as one that looks, or is meant to be told", async () => {
  const { cluster } = await listened(24);
  const told = [...nodeVerbs(cluster.nodes[0]!).keys()].filter((name) => !LOOKING.has(name));
  assert.equal(told.sort(), AUDITED);
});

test.either("who has no bus loses events, and the numbers show it", async () => {
  const { cluster, listener } = await listened(18);
  const of = [0, 1, 2].find((n) => n !== cluster.leader)!;
  const tag = tagOf(cluster.ids[of]!);
  const last = (): number =>
    listener.heard.filter(({ event }) => event.tag === tag).at(-1)!.event.seq;
  await cluster.run(1500);
  const before = last();
  const count = listener.heard.filter(({ event }) => event.tag === tag).length;
  const { bus } = cluster.machines[of]!.world!;
  bus.cut();
  await cluster.run(4000);
  bus.connect();
  await cluster.run(3000);
  const after = listener.heard.filter(({ event }) => event.tag === tag).length;
  assert.ok(last() - before > after - count, "a gap");
});

test.either("every topic has its words, and an event of another form is none", () => {
  const topics = EVENTS.map(({ topic }) => topic).join(" ");
  assert.is(
    topics,
    "heartbeat state cluster audit stats databases service services address script",
  );
  const good: StateEvent = {
    v: 1,
    topic: "state",
    cluster: "c",
    node: "n0",
    tag: "aaaaaaaaaa" as StateEvent["tag"],
    wallMs: 1,
    seq: 1,
    about: "n1",
    from: "ok",
    to: "banned",
  };
  assert.equal(readEvent("state", { ...good, more: 1 }), good);
  const bad: unknown[] = [
    undefined,
    null,
    7,
    [],
    {},
    { ...good, to: "\u001b[2J" },
    { ...good, seq: -1 },
    { ...good, wallMs: "now" },
    { ...good, tag: "UPPER" },
    { ...good, about: "x".repeat(64) },
    { ...good, topic: "stats" },
  ];
  for (const value of bad) assert.is(readEvent("state", value), undefined, JSON.stringify(value));
  assert.is(readEvent("nothing", good), undefined);
});

test.run();
