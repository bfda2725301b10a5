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
 * found dirty tells of a killed process, and the list is made anew from a scan of the file.
 *
 * Does NOT promise: sharing with libtdb below 1.3.13, whose walks do not merge.
 * Differs from upstream: upstream walks the whole list for each allocation.
 */
import {
  AT_RECOVERY_START,
  DATA_LEN,
  DB_DATA_START,
  DB_FAULT_KIND,
  DB_INDEX_OPEN,
  DB_INDEX_PAUSE,
  DB_NUMBER,
  DB_SIZE,
  DEAD,
  FAULT,
  fault,
  FAULT_FREELIST,
  FAULT_LOOP,
  FREE,
  FREE_HEAD,
  FULL_HASH,
  KEY_LEN,
  LIVE,
  MAGIC,
  NEXT,
  REC_LEN,
  RECORD,
  RECORD_MIN,
  setWord,
  sound,
  stepsMax,
  word,
} from "./tdb_layout";
import { carve, freeLeft, goodFree, setTailer, splits } from "./tdb_free_record";

const SIGN_KEY: u32 = 0xc7db1d01;
const SIGN_DATA: u32 = 0xc7db1d02;
/** In C's hash word. */
const CLEAN: u32 = 1;
const DIRTY: u32 = 2;

/** Exact classes of 4 bytes below 128, then 8 in each power of two. */
const CLASSES: u32 = 232;
const BITMAP: u32 = RECORD;
const LAST: u32 = RECORD + 32;
const FIRSTS: u32 = RECORD + 40;
const INDEX_LEN: u32 = 40 + CLASSES * 4 + 4;
/** B, then C, as one run. */
const PAIR: u32 = RECORD_MIN + RECORD + INDEX_LEN;

/** Free records may hold these instead of lengths. */
const PREV: u32 = KEY_LEN;
const CLASS: u32 = DATA_LEN;

// @ts-ignore: decorator
@external("env", "hostGrow")
declare function hostGrow(db: u32, bytes: u32): u32;

/** A list up to this long is walked; a longer one is indexed. */
export const WALK_MAX: u32 = 32;
/** After a failed attempt to make an index: this many calls without another. */
const PAUSE: u32 = 256;

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
function isIndex<M>(db: usize, off: u32): bool {
  return word<M>(db, off + KEY_LEN) == SIGN_KEY && word<M>(db, off + DATA_LEN) == SIGN_DATA &&
    word<M>(db, off + MAGIC) == FREE && word<M>(db, off + REC_LEN) >= INDEX_LEN;
}

/** Is B still whole before C? */
function guarded<M>(db: usize, index: u32): bool {
  const at = index - RECORD_MIN;
  return at >= load<u32>(db, DB_DATA_START) && word<M>(db, index - 4) == RECORD_MIN &&
    word<M>(db, at + MAGIC) == FREE && word<M>(db, at + REC_LEN) == RECORD_MIN - RECORD;
}

/** Is this free record B or C? They never merge with others. */
export function isGuard<M>(db: usize, off: u32): bool {
  return isIndex<M>(db, off) || word<M>(db, off + CLASS) == 0;
}

