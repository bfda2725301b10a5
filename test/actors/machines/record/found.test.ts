/**
 * What the swarm has found, each as the smallest case that shows it. docs/RECORDS.md has the list.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_RO } from "../../../../actors/machines/record/copy.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { OfKind } from "./rig.ts";

const test = suite("found by the swarm");

test("A record that is granted to its own holder is not owned before it is taken", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 1);
  const { tid } = rig.stored(1, key);
  rig.write(2, key, 2);
  // Node 2 dies: node 1 holds the newest copy, and owns nothing.
  rig.view([0, 1]);
  rig.pass(1_000, { notTo: [2] });
  const shelf = rig.shelves[1];
  const owned: boolean[] = [];
  if (shelf === undefined) throw new RangeError("no shelf");
  const put = shelf.put.bind(shelf);
  shelf.put = (name, stored) => {
    owned.push(stored.dmaster === 1 && stored.tid === tid);
    put(name, stored);
  };
  const id = rig.lock(1, key);
  rig.pass(1_000, { notTo: [2] });
  assert.ok(rig.locked.has(id));
  assert.ok(owned.length > 1);
  assert.not.ok(owned.includes(true));
});

test("A revocation of a later number stops a reader that has the copy of an earlier one", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  rig.op(2, key, { what: "read" });
  rig.hand(rig.take("ro_ask"));
  rig.hand(rig.take("ro_ask", 1));
  const ro = rig.take("ro");
  const { rid } = ro.message as OfKind<"ro">;
  rig.hand(ro);
  assert.ok(((rig.stored(2, key).flags) & FLAG_RO) !== 0);
  rig.hand({ ...ro, message: { kind: "revoke", key, rid: rid + 5 } });
  assert.is(rig.stored(2, key).flags & FLAG_RO, 0);
});

test("Calls that wait to be run here count as under way: each is executed", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const ids = [5, 6, 7].map((byte) => rig.call(2, key, byte));
  // The owner has been recalled: every call is sent back as it comes.
  const call = rig.take("call");
  const { seq } = call.message as OfKind<"call">;
  const no = { kind: "call_no", key, seq, why: "unowned" } as const;
  rig.hand({ ...call, from: call.to, to: call.from, message: no });
  assert.is(rig.lying.filter(({ message }) => message.kind === "call").length, 0);
  rig.pass(2_000);
  assert.equal(ids.map((id) => rig.outcome(id)), ["ok", "ok", "ok"]);
  assert.is(rig.value(2, key)?.length ?? rig.value(1, key)?.length, 4);
});

test("A traverse tells a recovered record that nobody has taken yet", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 7);
  rig.write(2, key, 8);
  rig.view([0, 1]);
  rig.pass(1_000, { notTo: [2] });
  rig.step(0, {
    kind: "traverse",
    ...{ id: 900, client: 0, prefix: "", isCount: false, credit: 9, deadlineMs: 1e9 },
  });
  rig.pass(1_000, { notTo: [2] });
  assert.equal(rig.told.map(({ data }) => data?.[0]), [7]);
});

test("The last node that drains serves what is there", () => {
  const rig = new Rig(2);
  rig.start([0, 1]);
  rig.view([0], { draining: [0] });
  rig.pass(500, { notTo: [1] });
  const read = rig.op(0, "anything", { what: "read" });
  const lock = rig.lock(0, "anything");
  rig.pass(500, { notTo: [1] });
  assert.is(rig.outcome(read), "ok");
  assert.ok(rig.locked.has(lock));
});

test("What was asked for before a planned stop is not taken in it", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 2]]);
  rig.write(2, key, 1);
  const id = rig.lock(1, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  rig.view([0, 1, 2], { draining: [1] });
  rig.hand(grant);
  assert.not.ok(rig.owners(key).includes(1));
  rig.pass(1_000);
  assert.is(rig.outcome(id), "failed");
  assert.not.ok(rig.owners(key).includes(1));
  assert.is(rig.machines[0]?.leftAt(1 as Pnn), 0);
});

test("A life's numbers mean nothing to the next: what was for the one before is dropped", () => {
  const rig = new Rig(3, RECORD_RULES);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["grant"] });
  const grant = rig.take("grant");
  rig.view([0, 1, [2, 2]]);
  rig.flow();
  // As in a daemon that was started anew: numbers begin at 1.
  const state = rig.machines[2]?.state;
  if (state !== undefined) state.rid = 0;
  rig.lock(2, key);
  rig.lose();
  rig.hand(grant);
  assert.is(rig.machines[2]?.state.incarnation, 2n as Incarnation);
  assert.not.ok(rig.owners(key).includes(2));
});

/** Keys of one slot, all of them held by node 1, with values of so many bytes. */
function longValues(rig: Rig, count: number, bytes: number): string[] {
  const first = rig.keyFor([0, [0, 1, 2]]);
  const keys = [first];
  for (let n = 0; keys.length < count; n++) {
    if (rig.slotOf(`long${n}`) === rig.slotOf(first)) keys.push(`long${n}`);
  }
  for (const key of keys) {
    const id = rig.lock(1, key);
    rig.flow();
    rig.step(1, { kind: "unlock", id, data: new Uint8Array(bytes) });
  }
  return keys;
}

