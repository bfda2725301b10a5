/**
 * The vnnmap: who is home of what, and what a change of members moves.
 */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  drawOf,
  isSameHome,
  movesBetween,
  reassign,
  sharesOf,
  slotOf,
} from "../../../../actors/machines/cluster/slots.ts";
import { mix } from "../../../../actors/machines/mix.ts";
import type { Member, Slot } from "../../../../transport/wire/messages/document.ts";
import type { Generation, Incarnation, Pnn } from "../../../../transport/wire/terms.ts";

const test = suite("cluster slots");

const SLOTS = 1024;
const NONE: ReadonlySet<Pnn> = new Set();
const pnn = (value: number) => value as Pnn;
const generation = (value: number) => BigInt(value) as Generation;
const member = (value: number, incarnation = 1): Member => ({
  pnn: pnn(value),
  incarnation: BigInt(incarnation) as Incarnation,
});

/** Different pnns, 1 to 40 of them; small ones and large ones. */
const membersOf = fc.oneof(
  fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 40 }),
  fc.uniqueArray(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 1, maxLength: 40 }),
).map((pnns) => pnns.map((one) => member(one)));

/** Are these counts of `of` throws those of fair dice with chance 1/n? Within five standard deviations. */
function isFair(count: number, of: number, n: number): boolean {
  const mean = of / n;
  return Math.abs(count - mean) <= 5 * Math.sqrt(mean * (1 - 1 / n)) + 1;
}

test("a member draws what the protocol says", () => {
  const draws = [0, 1, 1023].map((slot) => [0, 1, 2].map((one) => drawOf(slot, pnn(one))));
  assert.equal(draws, [[1309431664, 2633102714, 4114884340], [896795053, 159888605, 2962940460], [
    707829477,
    2845868796,
    60179415,
  ]]);
});

test("the highest draw has the slot", () => {
  const slots = reassign([], [member(0), member(1), member(2)], NONE, generation(1));
  const homes = slots.slice(0, 16).map(({ home }) => home.pnn);
  assert.equal(homes, [2, 2, 2, 0, 2, 1, 2, 0, 2, 2, 0, 1, 0, 2, 0, 1]);
});

test("the slot of a key is its hash modulo 1024, also for a signed number", () => {
  assert.equal([0, 1023, 1024, 0xffffffff, -1].map(slotOf), [0, 1023, 0, 1023, 1023]);
});

test("the first view of a cluster gives all slots, without anybody to ask", () => {
  const slots = reassign([], [member(0), member(1), member(2)], NONE, generation(7));
  assert.is(slots.length, SLOTS);
  for (const slot of slots) {
    assert.is(slot.slotGen, generation(7));
    assert.is(slot.from, undefined);
  }
  const shares = [...sharesOf(slots).values()];
  assert.is(shares.length, 3);
  assert.is(shares.reduce((sum, share) => sum + share), SLOTS);
});

test("the same members in any order have the same slots", () => {
  fc.assert(
    fc.property(membersOf, fc.integer(), (members, seed) => {
      const order = [...members].sort((one, other) => mix(one.pnn ^ seed) - mix(other.pnn ^ seed));
      const one = reassign([], members, NONE, generation(1));
      assert.equal(one, reassign([], order, NONE, generation(1)));
    }),
    { numRuns: 30 },
  );
});

test("shares are fair: no member has more or less than dice would give it", () => {
  fc.assert(
    fc.property(membersOf, (members) => {
      const shares = sharesOf(reassign([], members, NONE, generation(1)));
      for (const one of members) {
        assert.ok(isFair(shares.get(one.pnn) ?? 0, SLOTS, members.length), `${one.pnn}`);
      }
    }),
    { numRuns: 100 },
  );
});

test("shares scatter as independent dice do, over many sets of few members", () => {
  let squares = 0;
  let freedom = 0;
  for (let first = 0; first < 600; first++) {
    const members = Array.from(
      { length: 2 + first % 9 },
      (_, i) => member(mix(first) % 90 + 7 * i),
    );
    const shares = sharesOf(reassign([], members, NONE, generation(1)));
    const mean = SLOTS / members.length;
    for (const one of members) squares += ((shares.get(one.pnn) ?? 0) - mean) ** 2 / mean;
    freedom += members.length - 1;
  }
  const ratio = squares / freedom;
  assert.ok(ratio > 0.8 && ratio < 1.2, `chi square is ${ratio} of what it should be`);
});

