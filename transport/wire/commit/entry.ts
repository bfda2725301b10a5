/**
 * An entry of the commit log of a persistent or replicated database: the same bytes on the wire and on the disk.
 *
 *   0 u32 magic | 4 u32 CRC32C of [8, size) | 8 u32 size | 12 u8 kind | 13 u8 layout | 14 u16 0
 *   16 u64 lineage | 24 u64 term | 32 u64 seq | 40 u64 dbseqFirst | 48 u64 prevChain | 56 u32 count | 60 body
 *   size - 8 u64 chain: the first 8 bytes of MD5 over [8, size - 8), in which the chain before stands
 *
 *   group   count times { u64 sid, u32 n, u32 doneUpTo, u32 writes, each { u16 key, u8 0 put | 1 delete,
 *           put: u32 value, key bytes, value bytes } }      transaction i: its dbseq is dbseqFirst + i
 *   open    16 bytes node id, u64 incarnation, u32 number        close  u64 sid, u8 why        abort  u64 sid, u32 n
 *   start   nothing
 *
 * Little endian, unaligned. Two entries with one chain have one history: each chain is over all before it.
 *
 * Does NOT promise: that an entry follows the one before it; who reads a log compares seq and prevChain.
 */
import { In, Out } from "../byte_cursor.ts";
import { KEY_MAX, VALUE_MAX } from "../limits.ts";
import { chainOf, crcOf } from "./sums.ts";

/** What an entry is for. */
export type EntryKind = "start" | "group" | "open" | "close" | "abort";

/** One change of a transaction. */
export interface CommitWrite {
  /** One character U+0000 .. U+00FF a byte; at most KEY_MAX. */
  readonly key: string;
  /** At most VALUE_MAX bytes; undefined: the record is deleted. */
  readonly value: Uint8Array | undefined;
}

/** One transaction. */
export interface CommitTxn {
  /** Its session: the seq of the entry that opened it. */
  readonly sid: bigint;
  /** Its number in the session, u32 from 1. */
  readonly n: number;
  /** Up to here the session's node has its answers, u32. */
  readonly doneUpTo: number;
  readonly writes: readonly CommitWrite[];
}

/** An entry before it is sealed. */
export interface EntryBody {
  readonly kind: EntryKind;
  /** Which history it belongs to, u64, not 0. */
  readonly lineage: bigint;
  /** Version of the document that installed the primary, u64. */
  readonly term: bigint;
  /** u64, from 1, without gaps. */
  readonly seq: bigint;
  /** u64: of the first transaction here or in an entry to come; so the one before has dbseqFirst - 1. */
  readonly dbseqFirst: bigint;
  /** Chain of the entry before; 0: there is none. */
  readonly prevChain: bigint;
  /** Only a group has any. */
  readonly txns: readonly CommitTxn[];
  /** Kind open: whose session. `nodeId` 32 hex digits, `number` u32. */
  readonly open?: {
    readonly nodeId: string;
    readonly incarnation: bigint;
    readonly number: number;
  };
  /** Kind close. */
  readonly close?: { readonly sid: bigint; readonly why: CloseReason };
  /** Kind abort: this transaction never happens. */
  readonly abort?: { readonly sid: bigint; readonly n: number };
}

/** Why a session ended. */
export type CloseReason = "closed" | "expired";

/** A sealed entry. */
export interface Entry extends EntryBody {
  /** u64. */
  readonly chain: bigint;
  /** Bytes of it, without what a log puts around it. */
  readonly size: number;
  /** All of it, as it travels and lies. */
  readonly bytes: Uint8Array;
}

/** Why bytes are no entry. */
export interface EntryFault {
  /** short: more bytes are needed; the others: these bytes are wrong. */
  readonly fault: "short" | "magic" | "size" | "crc" | "chain" | "layout" | "body";
  /** The same in words. */
  readonly text: string;
}

/** First word of an entry: "CTLE". */
export const ENTRY_MAGIC = 0x454c5443;
/** Bytes of one entry at most: 32 MiB. A transaction that does not fit is refused. */
export const ENTRY_MAX: number = 32 * 1024 * 1024;
/** Bytes before the body. */
export const ENTRY_HEAD = 60;
/** Bytes of an entry without a body: head and chain. */
export const ENTRY_MIN: number = ENTRY_HEAD + 8;
/** Bytes that a transaction takes beside its writes, and a write beside its key and value. */
export const TXN_BYTES = 20;
export const WRITE_BYTES = 7;

/** Low bits of a lineage that count the histories of a database. */
export const LINEAGE_COUNT_BITS = 20n;
/** Bits of numbers that a count of histories stands before. */
export const NUMBER_BITS = 44n;
const COUNT_MASK = (1n << LINEAGE_COUNT_BITS) - 1n;

/** Which of the histories of a database one is, 0 .. 2^20 - 1: 0 is the first. */
export function forksOf(lineage: bigint): bigint {
  return (lineage - 1n) & COUNT_MASK;
}

