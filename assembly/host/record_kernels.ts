/**
 * The kernels for records of clustered databases, as TypeScript calls them, and the numbers that both sides know.
 *
 *   a lease, 16 bytes: 0 u32 address of the state page | 4 u32 own pnn | 8 u64 incarnation
 *
 * Does NOT promise: locks. The chain's mutex is held by the caller, but for `recordPeek`; the key's chain was asked
 * for last (tdbChain keeps its hash).
 */

/** Bytes of the header before each value. */
export const RECORD_HEADER = 24;
/** Longest value, header included, that is overwritten in place, bytes. */
export const RECORD_UNDO_MAX = 1024;
/** Bytes of a lease, and its fields. */
export const LEASE_BYTES = 16;
/** Byte offsets of a lease's fields. */
export const LEASE = { page: 0, pnn: 4, incarnation: 8 } as const;

/** What recordMay says. */
export const MAY = { valid: 0, frozen: 2, expired: 3, ended: 4 } as const;
/** What recordEnter says beside these (but `valid`) and offsets; offsets are larger. */
export const ENTER = { elsewhere: 0, fault: 1 } as const;
/** What recordPeek says beside offsets. */
export const PEEK = { none: 0, again: 1, long: 2 } as const;
/** Offsets of records are above all answers that are none. */
export const OFFSET_MIN = 172;

/** Exports of assembly/tdb_records.ts. `db` is the address of a descriptor; u32 answers arrive signed. */
export interface RecordKernels {
  /** tdbChain, and a look at what will be needed. `mutexSize`: bytes of the file's mutex area, which it must have. */
  recordChain(db: number, key: number, keyLen: number, mutexSize: number): number;
  /** Offset of a key's record, mended if somebody died in it; 0 none with a header, 1 fault. u32. */
  recordFind(db: number, key: number, keyLen: number): number;
  /** Header (24 bytes), length and address of the data of the record at `off`, to `out`. */
  recordHead(db: number, off: number, out: number): void;
  /** May records be used at `nowMs` of CLOCK_BOOTTIME? One of MAY. */
  recordMay(lease: number, nowMs: number): number;
  /** recordMay and recordFind and a look at the header: an offset, or one of ENTER or MAY. u32. */
  recordEnter(
    db: number,
    key: number,
    keyLen: number,
    lease: number,
    nowMs: number,
    isWrite: number,
  ): number;
  /** Stores header and data, `length` bytes at `from`. 0 done, 1 fault. */
  recordStore(db: number, key: number, keyLen: number, from: number, length: number): number;
  /** New data for the record at `off`; the header in the first bytes at `from` is made. 0 done, 1 fault. */
  recordWrite(db: number, off: number, from: number, length: number, key: number): number;
  /** Header and data to `out` + 8, their length to `out`, without the mutex: an offset, or one of PEEK. u32. */
  recordPeek(db: number, key: number, keyLen: number, out: number, room: number): number;
}
