/** Values and names that no database takes, from programs of all ways: each is refused, and every data thread lives. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { joinBytes, u32Bytes } from "../../../actors/machines/record/procedures.ts";
import type { OpWish } from "../../../actors/machines/record/events.ts";
import { VALUE_MAX } from "../../../transport/wire/limits.ts";
import { PROCEDURE_NAME_MAX } from "../../../transport/wire/messages/record_parts.ts";
import { b, DataRig, okOf, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("client hostile values");
const LONG = new Uint8Array(VALUE_MAX + 1);
const NO_BYTES = new Uint8Array(0);

async function rigOf(seed: number): Promise<DataRig> {
  const rig = await DataRig.start(seed, 3);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  return rig;
}

/** How an operation ended, in words. */
async function said(rig: DataRig, n: number, wish: OpWish): Promise<string> {
  const end = await rig.op(n, "visits", "key", wish);
  return end.what === "answer" ? `${end.outcome} ${end.code}: ${end.why}` : end.what;
}

const call = (procedure: string, args: Uint8Array): OpWish => ({ what: "call", procedure, args });

/** Arguments as a program may send them that does not use the library, which refuses them. */
const setIf = (_when: "present", value: Uint8Array) => joinBytes(new Uint8Array([2]), value);
const cas = (expected: Uint8Array, next: Uint8Array) =>
  joinBytes(u32Bytes(expected.length), expected, next);

/** All nodes live, and the record is as it was. */
async function assertSound(rig: DataRig, value = "one"): Promise<void> {
  for (const { failures, breaches } of rig.nodes) assert.equal([failures, breaches], [[], []]);
  assert.is(await rig.read(2, "visits", "key"), value);
}

test("a value that is too long is refused by each procedure, at its owner and from elsewhere", async () => {
  const rig = await rigOf(1);
  for (const n of [0, 1, 2]) {
    assert.match(await said(rig, n, call("set", LONG)), "failed limit");
    assert.match(await said(rig, n, call("set_if", setIf("present", LONG))), "failed limit");
    assert.match(await said(rig, n, call("cas", cas(b("one"), LONG))), "failed limit");
    assert.match(await said(rig, n, call("append", LONG)), "failed limit");
  }
  await assertSound(rig);
});

test("one that is just not too long is stored", async () => {
  const rig = await rigOf(2);
  const most = LONG.subarray(1);
  okOf(await rig.op(1, "visits", "key", call("set", most)));
  assert.is(okOf(await rig.op(2, "visits", "key", { what: "read" }))?.length, VALUE_MAX);
  okOf(await rig.op(0, "visits", "key", call("set", b("one"))));
  await assertSound(rig);
});

test("an unlock with a value that is too long gives the lock back, and says no", async () => {
  const rig = await rigOf(3);
  const { id, ends, database } = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => ends.length === 1);
  database.unlock(id, LONG);
  await rig.until(() => ends.length === 2);
  const end = ends[1]!;
  assert.equal(end.what === "answer" && [end.outcome, end.code], ["failed", "limit"]);
  await assertSound(rig);
});

test("what a program's procedure makes too long is refused; so is one that cannot be asked", async () => {
  const rig = await rigOf(4);
  const { host } = rig.node(0).shard;
  const ran = (data: Uint8Array, result: Uint8Array) => Promise.resolve({ ok: true, data, result });
  host.registerProcedure("value/1", () => ran(LONG, NO_BYTES) as never);
  host.registerProcedure("result/1", () => ran(b("two"), LONG) as never);
  host.registerProcedure("none/1", () => Promise.reject(new RangeError("it is too long")));
  host.registerProcedure("throws/1", () => {
    throw new RangeError("it is too long");
  });
  const parts = [
    ["value", "limit", "long"],
    ["result", "limit", "long"],
    ["none", "refused", "asked"],
    ["throws", "refused", "asked"],
  ];
  for (const [name, code, why] of parts) {
    const told = await said(rig, 0, call(`${name}/1`, NO_BYTES));
    assert.match(told, `failed ${code}`);
    assert.match(told, why!);
  }
  await assertSound(rig);
});

test("a name that no message can carry is refused at once, and so are arguments", async () => {
  const rig = await rigOf(5);
  for (const name of ["", "a b", "\u00fc", "x".repeat(PROCEDURE_NAME_MAX + 1)]) {
    assert.match(await said(rig, 1, call(name, NO_BYTES)), "failed unsupported");
  }
  assert.match(await said(rig, 1, call("incr", LONG)), "failed limit");
  await assertSound(rig);
});

test("the library says so before it asks", async () => {
  const rig = await ClientRig.start(6, 1);
  const cluster = await rig.connect(0, { mapped: false });
  const db = await rig.do(cluster.attach("visits"));
  const codeOf = (work: Promise<unknown>) => rig.do(work.then(() => "", (error) => error.code));
  assert.is(await codeOf(db.call("key", "x".repeat(300), NO_BYTES)), "unsupported");
  assert.is(await codeOf(db.call("key", "set", LONG)), "limit");
  // Each of them is as long as a value may be, and has to travel beside something.
  const most = LONG.subarray(1);
  const half = most.subarray(0, VALUE_MAX / 2);
  const works = [
    () => db.setIf("key", "empty", most),
    () => db.push("key", most, 2),
    () => db.compareAndSwap("key", half, half),
    () => db.compareAndSwap("key", undefined, most),
  ];
  for (const work of works) {
    const text = await rig.do(work().then(() => "", ({ code, message }) => `${code} ${message}`));
    assert.match(text, /^limit .*VALUE_MAX - [14] \(\d+\) is the most for this operation$/);
  }
  const [longest, tooLong] = [PROCEDURE_NAME_MAX - 2, PROCEDURE_NAME_MAX - 1];
  await rig.do(cluster.procedure("x".repeat(longest), 1, () => ({ value: "done" })));
  await rig.do(db.call("key", `${"x".repeat(longest)}/1`, NO_BYTES));
  assert.is(t(await rig.do(db.read("key"))), "done");
  const refused = cluster.procedure("x".repeat(tooLong), 1, () => ({}));
  assert.match(await rig.do(refused.then(() => "", (error) => error.message)), "characters");
  assert.equal(rig.data.node(0).failures, []);
  await rig.end();
});

test.run();
