/**
 * Procedures of programs: the record is held while they run, each call is executed at most once, and what is dropped is
 * not executed at all.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_LOCKED, FLAG_READERS } from "../../../../actors/machines/record/copy.ts";
import { PROCEDURES } from "../../../../actors/machines/record/procedures.ts";
import type { ProcedureBook } from "../../../../actors/machines/record/procedures.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { Incarnation, Pnn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { OfKind, Run } from "./rig.ts";

const test = suite("procedures of programs");

/** At nodes with a program "p/1" is run by it. */
const withProgram = (...nodes: readonly number[]) => (node: number): ProcedureBook => ({
  get: (name) =>
    name !== "p/1" ? PROCEDURES.get(name) : nodes.includes(node) ? "external" : undefined,
});

function rigWith(nodes: readonly number[], timing = {}): Rig {
  const rig = new Rig(3, RECORD_RULES, timing, withProgram(...nodes));
  rig.start([0, 1, 2]);
  return rig;
}

/** What a node's program is told to run; it was told one thing. */
function runOf(rig: Rig): Run {
  const run = rig.runs.pop();
  if (run === undefined) throw new Error("no program is told to run anything");
  return run;
}

/** The program of a node puts a byte at the end. */
function answer(rig: Rig, node: number, { id, data }: Run, byte: number): void {
  const result = new Uint8Array([100 + byte]);
  rig.step(node, { kind: "ran", id, ok: true, data: new Uint8Array([...data, byte]), result });
}

const call = (rig: Rig, node: number, key: string, forMs?: number) =>
  rig.op(node, key, { what: "call", procedure: "p/1", args: new Uint8Array([9]) }, forMs);

