/**
 * Writes to records that are watched are told by their owner, whoever writes: the daemon, or a client that maps the
 * file.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_READERS, nextRsn } from "../../../../actors/machines/record/copy.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import { Rig } from "./rig.ts";

const test = suite("watches");

function watched(timing = {}): { rig: Rig; key: string } {
  const rig = new Rig(3, RECORD_RULES, timing);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.watched.add(key);
  return { rig, key };
}

/** What was told, each value once: a record that comes to another node is told as it is. */
function toldOf(rig: Rig): [string, number[]][] {
  const told: [string, number[]][] = [];
  const last = new Map<string, string>();
  for (const { key, data } of rig.wrote) {
    if ((last.get(key) ?? "") !== `${data}`) told.push([key, [...data]]);
    last.set(key, `${data}`);
  }
  return told;
}

const isOpen = (rig: Rig, node: number, key: string) =>
  (rig.stored(node, key).flags & FLAG_READERS) === 0;

/** A client that maps the file writes. */
function writeMapped(rig: Rig, node: number, key: string, byte: number): void {
  assert.ok(isOpen(rig, node, key));
  const stored = rig.stored(node, key);
  const data = new Uint8Array([byte]);
  rig.shelves[node]?.put(key, { ...stored, data, rsn: nextRsn(stored.rsn) });
}

const readyToWrite = (rig: Rig, node: number, key: string) =>
  rig.op(node, key, { what: "ready", mode: "write" });

test("What the daemon writes is told: locks, calls of its clients and of others, deletions", () => {
  const { rig, key } = watched();
  rig.write(1, key, 1);
  rig.call(1, key, 2);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.call = "ship";
  rig.write(2, "other", 9);
  rig.call(2, key, 3);
  rig.flow();
  rig.op(1, key, { what: "call", procedure: "delete", args: new Uint8Array(0) });
  assert.equal(toldOf(rig), [[key, [1]], [key, [1, 2]], [key, [1, 2, 3]], [key, []]]);
  const { at, leaseEndMs } = rig.wrote.at(-1) ?? {};
  assert.equal(at, { tid: rig.stored(1, key).tid, rsn: rig.stored(1, key).rsn });
  assert.is(leaseEndMs, 1e9);
});

test("What changes nothing is not told: a lock given back, a refusal", () => {
  const { rig, key } = watched();
  rig.write(1, key, 1);
  const lock = rig.lock(1, key);
  rig.unlock(1, lock);
  rig.op(1, key, { what: "call", procedure: "incr", args: new Uint8Array(1) });
  assert.equal(toldOf(rig), [[key, [1]]]);
});

test("Clients that map the file ask before they write, each time; what they wrote is told when they are done", () => {
  const { rig, key } = watched();
  rig.write(1, key, 1);
  assert.not.ok(isOpen(rig, 1, key));
  const id = readyToWrite(rig, 1, key);
  assert.ok(rig.ready.includes(id));
  writeMapped(rig, 1, key, 2);
  writeMapped(rig, 1, key, 3);
  assert.equal(toldOf(rig), [[key, [1]]]);
  rig.step(1, { kind: "done", id });
  assert.equal(toldOf(rig), [[key, [1]], [key, [3]]]);
  assert.not.ok(isOpen(rig, 1, key));
});

test("A client that is never done may write for a while only", () => {
  const { rig, key } = watched({ watchOpenMs: 5 });
  rig.write(1, key, 1);
  readyToWrite(rig, 1, key);
  rig.pass(4);
  writeMapped(rig, 1, key, 2);
  rig.pass(2);
  assert.equal(toldOf(rig), [[key, [1]], [key, [2]]]);
  assert.not.ok(isOpen(rig, 1, key));
});

