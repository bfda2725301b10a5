/**
 * The frame of batches, of every kind: there is one form only, what is too long comes in several payloads, what is not
 * the sender's is refused.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { BatchHead } from "../../../transport/wire/batch_layout.ts";
import { PART_HEAD_SIZE } from "../../../transport/wire/batch_layout.ts";
import { COMMIT_PART_MAGIC } from "../../../transport/wire/commit_layout.ts";
import { isRefusal } from "../../../transport/wire/envelope.ts";
import { MESSAGE_MAX, UNFINISHED_MS } from "../../../transport/wire/limits.ts";
import { RECORD_PART_MAGIC } from "../../../transport/wire/record_layout.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { suite } from "../../suite.ts";
import { type BatchRig, hexOf } from "./batch_rig.ts";
import { COMMIT_RIG } from "./commit_rig.ts";
import { difference } from "./declared.ts";
import { RECORD_RIG } from "./record_rig.ts";
import { CLUSTER, ONE, OTHER, THIRD } from "./two_nodes.ts";
import { halved } from "../../limit.ts";

const test = suite("frame of batches");

type AnyRig = BatchRig<BatchHead, { readonly kind: string }>;

/** What differs between the kinds. */
interface Sample {
  readonly about: string;
  readonly rig: AnyRig;
  readonly partMagic: number;
  /** A message of `smallSize` bytes with this number in it. */
  readonly small: (number: number) => object;
  readonly smallSize: number;
  /** A message with data, and its bytes beside them. */
  readonly around: (data: Uint8Array) => object;
  readonly aroundSize: number;
  /** Bytes of the longest data that are tried. */
  readonly longest: number;
}

const SAMPLES: readonly Sample[] = [{
  about: "records",
  rig: RECORD_RIG as unknown as AnyRig,
  partMagic: RECORD_PART_MAGIC,
  small: (rid) => ({ kind: "req", key: "key", slotGen: 1n, rid }),
  smallSize: 18,
  around: (data) => ({
    ...{ kind: "read", id: 5 },
    values: [{ key: "k", moved: false, empty: false, data }],
  }),
  aroundSize: 15,
  longest: 16 * 1024 * 1024,
}, {
  about: "commits",
  rig: COMMIT_RIG as unknown as AnyRig,
  partMagic: COMMIT_PART_MAGIC,
  small: (number) => ({ kind: "open", term: 1n, number }),
  smallSize: 13,
  around: (data) => ({ kind: "sync_part", id: 5, what: "pages", from: 0, data }),
  aroundSize: 14,
  longest: 3 * 1024 * 1024,
}];

/** What a reader gives of a batch, or of one that differs where it should not. */
function assertSame(got: object, batch: object, note = ""): void {
  assert.is(difference(got, { from: ONE, ...batch }), undefined, note);
}

/** What messages say, with bytes as text: quick to compare, also when they are long. */
function said(messages: readonly unknown[]): string[] {
  const latin1 = new TextDecoder("latin1");
  return messages.map((message) =>
    JSON.stringify(message, (_, value: unknown) => {
      if (value instanceof Uint8Array) return latin1.decode(value);
      return typeof value === "bigint" ? `${value}` : value;
    })
  );
}

