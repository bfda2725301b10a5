/**
 * The bodies of the frames about transactions and snapshots of persistent and replicated databases.
 *
 *   transact  u16 ref | u32 timeoutMs | u8 again | name | u32 reads: key, u64 version | u32 writes: u8 has, key, data
 *   named     name                                                                      name: u64 sid, u32 n
 *   txn       u8 outcome | u8 has (1 name, 2 conflict, 4 behind) | name | key | u64 seq, u64 dbseq | u8 + code | why
 *   look      u16 ref | u32 timeoutMs | u8 how | u32 snapshot (0: none) | u32 keys: key
 *   values    u64 dbseq | u32 values: u64 version, u8 has, data                         data: u32 + bytes
 *
 *   transact, values: behind that u64 lineage, or nothing: it is not known. Who does not know of it ignores it.
 *
 *   list      u32 snapshot | u32 timeoutMs | u8 keysOnly | u32 credit | key (prefix); answered by record and end
 *
 * Does NOT promise: sense; a ref, a snapshot or a name may mean nothing.
 */
import { KEY_MAX, VALUE_MAX } from "../limits.ts";
import type { FrameBody, FrameWriter } from "./frames.ts";
import { FRAME } from "./frames.ts";

/** How a transaction ended. */
export const TXN_OUTCOMES = ["committed", "aborted", "unknown"] as const;
/** How a state is chosen to be read. */
export const LOOK_HOW = ["local", "latest"] as const;
/** One of LOOK_HOW. */
export type LookHow = (typeof LOOK_HOW)[number];

/** Bytes at least of a read, a write, and a value in a frame: more of them than fit are none. */
const READ_MIN = 10;
const WRITE_MIN = 3;
const KEY_MIN = 2;
const VALUE_MIN = 13;
const WORD_MAX = 255;
const LINEAGE_BYTES = 8;

const encoder = new TextEncoder();
const NO_NAME = { sid: 0n, n: 0 };

/** A transaction's name. */
export interface NameBody {
  /** u64. */
  readonly sid: bigint;
  /** u32, from 1. */
  readonly n: number;
}

/** A transaction as a program sends it: keys as bytes. */
export interface TransactBody<Key> {
  readonly ref: number;
  readonly timeoutMs: number;
  /** It was sent before, under this name. */
  readonly again: NameBody | undefined;
  readonly reads: readonly { readonly key: Key; readonly version: bigint }[];
  /** A write without value deletes. */
  readonly writes: readonly { readonly key: Key; readonly value: Uint8Array | undefined }[];
  /** The history in which it read; undefined: in none, or nobody has told. */
  readonly lineage: bigint | undefined;
}

function writeName(writer: FrameWriter, { sid, n }: NameBody): void {
  writer.u64(sid).u32(n);
}

function readName(body: FrameBody): NameBody {
  return { sid: body.u64(), n: body.u32() };
}

/** Writes the end of a body; one that is not known is no bytes. */
function writeLineage(writer: FrameWriter, lineage: bigint | undefined): void {
  if (lineage !== undefined) writer.u64(lineage);
}

function readLineage(body: FrameBody): bigint | undefined {
  return body.left === 0 ? undefined : body.u64();
}

function writeData(writer: FrameWriter, data: Uint8Array): void {
  writer.u32(data.length).bytes(data);
}

/** A count of things of so many bytes at least. */
function readCount(body: FrameBody, bytesMin: number): number {
  const count = body.u32();
  if (count * bytesMin > body.left) throw new RangeError(`${count} of something, and no room`);
  return count;
}

/** A value; a copy. */
function readData(body: FrameBody): Uint8Array {
  const size = body.u32();
  if (size > VALUE_MAX) throw new RangeError(`a value of ${size} bytes`);
  return body.copy(size);
}