const bytesOf = (messages: readonly OfKind<"read">[]) =>
  messages.flatMap(({ values }) => values).reduce((sum, { data }) => sum + (data?.length ?? 0), 0);

test("Long values of a traverse are told a MiB at once, and the rest is asked for without waiting", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const keys = longValues(rig, 8, 400 << 10);
  const traverse = { kind: "traverse", id: 900, client: 2, prefix: "", isCount: false } as const;
  rig.step(2, { ...traverse, credit: 99, deadlineMs: 1e9 });
  const answers: OfKind<"read">[] = [];
  for (let round = 0; round < 10; round++) {
    rig.flow({ keep: ["read"] });
    const read = rig.lying.find(({ message }) => message.kind === "read");
    if (read === undefined) break;
    answers.push(read.message as OfKind<"read">);
    rig.hand(rig.take("read"));
  }
  assert.equal(answers.map((answer) => bytesOf([answer]) >> 10), [1200, 1200, 800]);
  assert.equal(rig.told.map(({ key }) => key).sort(), keys.sort());
  assert.is(rig.ended.length, 1);
});

test("Many questions of a traverse at once are answered with some MiB in all", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const keys = longValues(rig, 12, 900 << 10);
  const { tid: htid } = rig.stored(1, keys[0] as string);
  const messages = keys.map((key, id) => {
    const asked = [{ key, htid: rig.stored(1, key).tid }];
    return { kind: "read_ask", id, isCount: false, keys: asked } as const;
  });
  const { generation } = rig.machines[2]?.state ?? {};
  assert.ok(generation !== undefined && htid.seq > 0);
  const [from, to] = [2, 1].map((pnn) => ({ pnn: pnn as Pnn, incarnation: 1n as Incarnation }));
  if (from === undefined || to === undefined || generation === undefined) return;
  rig.step(1, { kind: "messages", from, to, generation, messages });
  const answers = rig.lying.map(({ message }) => message as OfKind<"read">);
  assert.is(bytesOf(answers) / (900 << 10), 3);
});

/** Messages from one node to another come together, round after round; how many rounds until none is left. */
function flowTogether(rig: Rig): number {
  for (let rounds = 0; rounds < 50; rounds++) {
    const groups = new Map<string, typeof rig.lying>();
    for (const one of rig.lying.splice(0)) {
      const name = `${one.from.pnn} ${one.to.pnn}`;
      groups.set(name, [...groups.get(name) ?? [], one]);
    }
    if (groups.size === 0) return rounds;
    for (const group of groups.values()) {
      const [first] = group;
      if (first === undefined) continue;
      const { from, to, generation } = first;
      const messages = group.map(({ message }) => message);
      rig.step(to.pnn, { kind: "messages", from, to, generation, messages });
    }
  }
  return Infinity;
}

test("A read and a call of one node at the same time do not chase each other", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  const policy = rig.policies[2];
  if (policy !== undefined) [policy.read, policy.call] = ["delegate", "ship"];
  for (let byte = 0; byte < 3; byte++) {
    const read = rig.op(2, key, { what: "read" });
    const call = rig.call(2, key, byte);
    assert.ok(flowTogether(rig) < 12);
    assert.equal([rig.outcome(read), rig.outcome(call)], ["ok", "ok"]);
  }
  assert.equal(rig.value(1, key), [2, 0, 1, 2]);
});

test("A copy to read that comes together with its revocation is read before it goes", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  const read = rig.op(2, key, { what: "read" });
  rig.flow({ keep: ["ro"] });
  rig.call(1, key, 9);
  const [ro, revoke] = [rig.take("ro"), rig.take("revoke")];
  const messages = [ro.message, revoke.message];
  const { from, to, generation } = ro;
  rig.step(2, { kind: "messages", from, to, generation, messages });
  assert.equal([...rig.answers.get(read)?.result ?? []], [1]);
  rig.flow();
  assert.equal(rig.value(1, key), [1, 9]);
});

