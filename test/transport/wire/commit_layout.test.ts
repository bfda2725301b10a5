/**
 * The layout of batches about commits: every declared message comes back as it was, there is one form only, what is too
 * long comes in several payloads.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sealEntry } from "../../../transport/wire/commit/entry.ts";
import type { Entry } from "../../../transport/wire/commit/entry.ts";
import { isRefusal } from "../../../transport/wire/envelope.ts";
import { VALUE_MAX } from "../../../transport/wire/limits.ts";
import { COMMITS, TXN_ITEMS_MAX } from "../../../transport/wire/messages/commit.ts";
import type { AnyCommitMessage } from "../../../transport/wire/messages/commit.ts";
import {
  COMMIT_HEAD_SIZE,
  COMMIT_MAGIC,
  CommitReader,
  CommitWriter,
} from "../../../transport/wire/commit_layout.ts";
import type { CommitBatch } from "../../../transport/wire/commit_layout.ts";
import { COMMIT_KIND } from "../../../transport/wire/commit_write.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { anyOfKind, batchOf, hexOf, KINDS, taken } from "./commit_rig.ts";
import { written, writtenAll } from "./commit_rig.ts";
import { difference } from "./declared.ts";
import { CLUSTER, ONE } from "./two_nodes.ts";
import { halved } from "../../limit.ts";

const test = suite("layout of batches about commits");

/** What a reader gives of a batch, or of one that differs where it should not. */
function assertSame(got: CommitBatch, batch: object, note = ""): void {
  assert.is(difference(got, { from: ONE, ...batch }), undefined, note);
}

test("every kind that is declared has a number of its own", () => {
  assert.equal([...KINDS].sort(), Object.keys(COMMIT_KIND).sort());
  assert.is(new Set(Object.values(COMMIT_KIND)).size, KINDS.length);
});

for (const kind of KINDS) {
  test(`${kind}: what is written is read as it was, and has the declared form`, () => {
    fc.assert(
      fc.property(fc.array(anyOfKind(kind), { minLength: 1, maxLength: 4 }), (messages) => {
        const batch = batchOf(...messages);
        const bytes = written(batch);
        const got = taken(bytes);
        assertSame(got, batch);
        assert.is(COMMITS.faultOf({ ...got, from: undefined }), "");
        assert.equal(written(got), bytes);
      }),
      halved({ numRuns: 30, seed: 7 }),
    );
  });
}

const START = sealEntry({
  kind: "start",
  lineage: 1n,
  term: 2n,
  seq: 3n,
  dbseqFirst: 4n,
  prevChain: 5n,
  txns: [],
});

/** Messages by hand, and their bytes. */
const VECTORS: readonly [message: object, hex: string][] = [
  [{ kind: "open", term: 0x0102030405060708n, number: 9 }, "01" + "0807060504030201" + "09000000"],
  [
    {
      kind: "submit",
      term: 1n,
      sid: 2n,
      n: 3,
      doneUpTo: 4,
      reads: [{ key: "\u0001ÿ", version: 5n }],
      writes: [{ key: "k", value: Uint8Array.of(0xaa, 0xbb) }, { key: "" }],
    },
    [
      "05" + "0100000000000000" + "0200000000000000" + "03000000" + "04000000",
      "01000000" + "0200" + "01ff" + "0500000000000000",
      "02000000" + "0100" + "6b" + "01" + "02000000" + "aabb" + "0000" + "00",
    ].join(""),
  ],
  [
    {
      kind: "result",
      term: 1n,
      sid: 2n,
      n: 3,
      outcome: "aborted",
      lineage: 4n,
      code: "space",
      why: "no",
      key: "k",
    },
    [
      "06" + "0100000000000000" + "0200000000000000" + "03000000" + "01" + "39",
      "0400000000000000" + "02" + "0200" + "6e6f" + "0100" + "6b",
    ].join(""),
  ],
  [
    {
      kind: "append",
      term: 1n,
      lineage: 2n,
      prevSeq: 3n,
      prevChain: 4n,
      entries: [START],
      commit: 5n,
      readNo: 6,
    },
    [
      "09" + "0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000",
      "01000000" + hexOf(START.bytes) + "0500000000000000" + "06000000",
    ].join(""),
  ],
  [
    { kind: "appended", term: 1n, id: "d", outcome: "hint", seq: 2n, readNo: 3, highTerm: 4n },
    "0a" + "0100000000000000" + "0100" + "64" + "01" + "0200000000000000" + "03000000" +
    "0400000000000000",
  ],
  [
    {
      kind: "hello",
      id: "d",
      lineage: 1n,
      lastSeq: 2n,
      lastTerm: 3n,
      lastChain: 4n,
      isDamaged: false,
      isFull: true,
      applied: 5n,
      commitKnown: 6n,
    },
    [
      "11" + "0100" + "64" + "0100000000000000" + "0200000000000000" + "0300000000000000",
      "0400000000000000" + "02" + "0500000000000000" + "0600000000000000",
    ].join(""),
  ],
  [
    { kind: "sync_ask", id: 1, what: "pages", ranges: [{ from: 2, count: 3 }] },
    "15" + "01000000" + "02" + "0100" + "02000000" + "03000000",
  ],
];