test("who joins takes its share, and nothing else moves", () => {
  fc.assert(
    fc.property(membersOf, fc.integer({ min: 0, max: 0xffffffff }), (members, next) => {
      fc.pre(members.every((one) => one.pnn !== next));
      const before = reassign([], members, NONE, generation(1));
      const joined = member(next, 5);
      const after = reassign(before, [...members, joined], NONE, generation(2));
      const moves = movesBetween(before, after);
      assert.ok(moves.every((move) => isSameHome(move.after, joined)));
      assert.ok(isFair(moves.length, SLOTS, members.length + 1), `${moves.length} moved`);
      for (const { slot, before: was, handedOver } of moves) {
        assert.ok(handedOver);
        const { from, slotGen } = after[slot] as Slot;
        assert.equal(from, { ...was, slotGen: generation(1) });
        assert.is(slotGen, generation(2));
      }
    }),
    { numRuns: 60 },
  );
});

test("who leaves gives up its slots, and nothing else moves", () => {
  fc.assert(
    fc.property(membersOf, fc.nat(), (members, index) => {
      fc.pre(members.length > 1);
      const gone = members[index % members.length] as Member;
      const before = reassign([], members, NONE, generation(1));
      const after = reassign(before, members.filter((one) => one !== gone), NONE, generation(2));
      before.forEach((was, slot) => {
        const now = after[slot] as Slot;
        if (!isSameHome(was.home, gone)) assert.is(now, was);
        else assert.equal([now.slotGen, now.from], [generation(2), undefined]);
      });
    }),
    { numRuns: 60 },
  );
});

test("who comes back has the slots it had", () => {
  const all = [member(0), member(1), member(2), member(3)];
  const first = reassign([], all, NONE, generation(1));
  const without = reassign(first, all.slice(1), NONE, generation(2));
  const again = reassign(without, [member(0, 9), ...all.slice(1)], NONE, generation(3));
  assert.equal(again.map(({ home }) => home.pnn), first.map(({ home }) => home.pnn));
});

test("a restarted member is another home: its slots have nobody to ask", () => {
  const before = reassign([], [member(0), member(1)], NONE, generation(1));
  const after = reassign(before, [member(0, 2), member(1)], NONE, generation(2));
  const moves = movesBetween(before, after);
  assert.is(moves.length, sharesOf(before).get(pnn(0)));
  for (const { slot, before: was, after: now } of moves) {
    assert.equal([was, now], [member(0, 1), member(0, 2)]);
    assert.equal(after[slot], { home: member(0, 2), slotGen: generation(2) });
  }
});

test("a member that drains is home of nothing and is asked for its tables", () => {
  const members = [member(0), member(1), member(2)];
  const before = reassign([], members, NONE, generation(1));
  const after = reassign(before, members, new Set([pnn(1)]), generation(2));
  assert.is(sharesOf(after).get(pnn(1)), undefined);
  for (const { before: was, handedOver } of movesBetween(before, after)) {
    assert.ok(handedOver);
    assert.equal(was, member(1));
  }
});

test("when all drain, all are homes still", () => {
  const members = [member(0), member(1)];
  const before = reassign([], members, NONE, generation(1));
  assert.is(reassign(before, members, new Set([pnn(0), pnn(1)]), generation(2)), before);
});

test("slots that no one moves stay the same object over any number of views, from included", () => {
  let slots = reassign([], [member(0), member(1)], NONE, generation(1));
  slots = reassign(slots, [member(0), member(1), member(2)], NONE, generation(2));
  const moved = slots.findIndex(({ home }) => home.pnn === 2);
  const kept = slots[moved] as Slot;
  assert.equal(kept.from?.slotGen, generation(1));
  // Its former home leaves: who asks sees that in the members, the slot itself does not change.
  const former = kept.from?.pnn as Pnn;
  const rest = [member(0), member(1), member(2)].filter((one) => one.pnn !== former);
  assert.is(reassign(slots, rest, NONE, generation(3))[moved], kept);
});

test("no members is a mistake of the program", () => {
  assert.throws(() => reassign([], [], NONE, generation(1)), RangeError);
});

test.run();
