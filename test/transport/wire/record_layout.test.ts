/**
 * The layout of batches about records: every declared message comes back as it was, there is one form only, what is too
 * long comes in several payloads.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KEY_MAX } from "../../../transport/wire/limits.ts";
import { RECORD_MESSAGE, RECORDS } from "../../../transport/wire/messages/record.ts";
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import {
  RECORD_HEAD_SIZE,
  RECORD_MAGIC,
  RecordReader,
  RecordWriter,
} from "../../../transport/wire/record_layout.ts";
import type { RecordBatch } from "../../../transport/wire/record_layout.ts";
import { RECORD_KIND } from "../../../transport/wire/record_write.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { difference } from "./declared.ts";
import { anyOfKind, batchOf, hexOf, KINDS, taken } from "./record_rig.ts";
import { written } from "./record_rig.ts";
import { CLUSTER, ONE } from "./two_nodes.ts";
import { halved } from "../../limit.ts";

const test = suite("layout of batches about records");

/** What a reader gives of a batch, or of one that differs where it should not. */
function assertSame(got: RecordBatch, batch: object, note = ""): void {
  assert.is(difference(got, { from: ONE, ...batch }), undefined, note);
}

test("every kind that is declared has a number of its own", () => {
  assert.equal([...KINDS].sort(), Object.keys(RECORD_KIND).sort());
  assert.is(new Set(Object.values(RECORD_KIND)).size, KINDS.length);
  assert.is((RECORD_MESSAGE as { anyOf?: unknown[] }).anyOf?.length, KINDS.length);
});

for (const kind of KINDS) {
  test(`${kind}: what is written is read as it was, and has the declared form`, () => {
    fc.assert(
      fc.property(fc.array(anyOfKind(kind), { minLength: 1, maxLength: 4 }), (messages) => {
        const batch = batchOf(...messages);
        const bytes = written(batch);
        const got = taken(bytes);
        assertSame(got, batch);
        assert.is(RECORDS.faultOf({ ...got, from: undefined }), "");
        assert.equal(written(got), bytes);
      }),
      halved({ numRuns: 100, seed: 7 }),
    );
  });
}

/** Messages by hand, and their bytes. */
const VECTORS: readonly [message: object, hex: string][] = [
  [
    { kind: "req", key: "\u0001ÿ", slotGen: 0x0102030405060708n, rid: 9 },
    "01" + "0200" + "01ff" + "0807060504030201" + "09000000",
  ],
  [
    {
      kind: "grant",
      key: "k",
      slotGen: 3n,
      tid: { gen: 4n, seq: 5 },
      rid: 6,
      copy: {
        tid: { gen: 4n, seq: 2 },
        rsn: 7n,
        birth: { gen: 1n, seq: 1 },
        data: Uint8Array.of(0xaa, 0xbb),
        calls: [
          { origin: { pnn: 8, incarnation: 9n }, seq: 10, ok: true, result: Uint8Array.of(0xcc) },
          { origin: { pnn: 11, incarnation: 12n }, seq: 13, ok: false },
        ],
      },
    },
    [
      "03" + "0100" + "6b" + "0300000000000000" + "0400000000000000" + "05000000" + "06000000" +
      "00",
      "0400000000000000" + "02000000" + "0700000000000000" + "0100000000000000" + "01000000",
      "02000000" + "aabb" + "0200",
      "08000000" + "0900000000000000" + "0a000000" + "03" + "01000000" + "cc",
      "0b000000" + "0c00000000000000" + "0d000000" + "00",
    ].join(""),
  ],
  [
    {
      kind: "call",
      key: "",
      slotGen: 1n,
      seq: 2,
      birth: { gen: 0n, seq: 0 },
      procedure: "a/1",
      args: new Uint8Array(),
      origin: { pnn: 3, incarnation: 4n },
      path: "passed",
    },
    [
      "1a" + "0000" + "0100000000000000" + "02000000" + "0000000000000000" + "00000000",
      "0300" + "612f31" + "00000000" + "03000000" + "0400000000000000" + "02",
    ].join(""),
  ],
  [
    {
      kind: "table",
      id: 1,
      part: 2,
      parts: 3,
      slots: [{ slot: 1023, slotGen: 4n }],
      entries: [{
        key: "k",
        slot: 5,
        htid: { gen: 6n, seq: 7 },
        phase: "purge2",
        pend: { to: { pnn: 8, incarnation: 9n }, rid: 10, empty: true },
        held: Uint8Array.of(0xee),
        queue: [{ of: { pnn: 11, incarnation: 12n }, rid: 13 }],
      }],
    },
    [
      "0f" + "01000000" + "0200" + "03000000" + "0100" + "ff03" + "0400000000000000" + "0100",
      "0100" + "6b" + "0500" + "06" + "0600000000000000" + "07000000" + "03",
      "08000000" + "0900000000000000" + "0a000000" + "01" + "01000000" + "ee",
      "0100" + "0b000000" + "0c00000000000000" + "0d000000",
    ].join(""),
  ],
  [
    {
      kind: "read",
      id: 1,
      values: [
        { key: "a", moved: true, empty: false },
        { key: "b", moved: false, empty: true, data: new Uint8Array() },
      ],
    },
    "20" + "01000000" + "0200" + "0100" + "61" + "01" + "0100" + "62" + "06" + "00000000",
  ],
];

