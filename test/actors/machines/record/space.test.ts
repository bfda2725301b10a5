/**
 * Where a node has no room for a value: what is refused is not done, the record stays where it is, and nothing ends.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_LOCKED } from "../../../../actors/machines/record/copy.ts";
import { PROCEDURES, u32Bytes } from "../../../../actors/machines/record/procedures.ts";
import type { ProcedureBook } from "../../../../actors/machines/record/procedures.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import { reasonBytes, reasonIn } from "../../../../actors/machines/record/space.ts";
import { CtdbxError } from "../../../../transport/wire/errors.ts";
import { VALUE_MAX } from "../../../../transport/wire/limits.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { Shelf } from "./shelf.ts";

const test = suite("records without room");

const WHY = "Cannot store: the shelf is full";

function started(procedures: ProcedureBook = PROCEDURES, timing = {}): Rig {
  const rig = new Rig(3, RECORD_RULES, timing, procedures);
  rig.start([0, 1, 2]);
  return rig;
}

const shelf = (rig: Rig, node: number): Shelf => rig.shelves[node] as Shelf;

/** How an operation ended: outcome, code, why. */
function endOf(rig: Rig, id: number): (string | undefined)[] {
  const answer = rig.answers.get(id);
  return [answer?.outcome, answer?.code, answer?.why];
}

function ship(rig: Rig, node: number): void {
  const policy = rig.policies[node];
  if (policy !== undefined) policy.call = "ship";
}

test("A lock that is given back with a value: refused, the value before stays, the record is free", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  shelf(rig, 1).isFull = true;
  const id = rig.lock(1, key);
  assert.ok(rig.locked.has(id), "a lock needs no room");
  const { rsn } = rig.stored(1, key);
  rig.unlock(1, id, 2);
  assert.equal(endOf(rig, id), ["failed", "no_space", WHY]);
  assert.equal(rig.value(1, key), [1]);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
  assert.is(rig.stored(1, key).rsn, rsn);
  shelf(rig, 1).isFull = false;
  rig.write(1, key, 3);
  assert.equal(rig.value(1, key), [3]);
});

test("A call where the record is: refused; and one that empties it is done", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  shelf(rig, 1).isFull = true;
  assert.equal(endOf(rig, rig.call(1, key, 7)), ["failed", "no_space", WHY]);
  assert.equal(rig.value(1, key), [1]);
  assert.is(rig.outcome(rig.call(1, key, 0, "delete")), "ok");
  assert.equal(rig.value(1, key), []);
});

test("A procedure of a program that has run: refused in the same way", () => {
  const book: ProcedureBook = {
    get: (name) => name === "p/1" ? "external" : PROCEDURES.get(name),
  };
  const rig = started(book);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = rig.op(1, key, { what: "call", procedure: "p/1", args: new Uint8Array(0) });
  shelf(rig, 1).isFull = true;
  const run = rig.runs.pop();
  const data = new Uint8Array([1, 2]);
  rig.step(1, { kind: "ran", id: run?.id ?? 0, ok: true, data, result: data });
  assert.equal(endOf(rig, id), ["failed", "no_space", WHY]);
  assert.is(rig.stored(1, key).flags & FLAG_LOCKED, 0);
});

test("A record that is granted: it stays where it was, and who waits for it here is told", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 5);
  shelf(rig, 2).isFull = true;
  const lock = rig.lock(2, key);
  const read = rig.op(2, key, { what: "read" });
  rig.flow();
  assert.equal(endOf(rig, lock), ["failed", "no_space", WHY]);
  assert.equal(endOf(rig, read), ["failed", "no_space", WHY]);
  assert.is(rig.value(2, key), undefined);
  rig.pass(5_000);
  assert.is(rig.machines[2]?.state.keys.size, 0, "nothing is asked for any more");
  // Nobody owns it now; its holder gives it to whoever has room.
  const again = rig.op(0, key, { what: "read" });
  rig.flow();
  assert.equal([...rig.answers.get(again)?.result ?? []], [5]);
  shelf(rig, 2).isFull = false;
  rig.write(2, key, 6);
  assert.equal(rig.value(2, key), [6]);
  assert.equal(rig.breaches, []);
});

test("A record that does not exist is not made where there is no room", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  shelf(rig, 1).isFull = true;
  const id = rig.lock(1, key);
  rig.flow();
  assert.equal(endOf(rig, id), ["failed", "no_space", WHY]);
  assert.is(rig.machines[0]?.state.homes[rig.slotOf(key)]?.table.size, 0);
});

test("A call that was sent, is brought here and has no room: unknown", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  ship(rig, 2);
  const first = rig.call(2, key, 2);
  rig.flow();
  assert.is(rig.outcome(first), "ok");
  const id = rig.call(2, key, 3);
  // It may have been executed; then the record is elsewhere, and its next owner says so.
  rig.lose("call");
  rig.write(0, key, 9);
  shelf(rig, 2).isFull = true;
  rig.pass(5_000);
  assert.is(rig.outcome(id), "unknown");
});

