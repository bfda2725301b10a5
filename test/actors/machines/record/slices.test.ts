/**
 * Work that would take long in one step is done in slices: a view costs a mark per record, whatever it means; and what
 * somebody wants does not wait for its turn.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { RecordTiming } from "../../../../actors/machines/record/tunables.ts";
import type { Pnn } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { Kind, OfKind } from "./rig.ts";

const test = suite("slices");

const KEYS = 40;

/** Keys of home 0 that node 2 holds, and that node 1 held before. */
function held(timing = {}): { rig: Rig; keys: string[] } {
  const rig = new Rig(3, RECORD_RULES, { sliceKeys: 10, sliceMs: 5, ...timing });
  rig.start([0, 1, 2]);
  // Whatever the slices: slots are open when nothing is under way any more.
  rig.pass(2_000);
  const keys = rig.keysFor(KEYS, [0, [0, 1, 2]], [0, [0, 1]]);
  for (const key of keys) {
    rig.write(1, key, 1);
    rig.write(2, key, 2);
  }
  return { rig, keys };
}

const lying = <K extends Kind>(rig: Rig, kind: K, to: number) =>
  rig.lying.flatMap(({ message, to: { pnn } }) =>
    message.kind === kind && pnn === to ? [message as OfKind<K>] : []
  );

test("Keys of a node that left are asked for a few at a time, and all of them in the end", () => {
  const { rig, keys } = held();
  rig.view([0, 1]);
  const first = lying(rig, "query", 1).length;
  assert.ok(first > 0 && first <= 6, `${first}`);
  const look = () => rig.machines[0]?.look().views.at(-1);
  assert.is(look()?.keysOpen, KEYS);
  rig.pass(3_000, { notTo: [2] });
  assert.is(look()?.keysOpen, 0);
  for (const key of keys) {
    rig.write(1, key, 3);
    assert.equal(rig.value(1, key), [3]);
  }
});

test("A key that somebody wants is asked for at once, by whatever way it is wanted", () => {
  for (const what of ["lock", "read", "call"] as const) {
    const { rig, keys } = held();
    const policy = rig.policies[1];
    if (policy !== undefined) [policy.read, policy.call] = ["delegate", "ship"];
    rig.view([0, 1]);
    const asked = new Set(lying(rig, "query", 1).map(({ key }) => key));
    const key = keys.find((one) => !asked.has(one));
    assert.ok(key !== undefined);
    if (what === "lock") rig.lock(1, key);
    else if (what === "read") rig.op(1, key, { what: "read" });
    else rig.call(1, key, 7);
    const kind = what === "lock" ? "req" : what === "read" ? "ro_ask" : "call";
    rig.hand(rig.take(kind, 0));
    assert.ok(lying(rig, "query", 1).some((one) => one.key === key), what);
  }
});

test("A view that comes while keys are in line finds them there, and none is forgotten", () => {
  const { rig, keys } = held();
  rig.view([0, 1]);
  rig.view([0, 1, [2, 2]]);
  rig.pass(4_000);
  for (const key of keys) {
    const { phase, holder } = rig.machines[0]?.state.homes[rig.slotOf(key)]?.table.get(key) ?? {};
    assert.equal([phase, holder?.pnn], ["idle", 1]);
  }
});

test("A slot that moves while its keys are in line is asked for by its new home", () => {
  const rig = new Rig(3, RECORD_RULES, { sliceKeys: 10, sliceMs: 5 });
  rig.start([0, 1]);
  rig.pass(2_000);
  const keys = rig.keysFor(KEYS, [0, [0, 1]], [0, [0, 2]], [2, [2]]);
  for (const key of keys) {
    rig.write(0, key, 1);
    rig.write(1, key, 2);
  }
  rig.view([0, 2]);
  rig.view([2]);
  rig.pass(4_000, { notTo: [0, 1] });
  rig.view([2, [0, 2]]);
  rig.pass(4_000, { notTo: [1] });
  for (const key of keys) assert.is(rig.machines[2]?.lookAt(key).role, "none");
  assert.is(rig.machines[2]?.look().home.closed, 0);
  assert.equal(rig.breaches, []);
});

test("A node that drains is not empty while keys are in line", () => {
  const { rig } = held();
  rig.view([0, 1], { draining: [1] });
  assert.ok((rig.machines[0]?.leftAt(1 as Pnn) ?? 0) > KEYS / 2);
  rig.pass(8_000, { notTo: [2] });
  assert.is(rig.machines[0]?.leftAt(1 as Pnn), 0);
});

test("A node that stops by plan drains for the rest of its life, as one with the flag does", () => {
  const { rig, keys } = held();
  rig.view([0, 1, 2], { stopping: [2] });
  rig.pass(8_000);
  assert.is(rig.machines[0]?.leftAt(2 as Pnn), 0);
  for (const key of keys) assert.equal(rig.owners(key).includes(2), false);
  const lock = rig.lock(2, keys[0] as string);
  rig.pass(1_000);
  assert.is(rig.outcome(lock), "failed");
});

test("A report comes in slices of whole slots, and the slot opens when its own is there", () => {
  const rig = new Rig(2, RECORD_RULES, { sliceKeys: 10, sliceMs: 5 });
  rig.start([0, 1]);
  rig.pass(2_000);
  const keys = rig.keysFor(KEYS, [0, [0, 1]], [1, [1]]);
  for (const key of keys) {
    rig.write(1, key, 1);
    rig.write(0, key, 2);
    rig.write(1, key, 3);
  }
  rig.view([1]);
  assert.ok((rig.machines[1]?.look().home.closed ?? 0) > 0);
  rig.pass(8_000, { notTo: [0] });
  assert.is(rig.machines[1]?.look().home.closed, 0);
  for (const key of keys) assert.is(rig.machines[1]?.lookAt(key).role, "owner");
});