/** Bytes that a transaction has on the wire, the head of its frame apart. */
export function transactSize(
  { reads, writes, lineage }: Pick<TransactBody<Uint8Array>, "reads" | "writes" | "lineage">,
): number {
  let size = 7 + 12 + 8 + (lineage === undefined ? 0 : LINEAGE_BYTES);
  for (const { key } of reads) size += READ_MIN + key.length;
  for (const { key, value } of writes) {
    size += WRITE_MIN + key.length + (value === undefined ? 0 : 4 + value.length);
  }
  return size;
}

/** Writes a transaction. Throws RangeError: it is longer than FRAME_MAX. */
export function writeTransact(
  writer: FrameWriter,
  id: number,
  { ref, timeoutMs, again, reads, writes, lineage }: TransactBody<Uint8Array>,
): void {
  writer.begin(FRAME.transact, id).u16(ref).u32(timeoutMs).u8(again === undefined ? 0 : 1);
  writeName(writer, again ?? NO_NAME);
  writer.u32(reads.length);
  for (const { key, version } of reads) writer.short(key).u64(version);
  writer.u32(writes.length);
  for (const { key, value } of writes) {
    writer.u8(value === undefined ? 0 : 1).short(key);
    if (value !== undefined) writeData(writer, value);
  }
  writeLineage(writer, lineage);
  writer.end();
}

/** Reads it; values are copies. Throws RangeError. */
export function readTransact(body: FrameBody): TransactBody<string> {
  const ref = body.u16();
  const timeoutMs = body.u32();
  const isAgain = body.u8() !== 0;
  const name = readName(body);
  const reads = Array.from({ length: readCount(body, READ_MIN) }, () => {
    const key = body.key();
    return { key, version: body.u64() };
  });
  const writes = Array.from({ length: readCount(body, WRITE_MIN) }, () => {
    const hasValue = body.u8() !== 0;
    const key = body.key();
    return { key, value: hasValue ? readData(body) : undefined };
  });
  const again = isAgain ? name : undefined;
  return { ref, timeoutMs, again, reads, writes, lineage: readLineage(body) };
}

/** Writes the name that a transaction has. */
export function writeNamed(writer: FrameWriter, id: number, name: NameBody): void {
  writer.begin(FRAME.named, id);
  writeName(writer, name);
  writer.end();
}

/** Reads it. Throws RangeError. */
export function readNamed(body: FrameBody): NameBody {
  return readName(body);
}

/** How a transaction ended. */
export interface TxnBody {
  readonly outcome: (typeof TXN_OUTCOMES)[number];
  /** Undefined: it never had one. */
  readonly name: NameBody | undefined;
  /** Committed: its entry in the log, and its number. */
  readonly seq: bigint;
  readonly dbseq: bigint;
  /** Committed: this node does not show it yet. */
  readonly isBehind: boolean;
  /** Otherwise: why, as a word of up to 255 bytes, and for people. */
  readonly code: string;
  readonly why: string;
  /** A key that another transaction has changed. */
  readonly conflict: string | undefined;
}

/** Writes it. */
export function writeTxn(writer: FrameWriter, id: number, txn: TxnBody): void {
  const { outcome, name, seq, dbseq, isBehind, code, why, conflict } = txn;
  writer.begin(FRAME.txn, id).u8(TXN_OUTCOMES.indexOf(outcome));
  writer.u8((name === undefined ? 0 : 1) | (conflict === undefined ? 0 : 2) | (isBehind ? 4 : 0));
  if (name !== undefined) writeName(writer, name);
  if (conflict !== undefined) writer.key(conflict.slice(0, KEY_MAX));
  const word = encoder.encode(code).subarray(0, WORD_MAX);
  writer.u64(seq).u64(dbseq).u8(word.length).bytes(word).text(why).end();
}

/** Reads it. Throws RangeError. */
export function readTxn(body: FrameBody): TxnBody {
  const outcome = TXN_OUTCOMES[body.u8()];
  if (outcome === undefined) throw new RangeError("a transaction that ended in no known way");
  const has = body.u8();
  const name = (has & 1) === 0 ? undefined : readName(body);
  const conflict = (has & 2) === 0 ? undefined : body.key();
  const [seq, dbseq] = [body.u64(), body.u64()];
  const code = body.text(body.u8());
  return { outcome, name, conflict, seq, dbseq, code, isBehind: (has & 4) !== 0, why: body.text() };
}

