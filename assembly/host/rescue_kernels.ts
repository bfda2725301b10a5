/**
 * The rescue exports of the WebAssembly core, typed, and the memory that a rescue works in.
 *
 *   region:  | state RESCUE_BYTES | finds, 8 bytes each | bitmap reach | bitmap cover |
 *
 * Does NOT promise: checks of addresses; see actors/storage/tdb_rescue.ts.
 */

/** Fields of a rescue's state: byte offsets of u32 words (assembly/tdb_rescue.ts). */
export const RESCUE = { reach: 0, cover: 4, at: 8, reachable: 12, skipped: 16 } as const;
/** Bytes of the state. */
export const RESCUE_BYTES = 64;

/** Exports of assembly/tdb_rescue.ts and tdb_free_sizes.ts. `db` is the address of a descriptor. */
export interface RescueKernels {
  /** Walks chains, free list and recovery area into the two bitmaps. Once, before the scan. */
  tdbRescueWalk(db: number, state: number): void;
  /** Scans on; up to `max` finds {offset u32, reachable u32} to `out`. Their number. */
  tdbRescueScan(db: number, state: number, budget: number, out: number, max: number): number;
  /** Sorts the reachable records into a table of 8 bytes each. */
  tdbRescueSort(db: number, state: number, table: number): void;
  /** 1: a reachable record has the key of the record at `off`. */
  tdbRescueKnown(db: number, state: number, table: number, off: number): number;
  /** Free list sizes to `out`: count, smallest, largest, 0, sum u64. ANSWER. */
  tdbFreeSizes(db: number, out: number): number;
}
