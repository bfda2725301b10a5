/** Seeded dice. Does NOT promise: a statistical suite; only what would be noticed at once. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SeededDice } from "../../../transport/sim/dice.ts";

const test = suite("dice");

test("The same seed throws the same, another does not", () => {
  const throwsOf = (seed: number) => {
    const dice = new SeededDice(seed);
    return Array.from({ length: 8 }, () => dice.u32());
  };
  assert.equal(throwsOf(1), throwsOf(1));
  assert.not.equal(throwsOf(1), throwsOf(2));
  assert.equal(throwsOf(0).slice(0, 2), [FIRST, SECOND]);
});

/** Of seed 0, computed apart with exact integers: the counter's first steps, scrambled. */
const [FIRST, SECOND] = [1, 2].map((step) => {
  const mask = 0xffffffffn;
  let mixed = (BigInt(step) * 0x9e3779b9n) & mask;
  mixed = ((mixed ^ (mixed >> 16n)) * 0x21f0aaadn) & mask;
  mixed = ((mixed ^ (mixed >> 15n)) * 0x735a2d97n) & mask;
  return Number(mixed ^ (mixed >> 15n));
});

test("below() reaches every value about equally often, and nothing else", () => {
  const dice = new SeededDice(99);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let turn = 0; turn < 60_000; turn++) {
    const thrown = dice.below(6);
    counts[thrown] = (counts[thrown] ?? NaN) + 1;
  }
  assert.is(counts.length, 6);
  for (const count of counts) assert.ok(count > 9_500 && count < 10_500, `${counts}`);
  for (const count of [0, -1, NaN, 2 ** 33]) assert.throws(() => dice.below(count));
});

test("chance() is never at 0 and always at all", () => {
  const dice = new SeededDice(5);
  for (let turn = 0; turn < 100; turn++) {
    assert.is(dice.chance(0, 3), false);
    assert.is(dice.chance(3, 3), true);
  }
});

test.run();