test("A client that is stopped in the mutex is told of when it goes on", () => {
  const { rig, key } = watched();
  rig.write(1, key, 1);
  const id = readyToWrite(rig, 1, key);
  rig.shelves[1]?.busy.add(key);
  rig.step(1, { kind: "done", id });
  rig.pass(500);
  assert.ok(isOpen(rig, 1, key));
  writeMapped(rig, 1, key, 4);
  rig.shelves[1]?.busy.delete(key);
  rig.pass(60);
  assert.equal(toldOf(rig), [[key, [1]], [key, [4]]]);
  assert.not.ok(isOpen(rig, 1, key));
});

test("A write of a client is told before the record goes to another node, where clients ask, too", () => {
  const { rig, key } = watched({ minHoldMs: 50 });
  rig.write(1, key, 1);
  readyToWrite(rig, 1, key);
  writeMapped(rig, 1, key, 2);
  const lock = rig.lock(2, key);
  rig.pass(100);
  assert.ok(rig.locked.has(lock));
  assert.equal(toldOf(rig), [[key, [1]], [key, [2]]]);
  assert.not.ok(isOpen(rig, 2, key));
});

test("The same for a record that a client emptied, and that is given back", () => {
  const { rig, key } = watched({ vacuumAgeMs: 50 });
  rig.write(1, key, 1);
  const id = readyToWrite(rig, 1, key);
  const stored = rig.stored(1, key);
  const shelf = rig.shelves[1];
  shelf?.put(key, { ...stored, data: new Uint8Array(0), rsn: nextRsn(stored.rsn) });
  rig.step(1, { kind: "emptied", key });
  rig.step(1, { kind: "done", id });
  rig.pass(2_000);
  assert.equal(toldOf(rig), [[key, [1]], [key, []]]);
  assert.is(rig.value(1, key), undefined);
});

test("Who begins to watch is told what is there; a client that was told to write before, when it is done", () => {
  const rig = new Rig(3, RECORD_RULES, { minHoldMs: 50 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = readyToWrite(rig, 1, key);
  rig.watched.add(key);
  for (const node of [0, 1, 2]) rig.step(node, { kind: "watching", key });
  assert.equal(toldOf(rig), []);
  writeMapped(rig, 1, key, 2);
  rig.step(1, { kind: "done", id });
  assert.equal(toldOf(rig), [[key, [2]]]);
  assert.not.ok(isOpen(rig, 1, key));
  assert.is(rig.machines[0]?.state.keys.get(key), undefined);
});

test("Who begins to watch a prefix is told all that is owned and begins so, in slices", () => {
  const rig = new Rig(3, RECORD_RULES, { watchKeys: 2, watchMs: 10 });
  rig.start([0, 1, 2]);
  const keys = ["a1", "a2", "a3", "a4", "a5", "a6", "b1"];
  keys.forEach((key, at) => rig.write(at % 2, key, at));
  for (const key of keys.slice(0, 6)) rig.watched.add(key);
  for (const node of [0, 1, 2]) rig.step(node, { kind: "watching", prefix: "a" });
  assert.ok(rig.wrote.length < 6);
  rig.pass(100);
  assert.equal(rig.wrote.map(({ key }) => key).sort(), keys.slice(0, 6));
  assert.ok(isOpen(rig, 0, "b1"));
});

test("A value that was written where nobody had heard of the watch is told by the next owner", () => {
  const { rig, key } = watched();
  rig.deaf.add(1);
  rig.write(1, key, 1);
  assert.equal(toldOf(rig), []);
  rig.lock(2, key);
  rig.flow();
  assert.equal(toldOf(rig), [[key, [1]]]);
});

test("Nobody watches any more: the next client that writes makes it free for all", () => {
  const { rig, key } = watched();
  rig.write(1, key, 1);
  rig.watched.clear();
  const id = readyToWrite(rig, 1, key);
  writeMapped(rig, 1, key, 2);
  rig.step(1, { kind: "done", id });
  assert.ok(isOpen(rig, 1, key));
  assert.equal(toldOf(rig), [[key, [1]]]);
});

test.run();
