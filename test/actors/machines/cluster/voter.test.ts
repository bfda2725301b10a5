/**
 * One voter, message by message: what it promises and accepts, and that it is on the disk before it is said.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Alone, sent, START, token, viewOf } from "./one_machine.ts";

const test = suite("voter");

const OLD = token(1n, 2);
const NEW = token(2n, 3);
const VIEW = viewOf(OLD, [[0, 1n], [1, 1n], [2, 1n]]);

test("PROMISE waits for the disk, and says what was accepted and how long ago a digest came", () => {
  const node = new Alone().begin();
  node.hear(1, { kind: "accept", doc: VIEW });
  node.nowMs = 2000;
  node.digest(1, OLD, VIEW);
  node.nowMs = 2300;
  const message = { kind: "prepare", token: NEW } as const;
  const effects = node.feed({ kind: "message", from: START.nodes[2]?.nodeId as never, message });
  assert.not.ok(sent(effects).some(({ kind }) => kind === "promise"));
  node.nowMs = 2310;
  const promise = sent(node.settle(effects)).find(({ kind }) => kind === "promise");
  assert.equal({ ...promise, accepted: undefined }, {
    kind: "promise",
    token: NEW,
    accepted: undefined,
    adoptedGeneration: VIEW.generation,
    ageMs: 310,
    incarnation: 1n,
  });
});

test("The age is that of the last digest of any lower token, of one that was never promised, too", () => {
  const node = new Alone().begin();
  node.hear(1, { kind: "accept", doc: VIEW });
  node.nowMs = 2000;
  node.digest(1, OLD, VIEW);
  node.nowMs = 2100;
  node.digest(2, NEW, undefined);
  node.nowMs = 2300;
  const later = token(3n, 1);
  const promise = sent(node.hear(1, { kind: "prepare", token: later }))
    .find(({ kind }) => kind === "promise");
  assert.is(promise?.kind === "promise" ? promise.ageMs : -1, 200);
});

test("Of two promises that wait for the disk only the higher one is said", () => {
  const node = new Alone().begin();
  const from = START.nodes[2]?.nodeId as never;
  const first = node.feed({ kind: "message", from, message: { kind: "prepare", token: OLD } });
  const second = node.feed({ kind: "message", from, message: { kind: "prepare", token: NEW } });
  const said = sent(node.settle([...first, ...second])).filter(({ kind }) => kind === "promise");
  assert.equal(said.map((message) => message.kind === "promise" && message.token), [NEW]);
});

test("A certificate counts from the node's own supervisor only", () => {
  const node = new Alone().begin();
  const dead = { kind: "dead", pnn: 1 as never, incarnation: 4n as never, tMs: 10 } as const;
  node.hear(2, dead);
  for (const other of [1, 2]) {
    assert.is(node.machine.state.deadInc.get(START.nodes[other]?.nodeId as never), undefined);
  }
  node.hear(1, dead);
  assert.is(node.machine.state.deadInc.get(START.nodes[1]?.nodeId as never), 4n);
});

test("A restarted voter counts from its start, and has adopted nothing", () => {
  const node = new Alone({ promised: OLD, accepted: VIEW }).begin();
  node.nowMs = 1200;
  const [promise] = sent(node.hear(2, { kind: "prepare", token: NEW }));
  assert.is(promise?.kind === "promise" ? promise.ageMs : -1, 200);
  assert.is(promise?.kind === "promise" ? promise.adoptedGeneration : -1n, 0n);
});

test("Lower tokens are refused with what was promised, older documents are passed over", () => {
  const node = new Alone().begin();
  node.hear(2, { kind: "prepare", token: NEW });
  assert.equal(sent(node.hear(1, { kind: "prepare", token: OLD })), [{
    kind: "nack",
    promised: NEW,
  }]);
  assert.equal(sent(node.hear(1, { kind: "accept", doc: VIEW })), [{
    kind: "nack",
    promised: NEW,
  }]);
  const [second, first] = [viewOf(NEW, [[0, 1n]], 2n), viewOf(NEW, [[0, 1n]], 1n)];
  node.hear(2, { kind: "accept", doc: second });
  assert.equal(sent(node.hear(2, { kind: "accept", doc: first })), []);
  assert.is(node.machine.state.accepted, second);
});

test("A repeated question gets its answer again, without another write", () => {
  const node = new Alone().begin();
  node.hear(2, { kind: "prepare", token: NEW });
  const again = node.hear(2, { kind: "prepare", token: NEW });
  assert.equal(sent(again).map(({ kind }) => kind), ["promise"]);
  node.hear(2, { kind: "accept", doc: viewOf(NEW, [[0, 1n]]) });
  const accepted = node.hear(2, { kind: "accept", doc: viewOf(NEW, [[0, 1n]]) });
  assert.equal(sent(accepted).map(({ kind }) => kind), ["accepted"]);
  assert.not.ok([...again, ...accepted].some(({ kind }) => kind === "persist"));
});

test("A disk that is full: nothing is said, the node is not healthy, and it goes on by itself", () => {
  const node = new Alone().begin();
  const from = START.nodes[2]?.nodeId as never;
  const first = node.feed({ kind: "message", from, message: { kind: "prepare", token: NEW } });
  const write = first.find((effect) => effect.kind === "persist");
  assert.ok(write?.kind === "persist");
  const failed = node.feed({ kind: "persisted", id: write.id, isOk: false, why: "no space" });
  assert.equal(sent(failed), []);
  assert.is(node.machine.state.diskFault, "no space");
  node.nowMs = node.machine.wakeMs;
  for (let turn = 0; turn < 9 && node.machine.state.diskFault !== undefined; turn++) {
    const kinds = sent(node.settle(node.feed({ kind: "wake" }))).map(({ kind }) => kind);
    if (kinds.includes("promise")) break;
    node.nowMs = node.machine.wakeMs;
  }
  assert.is(node.machine.state.diskFault, undefined);
  assert.is(node.machine.state.durable.promised, NEW);
});

test("A disk with a document above its promise is not believed (V3)", () => {
  const node = new Alone({ promised: 0n as typeof OLD, accepted: VIEW });
  assert.ok(node.machine.state.stopped?.startsWith("V3"));
});

test("PROBE changes nothing and is answered with the last sign", () => {
  const node = new Alone().begin();
  node.nowMs = 1500;
  node.digest(1, OLD, undefined);
  node.nowMs = 1900;
  const [ack] = sent(node.hear(2, { kind: "probe", nonce: 5 }));
  assert.equal(ack, { kind: "probe_ack", nonce: 5, ageMs: 400, token: OLD, promised: 0n });
  assert.is(node.machine.state.promised, 0n);
});

test.run();