for (const sample of SAMPLES) {
  const { about, rig, partMagic, small, smallSize, around, aroundSize, longest } = sample;
  const { batchOf, written, writtenAll, taken } = rig;
  const { headSize, reader: readerOf, writer: writerOf } = rig.parts;
  const SMALL = small(2);
  /** A message with so many bytes of data, no two in a row the same. */
  const large = (size: number) => {
    const data = new Uint8Array(size);
    for (let i = 0; i < size; i++) data[i] = i % 251;
    return around(data);
  };
  /** What one reader makes of payloads; each that is a batch. */
  const readAll = (payloads: readonly Uint8Array[]) => {
    const reader = readerOf(CLUSTER);
    return payloads.flatMap((payload) => {
      const result = reader.read(payload, tagOf(ONE), 0);
      if (result !== undefined && isRefusal(result)) throw new Error(result.text);
      return result === undefined ? [] : [result];
    });
  };

  test(`${about}: batches of any messages come back, one after another from one reader`, () => {
    const reader = readerOf(CLUSTER);
    const writer = writerOf(CLUSTER, ONE, 5n);
    fc.assert(
      fc.property(rig.any, (batch) => {
        const [bytes = new Uint8Array(), ...more] = writer.write(batch);
        assert.is(more.length, 0);
        assertSame(reader.read(bytes.slice(), tagOf(ONE), 0) as object, batch);
      }),
      halved({ numRuns: 300, seed: 8 }),
    );
  });

  test(`${about}: what is longer than the bus takes comes as several batches, in order`, () => {
    const messages = Array.from({ length: 700 }, (_, i) => (small(i)));
    for (const payloadMax of [2_000, MESSAGE_MAX]) {
      const payloads = writtenAll(batchOf(...messages), payloadMax);
      const each = Math.floor((payloadMax - headSize) / smallSize);
      assert.is(payloads.length, Math.max(3, Math.ceil(700 / each)));
      for (const { length } of payloads) assert.ok(length <= payloadMax);
      const batches = readAll(payloads);
      assert.equal(batches.flatMap((batch) => batch.messages), messages as unknown[]);
      for (const batch of batches) assertSame(batch, { ...batchOf(), messages: batch.messages });
    }
  });

  test(`${about}: one that is longer comes in parts, in any order; those before and behind it as they are`, () => {
    const batch = batchOf(SMALL, large(100_000), SMALL, large(longest));
    const due = said(batch.messages);
    const payloads = writtenAll(batch, 65_536);
    const parts = payloads.filter(([first]) => first === partMagic);
    assert.is(
      parts.length,
      2 + Math.ceil((headSize + aroundSize + longest) / (65_536 - PART_HEAD_SIZE)),
    );
    assert.is(payloads.length, parts.length + 2);
    for (const { length } of payloads) assert.ok(length <= 65_536);
    const got = (order: readonly Uint8Array[]) =>
      said(readAll(order).flatMap((one) => one.messages));
    assert.ok(difference(got(payloads), due) === undefined);
    assert.ok(difference(got(payloads.toReversed()), due.toReversed()) === undefined);
    // Parts that come twice: nothing more comes of them.
    assert.ok(difference(got([...parts, ...parts]), [due[1], due[3]]) === undefined);
  });

  test(`${about}: a message that just fits is not cut, one byte more is`, () => {
    const payloadMax = 20_000;
    const size = payloadMax - headSize - aroundSize;
    for (const [more, count] of [[0, 1], [1, 2]] as const) {
      const payloads = writtenAll(batchOf(large(size + more)), payloadMax);
      assert.is(payloads.length, count);
      const messages = readAll(payloads).flatMap((one) => one.messages);
      assert.equal(said(messages), said([large(size + more)]));
    }
  });

  test(`${about}: a part that is missing is waited for, and dropped in time`, () => {
    const reader = readerOf(CLUSTER);
    const [first, ...rest] = writtenAll(batchOf(large(100_000)), 40_000);
    assert.is(rest.length, 2);
    for (const part of rest) assert.is(reader.read(part, tagOf(ONE), 0), undefined);
    assert.ok(reader.assembly.bytes > 60_000);
    assert.is(reader.assembly.wakeMs, UNFINISHED_MS);
    assert.is(reader.assembly.sweep(UNFINISHED_MS), 1);
    assert.is(reader.assembly.bytes, 0);
    // Late: its message is over.
    assert.is(reader.read(first ?? new Uint8Array(), tagOf(ONE), UNFINISHED_MS), undefined);
    assert.is(reader.assembly.count, 0);
  });

  test(`${about}: parts of messages that a writer cuts have numbers of their own, also around 2^64`, () => {
    const writer = writerOf(CLUSTER, ONE, 2n ** 64n - 1n);
    writer.payloadMax = 20_000;
    const ids = [1, 2].map(() => {
      const [payload = new Uint8Array()] = writer.write(batchOf(large(30_000)));
      return new DataView(payload.buffer, payload.byteOffset).getBigUint64(40, true);
    });
    assert.equal(ids, [2n ** 64n - 1n, 0n]);
  });

  test(`${about}: bytes in the middle of a larger buffer are read the same`, () => {
    const bytes = written(batchOf(SMALL, large(5)));
    const larger = new Uint8Array(bytes.length + 20).fill(0xff);
    larger.set(bytes, 7);
    assertSame(taken(larger.subarray(7, 7 + bytes.length)), batchOf(SMALL, large(5)));
  });

  test(`${about}: who sent it must be who the subject names, also of a message in parts; and of this cluster`, () => {
    const whole = written(batchOf(SMALL));
    const parts = writtenAll(batchOf(large(30_000)), 20_000);
    const foreign = writerOf(THIRD as never, ONE, 1n).write(batchOf(SMALL))[0]?.slice();
    const codeOf = (bytes: Uint8Array | undefined, sender = ONE) => {
      const result = readerOf(CLUSTER).read(bytes ?? whole, tagOf(sender), 0);
      return result !== undefined && isRefusal(result) ? result.refused : "none";
    };
    assert.equal([whole, parts[0], foreign].map((bytes) => codeOf(bytes)), [
      "none",
      "none",
      "cluster",
    ]);
    assert.equal([whole, parts[0]].map((bytes) => codeOf(bytes, OTHER)), ["sender", "sender"]);
    // Parts that are ONE's, of a whole that says it is another's.
    const reader = readerOf(CLUSTER);
    const forged = writerOf(CLUSTER, OTHER, 1n);
    forged.payloadMax = 20_000;
    const results = forged.write(batchOf(large(30_000))).map((payload) => {
      const copy = payload.slice();
      copy.set(whole.subarray(24, 40), 24);
      return reader.read(copy, tagOf(ONE), 0);
    });
    const last = results.at(-1);
    assert.is(last !== undefined && isRefusal(last) && last.refused, "sender");
  });

  test(`${about}: a part has a head of its own`, () => {
    const [bytes = new Uint8Array()] = writtenAll(batchOf(large(30_000)), 20_000);
    const whole = headSize + aroundSize + 30_000;
    assert.is(
      hexOf(bytes.subarray(0, PART_HEAD_SIZE)),
      [
        hexOf(Uint8Array.of(partMagic)) + "01" + "0000" +
        hexOf(new Uint8Array(new Uint32Array([whole]).buffer)),
        CLUSTER,
        ONE,
        "4d00000000000000" + "00000000" + "02000000",
      ].join(""),
    );
    assert.is(bytes.length, PART_HEAD_SIZE + Math.floor(whole / 2));
  });
}

test.run();
