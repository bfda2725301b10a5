/**
 * Records of a metadata scope as bytes in a TDB file, and back.
 *
 *   key   0                  value  "CTDBXSC1" version u32 | flags u32 (1: whole) | epoch u128 | floor u64 | crc32c u32
 *   key   1, key in UTF-8    value  c u64 | w 16 bytes | wallMs f64 | flags u16 (1: deleted) | length of by u16 |
 *                                   by in UTF-8 | value in UTF-8 | crc32c u32
 *
 * All numbers little-endian. The sum is over the key and all of the value before it: a TDB file knows nothing of
 * flipped bits, and a wrong stamp would win against every right one.
 *
 * Does NOT promise: to read what a later version writes; that is code "version".
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { VALUE_AT, VALUE_ROOM } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { NodeId } from "../../transport/wire/terms.ts";

/** What a file says of its scope as a whole. */
export interface ScopeHead {
  /** Below 2^128. */
  readonly epoch: bigint;
  readonly isWhole: boolean;
  /** u64. */
  readonly floor: bigint;
}

/** A record of a scope in its file. */
export interface StoredRecord {
  readonly scope: string;
  readonly key: string;
  /** Null: deleted. */
  readonly value: string | null;
  /** u64. */
  readonly c: bigint;
  readonly w: NodeId;
  readonly wallMs: number;
  readonly by: string;
}

/** Version of the format. */
export const SCOPE_VERSION = 1;
/** The key of the head. */
export const HEAD_KEY: Uint8Array = new Uint8Array([0]);

const MAGIC = "CTDBXSC1";
const HEAD_BYTES = 44;
const RECORD_FIXED = 36;
const SUM_BYTES = 4;
const WHOLE = 1;
const DELETED = 1;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true });

/** Encodes the head. */
export function encodeHead({ epoch, isWhole, floor }: ScopeHead): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(ENCODER.encode(MAGIC));
  view.setUint32(8, SCOPE_VERSION, true);
  view.setUint32(12, isWhole ? WHOLE : 0, true);
  view.setBigUint64(16, BigInt.asUintN(64, epoch), true);
  view.setBigUint64(24, epoch >> 64n, true);
  view.setBigUint64(32, floor, true);
  view.setUint32(HEAD_BYTES - SUM_BYTES, sumOf(HEAD_KEY, bytes), true);
  return bytes;
}

/** Decodes the head. Throws "version", "corrupt". */
export function decodeHead(bytes: Uint8Array): ScopeHead {
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (bytes.length !== HEAD_BYTES || magic !== MAGIC) throw damaged("its head");
  const view = viewOf(bytes);
  requireSum(HEAD_KEY, bytes, "its head");
  const version = view.getUint32(8, true);
  if (version !== SCOPE_VERSION) {
    const text =
      `Cannot read a metadata scope: format ${version}, this build knows ${SCOPE_VERSION}`;
    throw new CtdbxError("version", text);
  }
  return {
    isWhole: (view.getUint32(12, true) & WHOLE) !== 0,
    epoch: view.getBigUint64(24, true) << 64n | view.getBigUint64(16, true),
    floor: view.getBigUint64(32, true),
  };
}

/** The key in the file of a record's key. */
export function encodeKey(key: string): Uint8Array {
  const text = ENCODER.encode(key);
  const bytes = new Uint8Array(1 + text.length);
  bytes[0] = 1;
  bytes.set(text, 1);
  return bytes;
}

/** Encodes a record; `key` as encodeKey made it. */
export function encodeRecord(key: Uint8Array, record: StoredRecord): Uint8Array {
  const by = ENCODER.encode(record.by);
  const value = ENCODER.encode(record.value ?? "");
  const bytes = new Uint8Array(RECORD_FIXED + by.length + value.length + SUM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, record.c, true);
  bytes.set(Uint8Array.fromHex(record.w), 8);
  view.setFloat64(24, record.wallMs, true);
  view.setUint16(32, record.value === null ? DELETED : 0, true);
  view.setUint16(34, by.length, true);
  bytes.set(by, RECORD_FIXED);
  bytes.set(value, RECORD_FIXED + by.length);
  view.setUint32(bytes.length - SUM_BYTES, sumOf(key, bytes), true);
  return bytes;
}

/** Decodes a record. Throws "corrupt". */
export function decodeRecord(scope: string, key: Uint8Array, bytes: Uint8Array): StoredRecord {
  if (key[0] !== 1 || bytes.length < RECORD_FIXED + SUM_BYTES) throw damaged("a record");
  requireSum(key, bytes, "a record");
  const view = viewOf(bytes);
  const end = bytes.length - SUM_BYTES;
  const valueAt = RECORD_FIXED + view.getUint16(34, true);
  if (valueAt > end) throw damaged("a record");
  try {
    return {
      scope,
      key: DECODER.decode(key.subarray(1)),
      value: (view.getUint16(32, true) & DELETED) !== 0
        ? null
        : DECODER.decode(bytes.subarray(valueAt, end)),
      c: view.getBigUint64(0, true),
      w: bytes.subarray(8, 24).toHex() as NodeId,
      wallMs: view.getFloat64(24, true),
      by: DECODER.decode(bytes.subarray(RECORD_FIXED, valueAt)),
    };
  } catch (cause) {
    throw damaged("a record", cause);
  }
}

function requireSum(key: Uint8Array, bytes: Uint8Array, what: string): void {
  const sum = viewOf(bytes).getUint32(bytes.length - SUM_BYTES, true);
  if (sum !== sumOf(key, bytes)) throw damaged(what);
}

/** CRC32C of the key and of the value without its own sum. Both fit: values have META_VALUE_MAX characters. */
function sumOf(key: Uint8Array, value: Uint8Array): number {
  const { bytes } = threadMemory();
  const body = value.subarray(0, value.length - SUM_BYTES);
  if (key.length + body.length > VALUE_ROOM) throw damaged("a record");
  bytes.set(key, VALUE_AT);
  bytes.set(body, VALUE_AT + key.length);
  return kernels().crc32c(0, VALUE_AT, key.length + body.length) >>> 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function damaged(what: string, cause?: unknown): CtdbxError {
  return new CtdbxError("corrupt", `Cannot read a metadata scope: ${what} is damaged`, { cause });
}
