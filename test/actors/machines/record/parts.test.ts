/**
 * Procedures, policy, timers and copies, each alone.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isNewer, newProof, proofOf, withProof } from "../../../../actors/machines/record/copy.ts";
import { Adaptive } from "../../../../actors/machines/record/policy.ts";
import {
  i64Bytes,
  joinBytes,
  PROCEDURES,
  u32Bytes,
} from "../../../../actors/machines/record/procedures.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import {
  compareTid,
  isSameTid,
  laterTid,
  TID_NONE,
} from "../../../../actors/machines/record/tid.ts";
import { Timers } from "../../../../actors/machines/record/timers.ts";
import { RECORD_TUNABLES } from "../../../../actors/machines/record/tunables.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../../transport/wire/terms.ts";

const test = suite("parts of the record machine");

const NONE = new Uint8Array(0);
const run = (name: string, data: Uint8Array, args: Uint8Array) => {
  const procedure = PROCEDURES.get(name);
  if (procedure === undefined) throw new Error(name);
  return procedure(data, args);
};
const done = (name: string, data: Uint8Array, args: Uint8Array) => {
  const ran = run(name, data, args);
  if (!ran.ok) throw new Error(ran.why);
  return ran;
};

test("incr adds, wraps at 64 bits, and refuses what is no number", () => {
  assert.equal(done("incr", NONE, i64Bytes(5n)).data, i64Bytes(5n));
  assert.equal(done("incr", i64Bytes(5n), i64Bytes(-7n)).result, i64Bytes(-2n));
  assert.equal(done("incr", i64Bytes(2n ** 63n - 1n), i64Bytes(1n)).data, i64Bytes(-(2n ** 63n)));
  assert.not.ok(run("incr", new Uint8Array(3), i64Bytes(1n)).ok);
  assert.not.ok(run("incr", NONE, new Uint8Array(3)).ok);
});

test("append, and its length", () => {
  const { data, result } = done("append", new Uint8Array([1]), new Uint8Array([2, 3]));
  assert.equal([...data], [1, 2, 3]);
  assert.equal(result, u32Bytes(3));
});

test("cas sets if the value is the old one, and says so", () => {
  const args = joinBytes(u32Bytes(1), new Uint8Array([1, 9]));
  assert.equal([...done("cas", new Uint8Array([1]), args).data], [9]);
  assert.equal([...done("cas", new Uint8Array([2]), args).data], [2]);
  assert.equal([...done("cas", new Uint8Array([2]), args).result], [0]);
  assert.not.ok(run("cas", NONE, joinBytes(u32Bytes(9), NONE)).ok);
  assert.not.ok(run("cas", NONE, NONE).ok);
});

test("set_if: always, if empty, if not", () => {
  const setIf = (
    when: number,
    data: Uint8Array,
  ) => [...done("set_if", data, new Uint8Array([when, 5])).data];
  const full = new Uint8Array([1]);
  assert.equal([setIf(0, full), setIf(1, full), setIf(2, full)], [[5], [1], [5]]);
  assert.equal([setIf(0, NONE), setIf(1, NONE), setIf(2, NONE)], [[5], [5], []]);
  assert.not.ok(run("set_if", NONE, new Uint8Array([3])).ok);
});

test("push takes lists of hundreds of thousands of items", () => {
  const count = 400_000;
  const item = joinBytes(u32Bytes(1), new Uint8Array([7]));
  const list = new Uint8Array(count * item.length);
  for (let at = 0; at < list.length; at += item.length) list.set(item, at);
  const args = (max: number) => joinBytes(u32Bytes(max), new Uint8Array([8]));
  const whole = done("push", list, args(count + 1));
  assert.equal([whole.data.length, whole.result], [list.length + 5, u32Bytes(count + 1)]);
  const full = done("push", list, args(count));
  assert.equal([full.data.length, full.result], [list.length, u32Bytes(count)]);
  assert.equal([...done("push", list, args(2)).data], [1, 0, 0, 0, 7, 1, 0, 0, 0, 8]);
  assert.equal([...done("push", list, args(1)).data], [1, 0, 0, 0, 8]);
  assert.equal([...done("push", list, args(0)).data], []);
  assert.equal(done("push", list, args(0)).result, u32Bytes(0));
});

test("push keeps the newest items, and refuses what is no list", () => {
  let list: Uint8Array = NONE;
  for (const item of [1, 2, 3]) {
    list = done("push", list, joinBytes(u32Bytes(2), new Uint8Array([item]))).data;
  }
  assert.equal([...list], [1, 0, 0, 0, 2, 1, 0, 0, 0, 3]);
  assert.not.ok(run("push", new Uint8Array([1, 2]), u32Bytes(2)).ok);
  assert.not.ok(run("push", u32Bytes(9), u32Bytes(2)).ok);
});

test("delete gives what was there", () => {
  const { data, result } = done("delete", new Uint8Array([4]), NONE);
  assert.is(data.length, 0);
  assert.equal([...result], [4]);
});

test("Tids are ordered by slotGen, then by number", () => {
  const tid = (gen: bigint, seq: number) => ({ gen: gen as Generation, seq });
  assert.ok(compareTid(tid(1n, 9), tid(2n, 1)) < 0);
  assert.ok(compareTid(tid(2n, 2), tid(2n, 1)) > 0);
  assert.ok(isSameTid(tid(0n, 0), TID_NONE));
  assert.is(laterTid(tid(1n, 9), TID_NONE).seq, 9);
});

test("Of two copies: the later transfer, then the owner's, then the higher number", () => {
  const stand = (seq: number, rsn: bigint, owner: boolean) => ({
    tid: { gen: 1n as Generation, seq },
    rsn: rsn as Rsn,
    owner,
    empty: false,
  });
  assert.ok(isNewer(stand(2, 1n, false), stand(1, 9n, true), RECORD_RULES));
  assert.ok(isNewer(stand(1, 22n, true), stand(1, 23n, false), RECORD_RULES));
  assert.not.ok(isNewer(stand(1, 23n, false), stand(1, 22n, true), RECORD_RULES));
  assert.ok(isNewer(stand(1, 3n, false), stand(1, 2n, false), RECORD_RULES));
});

test("One proof for each life; a long result is not kept", () => {
  const life = (incarnation: bigint) => ({
    pnn: 1 as Pnn,
    incarnation: incarnation as Incarnation,
  });
  let calls = withProof([], newProof(life(1n), 1, true, NONE), () => true);
  calls = withProof(calls, newProof(life(2n), 1, true, NONE), () => true);
  calls = withProof(calls, newProof(life(1n), 2, false, new Uint8Array(2000)), () => true);
  assert.is(calls.length, 2);
  assert.is(proofOf(calls, life(1n))?.seq, 2);
  assert.is(proofOf(calls, life(1n))?.result, undefined);
  assert.is(withProof(calls, newProof(life(3n), 1, true, NONE), () => false).length, 1);
});

test("Timers give parts by their latest time, each once", () => {
  const timers = new Timers<{ name: string; wakeMs: number }>();
  const parts = ["a", "b", "c"].map((name) => ({ name, wakeMs: Infinity }));
  parts.forEach((part, at) => timers.set(part, 30 - 10 * at));
  timers.set(parts[0] as typeof parts[number], 5);
  timers.set(parts[1] as typeof parts[number], Infinity);
  assert.is(timers.nextMs, 5);
  const names: string[] = [];
  for (const part of timers.takeDue(100)) {
    names.push(part.name);
  }
  assert.equal(names, ["a", "c"]);
  assert.is(timers.nextMs, Infinity);
});

test("The policy moves first, sends work where stays are short, and comes back to moving", () => {
  const limits = { stickyMoves: 3, stickyForMs: 1_000, mayDelegate: true, mayShip: true };
  const policy = new Adaptive(limits);
  assert.is(policy.onCall("k"), "move");
  policy.onMovedIn("k", 0, 1n as Rsn);
  policy.onUsed("k");
  policy.onMovedOut("k", 0, 2n as Rsn);
  assert.is(policy.onCall("k"), "ship");
  for (let round = 0; round < 5; round++) {
    policy.onMovedIn("k", 0, 2n as Rsn);
    for (let use = 0; use < 20; use++) policy.onUsed("k");
    policy.onMovedOut("k", 0, 22n as Rsn);
  }
  assert.is(policy.onCall("k"), "move");
  assert.ok(policy.isSticky("k", 10));
  assert.not.ok(policy.isSticky("k", 2_000));
  assert.is(policy.onRead("r", 0), "delegate");
  policy.onRefused("r", 0);
  assert.is(policy.onRead("r", 500), "move");
});

test("Each tunable has its own name, and its value is among what is drawn", () => {
  for (const [name, tunable] of Object.entries(RECORD_TUNABLES)) {
    assert.is(tunable.name, name);
    assert.ok((tunable.wild as readonly number[]).includes(tunable.value), name);
  }
});

test.run();