test("Who writes has its turn though others read again and again; then they read what it wrote", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  for (const policy of rig.policies) policy.read = "delegate";
  const reads: number[] = [];
  const readAll = () => {
    for (const node of [0, 2]) reads.push(rig.op(node, key, { what: "read" }));
  };
  readAll();
  rig.flow();
  const call = rig.call(1, key, 9);
  // The readers stop, and ask again in the same breath.
  const messages = () => rig.lying.splice(0);
  for (const revoke of messages()) rig.hand(revoke);
  readAll();
  assert.ok(flowTogether(rig) < 12);
  assert.is(rig.outcome(call), "ok");
  assert.equal(reads.slice(2).map((id) => rig.answers.get(id)?.result?.length), [2, 2]);
});

test("A call that was executed is told when the node goes on, where its answer came while it was frozen", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const id = rig.call(2, key, 7);
  rig.flow({ keep: ["call_done"] });
  rig.step(2, { kind: "page", leaseEndMs: 0 });
  rig.flow();
  assert.is(rig.outcome(id), undefined);
  // Repeated, and refused by somebody who comes too late.
  rig.pass(300);
  rig.step(2, { kind: "page", leaseEndMs: 1e9 });
  assert.is(rig.outcome(id), "ok");
  assert.equal(rig.value(1, key), [2, 7]);
  const late = rig.op(2, key, { what: "call", procedure: "append", args: new Uint8Array(1) }, 200);
  rig.flow({ keep: ["call_done"] });
  rig.step(2, { kind: "page", leaseEndMs: 0 });
  rig.flow();
  rig.pass(201);
  assert.is(rig.outcome(late), "unknown");
});

test("A result whose copy a query has overtaken is told when the record is here, and not before", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([2, [0, 1, 2]], [2, [0, 2]]);
  rig.write(0, key, 1);
  rig.write(1, key, 2);
  const policy = rig.policies[0];
  if (policy !== undefined) policy.call = "ship";
  const id = rig.call(0, key, 7);
  rig.flow({ keep: ["call_done"] });
  const done = rig.take("call_done");
  // Its home asks all members meanwhile, and is told of the older copy.
  const { generation, slots } = rig.machines[2]?.state ?? {};
  const slotGen = slots?.[rig.slotOf(key)]?.slotGen;
  if (generation === undefined || slotGen === undefined) throw new Error("no view");
  const tid = { gen: slotGen, seq: 1_000_000 };
  const from = { pnn: 2 as Pnn, incarnation: 1n as Incarnation };
  rig.hand({ ...done, from, message: { kind: "query", key, slotGen, tid, generation } });
  rig.lose("query_answer");
  rig.hand(done);
  assert.is(rig.outcome(id), undefined);
  rig.pass(1_000);
  assert.is(rig.outcome(id), "ok");
  assert.equal(rig.value(0, key), [2, 7]);
  assert.equal([...rig.answers.get(id)?.result ?? []], [2, 0, 0, 0]);
});

test("Records of a node that drains are pulled as fast as they come, so many at once", () => {
  const rig = new Rig(2, RECORD_RULES, { drainKeys: 8, vacuumMs: 100_000 });
  rig.start([0, 1]);
  const keys = Array.from({ length: 60 }, (_, at) => `d${at}`);
  for (const key of keys) rig.write(1, key, 1);
  rig.view([0, 1], { draining: [1] });
  rig.flow({ keep: ["recall", "table", "report"] });
  rig.pass(50, { keep: ["recall"] });
  assert.ok(rig.lying.filter(({ message }) => message.kind === "recall").length <= 8);
  rig.pass(150);
  assert.is(rig.machines[0]?.leftAt(1 as Pnn), 0);
  for (const key of keys) assert.equal(rig.owners(key), [0]);
});

test("A step that would have no end is told as a fault, and the rest waits for the next one", () => {
  const rig = new Rig(1);
  rig.start([0]);
  const state = rig.machines[0]?.state;
  if (state === undefined) throw new RangeError("no machine");
  // A part of the machine that wants to be looked at again at once, for ever.
  const { set } = state.timers;
  state.timers.set = (part, atMs) => set.call(state.timers, part, Math.min(atMs, rig.nowMs));
  rig.nowMs += 400;
  rig.step(0, { kind: "wake" });
  assert.equal(rig.breaches, ["settle"]);
});

test("A call that meets the purge of a deleted record is done on the next life of it, and is not unknown", () => {
  const rig = new Rig(3, RECORD_RULES, { vacuumMs: 100, vacuumAgeMs: 100 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  rig.op(1, key, { what: "call", procedure: "delete", args: new Uint8Array(0) });
  rig.pass(1_000, { keep: ["purge2"] });
  assert.equal(rig.value(2, key), [], "a tombstone");
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const id = rig.call(2, key, 7);
  const own = rig.op(0, key, { what: "call", procedure: "append", args: new Uint8Array([9]) });
  rig.pass(3_000);
  assert.is(rig.outcome(own), "ok");
  assert.is(rig.outcome(id), "ok");
  assert.equal(rig.value(2, key), [9, 7]);
});

test.run();