/** What is to be read: all of one state. */
export interface LookBody<Key> {
  readonly ref: number;
  readonly timeoutMs: number;
  readonly how: LookHow;
  /** Its number; 0: of none. */
  readonly snapshot: number;
  readonly keys: readonly Key[];
}

/** Writes it. */
export function writeLook(
  writer: FrameWriter,
  id: number,
  { ref, timeoutMs, how, snapshot, keys }: LookBody<Uint8Array>,
): void {
  writer.begin(FRAME.look, id).u16(ref).u32(timeoutMs).u8(LOOK_HOW.indexOf(how)).u32(snapshot);
  writer.u32(keys.length);
  for (const key of keys) writer.short(key);
  writer.end();
}

/** Reads it. Throws RangeError. */
export function readLook(body: FrameBody): LookBody<string> {
  const ref = body.u16();
  const timeoutMs = body.u32();
  const how = LOOK_HOW[body.u8()];
  if (how === undefined) throw new RangeError("a read of no known kind");
  const snapshot = body.u32();
  const keys = Array.from({ length: readCount(body, KEY_MIN) }, () => body.key());
  return { ref, timeoutMs, how, snapshot, keys };
}

/** What was read, in the order of the keys. */
export interface ValuesBody {
  /** The state: after this transaction. */
  readonly dbseq: bigint;
  /** Version 0 and no value: there is no record. */
  readonly values: readonly {
    readonly version: bigint;
    readonly value: Uint8Array | undefined;
  }[];
  /** The history that it is a state of; undefined: the node does not say. */
  readonly lineage: bigint | undefined;
}

/** Bytes that values have on the wire, the head of their frame apart. */
export function valuesSize({ values, lineage }: Pick<ValuesBody, "values" | "lineage">): number {
  const least = 12 + (lineage === undefined ? 0 : LINEAGE_BYTES);
  return values.reduce((size, { value }) => size + VALUE_MIN + (value?.length ?? 0), least);
}

/** Writes them. Throws RangeError: they are longer than FRAME_MAX. */
export function writeValues(
  writer: FrameWriter,
  id: number,
  { dbseq, values, lineage }: ValuesBody,
): void {
  writer.begin(FRAME.values, id).u64(dbseq).u32(values.length);
  for (const { version, value } of values) {
    writer.u64(version).u8(value === undefined ? 0 : 1);
    writeData(writer, value ?? new Uint8Array(0));
  }
  writeLineage(writer, lineage);
  writer.end();
}

/** Reads them; copies. Throws RangeError. */
export function readValues(body: FrameBody): ValuesBody {
  const dbseq = body.u64();
  const values = Array.from({ length: readCount(body, VALUE_MIN) }, () => {
    const version = body.u64();
    const hasValue = body.u8() !== 0;
    const data = readData(body);
    return { version, value: hasValue ? data : undefined };
  });
  return { dbseq, values, lineage: readLineage(body) };
}

/** Which records of a snapshot. */
export interface ListBody<Key> {
  readonly snapshot: number;
  readonly timeoutMs: number;
  readonly keysOnly: boolean;
  /** Records that may be told before `more`. */
  readonly credit: number;
  readonly prefix: Key;
}

/** Writes it. */
export function writeList(
  writer: FrameWriter,
  id: number,
  { snapshot, timeoutMs, keysOnly, credit, prefix }: ListBody<Uint8Array>,
): void {
  writer.begin(FRAME.list, id).u32(snapshot).u32(timeoutMs).u8(keysOnly ? 1 : 0).u32(credit);
  writer.short(prefix).end();
}

/** Reads it. Throws RangeError. */
export function readList(body: FrameBody): ListBody<string> {
  const snapshot = body.u32();
  const timeoutMs = body.u32();
  const keysOnly = body.u8() !== 0;
  return { snapshot, timeoutMs, keysOnly, credit: body.u32(), prefix: body.key() };
}