/**
 * The version of what a transaction writes: its dbseq, behind the number of forks before it. After a fork the same
 * dbseq comes again, the version does not: what was read before is not taken for what is there now.
 */
export function versionAt(lineage: bigint, dbseq: bigint): bigint {
  return (forksOf(lineage) << NUMBER_BITS) | dbseq;
}

/** The dbseq of a version: the number of the transaction that wrote it, in its history. 0: there is no record. */
export function dbseqOf(version: bigint): bigint {
  return BigInt.asUintN(Number(NUMBER_BITS), version);
}

const LAYOUT = 1;
const AT = { crc: 4, size: 8, kind: 12, layout: 13, zero: 14, count: 56 } as const;
/** Kinds by their number - 1; reasons by their number. */
const KINDS = ["start", "group", "open", "close", "abort"] as const satisfies EntryKind[];
const REASONS = ["closed", "expired"] as const satisfies CloseReason[];
const PUT = 0;
const DELETE = 1;
/** Digits of a node id, and the bytes they stand for. */
const NODE_ID = /^[0-9a-f]{32}$/;
const NODE_BYTES = 16;

/** One writer and one reader for the thread: what they hold is only of use during a call. */
const OUT = new Out();
const IN = new In();

/**
 * Encodes an entry and chains it to the one before. Throws RangeError on fields that do not fit: texts above U+00FF,
 * a key above KEY_MAX, a value above VALUE_MAX, an entry above ENTRY_MAX, a body that is not its kind's.
 */
export function sealEntry(body: EntryBody): Entry {
  const out = OUT;
  out.clear();
  putHead(out, body);
  putBody(out, body);
  out.room(8);
  const size = out.at + 8;
  if (size > ENTRY_MAX) throw cannot(`it has ${size} bytes, ENTRY_MAX is ${ENTRY_MAX}`);
  out.view.setUint32(AT.size, size, true);
  const chain = chainOf(out.bytes, AT.size, size - 8);
  out.u64(chain);
  out.view.setUint32(AT.crc, crcOf(out.bytes, AT.size, size), true);
  return { ...body, chain, size, bytes: out.bytes.slice(0, size) };
}

function cannot(why: string): RangeError {
  return new RangeError(`Cannot write an entry: ${why}`);
}

function putHead(out: Out, body: EntryBody): void {
  const { kind, txns } = body;
  if (kind === "group" ? txns.length === 0 : txns.length > 0) {
    throw cannot(`a ${kind} has ${txns.length} transactions`);
  }
  out.room(0);
  out.u32(ENTRY_MAGIC);
  out.u32(0);
  out.u32(0);
  out.u8(KINDS.indexOf(kind) + 1);
  out.u8(LAYOUT);
  out.u16(0);
  out.u64(body.lineage);
  out.u64(body.term);
  out.u64(body.seq);
  out.u64(body.dbseqFirst);
  out.u64(body.prevChain);
  out.u32(txns.length);
}

function putBody(out: Out, body: EntryBody): void {
  const { kind, txns, open, close, abort } = body;
  if (kind === "group") return txns.forEach((txn) => putTxn(out, txn));
  if (kind === "open" && open !== undefined) {
    if (!NODE_ID.test(open.nodeId)) throw cannot(`a node id is 32 hex digits, is ${open.nodeId}`);
    out.bytes.set(Uint8Array.fromHex(open.nodeId), out.at);
    out.at += NODE_BYTES;
    out.u64(open.incarnation);
    out.u32(open.number);
  } else if (kind === "close" && close !== undefined) {
    out.u64(close.sid);
    out.u8(REASONS.indexOf(close.why));
  } else if (kind === "abort" && abort !== undefined) {
    out.u64(abort.sid);
    out.u32(abort.n);
  } else if (kind !== "start") {
    throw cannot(`a ${kind} without what it is about`);
  }
}

function putTxn(out: Out, txn: CommitTxn): void {
  out.room(0);
  out.u64(txn.sid);
  out.u32(txn.n);
  out.u32(txn.doneUpTo);
  out.u32(txn.writes.length);
  for (const { key, value } of txn.writes) {
    if (key.length > KEY_MAX) throw cannot(`a key has ${key.length} bytes, KEY_MAX is ${KEY_MAX}`);
    const length = value?.length ?? 0;
    if (length > VALUE_MAX) throw cannot(`a value has ${length} bytes, VALUE_MAX is ${VALUE_MAX}`);
    out.room(WRITE_BYTES + key.length + length);
    out.u16(key.length);
    out.u8(value === undefined ? DELETE : PUT);
    if (value !== undefined) out.u32(length);
    putKey(out, key);
    if (value === undefined) continue;
    out.bytes.set(value, out.at);
    out.at += length;
  }
}

function putKey(out: Out, key: string): void {
  let all = 0;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    all |= code;
    out.bytes[out.at + i] = code;
  }
  if (all > 0xff) throw cannot("a key has a character above U+00FF");
  out.at += key.length;
}

