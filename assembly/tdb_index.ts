/**
 * An index of the free list by size, kept in the file itself in bytes that the format leaves free.
 *
 * Free records have three header words that nobody reads. In an indexed list they hold the link back and the
 * size class, and the list is sorted by class. The table (first record of each class) is the body of one free
 * record C, which is the head of the list; directly before it in the file lies a free record B of 28 bytes:
 *
 *   file:   ... | B 28 | C: bitmap, last, first[232] | ...        list:  head -> C -> class 0 (B) -> ... -> 0
 *
 * Why B: another user of the format (libtdb) that allocates walks from the head and first of all merges C into
 * its free left neighbour B, so the head is no longer C: that is how we see that the list was changed. What it
 * can do without walking past C is harmless: push a record before C (found again, absorbed) or let a freed
 * record grow its left neighbour (lengths are read again at use). C's key and data length are a signature that
 * no record can have, as their sum is longer than any file. While a process changes the list C is DIRTY; one
 * found dirty tells of a killed process, and the list is made anew from a scan of the file (tdb_settle.ts).
 *
 * Does NOT promise: sharing with libtdb below 1.3.13, whose walks do not merge.
 * Differs from upstream: upstream walks the whole list for each allocation.
 */
import { goodFree } from "./tdb_free_record";
import {
  DATA_LEN,
  DB_FAULT_KIND,
  DB_INDEX_OPEN,
  FREE,
  FREE_HEAD,
  FULL_HASH,
  KEY_LEN,
  MAGIC,
  NEXT,
  REC_LEN,
  RECORD,
  setWord,
  sound,
  word,
} from "./tdb_layout";

/** C's key and data length. */
export const SIGN_KEY: u32 = 0xc7db1d01;
export const SIGN_DATA: u32 = 0xc7db1d02;
/** In C's hash word. */
export const CLEAN: u32 = 1;
export const DIRTY: u32 = 2;

/** Exact classes of 4 bytes below 128, then 8 in each power of two. */
const CLASSES: u32 = 232;
/** Fields of C: which classes have records ... */
const BITMAP: u32 = RECORD;
/** ... the last record of the list ... */
export const LAST: u32 = RECORD + 32;
/** ... the first one of each class. */
const FIRSTS: u32 = RECORD + 40;
/** C's rec_len. */
export const INDEX_LEN: u32 = 40 + CLASSES * 4 + 4;
/** Free records may hold these instead of lengths: the record before in the list ... */
const PREV: u32 = KEY_LEN;
/** ... and the size class. */
export const CLASS: u32 = DATA_LEN;
/** A list up to this long is walked; a longer one is indexed. */
export const WALK_MAX: u32 = 32;

/** The size class of a rec_len. */
export function classOf(recLen: u32): u32 {
  if (recLen < 128) return recLen >> 2;
  const top = 31 - clz<u32>(recLen);
  return 32 + (top - 7) * 8 + ((recLen >> (top - 3)) & 7);
}

/** The smallest rec_len of a class that is at least `need` (below 2^31): what is allocated for it. */
export function classFloor(need: u32): u32 {
  if (need < 128) return need;
  const step: u32 = <u32> 1 << (28 - clz<u32>(need));
  return (need + step - 1) & ~(step - 1);
}

/** Is the record at `off` an index? */
// @ts-ignore: decorator
@inline
export function isIndex<M>(db: usize, off: u32): bool {
  return word<M>(db, off + KEY_LEN) == SIGN_KEY && word<M>(db, off + DATA_LEN) == SIGN_DATA &&
    word<M>(db, off + MAGIC) == FREE && word<M>(db, off + REC_LEN) >= INDEX_LEN;
}

/** Is this free record B or C? They never merge with others. */
export function isGuard<M>(db: usize, off: u32): bool {
  return isIndex<M>(db, off) || word<M>(db, off + CLASS) == 0;
}

/** Marks the index as being changed by this handle, until `finish`. */
export function open<M>(db: usize, index: u32): void {
  if (load<u32>(db, DB_INDEX_OPEN) == index) return;
  setWord<M>(db, index + FULL_HASH, DIRTY);
  store<u32>(db, index, DB_INDEX_OPEN);
}

/** Ends what `settle` began: the index is whole again. Call it before the free list lock is given back. */
export function finish<M>(db: usize): void {
  const index = load<u32>(db, DB_INDEX_OPEN);
  if (index == 0) return;
  setWord<M>(db, index + FULL_HASH, CLEAN);
  store<u32>(db, 0, DB_INDEX_OPEN);
}

/** Gives up the open index, which does not hold: it stays dirty, the next use makes it anew from a scan. */
export function spoil(db: usize): void {
  store<u32>(db, 0, DB_INDEX_OPEN);
}

