/**
 * What every adapter of the Dice port must do.
 *
 * Does NOT promise: a statistical suite; bounds are so wide that fair dice fail once in far more runs than there are.
 */

import * as assert from "uvu/assert";
import type { Dice } from "../../transport/world.ts";
import { contract, type Promises, throwsRange } from "./port_fixture.ts";

/** Runs the contract. */
export function diceContract(name: string, make: () => Dice): void {
  contract(name, DICE, make);
}

const THROWS = 60_000;
/** Ten standard deviations of a sixth of THROWS. */
const WIDE = 10 * Math.sqrt(THROWS * (1 / 6) * (5 / 6));

const DICE: Promises<Dice> = {
  "u32 is whole, and uses all of its bits": (dice) => {
    let [ones, zeros] = [0, 0];
    for (let turn = 0; turn < 2000; turn++) {
      const thrown = dice.u32();
      assert.ok(Number.isInteger(thrown) && thrown >= 0 && thrown < 2 ** 32, `${thrown}`);
      ones = (ones | thrown) >>> 0;
      zeros = (zeros | ~thrown) >>> 0;
    }
    assert.equal([ones, zeros], [2 ** 32 - 1, 2 ** 32 - 1]);
  },

  "below reaches all values about equally often": (dice) => {
    const counts = Array<number>(6).fill(0);
    for (let turn = 0; turn < THROWS; turn++) {
      const thrown = dice.below(6);
      counts[thrown] = (counts[thrown] ?? NaN) + 1;
    }
    assert.is(counts.length, 6);
    for (const count of counts) assert.ok(Math.abs(count - THROWS / 6) < WIDE, `${counts}`);
    assert.is(dice.below(1), 0);
    assert.ok(dice.below(2 ** 32) < 2 ** 32);
  },

  "chance is as likely as it says": (dice) => {
    let hits = 0;
    for (let turn = 0; turn < THROWS; turn++) hits += dice.chance(1, 6) ? 1 : 0;
    assert.ok(Math.abs(hits - THROWS / 6) < WIDE, `${hits}`);
    assert.is(dice.chance(0, 5), false);
    assert.is(dice.chance(5, 5), true);
  },

  "Counts that are none are refused": (dice) => {
    for (const count of [0, -1, NaN, 2 ** 32 + 1, Infinity]) throwsRange(() => dice.below(count));
  },
};