test("every byte stands where docs/WIRE.md says", () => {
  for (const [message, hex] of VECTORS) {
    const bytes = written(batchOf(message));
    assert.is(
      hexOf(bytes.subarray(0, RECORD_HEAD_SIZE)),
      [
        "52" + "01" + "0100" + hexOf(new Uint8Array(new Uint32Array([bytes.length]).buffer)),
        CLUSTER,
        ONE,
        "0d0c0b0a" + "1100000000000000" + "1200000000000000",
        "01000000" + "2100000000000000" + "02000000" + "2200000000000000",
      ].join(""),
    );
    assert.is(hexOf(bytes.subarray(RECORD_HEAD_SIZE)), hex);
    assertSame(taken(bytes), batchOf(message));
  }
  assert.is(RECORD_MAGIC, 0x52);
});

const REQ = { kind: "req", key: "key", slotGen: 1n, rid: 2 };

test("keys that come again are the same text; others never are", () => {
  const reader = new RecordReader(CLUSTER);
  const keys = Array.from({ length: 5000 }, (_, i) => `k${i % 2500}${"x".repeat(i % 70)}`);
  for (const key of [...keys, "", "\u0000", "ÿ".repeat(KEY_MAX), "\u0000\u0000"]) {
    const batch = batchOf({ ...REQ, key });
    const got = reader.read(written(batch), tagOf(ONE), 0) as RecordBatch;
    assert.is((got.messages[0] as { key?: string }).key, key);
  }
});

test("numbers that come again and others are told apart", () => {
  const reader = new RecordReader(CLUSTER);
  const edges = [0n, 1n, 0xffff_ffffn, 2n ** 32n, 2n ** 32n + 1n, 2n ** 63n, 2n ** 64n - 1n];
  const many = Array.from({ length: 2000 }, (_, i) => BigInt(i) << BigInt(i % 50));
  for (const slotGen of [...edges, ...many, ...edges]) {
    const got = reader.read(written(batchOf({ ...REQ, slotGen })), tagOf(ONE), 0) as RecordBatch;
    assert.is((got.messages[0] as { slotGen?: bigint }).slotGen, slotGen);
  }
});

test("what has not the declared form is not written", () => {
  const data = new Uint8Array(64 * 1024 * 1024);
  const huge = { key: "k", moved: false, empty: false, data };
  const wrong: [object, RegExp][] = [
    [{ ...REQ, key: "Ā" }, /above U\+00FF/],
    [{ ...REQ, key: "k".repeat(KEY_MAX + 1) }, /65536 characters/],
    [{ kind: "no_table", slots: [] }, /a list of 0/],
    [{ kind: "read_ask", id: 1, isCount: true, keys: new Array(257).fill({}) }, /a list of 257/],
    [{ ...REQ, kind: "read", values: [huge] }, /WHOLE_MAX/],
  ];
  for (const [message, text] of wrong) assert.throws(() => written(batchOf(message)), text);
  assert.throws(() => written(batchOf()), /without messages/);
  // A writer whose batch was refused writes the next one.
  const writer = new RecordWriter(CLUSTER, ONE, 1n);
  assert.throws(() => writer.write(batchOf(REQ, { kind: "no_table", slots: [] })));
  const [bytes = new Uint8Array()] = writer.write(batchOf(REQ));
  assert.equal((taken(bytes.slice()).messages as RecordMessage[])[0], REQ);
});

test.run();