/** The first non-empty class from `from` on; CLASSES if there is none. */
function classFrom<M>(db: usize, index: u32, from: u32): u32 {
  let i = from >> 5;
  if (i >= 8) return CLASSES;
  let bits = word<M>(db, index + BITMAP + i * 4) & (<u32> 0xffffffff << (from & 31));
  while (bits == 0) {
    if (++i == 8) return CLASSES;
    bits = word<M>(db, index + BITMAP + i * 4);
  }
  return min<u32>(CLASSES, i * 32 + ctz<u32>(bits));
}

function mark<M>(db: usize, index: u32, size: u32, first: u32): void {
  const at = index + BITMAP + (size >> 5) * 4;
  const bit = <u32> 1 << (size & 31);
  const bits = word<M>(db, at);
  const next = first != 0 ? bits | bit : bits & ~bit;
  if (next != bits) setWord<M>(db, at, next);
  setWord<M>(db, index + FIRSTS + size * 4, first);
}

/** Do the neighbours of the free record at `off` agree that it is between them, in this index? */
export function indexed<M>(db: usize, off: u32): bool {
  const index = load<u32>(db, DB_INDEX_OPEN);
  const prev = word<M>(db, off + PREV);
  const next = word<M>(db, off + NEXT);
  if (word<M>(db, off + CLASS) >= CLASSES || word<M>(db, off + MAGIC) != FREE) return false;
  if (!sound(db, prev) || word<M>(db, prev + NEXT) != off) return false;
  if (next == 0) return word<M>(db, index + LAST) == off;
  return sound(db, next) && word<M>(db, next + PREV) == off && word<M>(db, next + MAGIC) == FREE;
}

/** Files a free record of the right length and tailer. The index is open. */
export function add<M>(db: usize, off: u32): void {
  addTo<M>(db, off, classOf(word<M>(db, off + REC_LEN)));
}

/** Files a free record in a class. Without an open index, or with one that does not hold: at the list's head. */
export function addTo<M>(db: usize, off: u32, size: u32): void {
  const index = load<u32>(db, DB_INDEX_OPEN);
  if (index == 0) {
    push<M>(db, off);
    return;
  }
  const later = classFrom<M>(db, index, size);
  let next: u32 = 0;
  let prev = word<M>(db, index + LAST);
  if (later < CLASSES) {
    next = word<M>(db, index + FIRSTS + later * 4);
    if (!sound(db, next) || !indexed<M>(db, next)) {
      spoil(db);
      push<M>(db, off);
      return;
    }
    prev = word<M>(db, next + PREV);
    setWord<M>(db, next + PREV, off);
  } else {
    if (!sound(db, prev) || word<M>(db, prev + NEXT) != 0) {
      spoil(db);
      push<M>(db, off);
      return;
    }
    setWord<M>(db, index + LAST, off);
  }
  setWord<M>(db, off + NEXT, next);
  setWord<M>(db, off + PREV, prev);
  setWord<M>(db, off + CLASS, size);
  setWord<M>(db, prev + NEXT, off);
  mark<M>(db, index, size, off);
}

/** Without an index: the record becomes the head of the list. */
export function push<M>(db: usize, off: u32): void {
  setWord<M>(db, off + NEXT, word<M>(db, FREE_HEAD));
  setWord<M>(db, FREE_HEAD, off);
}

/** Takes a record for which `indexed` holds out of the list. */
export function unlist<M>(db: usize, off: u32): void {
  const index = load<u32>(db, DB_INDEX_OPEN);
  const prev = word<M>(db, off + PREV);
  const next = word<M>(db, off + NEXT);
  const size = word<M>(db, off + CLASS);
  setWord<M>(db, prev + NEXT, next);
  if (next != 0) setWord<M>(db, next + PREV, prev);
  else setWord<M>(db, index + LAST, prev);
  if (word<M>(db, index + FIRSTS + size * 4) == off) {
    mark<M>(db, index, size, next != 0 && word<M>(db, next + CLASS) == size ? next : 0);
  }
}

/** findFit found an index that does not hold; it is given up, settle makes another. */
export const SPOILT: u32 = 2;

/** A free record of at least `need` (a class floor) in the open index, still listed; 0 = none, SPOILT. */
export function findFit<M>(db: usize, need: u32): u32 {
  const index = load<u32>(db, DB_INDEX_OPEN);
  const size = classFrom<M>(db, index, classOf(need));
  if (size >= CLASSES) return 0;
  const off = word<M>(db, index + FIRSTS + size * 4);
  if (!goodFree<M>(db, off) || !indexed<M>(db, off) || word<M>(db, off + REC_LEN) < need) {
    store<u32>(db, 0, DB_FAULT_KIND);
    spoil(db);
    return SPOILT;
  }
  return off;
}

/** Is a record still filed right with this length? */
export function keepsClass<M>(db: usize, off: u32, recLen: u32): bool {
  return classOf(recLen) == word<M>(db, off + CLASS);
}
