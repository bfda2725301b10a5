/**
 * A stored copy as the words of its header in the file, and the entry beside the file (record_side.ts).
 *
 *   words in the file: rsn, dmaster, index, flags        beside: tid, birth, dmaster, calls of entry `index`
 *
 * Does NOT promise: to know a record that no entry belongs to by more than its file.
 */
import type { Copy } from "../../transport/wire/messages/record.ts";
import type { Pnn, Rsn } from "../../transport/wire/terms.ts";
import { machineFlags, RECORD_AT } from "./record_header.ts";
import type { Head } from "./record_in_place.ts";
import { NO_ENTRY } from "./record_side.ts";
import type { RecordSide } from "./record_side.ts";

/** A copy as it is stored; `Stored` of the record machine. */
export interface StoredRecord extends Copy {
  readonly dmaster: Pnn;
  /** MACHINE_FLAG. */
  readonly flags: number;
}

/** A copy without its value, which may be long: `Head` of the record machine. */
export interface StoredHead extends Omit<StoredRecord, "data" | "calls"> {
  readonly data: { readonly length: number };
}

/** A copy from its header, as 32-bit words from `head` on; `hash` is that of its key. */
export function decode<Data>(
  side: RecordSide,
  words: Uint32Array,
  head: number,
  data: Data,
  hash: number,
): Omit<StoredRecord, "data"> & { readonly data: Data } {
  const low = words[head] as number;
  const high = words[head + 1] as number;
  const flags = words[head + (RECORD_AT.flags >>> 2)] as number;
  const named = (words[head + (RECORD_AT.index >>> 2)] as number) - 1;
  const index = side.has(named, hash) ? named : NO_ENTRY;
  const tid = side.tid(index);
  const inFile = words[head + (RECORD_AT.dmaster >>> 2)] as Pnn;
  return {
    tid,
    rsn: (high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low)) as Rsn,
    birth: side.birth(index, tid),
    data,
    calls: side.calls(index),
    dmaster: index === NO_ENTRY ? inFile : side.dmaster(index),
    flags: machineFlags(flags),
  };
}

/** Writes a header as words from `at` on. */
export function putHeader(
  words: Uint32Array,
  at: number,
  { rsn, dmaster, index, flags }: Head,
): void {
  words[at] = Number(rsn & 0xffffffffn);
  words[at + 1] = Number(rsn >> 32n);
  words[at + (RECORD_AT.dmaster >>> 2)] = dmaster;
  words[at + (RECORD_AT.index >>> 2)] = index;
  words[at + (RECORD_AT.flags >>> 2)] = flags;
  words[at + (RECORD_AT.mark >>> 2)] = 0;
}
