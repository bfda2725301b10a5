/**
 * What controls and messages of ctdbd carry: maps of nodes, records of a traverse, requests to delete.
 *
 * Does NOT promise: to know more of them than the benchmarks need.
 */

import { LTDB_BYTES, type LtdbHeader } from "./ctdb_wire.ts";

/** vnnmap: whom the keys are spread over. */
export interface Vnnmap {
  readonly generation: number;
  /** Node of each slot. */
  readonly map: readonly number[];
}

/** A node as another sees it. */
export interface NodeState {
  readonly pnn: number;
  readonly flags: number;
}

/** One record of a traverse; its bytes are in place. */
export interface Visited {
  readonly key: Uint8Array;
  /** Undefined: the record is deleted. */
  readonly value: Uint8Array | undefined;
  readonly header: LtdbHeader;
}

const SOCKADDR_BYTES = 28;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Answer of GET_VNNMAP. */
export function readVnnmap(bytes: Uint8Array): Vnnmap {
  const view = viewOf(bytes);
  const map = Array.from(
    { length: view.getUint32(4, true) },
    (_, index) => view.getUint32(8 + 4 * index, true),
  );
  return { generation: view.getUint32(0, true), map };
}

/** Answer of GET_NODEMAP, without the addresses. */
export function readNodemap(bytes: Uint8Array): NodeState[] {
  const view = viewOf(bytes);
  return Array.from({ length: view.getUint32(0, true) }, (_, index) => {
    const at = 4 + index * (8 + SOCKADDR_BYTES);
    return { pnn: view.getUint32(at, true), flags: view.getUint32(at + 4, true) };
  });
}

/** Header of a record; the first bytes of its value in the file. */
export function readLtdb(bytes: Uint8Array): LtdbHeader {
  const view = viewOf(bytes);
  return {
    rsn: view.getBigUint64(0, true),
    dmaster: view.getUint32(8, true),
    flags: view.getUint32(16, true),
  };
}

/** Writes a header in front of a value. */
export function writeLtdb(bytes: Uint8Array, { rsn, dmaster, flags }: LtdbHeader): void {
  const view = viewOf(bytes);
  view.setBigUint64(0, rsn, true);
  view.setUint32(8, dmaster, true);
  view.setUint32(12, 0, true);
  view.setUint32(16, flags, true);
  view.setUint32(20, 0, true);
}

/** A record of a traverse, as its message carries it; undefined: the end. */
export function readVisited(bytes: Uint8Array): Visited | undefined {
  const view = viewOf(bytes);
  const keyLength = view.getUint32(8, true);
  const length = view.getUint32(12, true);
  if (keyLength === 0 && length === 0) return undefined;
  if (length < LTDB_BYTES || 16 + keyLength + length > bytes.length) {
    throw new Error(`Cannot read a record: key ${keyLength}, value ${length} of ${bytes.length}`);
  }
  const at = 16 + keyLength;
  return {
    key: bytes.subarray(16, at),
    header: readLtdb(bytes.subarray(at, at + LTDB_BYTES)),
    value: length === LTDB_BYTES ? undefined : bytes.subarray(at + LTDB_BYTES, at + length),
  };
}

/** A record as it is to be stored. */
export interface NewRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly header: LtdbHeader;
}

/** What TRANS3_COMMIT takes: all records of a transaction. */
export function commitBytes(dbId: number, records: readonly NewRecord[]): Uint8Array {
  const lengths = records.map(({ key, value }) => 16 + key.length + LTDB_BYTES + value.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 8));
  const view = viewOf(bytes);
  view.setUint32(0, dbId, true);
  view.setUint32(4, records.length, true);
  let at = 8;
  for (const [index, { key, value, header }] of records.entries()) {
    view.setUint32(at, lengths[index] as number, true);
    view.setUint32(at + 8, key.length, true);
    view.setUint32(at + 12, LTDB_BYTES + value.length, true);
    bytes.set(key, at + 16);
    writeLtdb(bytes.subarray(at + 16 + key.length), header);
    bytes.set(value, at + 16 + key.length + LTDB_BYTES);
    at += lengths[index] as number;
  }
  return bytes;
}

/** What TRAVERSE_START_EXT takes: the database, and where the records shall go. */
export function traverseBytes(dbId: number, srvid: bigint): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = viewOf(bytes);
  view.setUint32(0, dbId, true);
  view.setBigUint64(8, srvid, true);
  return bytes;
}

/** What SCHEDULE_FOR_DELETION takes: the record as it was when it became empty. */
export function deletionBytes(dbId: number, header: Uint8Array, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + LTDB_BYTES + 4 + key.length);
  const view = viewOf(bytes);
  view.setUint32(0, dbId, true);
  bytes.set(header.subarray(0, LTDB_BYTES), 8);
  view.setUint32(8 + LTDB_BYTES, key.length, true);
  bytes.set(key, 12 + LTDB_BYTES);
  return bytes;
}
