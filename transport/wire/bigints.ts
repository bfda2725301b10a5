/**
 * The u64 that were read last, as bigints: what comes again and again is not made again.
 *
 *   low, high ──▶ a place by both ──▶ the same ones there? the bigint of then : a new one
 *
 * Does NOT promise: to keep any; two that meet at one place take turns.
 */

/** How many are remembered; a power of two. */
const PLACES = 256;

/** The memory of one reader. */
export class Bigints {
  readonly #values: bigint[] = new Array(PLACES).fill(0n);
  readonly #lows = new Uint32Array(PLACES);
  readonly #highs = new Uint32Array(PLACES);

  /** The u64 of two u32. */
  of(low: number, high: number): bigint {
    const place = (low ^ high ^ low >>> 8) & (PLACES - 1);
    if (this.#lows[place] !== low || this.#highs[place] !== high) {
      this.#values[place] = BigInt(high) << 32n | BigInt(low);
      this.#lows[place] = low;
      this.#highs[place] = high;
    }
    return this.#values[place] as bigint;
  }
}
