/**
 * Repeatable chance for scenarios: xorshift32, the generator of peer.c's writer.
 *
 * Does NOT promise: quality beyond picking operations.
 */

/** A seeded generator. */
export class Dice {
  #state: number;

  /** Any integer. */
  constructor(seed: number) {
    this.#state = (seed | 1) >>> 0;
  }

  /** 0 .. sides-1. */
  roll(sides: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state % sides;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.roll(list.length)] as T;
  }
}
