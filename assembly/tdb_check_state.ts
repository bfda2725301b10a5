/**
 * The memory of a check between two slices, and where it notes what is wrong.
 *
 * The host gives a zeroed run of CK_BYTES, fills in bitmap, table and flags, and reads the counts afterwards.
 * assembly/host/check_kernels.ts has the same table of fields; a test compares them.
 *
 *   problem table: | reason, offset, list, extra | ... tableMax x 16 bytes; what is beyond is only counted
 *
 * Does NOT promise: anything about the run's bytes beyond these fields.
 */

/** Fields, byte offsets of u32 words. Filled in by the host: */
export const CK_FLAGS: usize = 0;
export const CK_MAP: usize = 4; // address of seenBytes(size) zero bytes
export const CK_TABLE: usize = 8;
export const CK_TABLE_MAX: usize = 12;
export const CK_BUFFER: usize = 16; // for keys that do not lie in one piece
export const CK_BUFFER_BYTES: usize = 20;
export const CK_SORT: usize = 24; // for chains with more live records than TWINS_MAX
export const CK_SORT_BYTES: usize = 28;
/** Where the check is. */
export const CK_PHASE: usize = 32;
export const CK_AT: usize = 36; // offset, chain, or entry, by phase
export const CK_PRED: usize = 40; // where the pointer that is followed next lies
export const CK_LENGTH: usize = 44; // records of the chain so far
export const CK_LIVES: usize = 48; // live ones among them
export const CK_KNOWN: usize = 52; // below this offset the bitmap is complete
export const CK_AREA: usize = 56; // sound recovery_start, 0 = none or met
export const CK_WAS_FREE: usize = 60; // the record before the scan's place is free
export const CK_WANT_BUFFER: usize = 64; // bytes wanted of the host before it goes on
export const CK_WANT_SORT: usize = 68;
export const CK_SORT_AT: usize = 72;
export const CK_SORTING: usize = 200; // the chain's end was met, it is being sorted
export const CK_UNVISITED: usize = 76; // sound records that no list led to yet
/** What was found. */
export const CK_PROBLEMS: usize = 80;
export const CK_LIVE: usize = 84;
export const CK_DEAD: usize = 88;
export const CK_FREE: usize = 92;
export const CK_RECOVERY_BYTES: usize = 96;
export const CK_UNUSED_BYTES: usize = 100;
export const CK_LONGEST: usize = 104; // records of the longest chain
export const CK_EMPTY: usize = 108; // chains without a record
export const CK_NEIGHBOURS: usize = 112; // free records directly behind a free one
export const CK_UNSORTED: usize = 116; // chains that were not searched for twins for want of memory
/** Tallies {sum u64, smallest u32, largest u32}. */
export const CK_KEYS: usize = 120;
export const CK_VALUES: usize = 136;
export const CK_PADDING: usize = 152;
export const CK_DEADS: usize = 168;
export const CK_FREES: usize = 184;
export const CK_FAR_KEYS: usize = 204; // bytes of keys hashed behind the scan's end
/** Cursors of chains read ahead, AHEAD words, and a place for what was read. */
export const CK_CURSORS: usize = 208;
export const AHEAD: u32 = 32;
export const CK_SINK: usize = CK_CURSORS + AHEAD * 4;
/** Hashes, then offsets, of the live records of a chain. */
export const CK_HASHES: usize = CK_SINK + 16;
/** So many live records of a chain are compared one with another. */
export const TWINS_MAX: u32 = 256;
export const CK_OFFSETS: usize = CK_HASHES + TWINS_MAX * 4;
export const CK_BYTES: usize = CK_OFFSETS + TWINS_MAX * 4;

/** Bits of CK_FLAGS: unused space must be zero or padding to its end. */
export const CHECK_STRICT: u32 = 1;
/** Count only: no hashes, no twins. */
export const CHECK_COUNTS: u32 = 2;
/** The host has no memory for CK_WANT_SORT. */
export const CHECK_NO_SORT: u32 = 4;

/** The list number of the free list; others are chains. */
export const FREE_LIST: u32 = 0xffffffff;

/** Reasons, in the order of assembly/host/check_kernels.ts. */
export const BAD_MAGIC: u32 = 1;
export const BAD_TAILER: u32 = 2;
export const PAST_END: u32 = 3;
export const ODD_LENGTH: u32 = 4;
export const TOO_LONG: u32 = 5;
export const BAD_HASH: u32 = 6;
export const BAD_POINTER: u32 = 7;
export const NO_RECORD: u32 = 8;
export const LOOP: u32 = 9;
export const WRONG_CHAIN: u32 = 10;
export const FREE_IN_CHAIN: u32 = 11;
export const USED_IN_FREE_LIST: u32 = 12;
export const IN_NO_CHAIN: u32 = 13;
export const NOT_ON_FREE_LIST: u32 = 14;
export const AREA_POINTER: u32 = 15;
export const AREA_LOST: u32 = 16;
export const AREA_MAGIC: u32 = 17;
export const AREA_LENGTH: u32 = 18;
export const AREA_STRAY: u32 = 19;
export const UNUSED_CONTENT: u32 = 20;
export const REST: u32 = 21;
export const TWIN: u32 = 22;
export const OVERLAPS: u32 = 23;

/** Notes a problem. */
export function report(state: usize, reason: u32, off: u32, list: u32, extra: u32): void {
  const index = load<u32>(state, CK_PROBLEMS);
  store<u32>(state, index + 1, CK_PROBLEMS);
  if (index >= load<u32>(state, CK_TABLE_MAX)) return;
  const at = <usize> load<u32>(state, CK_TABLE) + index * 16;
  store<u32>(at, reason);
  store<u32>(at, off, 4);
  store<u32>(at, list, 8);
  store<u32>(at, extra, 12);
}

/** Adds one to a count. */
// @ts-ignore: decorator
@inline
export function count(state: usize, field: usize): void {
  store<u32>(state + field, load<u32>(state + field) + 1);
}

/** Enters a value into a tally; `first`: there is none in it yet. */
// @ts-ignore: decorator
@inline
export function tally(at: usize, value: u32, first: bool): void {
  store<u64>(at, load<u64>(at) + value);
  if (first || value < load<u32>(at, 8)) store<u32>(at, value, 8);
  if (value > load<u32>(at, 12)) store<u32>(at, value, 12);
}