/** Marks the index as being changed by this handle, until `finish`. */
function open<M>(db: usize, index: u32): void {
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

/** Gives up an index that does not hold: the next use makes it anew from a scan. */
function spoil<M>(db: usize, index: u32): void {
  setWord<M>(db, index + FULL_HASH, DIRTY);
  store<u32>(db, 0, DB_INDEX_OPEN);
}

/**
 * Makes the index ready for changes, if the list has one or is long enough for one: absorbs what others pushed
 * before it, mends what a killed process left. Answers whether the list is indexed.
 */
export function settle<M>(db: usize): bool {
  const index = load<u32>(db, DB_INDEX_OPEN);
  const head = word<M>(db, FREE_HEAD);
  if (index != 0 && index == head) return true;
  store<u32>(db, 0, DB_INDEX_OPEN);
  let steps: u32 = 0;
  for (let off = head; off != 0; off = word<M>(db, off + NEXT)) {
    if (!goodFree<M>(db, off)) return false;
    if (isIndex<M>(db, off)) {
      if (word<M>(db, off + FULL_HASH) != CLEAN) return rescan<M>(db);
      if (!guarded<M>(db, off)) return remake<M>(db);
      open<M>(db, off);
      return off == head || absorb<M>(db, head, off);
    }
    if (++steps > WALK_MAX) return remake<M>(db);
  }
  return false;
}

/** Makes an index, unless the last attempt found no room and was not long ago. */
function remake<M>(db: usize): bool {
  const pause = load<u32>(db, DB_INDEX_PAUSE);
  if (pause != 0) {
    store<u32>(db, pause - 1, DB_INDEX_PAUSE);
    return false;
  }
  const made = makeIndex<M>(db);
  if (made != 0) return made != FAULT;
  store<u32>(db, PAUSE, DB_INDEX_PAUSE);
  return false;
}

/** Files the records that were pushed before the index; they are free and the index is open. */
function absorb<M>(db: usize, head: u32, index: u32): bool {
  let off = head;
  setWord<M>(db, FREE_HEAD, index);
  while (off != index) {
    const next = word<M>(db, off + NEXT);
    if (!goodFree<M>(db, off)) {
      spoil<M>(db, index);
      return false;
    }
    add<M>(db, off);
    off = next;
  }
  return true;
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

function addTo<M>(db: usize, off: u32, size: u32): void {
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
      spoil<M>(db, index);
      push<M>(db, off);
      return;
    }
    prev = word<M>(db, next + PREV);
    setWord<M>(db, next + PREV, off);
  } else {
    if (!sound(db, prev) || word<M>(db, prev + NEXT) != 0) {
      spoil<M>(db, index);
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
function push<M>(db: usize, off: u32): void {
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
    spoil<M>(db, index);
    return SPOILT;
  }
  return off;
}

/** Is a record still filed right with this length? */
export function keepsClass<M>(db: usize, off: u32, recLen: u32): bool {
  return classOf(recLen) == word<M>(db, off + CLASS);
}

/** Walks the list, merges neighbours, and files everything in a new index. 0: no record has room for one. */
export function makeIndex<M>(db: usize): u32 {
  let largest: u32 = 0;
  let largestLen: u32 = 0;
  let pred = FREE_HEAD;
  let steps = stepsMax(db);
  for (let off = word<M>(db, pred); off != 0; off = word<M>(db, pred)) {
    if (!goodFree<M>(db, off)) return FAULT;
    if (steps-- == 0) return fault(db, FAULT_LOOP, off);
    let at = freeLeft<M>(db, off);
    if (at != 0) {
      const joined = word<M>(db, at + REC_LEN) + RECORD + word<M>(db, off + REC_LEN);
      setWord<M>(db, pred, word<M>(db, off + NEXT));
      setTailer<M>(db, at, joined);
      setWord<M>(db, at + REC_LEN, joined);
    } else {
      at = off;
      pred = off + NEXT;
    }
    // An old index among them becomes an ordinary free record.
    if (word<M>(db, at + KEY_LEN) == SIGN_KEY) setWord<M>(db, at + KEY_LEN, 0);
    if (word<M>(db, at + REC_LEN) > largestLen) {
      largest = at;
      largestLen = word<M>(db, at + REC_LEN);
    }
  }
  if (largest == 0 || !splits(largestLen, PAIR)) return 0;
  return found<M>(db, carve<M>(db, largest, largestLen, PAIR - RECORD));
}

/** Lays B and C into the free run at `at` and files the old list. */
function found<M>(db: usize, at: u32): u32 {
  const index = at + RECORD_MIN;
  setWord<M>(db, at + REC_LEN, RECORD_MIN - RECORD);
  setTailer<M>(db, at, RECORD_MIN - RECORD);
  setWord<M>(db, at + MAGIC, FREE);
  for (let word: u32 = 0; word < INDEX_LEN; word += 4) setWord<M>(db, index + RECORD + word, 0);
  setWord<M>(db, index + NEXT, 0);
  setWord<M>(db, index + REC_LEN, INDEX_LEN);
  setTailer<M>(db, index, INDEX_LEN);
  setWord<M>(db, index + KEY_LEN, SIGN_KEY);
  setWord<M>(db, index + DATA_LEN, SIGN_DATA);
  setWord<M>(db, index + FULL_HASH, DIRTY);
  setWord<M>(db, index + MAGIC, FREE);
  setWord<M>(db, index + LAST, index);
  store<u32>(db, index, DB_INDEX_OPEN);
  let off = word<M>(db, FREE_HEAD);
  setWord<M>(db, FREE_HEAD, index);
  addTo<M>(db, at, 0);
  while (off != 0) {
    const next = word<M>(db, off + NEXT);
    add<M>(db, off);
    off = next;
  }
  return index;
}

/** Makes the list anew from all free records of the file, then indexes it; that also joins neighbours. */
function rescan<M>(db: usize): bool {
  // The scan must reach the true end of the file: ask the host to look.
  if (hostGrow(load<u32>(db, DB_NUMBER), 0) == 0) return false;
  const size = load<u32>(db, DB_SIZE);
  const area = word<M>(db, AT_RECOVERY_START);
  let list: u32 = 0;
  let off = load<u32>(db, DB_DATA_START);
  while (off <= size - RECORD_MIN) {
    const magic = word<M>(db, off + MAGIC);
    const recLen = word<M>(db, off + REC_LEN);
    if (magic != LIVE && magic != DEAD && magic != FREE && off != area) break;
    if ((recLen & 3) != 0 || recLen < 4 || recLen > size - RECORD - off) {
      fault(db, FAULT_FREELIST, off);
      return false;
    }
    if (magic == FREE) {
      setTailer<M>(db, off, recLen);
      setWord<M>(db, off + NEXT, list);
      list = off;
    }
    off += RECORD + recLen;
  }
  if (off <= size - RECORD_MIN && !unused<M>(db, off)) {
    fault(db, FAULT_FREELIST, off);
    return false;
  }
  setWord<M>(db, FREE_HEAD, list);
  const made = makeIndex<M>(db);
  return made != 0 && made != FAULT;
}

/** Does unused space begin here? Its first word of magic is zero or padding. */
function unused<M>(db: usize, off: u32): bool {
  const magic = word<M>(db, off + MAGIC);
  return magic == 0 || magic == 0x42424242;
}
