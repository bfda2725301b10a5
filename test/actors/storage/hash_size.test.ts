/** The advice on hash sizes: primes, large enough, never beyond the limits. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adviseHashSize, suggestHashSize } from "../../../actors/storage/hash_size.ts";
import { HASH_SIZE_DEFAULT } from "../../../actors/storage/tdb_header.ts";
import { HASH_SIZE_MAX } from "../../../transport/wire/limits.ts";

const test = suite("actors/storage/hash_size");

function isPrime(number: number): boolean {
  for (let factor = 2; factor * factor <= number; factor += 1) {
    if (number % factor === 0) return false;
  }
  return number > 1;
}

test("the suggestion is the next prime from the number of records on", () => {
  assert.is(suggestHashSize(0), HASH_SIZE_DEFAULT);
  assert.is(suggestHashSize(10_000), 10_007);
  assert.is(suggestHashSize(10_007), 10_007);
  assert.is(suggestHashSize(1_000_000), 1_000_003);
  fc.assert(fc.property(fc.integer({ min: 131, max: 2_000_000 }), (records) => {
    const size = suggestHashSize(records);
    assert.ok(size >= records && isPrime(size));
    for (let other = records; other < size; other += 1) assert.not.ok(isPrime(other));
  }));
});

test("the suggestion stays a prime within the limit for any number of records", () => {
  for (
    const records of [HASH_SIZE_MAX - 58, HASH_SIZE_MAX - 1, HASH_SIZE_MAX, 2 ** 31, 2 ** 32 - 1]
  ) {
    const size = suggestHashSize(records);
    assert.ok(size <= HASH_SIZE_MAX && isPrime(size), String(size));
  }
});

test("refuses what is no number of records", () => {
  for (const records of [-1, 1.5, NaN, Infinity]) {
    assert.throws(() => suggestHashSize(records), (error: unknown) => error instanceof RangeError);
  }
});

test("the verdict follows the length of the chains", () => {
  assert.is(adviseHashSize(0, 131).verdict, "good");
  assert.is(adviseHashSize(262, 131).verdict, "good");
  assert.is(adviseHashSize(263, 131).verdict, "slower");
  assert.is(adviseHashSize(131 * 9, 131).verdict, "make anew");
  assert.is(adviseHashSize(524, 131).recordsPerChain, 4);
});

test.run();
