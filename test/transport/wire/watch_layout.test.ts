/** Words of data threads about watched records: what is written is read, and nothing else is. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Interest,
  INTERESTS_MAX,
  readWatch,
  type WatchWord,
  writeWatch,
} from "../../../transport/wire/watch_layout.ts";
import type { DbId, Generation, Rsn, Version } from "../../../transport/wire/terms.ts";

const test = suite("watch layout");

/** Objects as a reader makes them. */
const FORM = { noNullPrototype: true } as const;

const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const text = fc.uint8Array({ maxLength: 300 }).map((bytes) => String.fromCharCode(...bytes));
const interest: fc.Arbitrary<Interest> = fc.record({
  dbId: u32 as fc.Arbitrary<DbId>,
  since: u64 as fc.Arbitrary<Version>,
  isPrefix: fc.boolean(),
  text,
}, FORM);
const word: fc.Arbitrary<WatchWord> = fc.oneof(
  fc.record({
    kind: fc.constant("list" as const),
    interests: fc.array(interest, { maxLength: 20 }),
  }, FORM),
  fc.record({ kind: fc.constantFrom("add" as const, "drop" as const), interest }, FORM),
  fc.record({
    kind: fc.constant("wrote" as const),
    wrote: fc.record({
      dbId: u32 as fc.Arbitrary<DbId>,
      since: u64 as fc.Arbitrary<Version>,
      key: text,
      tid: fc.record({ gen: u64 as fc.Arbitrary<Generation>, seq: u32 }, FORM),
      rsn: u64 as fc.Arbitrary<Rsn>,
      data: fc.uint8Array({ maxLength: 2000 }),
    }, FORM),
  }, FORM),
  fc.constant({ kind: "again" as const }),
);

test("what is written is read", () => {
  fc.assert(fc.property(word, (said) => {
    assert.equal(readWatch(writeWatch(said)), said);
  }));
});

test("what is cut off, or longer, is none; nothing that comes throws", () => {
  fc.assert(fc.property(word, fc.nat(5000), fc.nat(255), (said, at, value) => {
    const bytes = writeWatch(said);
    assert.is(readWatch(new Uint8Array([...bytes, value])), undefined);
    assert.is(readWatch(bytes.subarray(0, at % bytes.length)), undefined);
    const bent = bytes.slice();
    bent[at % bent.length] = value;
    const read = readWatch(bent);
    // One form only: whatever is taken would be written with the same bytes.
    if (read !== undefined) assert.equal(writeWatch(read), bent);
  }));
  for (const bytes of [new Uint8Array(0), new Uint8Array([0]), new Uint8Array([9])]) {
    assert.is(readWatch(bytes), undefined);
  }
});

test("a list of more interests than a node may have is refused before it is made", () => {
  const bytes = new Uint8Array(5);
  bytes[0] = 1;
  new DataView(bytes.buffer).setUint32(1, INTERESTS_MAX + 1, true);
  assert.is(readWatch(bytes), undefined);
});

test.run();