test("A call at an owner without room: refused, with the code, and never executed when there is room again", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  ship(rig, 2);
  shelf(rig, 1).isFull = true;
  const id = rig.call(2, key, 7);
  // Of unknown birth first; then the call itself, of which a copy comes late.
  rig.flow({ keep: ["call"] });
  rig.hand(rig.take("call"));
  rig.flow({ keep: ["call"] });
  const late = rig.take("call");
  rig.hand(late);
  rig.flow();
  assert.equal(endOf(rig, id), ["failed", "no_space", WHY]);
  shelf(rig, 1).isFull = false;
  rig.hand(late);
  rig.flow();
  assert.equal(rig.value(1, key), [1]);
});

test("A copy to read: who reads is told, who writes is not kept from it", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  shelf(rig, 2).isFull = true;
  const id = rig.op(2, key, { what: "read" });
  rig.flow();
  assert.equal(endOf(rig, id), ["failed", "no_space", WHY]);
  rig.write(1, key, 2);
  assert.equal(rig.value(1, key), [2]);
  assert.is(rig.machines[1]?.state.keys.get(key)?.readers.size ?? 0, 0);
});

test("A copy to read where an older one is kept: that one stays as it was, and is not read", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  const read = (): number => {
    const id = rig.op(2, key, { what: "read" });
    rig.flow();
    return id;
  };
  assert.is(rig.outcome(read()), "ok");
  rig.write(1, key, 2);
  shelf(rig, 2).isFull = true;
  assert.equal(endOf(rig, read()), ["failed", "no_space", WHY]);
  assert.equal(rig.value(2, key), [1]);
  rig.write(1, key, 3);
  shelf(rig, 2).isFull = false;
  const id = read();
  assert.equal([...rig.answers.get(id)?.result ?? []], [3]);
});

test("The copy of a call that was executed elsewhere: what cannot be kept is not told as done", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  ship(rig, 2);
  shelf(rig, 2).isFull = true;
  const id = rig.call(2, key, 7);
  rig.flow();
  assert.equal(endOf(rig, id).slice(0, 2), ["unknown", "no_space"]);
  assert.match(rig.answers.get(id)?.why ?? "", /its copy cannot be kept here: Cannot store/);
  assert.equal(rig.value(1, key), [1, 7]);
});

test("A home without room that is to take records from a node that drains: asked again, until it has", () => {
  const rig = new Rig(2);
  rig.start([0, 1]);
  const key = rig.keyFor([0, [0, 1]], [0, [0]]);
  rig.write(1, key, 1);
  shelf(rig, 0).isFull = true;
  rig.view([0, 1], { draining: [1] });
  rig.pass(3_000);
  assert.equal(rig.value(0, key), undefined);
  assert.is(rig.machines[0]?.leftAt(1 as Pnn), 1);
  assert.ok(rig.count(0, "puts refused") < 10, "not at once");
  shelf(rig, 0).isFull = false;
  rig.pass(3_000);
  assert.equal(rig.value(0, key), [1]);
  assert.is(rig.machines[0]?.leftAt(1 as Pnn), 0);
});

test("Without a file nothing is wanted of others: it could not be kept", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  shelf(rig, 2).trouble = new CtdbxError("denied", "Cannot make the file: denied");
  const id = rig.lock(2, key);
  assert.equal(endOf(rig, id), ["failed", "state", "Cannot make the file: denied"]);
  assert.equal(rig.lying, []);
});

test("What is too long has the code limit, here and at another node", () => {
  const rig = started();
  const key = rig.keyFor([0, [0, 1, 2]]);
  const whole = rig.op(1, key, {
    what: "call",
    procedure: "set",
    args: new Uint8Array(VALUE_MAX),
  });
  rig.flow();
  assert.is(rig.outcome(whole), "ok");
  assert.equal(endOf(rig, rig.call(1, key, 1)).slice(0, 2), ["failed", "limit"]);
  const args = new Uint8Array([...u32Bytes(0xffff_ffff), 1]);
  const pushed = rig.op(1, key, { what: "call", procedure: "push", args });
  assert.equal(endOf(rig, pushed).slice(0, 2), ["failed", "limit"]);
  ship(rig, 2);
  const there = rig.call(2, key, 1);
  rig.flow();
  assert.equal(endOf(rig, there).slice(0, 2), ["failed", "limit"]);
  assert.match(
    rig.answers.get(there)?.why ?? "",
    /^the value would be too long: .* 16777216 bytes/,
  );
});

test("A reason travels with its code; words of a procedure are only words", () => {
  const there = (code: "limit" | "no_space" | "state" | "refused", why: string) =>
    reasonIn(reasonBytes({ code, why }));
  for (const code of ["limit", "no_space", "state", "refused"] as const) {
    assert.equal(there(code, "so it is: yes"), { code, why: "so it is: yes" });
  }
  assert.equal(there("refused", "limit: 3"), { code: "refused", why: "limit: 3" });
  assert.is(reasonIn(undefined).code, "refused");
  assert.ok(reasonBytes({ code: "no_space", why: "w".repeat(1000) }).length <= 300);
});

test.run();