test("The vacuum may be hurried: all that is empty goes, however short it is", () => {
  const rig = new Rig(2, RECORD_RULES, { vacuumAgeMs: 100_000, vacuumKeys: 8 });
  rig.start([0, 1]);
  const keys = Array.from({ length: KEYS }, (_, at) => `k${at}`);
  for (const key of keys) {
    rig.write(1, key, 1);
    rig.op(1, key, { what: "call", procedure: "delete", args: new Uint8Array(0) });
  }
  rig.pass(2_000);
  assert.is(rig.shelves[1]?.records.size, KEYS);
  rig.step(1, { kind: "vacuum" });
  rig.pass(2_000);
  assert.is(rig.shelves[1]?.records.size, 0);
  // Afterwards it takes its time again.
  rig.write(1, "again", 1);
  rig.op(1, "again", { what: "call", procedure: "delete", args: new Uint8Array(0) });
  rig.pass(2_000);
  assert.is(rig.shelves[1]?.records.size, 1);
});

/** Two nodes, of which one has KEYS records that were emptied just now. */
function emptied(timing: Partial<RecordTiming>): { rig: Rig; keys: string[]; left: () => number } {
  const rig = new Rig(2, RECORD_RULES, { vacuumMs: 80, vacuumAgeMs: 1_000, ...timing });
  rig.start([0, 1]);
  const keys = Array.from({ length: KEYS }, (_, at) => `k${at}`);
  for (const key of keys) {
    rig.write(1, key, 1);
    rig.op(1, key, { what: "call", procedure: "delete", args: new Uint8Array(0) });
  }
  rig.flow();
  return { rig, keys, left: () => rig.shelves[1]?.records.size ?? 0 };
}

test("The vacuum works in small pieces, as many in a tick as make its share", () => {
  const { rig, left } = emptied({ vacuumKeys: 16 });
  let [before, most] = [left(), 0];
  let [firstMs, lastMs] = [0, 0];
  for (let ms = 0; ms < 2_000 && left() > 0; ms++) {
    rig.pass(1);
    const now = left();
    most = Math.max(most, before - now);
    if (now < KEYS && firstMs === 0) firstMs = ms;
    [before, lastMs] = [now, ms];
  }
  assert.is(left(), 0);
  assert.is(most, 2);
  // 40 keys, 16 in 80 ms.
  const tookMs = lastMs - firstMs;
  assert.ok(tookMs > 150 && tookMs < 350, `${tookMs}`);
});

test("Records whose mutex stays busy do not keep the vacuum from all others", () => {
  const { rig, keys, left } = emptied({ vacuumKeys: 16 });
  for (const key of keys.slice(0, 4)) rig.shelves[1]?.busy.add(key);
  rig.pass(3_000);
  assert.is(left(), 4);
  rig.shelves[1]?.busy.clear();
  rig.pass(1_000);
  assert.is(left(), 0);
});

test("A record that stays busy is looked at once a piece", () => {
  const rig = new Rig(2, RECORD_RULES, { vacuumMs: 80, vacuumAgeMs: 100, mutexMs: 1_000 });
  rig.start([0, 1]);
  const shelf = rig.shelves[1];
  if (shelf === undefined) throw new Error("no shelf");
  rig.write(1, "k", 1);
  rig.op(1, "k", { what: "call", procedure: "delete", args: new Uint8Array(0) });
  rig.flow();
  rig.pass(100);
  shelf.busy.add("k");
  let looks = 0;
  const tryLock = shelf.tryLock.bind(shelf);
  shelf.tryLock = (key) => {
    looks += 1;
    return tryLock(key);
  };
  rig.pass(800);
  // For ten ticks, of eight pieces at most.
  assert.ok(looks >= 10 && looks <= 80, `${looks}`);
});

test("A record that is written again after it was empty is left to those who read it", () => {
  const rig = new Rig(2, RECORD_RULES, { vacuumMs: 80, vacuumAgeMs: 500 });
  rig.start([0, 1]);
  const key = rig.keyFor([0, [0, 1]]);
  rig.write(1, key, 1);
  rig.op(1, key, { what: "call", procedure: "delete", args: new Uint8Array(0) });
  rig.flow();
  rig.write(1, key, 2);
  const policy = rig.policies[0];
  if (policy === undefined) throw new Error("no policy");
  policy.read = "delegate";
  rig.op(0, key, { what: "read" });
  rig.flow();
  assert.is(rig.machines[0]?.lookAt(key).role, "reader");
  rig.pass(3_000);
  assert.is(rig.machines[0]?.lookAt(key).role, "reader");
  assert.is(rig.machines[1]?.state.counts.get("revoked"), undefined);
});

test("A traverse reads beside a client that is in the mutex: it waits for nobody", () => {
  const rig = new Rig(2);
  rig.start([0, 1]);
  const key = rig.keyFor([0, [0, 1]]);
  rig.write(1, key, 7);
  rig.shelves[1]?.busy.add(key);
  const deadlineMs = rig.nowMs + 1_000;
  const ask = { client: 1, prefix: "", isCount: false, credit: 10, deadlineMs };
  rig.step(0, { kind: "traverse", id: 1, ...ask });
  rig.flow();
  assert.equal(rig.told.map(({ key, data }) => [key, [...data ?? []]]), [[key, [7]]]);
  assert.is(rig.ended[0]?.outcome, "ok");
});

test.run();
