/**
 * The Dice port on the system's random numbers.
 *
 * Does NOT promise: speed beyond some ten million throws a second; numbers are fetched a page at a time.
 */
import type { Dice } from "./world.ts";

/** Numbers fetched at a time. */
const STOCK = 1024;

/** Dice that nobody can foresee: made for ids and nonces, too. */
export class RealDice implements Dice {
  readonly #stock = new Uint32Array(STOCK);
  #used = STOCK;

  u32(): number {
    if (this.#used === STOCK) {
      crypto.getRandomValues(this.#stock);
      this.#used = 0;
    }
    const thrown = this.#stock[this.#used] ?? 0;
    this.#stock[this.#used] = 0; // what was an id or a nonce does not lie about
    this.#used += 1;
    return thrown;
  }

  below(count: number): number {
    if (!(Number.isInteger(count) && count >= 1 && count <= 2 ** 32)) {
      throw new RangeError(`Cannot throw dice: count must be 1 to 2^32, is ${count}`);
    }
    // The last, incomplete run of `count` is thrown again: otherwise small numbers would come more often.
    const whole = 2 ** 32 - 2 ** 32 % count;
    for (;;) {
      const thrown = this.u32();
      if (thrown < whole) return thrown % count;
    }
  }

  chance(hits: number, of: number): boolean {
    return this.below(of) < hits;
  }
}
