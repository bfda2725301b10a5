/**
 * Changes of a long record that need no space: another header before the same data, or no data any more.
 *
 *   u32 next, rec_len, key_len, data_len, hash, magic | key | header 24 | data ...
 *                                 ▲ 24 when emptied           ▲ rsn, dmaster, index, flags
 *
 * Values of up to RECORD_UNDO_MAX bytes are overwritten by the kernel, with an undo; longer ones are stored anew, which
 * needs as much space again. Where there is none this is done instead.
 *
 * What is written here is never told to anybody before it is whole, and a daemon that dies in the middle has ended the
 * life of the file: any mixture of the two headers is one that nobody acts upon.
 *
 * Does NOT promise: the mutex; its caller has it, and has found the record.
 */
import { RECORD_HEADER, RECORD_UNDO_MAX } from "../../assembly/host/record_kernels.ts";
import { OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { PNN_UNKNOWN } from "../../transport/wire/terms.ts";
import type { RecordFile } from "./record_file.ts";
import { fileFlags, hidesMaster, RECORD_AT } from "./record_header.ts";
import type { StoredRecord } from "./record_store.ts";

/** Bytes of a record's own header, and where the length of its data stands in it. */
const TDB_HEADER = 24;
const TDB_DATA_LEN = 12;

/** What a header says. */
export interface Head {
  readonly rsn: bigint;
  /** As it is to stand in the file. */
  readonly dmaster: number;
  readonly index: number;
  /** As they are to stand in the file. */
  readonly flags: number;
}

/** Is it want of space? */
export function isRoomless(error: unknown): boolean {
  return error instanceof CtdbxError && (error.code === "no_space" || error.code === "limit");
}

/** The header as it is to stand in the file. */
export function headOf({ rsn, dmaster, flags }: StoredRecord, index: number): Head {
  const master = hidesMaster(flags) ? PNN_UNKNOWN : dmaster;
  return { rsn, dmaster: master, index: index + 1, flags: fileFlags(flags) };
}

/** Where the data of the record at `off` are, as an address, and their length. */
function dataOf(file: RecordFile, off: number): readonly [address: number, length: number] {
  file.kernel.recordHead(file.db, off, OUT_AT);
  const { words } = file.core.memory;
  const at = (OUT_AT + RECORD_HEADER) >>> 2;
  return [words[at + 1] as number, words[at] as number];
}

/** Are these the very data of the record at `off`, and is it a long one? */
function hasLong(file: RecordFile, off: number, data: Uint8Array): boolean {
  if (data.length + RECORD_HEADER <= RECORD_UNDO_MAX) return false;
  const [address, length] = dataOf(file, off);
  if (length !== data.length) return false;
  const { bytes } = file.core.memory;
  for (let at = 0; at < length; at++) if (bytes[address + at] !== data[at]) return false;
  return true;
}

/** Puts header and data into the record of the key in scratch; false: that needs space, and nothing was changed. */
export function putInPlace(
  file: RecordFile,
  keyLen: number,
  head: Head,
  data: Uint8Array,
): boolean {
  const off = file.find(keyLen);
  if (off === 0) return false;
  if (data.length > 0 && !hasLong(file, off, data)) return false;
  const [address] = dataOf(file, off);
  const { bytes } = file.core.memory;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = address - RECORD_HEADER;
  view.setBigUint64(at, head.rsn, true);
  view.setUint32(at + RECORD_AT.dmaster, head.dmaster, true);
  view.setUint32(at + RECORD_AT.index, head.index, true);
  view.setUint32(at + RECORD_AT.flags, head.flags, true);
  if (data.length === 0) {
    view.setUint32(at - keyLen - TDB_HEADER + TDB_DATA_LEN, RECORD_HEADER, true);
  }
  return true;
}