test("A call of a client of this node: held while the program runs, then all at once", () => {
  const rig = rigWith([1]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = call(rig, 1, key);
  const run = runOf(rig);
  assert.equal([run.key, [...run.data], [...run.args]], [key, [1], [9]]);
  assert.ok((rig.stored(1, key).flags & FLAG_LOCKED) !== 0);
  const read = rig.op(1, key, { what: "read" });
  assert.is(rig.outcome(read), undefined);
  const before = rig.stored(1, key).rsn;
  answer(rig, 1, run, 7);
  assert.equal(rig.value(1, key), [1, 7]);
  assert.is(rig.stored(1, key).rsn, before + 1n);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
  assert.is(rig.outcome(id), "ok");
  assert.equal([...rig.answers.get(id)?.result ?? []], [107]);
  assert.equal([...rig.answers.get(read)?.result ?? []], [1, 7]);
  assert.equal(rig.over, []);
});

test("A program may leave the value as it is, and may refuse", () => {
  const rig = rigWith([1]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const first = call(rig, 1, key);
  rig.step(1, { kind: "ran", id: runOf(rig).id, ok: true });
  assert.is(rig.outcome(first), "ok");
  const second = call(rig, 1, key);
  rig.step(1, { kind: "ran", id: runOf(rig).id, ok: false, why: "not today" });
  assert.is(rig.outcome(second), "failed");
  assert.is(rig.answers.get(second)?.why, "not today");
  assert.equal(rig.value(1, key), [1]);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
});

/** Node 2's call is with node 1's program. */
function visited(timing = {}): { rig: Rig; key: string; id: number; run: Run } {
  const rig = rigWith([1], timing);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]], [0, [0, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const id = call(rig, 2, key);
  rig.flow();
  return { rig, key, id, run: runOf(rig) };
}

test("A call of another node is executed once, whatever is repeated", () => {
  const { rig, key, id, run } = visited();
  // Asked again while the program runs, and after.
  rig.pass(150, { keep: ["call"] });
  const again = rig.take("call");
  rig.hand(again);
  assert.equal(rig.runs, []);
  assert.is(rig.machines[1]?.lookAt(key).queue.length, 0);
  answer(rig, 1, run, 5);
  rig.hand(again);
  rig.flow();
  assert.equal(rig.runs, []);
  assert.equal(rig.value(1, key), [2, 5]);
  assert.is(rig.outcome(id), "ok");
  assert.equal([...rig.answers.get(id)?.result ?? []], [105]);
  // The caller has the copy that came with the result.
  assert.equal(rig.value(2, key), [2, 5]);
});

test("The record is not given away while a program runs, and goes when it has run", () => {
  const { rig, key, run } = visited();
  const lock = rig.lock(0, key);
  rig.flow();
  assert.equal(rig.owners(key), [1]);
  answer(rig, 1, run, 5);
  rig.flow();
  assert.ok(rig.locked.has(lock));
  assert.equal([...rig.locked.get(lock) ?? []], [2, 5]);
});

test("A program that is late has refused; what it says then is not heard", () => {
  const { rig, key, id, run } = visited({ procedureMs: 300 });
  rig.pass(301);
  assert.equal(rig.over, [run.id]);
  assert.is(rig.outcome(id), "failed");
  answer(rig, 1, run, 5);
  rig.flow();
  assert.equal(rig.value(1, key), [2]);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
  // The refusal is proved: a late copy of the call is not run.
  assert.is(rig.stored(1, key).calls.length, 1);
});

test("A client's time ends, or it takes its call back: nothing is changed", () => {
  for (const isCancelled of [true, false]) {
    const rig = rigWith([1]);
    const key = rig.keyFor([0, [0, 1, 2]]);
    rig.write(1, key, 1);
    const id = call(rig, 1, key, 200);
    const run = runOf(rig);
    if (isCancelled) rig.step(1, { kind: "cancel", id });
    else rig.pass(201);
    assert.is(rig.outcome(id), "failed");
    assert.equal(rig.over, [run.id]);
    answer(rig, 1, run, 5);
    assert.equal(rig.value(1, key), [1]);
    rig.write(1, key, 3);
    assert.is(rig.outcome(id), "failed");
  }
});

test("The client dies while a program runs for it: the record is free, and as it was", () => {
  const rig = rigWith([1]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  call(rig, 1, key);
  rig.step(1, { kind: "client_died", client: 1 });
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
  rig.write(0, key, 2);
  assert.equal(rig.value(0, key), [2]);
});

test("The node that called leaves while a program runs for it: nothing is executed", () => {
  const { rig, key, run } = visited();
  rig.view([0, 1]);
  rig.pass(500, { notTo: [2] });
  assert.equal(rig.over, [run.id]);
  answer(rig, 1, run, 5);
  assert.equal(rig.value(1, key), [2]);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
});

test("Frozen when the program has run: it counts when the node goes on, not before", () => {
  const { rig, key, id, run } = visited();
  rig.step(1, { kind: "page", leaseEndMs: 0 });
  answer(rig, 1, run, 5);
  rig.flow();
  assert.equal(rig.value(1, key), [2]);
  assert.is(rig.outcome(id), undefined);
  rig.step(1, { kind: "page", leaseEndMs: 1e9 });
  rig.flow();
  assert.equal(rig.value(1, key), [2, 5]);
  assert.is(rig.outcome(id), "ok");
});

test("Frozen until the client's time is over: it failed, and stays undone", () => {
  const rig = rigWith([1], { procedureMs: 50 });
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = call(rig, 1, key, 400);
  const run = runOf(rig);
  rig.step(1, { kind: "page", leaseEndMs: 0 });
  answer(rig, 1, run, 5);
  rig.pass(399);
  assert.is(rig.outcome(id), undefined);
  rig.pass(2);
  assert.is(rig.outcome(id), "failed");
  rig.step(1, { kind: "page", leaseEndMs: 1e9 });
  rig.flow();
  assert.equal(rig.value(1, key), [1]);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
});

test("A new life while a program runs: the client is told, and the program is not heard", () => {
  const rig = rigWith([1]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = call(rig, 1, key);
  const run = runOf(rig);
  rig.step(1, { kind: "life", incarnation: 2n as Incarnation });
  assert.is(rig.outcome(id), "failed");
  assert.equal(rig.over, [run.id]);
  rig.view([0, [1, 2], 2]);
  rig.pass(500);
  rig.write(1, key, 4);
  call(rig, 1, key);
  assert.is.not(runOf(rig).id, run.id);
  answer(rig, 1, run, 5);
  assert.equal(rig.value(1, key), [4]);
});

test("Where the owner has no such program the record comes to the caller, and its program runs it", () => {
  const rig = rigWith([2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const id = call(rig, 2, key);
  rig.flow();
  const run = runOf(rig);
  answer(rig, 2, run, 5);
  assert.equal(rig.owners(key), [2]);
  assert.is(rig.outcome(id), "ok");
  assert.equal(rig.value(2, key), [2, 5]);
});

test("A call that was sent, came back and failed for want of a procedure is not executed by a late copy", () => {
  const rig = rigWith([1]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  const id = call(rig, 2, key);
  rig.flow({ keep: ["call"] });
  const sent = rig.take("call");
  const { seq } = sent.message as OfKind<"call">;
  // Its owner is about to give the record away.
  const no = { kind: "call_no", key, seq, why: "unowned" } as const;
  rig.hand({ ...sent, from: sent.to, to: sent.from, message: no });
  rig.flow();
  assert.is(rig.outcome(id), "failed");
  rig.write(1, key, 3);
  rig.hand(sent);
  rig.flow();
  assert.equal(rig.runs, []);
});

test("Readers stop before a program runs, and nobody begins to read meanwhile", () => {
  const rig = rigWith([1]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  rig.op(2, key, { what: "read" });
  rig.flow();
  const id = call(rig, 1, key);
  assert.equal(rig.runs, []);
  rig.flow();
  const run = runOf(rig);
  const read = rig.op(2, key, { what: "read" });
  rig.flow();
  assert.is(rig.outcome(read), undefined);
  answer(rig, 1, run, 5);
  rig.pass(2_000);
  assert.is(rig.outcome(id), "ok");
  assert.equal([...rig.answers.get(read)?.result ?? []], [1, 5]);
  assert.is(rig.stored(1, key).flags & FLAG_READERS, FLAG_READERS);
  assert.is(rig.stored(1, key).dmaster, 1 as Pnn);
});

test.run();
