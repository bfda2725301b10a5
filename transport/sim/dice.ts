/**
 * Seeded dice: the same seed gives the same throws on every runtime. SplitMix32: a counter,
 * scrambled.
 *
 * Does NOT promise: anything against somebody who wants to guess them.
 */

import type { Dice } from "../world.ts";

export type { Dice };

/** 2^32 divided by the golden ratio, odd: the counter's step. */
const STEP = 0x9e3779b9;

/** Dice that are only thrown from a seed. */
export class SeededDice implements Dice {
  #state: number;

  /** `seed`: its low 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + STEP) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  below(count: number): number {
    if (!(count >= 1 && count <= 2 ** 32)) {
      throw new RangeError(`Cannot throw dice: count must be 1 to 2^32, is ${count}`);
    }
    // The product is below 2^64; its bias is below count / 2^32, which no test sees.
    return Math.floor((this.u32() / 2 ** 32) * count);
  }

  chance(hits: number, of: number): boolean {
    return this.below(of) < hits;
  }
}