/** The size that an entry says it has, u32; undefined: fewer than 12 bytes, or no entry begins there. */
export function entrySize(bytes: Uint8Array, at = 0): number | undefined {
  if (bytes.length - at < 12) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 12);
  return view.getUint32(0, true) === ENTRY_MAGIC ? view.getUint32(AT.size, true) : undefined;
}

/** Is what was read no entry? */
export function isFault(read: Entry | EntryFault): read is EntryFault {
  return "fault" in read;
}

function fault(which: EntryFault["fault"], text: string): EntryFault {
  return { fault: which, text };
}

/**
 * Reads the entry that begins at `at`; others may follow. Every length is checked, then the checksum, then the chain
 * over its own bytes, then each field. Its values and `bytes` are views of what was given.
 */
export function readEntry(given: Uint8Array, at = 0): Entry | EntryFault {
  const left = given.length - at;
  if (left < ENTRY_MIN) return fault("short", `${left} bytes, an entry has ${ENTRY_MIN}`);
  const view = new DataView(given.buffer, given.byteOffset + at, left);
  if (view.getUint32(0, true) !== ENTRY_MAGIC) return fault("magic", "no entry begins here");
  const size = view.getUint32(AT.size, true);
  if (size < ENTRY_MIN || size > ENTRY_MAX) return fault("size", `its size is ${size}`);
  if (size > left) return fault("short", `${left} bytes of ${size}`);
  const bytes = given.subarray(at, at + size);
  if (view.getUint32(AT.crc, true) !== crcOf(bytes, AT.size, size)) {
    return fault("crc", "its checksum is wrong");
  }
  const chain = view.getBigUint64(size - 8, true);
  if (chain !== chainOf(bytes, AT.size, size - 8)) {
    return fault("chain", "its chain is not that of its bytes");
  }
  if (bytes[AT.layout] !== LAYOUT) {
    return fault("layout", `its layout is ${bytes[AT.layout]}, this ctdbx knows ${LAYOUT}`);
  }
  try {
    return { ...readFields(bytes, size), chain, size, bytes };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fault("body", error.message);
  } finally {
    IN.close();
  }
}

function readFields(bytes: Uint8Array, size: number): EntryBody {
  const input = IN;
  input.open(bytes.subarray(0, size - 8), AT.kind);
  const kind = KINDS[input.u8() - 1];
  input.u8();
  if (kind === undefined || input.u16() !== 0) throw new RangeError("its kind is unknown");
  const head = {
    kind,
    lineage: input.u64<bigint>(),
    term: input.u64<bigint>(),
    seq: input.u64<bigint>(),
    dbseqFirst: input.u64<bigint>(),
    prevChain: input.u64<bigint>(),
  };
  const count = input.u32();
  if (head.lineage === 0n || head.seq === 0n || head.dbseqFirst === 0n) {
    throw new RangeError("its lineage, seq or dbseq is 0");
  }
  if ((kind === "group") !== (count > 0)) throw new RangeError(`a ${kind} of ${count}`);
  const body = { ...head, ...readBody(input, kind, count) };
  if (input.left !== 0) throw new RangeError(`${input.left} bytes are left over`);
  return body;
}

function readBody(
  input: In,
  kind: EntryKind,
  count: number,
): Pick<EntryBody, "txns" | "open" | "close" | "abort"> {
  const txns: CommitTxn[] = [];
  if (kind === "open") {
    const nodeId = takeBytes(input, NODE_BYTES).toHex();
    return { txns, open: { nodeId, incarnation: input.u64(), number: input.u32() } };
  }
  if (kind === "close") {
    const sid = input.u64<bigint>();
    const why = REASONS[input.u8()];
    if (why === undefined) throw new RangeError("why it closes is unknown");
    return { txns, close: { sid, why } };
  }
  if (kind === "abort") return { txns, abort: { sid: input.u64(), n: input.u32() } };
  for (let i = 0; i < count; i++) txns.push(readTxn(input));
  return { txns };
}

function readTxn(input: In): CommitTxn {
  const sid = input.u64<bigint>();
  const n = input.u32();
  const doneUpTo = input.u32();
  const count = input.u32();
  const writes: CommitWrite[] = [];
  for (let i = 0; i < count; i++) {
    const keySize = input.u16();
    const op = input.u8();
    if (op > DELETE) throw new RangeError(`a write of kind ${op}`);
    const valueSize = op === PUT ? input.u32() : 0;
    const key = textOf(takeBytes(input, keySize));
    if (valueSize > VALUE_MAX) throw new RangeError(`a value has ${valueSize} bytes`);
    const value = op === PUT ? takeBytes(input, valueSize) : undefined;
    writes.push({ key, value });
  }
  return { sid, n, doneUpTo, writes };
}

function takeBytes(input: In, size: number): Uint8Array {
  if (size > input.left) throw new RangeError("bytes are cut off");
  const taken = input.bytes.subarray(input.at, input.at + size);
  input.at += size;
  return taken;
}

/** Characters made at once. */
const CHUNK = 4096;

/** The text with one character for each of these bytes. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(undefined, bytes.subarray(at, at + CHUNK) as never);
  }
  return text;
}
