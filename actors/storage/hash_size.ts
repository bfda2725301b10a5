/**
 * How many hash chains a database should have.
 *
 * Every lookup walks one chain. With as many chains as records that is 1.5 records on average; with ten records
 * a chain it is 5.5, each a cache miss. A chain costs 4 bytes of file (44 with mutexes), so the advice is the
 * next prime above the number of records. Prime, because then patterns in the hash do not meet the modulus.
 *
 *   records / hashSize   <= 2  good        2..8  slower        > 8  make the file anew
 *
 * Does NOT promise: anything about a file that still grows; size it for what it will hold.
 */

import { HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { HASH_SIZE_DEFAULT } from "./tdb_header.ts";

/** The largest prime below HASH_SIZE_MAX. */
const LARGEST_PRIME = HASH_SIZE_MAX - 57;

/** What summary() and the sizes say about the choice. */
export interface HashAdvice {
  /** Records divided by chains. */
  readonly recordsPerChain: number;
  /** Chains that this number of records should have: a prime. */
  readonly suggested: number;
  readonly verdict: "good" | "slower" | "make anew";
}

/** The smallest prime >= `records`, between HASH_SIZE_DEFAULT and HASH_SIZE_MAX. `records` 0..2^32-1. */
export function suggestHashSize(records: number): number {
  if (!Number.isInteger(records) || records < 0) {
    throw new RangeError(`Cannot suggest a hash size: records must be 0 or more, is ${records}`);
  }
  if (records > LARGEST_PRIME) return LARGEST_PRIME;
  let size = Math.max(HASH_SIZE_DEFAULT, records) | 1;
  while (!isPrime(size)) size += 2;
  return size;
}

/** Judges a hash size for a number of records. */
export function adviseHashSize(records: number, hashSize: number): HashAdvice {
  const recordsPerChain = records / hashSize;
  const verdict = recordsPerChain <= 2 ? "good" : recordsPerChain <= 8 ? "slower" : "make anew";
  return { recordsPerChain, suggested: suggestHashSize(records), verdict };
}

/** Odd numbers only; at most sqrt(HASH_SIZE_MAX)/2 = 8192 divisions. */
function isPrime(odd: number): boolean {
  for (let factor = 3; factor * factor <= odd; factor += 2) if (odd % factor === 0) return false;
  return true;
}
