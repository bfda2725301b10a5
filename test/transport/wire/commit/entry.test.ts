/**
 * Entries of the commit log: what is written is read; what is cut, flipped or too large is refused by name.
 *
 * Does NOT promise: speed.
 */
import fc from "fast-check";
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type CommitTxn,
  type Entry,
  ENTRY_MAX,
  ENTRY_MIN,
  type EntryBody,
  entrySize,
  isFault,
  readEntry,
  sealEntry,
} from "../../../../transport/wire/commit/entry.ts";

import { crcOf } from "../../../../transport/wire/commit/sums.ts";
import { halved } from "../../../limit.ts";

const U64 = (1n << 64n) - 1n;
const HEAD = {
  lineage: 0x1122334455667788n,
  term: 5n,
  seq: 17n,
  dbseqFirst: 40n,
  prevChain: U64,
  txns: [],
} as const;
const BODIES: EntryBody[] = [
  { ...HEAD, kind: "start" },
  {
    ...HEAD,
    kind: "open",
    open: { nodeId: "00112233445566778899aabbccddeeff", incarnation: U64, number: 0xffffffff },
  },
  { ...HEAD, kind: "close", close: { sid: 3n, why: "closed" } },
  { ...HEAD, kind: "close", close: { sid: U64, why: "expired" } },
  { ...HEAD, kind: "abort", abort: { sid: 3n, n: 9 } },
  {
    ...HEAD,
    kind: "group",
    txns: [{
      sid: 3n,
      n: 1,
      doneUpTo: 0,
      writes: [
        { key: "", value: new Uint8Array(0) },
        { key: "\0\xff", value: undefined },
        { key: "k".repeat(65535), value: Uint8Array.of(1, 2, 3) },
      ],
    }, { sid: 4n, n: 0xffffffff, doneUpTo: 7, writes: [] }],
  },
];

const test = suite("transport/wire/commit/entry");

/** What of an entry counts, in a form that can be compared. */
function plain(entry: EntryBody): unknown {
  const { kind, lineage, term, seq, dbseqFirst, prevChain, txns, open, close, abort } = entry;
  const lists = txns.map((txn) => ({
    ...txn,
    writes: txn.writes.map(({ key, value }) => ({
      key,
      value: value === undefined ? undefined : [...value],
    })),
  }));
  const head = { kind, lineage, term, seq, dbseqFirst, prevChain };
  return { ...head, txns: lists, open, close, abort };
}

function readWhole(bytes: Uint8Array, at = 0): Entry {
  const entry = readEntry(bytes, at);
  if (isFault(entry)) throw new Error(entry.text);
  return entry;
}

test("each kind is read as it was written, also behind other bytes and before some", () => {
  for (const body of BODIES) {
    const entry = sealEntry(body);
    assert.is(entry.size, entry.bytes.length);
    assert.ok(entry.size >= ENTRY_MIN);
    const around = new Uint8Array(entry.size + 20).fill(7);
    around.set(entry.bytes, 13);
    const read = readWhole(around, 13);
    assert.equal(plain(read), plain(body));
    assert.is(read.chain, entry.chain);
    assert.is(read.size, entry.size);
    assert.equal([...read.bytes], [...entry.bytes]);
    assert.is(entrySize(around, 13), entry.size);
  }
});

test("the chain is MD5 over the entry and the chain before it", () => {
  const entry = sealEntry(BODIES[1] as EntryBody);
  const digest = createHash("md5").update(entry.bytes.subarray(8, entry.size - 8)).digest();
  assert.is(entry.chain, digest.readBigUInt64LE(0));
  const other = sealEntry({ ...BODIES[1] as EntryBody, prevChain: 1n });
  assert.not.equal(other.chain, entry.chain);
});

test("every flipped bit and every cut is refused", () => {
  for (const body of BODIES.slice(0, 5)) {
    const { bytes } = sealEntry(body);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.ok(isFault(readEntry(flipped)), `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length++) {
      const read = readEntry(bytes.subarray(0, length));
      assert.is(isFault(read) ? read.fault : "whole", "short", `cut to ${length}`);
    }
  }
});

test("any group is read as it was written", () => {
  const write = fc.record({
    key: fc.uint8Array({ maxLength: 20 }).map((bytes) => String.fromCharCode(...bytes)),
    value: fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined }),
  });
  const txn: fc.Arbitrary<CommitTxn> = fc.record({
    sid: fc.bigInt({ min: 0n, max: U64 }),
    n: fc.nat({ max: 0xffffffff }),
    doneUpTo: fc.nat({ max: 0xffffffff }),
    writes: fc.array(write, { maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.array(txn, { minLength: 1, maxLength: 5 }), (txns) => {
      const body: EntryBody = { ...HEAD, kind: "group", txns };
      assert.equal(plain(readWhole(sealEntry(body).bytes)), plain(body));
    }),
    halved({ numRuns: 200 }),
  );
});

test("bytes with right sums and a wrong body are refused, whatever is in them", () => {
  // A peer that is wrong seals what it sends: sums tell nothing then, the fields must.
  const base = sealEntry({ ...HEAD, kind: "group", txns: BODIES[5]?.txns.slice(1) ?? [] });
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.nat({ max: 6 }),
      (noise, kind) => {
        const read = readEntry(resealed(base, noise, kind));
        if (isFault(read)) {
          assert.is(read.fault, "body");
          return;
        }
        assert.equal(plain(readWhole(sealEntry(read).bytes)), plain(read));
      },
    ),
    halved({ numRuns: 500 }),
  );
});

/** An entry with other bytes for a body, and sums that fit. */
function resealed(entry: Entry, body: Uint8Array, kind: number): Uint8Array {
  const bytes = new Uint8Array(60 + body.length + 8);
  bytes.set(entry.bytes.subarray(0, 60));
  bytes.set(body, 60);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, bytes.length, true);
  view.setUint8(12, kind);
  const digest = createHash("md5").update(bytes.subarray(8, bytes.length - 8)).digest();
  bytes.set(digest.subarray(0, 8), bytes.length - 8);
  view.setUint32(4, crcOf(bytes, 8, bytes.length), true);
  return bytes;
}

test("what does not fit is refused by name when it is written", () => {
  const group = (key: string, value: Uint8Array): EntryBody => ({
    ...HEAD,
    kind: "group",
    txns: [{ sid: 1n, n: 1, doneUpTo: 0, writes: [{ key, value }] }],
  });
  const none = new Uint8Array(0);
  assert.throws(() => sealEntry(group("k".repeat(65536), none)), /KEY_MAX/);
  assert.throws(() => sealEntry(group("\u0100", none)), /U\+00FF/);
  assert.throws(() => sealEntry(group("k", new Uint8Array(16 * 1024 * 1024 + 1))), /VALUE_MAX/);
  const half = { key: "k", value: new Uint8Array(ENTRY_MAX / 2) };
  const twice = { sid: 1n, n: 1, doneUpTo: 0, writes: [half, half] };
  assert.throws(() => sealEntry({ ...HEAD, kind: "group", txns: [twice] }), /ENTRY_MAX/);
  assert.throws(() => sealEntry({ ...HEAD, kind: "group" }), RangeError);
  assert.throws(() => sealEntry({ ...HEAD, kind: "open" }), RangeError);
});

test.run();