test("every byte stands where docs/WIRE.md says", () => {
  for (const [message, hex] of VECTORS) {
    const bytes = written(batchOf(message));
    assert.is(
      hexOf(bytes.subarray(0, COMMIT_HEAD_SIZE)),
      [
        "54" + "01" + "0100" + hexOf(new Uint8Array(new Uint32Array([bytes.length]).buffer)),
        CLUSTER,
        ONE,
        "0d0c0b0a" + "1100000000000000" + "01000000" + "2100000000000000",
      ].join(""),
    );
    assert.is(hexOf(bytes.subarray(COMMIT_HEAD_SIZE)), hex);
    assertSame(taken(bytes), batchOf(message));
  }
  assert.is(COMMIT_MAGIC, 0x54);
});

const OPEN = { kind: "open", term: 1n, number: 2 };

/** A part of a file of so many bytes, no two bytes in a row the same. */
function large(size: number): object {
  const data = Uint8Array.from({ length: size }, (_, i) => i % 251);
  return { kind: "sync_part", id: 5, what: "pages", from: 0, data };
}

/** What one reader makes of payloads; each that is a batch. */
function readAll(payloads: readonly Uint8Array[]): CommitBatch[] {
  const reader = new CommitReader(CLUSTER);
  return payloads.flatMap((payload) => {
    const result = reader.read(payload, tagOf(ONE), 0);
    if (result !== undefined && isRefusal(result)) throw new Error(result.text);
    return result === undefined ? [] : [result];
  });
}

/** Entries one after the other, each with a value of so many bytes. */
function entriesOf(sizes: readonly number[]): Entry[] {
  let prevChain = 5n;
  return sizes.map((size, at) => {
    const writes = [{ key: "k", value: new Uint8Array(size).fill(at) }];
    const txns = [{ sid: 1n, n: at + 1, doneUpTo: 0, writes }];
    const [seq, dbseqFirst] = [BigInt(at) + 4n, BigInt(at) + 4n];
    const head = { kind: "group", lineage: 1n, term: 2n, seq, dbseqFirst, prevChain } as const;
    const entry = sealEntry({ ...head, txns });
    prevChain = entry.chain;
    return entry;
  });
}

test("an entry of the largest value comes whole, and holds its own bytes only", () => {
  const entries = entriesOf([10, VALUE_MAX, 20]);
  const ship = { kind: "ship", lineage: 1n, prevSeq: 3n, prevChain: 5n, entries };
  const [batch] = readAll(writtenAll(batchOf(OPEN, ship, OPEN)).slice(1, -1));
  const [message] = batch?.messages ?? [];
  assert.ok(message?.kind === "ship");
  assert.equal(message.entries.map(({ chain }) => chain), entries.map(({ chain }) => chain));
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  for (const entry of message.entries) assert.is(entry.bytes.buffer.byteLength, bytes);
  assert.is(hexOf(message.entries.at(-1)?.bytes ?? new Uint8Array()), hexOf(entries[2]!.bytes));
});

test("what has not the declared form is not written", () => {
  const submit = { kind: "submit", term: 1n, sid: 2n, n: 3, doneUpTo: 0, reads: [], writes: [] };
  const many = new Array(TXN_ITEMS_MAX + 1).fill({ key: "", version: 1n });
  const wide = { key: "k", value: new Uint8Array(VALUE_MAX + 1) };
  const wrong: [object, RegExp][] = [
    [{ ...submit, reads: [{ key: "Ā", version: 1n }] }, /above U\+00FF/],
    [{ ...submit, reads: many }, /a list of 262145/],
    [{ ...submit, writes: [wide] }, /VALUE_MAX/],
    [{ kind: "sync_ask", id: 1, what: "pages", ranges: [] }, /a list of 0/],
    [{ kind: "sync_no", id: 1, why: "other" }, /none of/],
    [{ ...large(0), data: new Uint8Array(64 * 1024 * 1024) }, /WHOLE_MAX/],
  ];
  for (const [message, text] of wrong) assert.throws(() => written(batchOf(message)), text);
  assert.throws(() => written(batchOf()), /without messages/);
  // A writer whose batch was refused writes the next one.
  const writer = new CommitWriter(CLUSTER, ONE, 1n);
  assert.throws(() => writer.write(batchOf(OPEN, { kind: "sync_no", id: 1, why: "other" })));
  const [bytes = new Uint8Array()] = writer.write(batchOf(OPEN));
  assert.equal((taken(bytes.slice()).messages as AnyCommitMessage[])[0], OPEN);
});

test.run();
