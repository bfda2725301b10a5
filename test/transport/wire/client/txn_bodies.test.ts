/** Frames about transactions and snapshots: read as they were written; hostile bytes are refused. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bytesOfKey,
  FRAME,
  FrameReader,
  keyOfBytes,
} from "../../../../transport/wire/client/frames.ts";
import * as bodies from "../../../../transport/wire/client/txn_bodies.ts";
import { bytes, form, key, testForms, text, u32, u64, written } from "./forms.ts";

const test = suite("client frames: transactions");
const ref = fc.nat({ max: 0xffff });
const name = fc.record({ sid: u64, n: u32 });
const keyText = key.map(keyOfBytes);
const value = fc.option(bytes, { nil: undefined });
const write = fc.record({ key: keyText, value });
const lineage = fc.option(u64, { nil: undefined });
const FRAME_HEAD_BYTES = 9;

testForms(test, {
  transact: form<bodies.TransactBody<string>>({
    value: fc.record({
      ref,
      timeoutMs: u32,
      again: fc.option(name, { nil: undefined }),
      reads: fc.array(fc.record({ key: keyText, version: u64 }), { maxLength: 5 }),
      writes: fc.array(write, { maxLength: 5 }),
      lineage,
    }),
    write: (writer, txn) => bodies.writeTransact(writer, 7, asBytes(txn)),
    read: bodies.readTransact,
  }),
  named: form({
    value: name,
    write: (writer, one) => bodies.writeNamed(writer, 7, one),
    read: bodies.readNamed,
  }),
  txn: form<bodies.TxnBody>({
    value: fc.record({
      outcome: fc.constantFrom(...bodies.TXN_OUTCOMES),
      name: fc.option(name, { nil: undefined }),
      seq: u64,
      dbseq: u64,
      isBehind: fc.boolean(),
      code: fc.string({ maxLength: 20, unit: "grapheme-ascii" }),
      why: text,
      conflict: fc.option(keyText, { nil: undefined }),
    }),
    write: (writer, txn) => bodies.writeTxn(writer, 7, txn),
    read: bodies.readTxn,
  }),
  look: form<bodies.LookBody<string>>({
    value: fc.record({
      ref,
      timeoutMs: u32,
      how: fc.constantFrom(...bodies.LOOK_HOW),
      snapshot: u32,
      keys: fc.array(keyText, { maxLength: 5 }),
    }),
    write: (writer, look) =>
      bodies.writeLook(writer, 7, { ...look, keys: look.keys.map(bytesOfKey) }),
    read: bodies.readLook,
  }),
  values: form<bodies.ValuesBody>({
    value: fc.record({
      dbseq: u64,
      values: fc.array(
        fc.record({ version: u64, value }),
        { maxLength: 5 },
      ),
      lineage,
    }),
    write: (writer, values) => bodies.writeValues(writer, 7, values),
    read: bodies.readValues,
  }),
  list: form<bodies.ListBody<string>>({
    value: fc.record({
      snapshot: u32,
      timeoutMs: u32,
      keysOnly: fc.boolean(),
      credit: u32,
      prefix: bytes.map(keyOfBytes),
    }),
    write: (writer, list) =>
      bodies.writeList(writer, 7, { ...list, prefix: bytesOfKey(list.prefix) }),
    read: bodies.readList,
  }),
});

function asBytes(txn: bodies.TransactBody<string>): bodies.TransactBody<Uint8Array> {
  return {
    ...txn,
    reads: txn.reads.map(({ key: one, version }) => ({ key: bytesOfKey(one), version })),
    writes: txn.writes.map(({ key: one, ...rest }) => ({ key: bytesOfKey(one), ...rest })),
  };
}

test("sizes are those of the frames", () => {
  const some = fc.record({
    reads: fc.array(fc.record({ key, version: u64 }), { maxLength: 5 }),
    writes: fc.array(fc.record({ key, value }), { maxLength: 5 }),
    lineage,
  });
  fc.assert(fc.property(some, (one) => {
    const head = { ref: 1, timeoutMs: 1, again: undefined };
    const frame = written((writer) => bodies.writeTransact(writer, 1, { ...head, ...one }));
    assert.is(bodies.transactSize(one), frame.length - FRAME_HEAD_BYTES);
    const values = one.writes.map(({ value }) => ({ version: 1n, value }));
    const body = { dbseq: 1n, values, lineage: one.lineage };
    const told = written((writer) => bodies.writeValues(writer, 1, body));
    assert.is(bodies.valuesSize(body), told.length - FRAME_HEAD_BYTES);
  }));
});

test("a count that the frame has no room for is refused before a list is made", () => {
  const frame = written((writer) =>
    writer.begin(FRAME.look, 1).u16(1).u32(1).u8(0).u32(0).u32(0xffff_ffff).end()
  );
  assert.throws(
    () => new FrameReader((_kind, _id, body) => void bodies.readLook(body)).add(frame),
    (error: unknown) => error instanceof RangeError && /no room/.test(error.message),
  );
});

test.run();
