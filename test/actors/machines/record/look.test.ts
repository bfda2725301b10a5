/**
 * What a record machine tells of itself: where a record is and who holds it up, what became of it, and what each view
 * meant.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { KeyLook } from "../../../../actors/machines/record/look.ts";
import { Waits } from "../../../../actors/machines/record/moves.ts";
import { Adaptive } from "../../../../actors/machines/record/policy.ts";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import { Rig } from "./rig.ts";

const test = suite("looking at records");

function started(timing = {}): { rig: Rig; key: string } {
  const rig = new Rig(3, RECORD_RULES, timing);
  rig.start([0, 1, 2]);
  return { rig, key: rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]) };
}

function lookAt(rig: Rig, node: number, key: string): KeyLook {
  const machine = rig.machines[node];
  if (machine === undefined) throw new RangeError(`no node ${node}`);
  return machine.lookAt(key);
}

const lookOf = (rig: Rig, node: number) => rig.machines[node]?.look();

test("A record that nobody has ever wanted is nowhere", () => {
  const { rig, key } = started();
  const { role, copy, entry, queue, moves, home } = lookAt(rig, 0, key);
  assert.equal([role, copy, entry, queue, moves], ["none", undefined, undefined, [], []]);
  assert.is(home?.pnn, 0);
  // Looking makes nothing.
  assert.is(rig.machines[0]?.state.keys.size, 0);
});

test("Where a record is: its owner, what is left of it elsewhere, and what its home knows", () => {
  const { rig, key } = started();
  rig.write(1, key, 1);
  rig.write(2, key, 5);
  const there = lookAt(rig, 2, key);
  assert.equal([there.role, there.copy?.size, there.copy?.dmaster], ["owner", 1, 2]);
  assert.is(there.entry, undefined);
  const former = lookAt(rig, 1, key);
  assert.equal([former.role, former.copy?.dmaster, former.hint?.pnn], ["stale", 2, undefined]);
  const { entry } = lookAt(rig, 0, key);
  assert.is(typeof entry === "object" ? entry.holder?.pnn : undefined, 2);
  assert.is(typeof entry === "object" ? entry.phase : undefined, "idle");
  assert.equal(former.moves.map(({ what, peer }) => [what, peer?.pnn]), [["in", 0], ["out", 2]]);
});

test("Who holds it up: a lock, who waits behind it, and for whom it is recalled", () => {
  const { rig, key } = started();
  rig.lock(1, key);
  rig.flow();
  rig.op(1, key, { what: "read" });
  rig.lock(2, key);
  rig.flow();
  const { heldBy, queue, recalledFor } = lookAt(rig, 1, key);
  assert.equal(heldBy, { what: "lock", client: 1, origin: undefined });
  assert.equal(queue, [{ client: 1, origin: undefined }]);
  assert.is(recalledFor?.pnn, 2);
  const waiting = lookAt(rig, 2, key);
  assert.equal([waiting.isAsked, waiting.queue.length], [true, 1]);
  const { entry } = lookAt(rig, 0, key);
  assert.is(typeof entry === "object" ? entry.to?.pnn : undefined, 2);
});

test("Readers and their granter; a chain that a client has", () => {
  const { rig, key } = started();
  rig.write(1, key, 1);
  const policy = rig.policies[2];
  if (policy !== undefined) policy.read = "delegate";
  rig.op(2, key, { what: "read" });
  rig.flow();
  assert.equal(lookAt(rig, 1, key).readers.map(({ pnn }) => pnn), [2]);
  const reader = lookAt(rig, 2, key);
  assert.equal([reader.role, reader.granter?.pnn], ["reader", 1]);
  assert.equal(reader.moves.map(({ what }) => what), ["read in"]);
  rig.shelves[1]?.busy.add(key);
  rig.lock(1, key);
  assert.ok(lookAt(rig, 1, key).isChainBusy);
});

test("What a death means: slots rebuilt, keys asked for, keys that are gone, and when all was done", () => {
  const { rig, key } = started();
  const gone = rig.keysFor(3, [0, [0, 1, 2]], [0, [0, 1]])[2] as string;
  rig.write(1, key, 1);
  rig.write(2, key, 2);
  // Only node 2 ever had this one.
  rig.write(2, gone, 3);
  rig.nowMs += 500;
  rig.view([0, 1]);
  const views = () => lookOf(rig, 0)?.views ?? [];
  const [first] = views();
  assert.equal([first?.slotsKept, first?.slotsRebuilt, first?.keysQueried], [
    0,
    first?.slotsRebuilt,
    0,
  ]);
  const before = views().at(-1);
  assert.ok((before?.slotsClosed ?? 0) > 0);
  assert.is(before?.doneMs, undefined);
  assert.equal(before?.left.map(({ pnn }) => pnn), [2]);
  assert.equal([before?.keysQueried, before?.keysOpen], [2, 2]);
  rig.pass(1_000, { notTo: [2] });
  const after = views().at(-1);
  assert.equal([after?.slotsClosed, after?.keysOpen, after?.keysGone], [0, 0, 1]);
  assert.is(after?.slotsRebuilt, before?.slotsClosed);
  assert.is(after?.doneMs, 1_500);
  const { home } = lookOf(rig, 0) ?? {};
  assert.is(home?.closed, 0);
  assert.is(home?.slots, (after?.slotsKept ?? 0) + (after?.slotsRebuilt ?? 0));
});

test("A node that comes takes slots by table", () => {
  const rig = new Rig(3);
  rig.start([0, 1]);
  rig.view([0, 1, 2]);
  rig.flow();
  const [work] = lookOf(rig, 2)?.views ?? [];
  assert.ok((work?.slotsByTable ?? 0) > 100);
  assert.is(work?.slotsRebuilt, 0);
  assert.equal(work?.came.map(({ pnn }) => pnn), [0, 1, 2]);
  assert.is(work?.doneMs, rig.nowMs);
});

test("How long a record took to come, over how many nodes", () => {
  const { rig, key } = started();
  rig.write(1, key, 1);
  rig.lock(2, key);
  rig.flow({ keep: ["grant"] });
  rig.nowMs += 30;
  rig.flow();
  const { counts, waits } = lookOf(rig, 2) ?? {};
  assert.is(counts?.["hops 3"], 1);
  assert.is(waits?.move.sumMs, 30);
  assert.is(waits?.move.counts[5], 1);
  assert.is(rig.count(1, "moved out"), 1);
});

test("Waits fall into classes by their upper bounds", () => {
  const waits = new Waits();
  for (const ms of [0, 0.9, 1, 4_999, 5_000, 1e9]) waits.note(ms);
  const { counts, mostMs } = waits.look();
  assert.equal([counts[0], counts[1], counts[11], counts[12]], [2, 1, 1, 2]);
  assert.is(mostMs, 1e9);
});

const LIMITS = { stickyMoves: 50, stickyForMs: 1000, mayDelegate: true, mayShip: true };

test("The hottest records are known though thousands of others are seen once", () => {
  const policy = new Adaptive(LIMITS);
  for (let at = 0; at < 20_000; at++) {
    policy.onUsed("hot");
    policy.onUsed(`once ${at}`);
  }
  const [first] = policy.hot(1, 0);
  assert.is(first?.key, "hot");
  assert.is(first?.seen.usesInAll, 20_000);
});

test("The hottest come first, those alike in the order of their coming; one of them is found by its key", () => {
  const policy = new Adaptive(LIMITS);
  const uses = [3, 1, 5, 3, 0, 5, 2];
  uses.forEach((count, at) => {
    policy.onVisit(`k${at}`);
    for (let use = 0; use < count; use++) policy.onUsed(`k${at}`);
  });
  const order = ["k2", "k5", "k0", "k3", "k6", "k1", "k4"];
  for (const max of [0, 1, 3, 7, 9]) {
    assert.equal(policy.hot(max, 0).map(({ key }) => key), order.slice(0, max));
  }
  for (const hot of policy.hot(9, 0)) assert.equal(policy.hotOf(hot.key, 0), hot);
  assert.is(policy.hotOf("none", 0), undefined);
});

test("A record that is pinned is sticky until its time is over, or it is pinned no more", () => {
  const policy = new Adaptive(LIMITS);
  assert.ok(policy.pin("k", 100));
  assert.ok(policy.isSticky("k", 99));
  assert.not.ok(policy.isSticky("other", 99));
  assert.not.ok(policy.isSticky("k", 100));
  policy.pin("k", 200);
  policy.pin("k", 0);
  assert.not.ok(policy.isSticky("k", 100));
});

test.run();
