/**
 * The check exports of the WebAssembly core, typed, and the memory that a check works in.
 *
 *   region of a check:  | state CHECK_BYTES | problem table, 16 bytes a problem | bitmap, size / 32 bytes |
 *
 * The same table of fields stands in assembly/tdb_check_state.ts; a test compares them.
 *
 * Does NOT promise: checks of addresses; see actors/storage/tdb_check.ts.
 */

/** Fields of a check's state: byte offsets of u32 words. */
export const CHECK = {
  flags: 0,
  map: 4,
  table: 8,
  tableMax: 12,
  buffer: 16,
  bufferBytes: 20,
  sort: 24,
  sortBytes: 28,
  phase: 32,
  at: 36,
  wantBuffer: 64,
  wantSort: 68,
  problems: 80,
  live: 84,
  dead: 88,
  free: 92,
  recoveryBytes: 96,
  unusedBytes: 100,
  longest: 104,
  empty: 108,
  neighbours: 112,
  unsorted: 116,
  /** Tallies: sum u64, smallest u32, largest u32. */
  keys: 120,
  values: 136,
  padding: 152,
  deads: 168,
  frees: 184,
} as const;
/** Bytes of the state. */
export const CHECK_BYTES = 4096;
/** Bytes of one noted problem: reason, offset, list, extra. */
export const PROBLEM_BYTES = 16;

/** Bits of `CHECK.flags`. */
export const CHECK_FLAG = { strict: 1, counts: 2, noSort: 4 } as const;
/** Answers of tdbCheck. */
export const CHECK_ANSWER = { goOn: 0, done: 1, wants: 2 } as const;
/** Phases, for progress: the scan goes by offset, the chains by number. */
export const CHECK_PHASE = {
  begin: 0,
  scan: 1,
  unused: 2,
  chains: 3,
  freeList: 4,
  left: 5,
} as const;
/** The list number that is the free list. */
export const FREE_LIST = 0xffffffff;

/** Reasons by number - 1; their order is that of assembly/tdb_check_state.ts. */
export const REASONS = [
  "badMagic",
  "badTailer",
  "pastEnd",
  "oddLength",
  "tooLong",
  "badHash",
  "badPointer",
  "noRecord",
  "loop",
  "wrongChain",
  "freeInChain",
  "usedInFreeList",
  "inNoChain",
  "notOnFreeList",
  "areaPointer",
  "areaLost",
  "areaMagic",
  "areaLength",
  "areaStray",
  "unusedContent",
  "rest",
  "twin",
  "overlaps",
] as const;
/** Why a check complains. */
export type Reason = (typeof REASONS)[number];

/** Bytes of the bitmap for a database of `size` bytes. */
export function seenBytes(size: number): number {
  return Math.floor(size / 32) + 8;
}

/** Exports of assembly/tdb_check.ts. `db` is the address of a descriptor. */
export interface CheckKernels {
  /** Goes on with the check whose state is at `state`, for about `budget` records. CHECK_ANSWER. */
  tdbCheck(db: number, state: number, budget: number): number;
}
