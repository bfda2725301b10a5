/**
 * The 24 bytes that clustered databases (CTDB's) put before every value.
 *
 *   0        8        12         16      20      24
 *   | rsn    | dmaster | reserved | flags | 0     | value ...      in the byte order of the machine
 *
 * A record with a header and nothing behind it is a deleted one that has not been cleaned up yet.
 *
 * Does NOT promise: to tell whether a database has headers; nothing in the file says so.
 * Upstream: ctdb's local tdb header.
 */

/** Bytes of the header. */
export const RECORD_HEADER_BYTES = 24;

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** What a header says: rsn u64, dmaster and flags u32. */
export interface RecordHeader {
  readonly rsn: bigint;
  readonly dmaster: number;
  readonly flags: number;
}

/** A value with a header before it. */
export function withHeader(value: Uint8Array, header: RecordHeader): Uint8Array {
  const out = new Uint8Array(RECORD_HEADER_BYTES + value.length);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, header.rsn, LITTLE);
  view.setUint32(8, header.dmaster, LITTLE);
  view.setUint32(16, header.flags, LITTLE);
  out.set(value, RECORD_HEADER_BYTES);
  return out;
}

/** Reads a header; undefined when the value is too short to have one. */
export function readHeader(value: Uint8Array): RecordHeader | undefined {
  if (value.length < RECORD_HEADER_BYTES) return undefined;
  const view = new DataView(value.buffer, value.byteOffset);
  return {
    rsn: view.getBigUint64(0, LITTLE),
    dmaster: view.getUint32(8, LITTLE),
    flags: view.getUint32(16, LITTLE),
  };
}
