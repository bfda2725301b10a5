/**
 * Making the free list's index ready: found whole, absorbed what others pushed, mended, made anew.
 *
 *   clean, guarded ............ open it (dirty from now on), file what lies before it
 *   dirty: somebody died ...... scan the file for free records, make a list of them, then an index
 *   no index, or not guarded .. from 33 records on: make one from the list
 *
 * Does NOT promise: an index; without room for one the list is walked.
 */
import { carve, freeLeft, goodFree, setTailer, splits } from "./tdb_free_record";
import {
  add,
  addTo,
  CLASS,
  CLEAN,
  DIRTY,
  INDEX_LEN,
  isIndex,
  LAST,
  open,
  SIGN_DATA,
  SIGN_KEY,
  spoil,
  WALK_MAX,
} from "./tdb_index";
import {
  AT_RECOVERY_START,
  DATA_LEN,
  DB_DATA_START,
  DB_INDEX_OPEN,
  DB_INDEX_PAUSE,
  DB_NUMBER,
  DB_SIZE,
  DEAD,
  ends,
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
  PAD,
  REC_LEN,
  RECORD,
  RECORD_MIN,
  setWord,
  stepsMax,
  word,
} from "./tdb_layout";

/** B, then C, as one run. */
const PAIR: u32 = RECORD_MIN + RECORD + INDEX_LEN;
/** In place of a class while an index is made; no record has such a length. */
const LISTED: u32 = 0xfffffffe;
/** After a failed attempt to make an index: this many calls without another. */
const PAUSE: u32 = 256;

// @ts-ignore: decorator
@external("env", "hostGrow")
declare function hostGrow(db: u32, bytes: u32): u32;

/** Is B still whole before C? */
function guarded<M>(db: usize, index: u32): bool {
  const at = index - RECORD_MIN;
  return at >= load<u32>(db, DB_DATA_START) && word<M>(db, index - 4) == RECORD_MIN &&
    word<M>(db, at + MAGIC) == FREE && word<M>(db, at + REC_LEN) == RECORD_MIN - RECORD;
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
  setWord<M>(db, FREE_HEAD, index);
  return addAll<M>(db, head, index, WALK_MAX);
}

/**
 * Files the free records of a list from `off` to before `end`, at most `most`. They were tested, but in a broken
 * file they may overlap, and filing one writes into another: each is tested again. False: the index is given up.
 */
function addAll<M>(db: usize, from: u32, end: u32, most: u32): bool {
  let left = most;
  for (let off = from; off != end;) {
    if (left-- == 0) {
      fault(db, FAULT_LOOP, off);
      spoil(db);
      return false;
    }
    if (!goodFree<M>(db, off)) {
      spoil(db);
      return false;
    }
    const next = word<M>(db, off + NEXT);
    add<M>(db, off);
    off = next;
  }
  return load<u32>(db, DB_INDEX_OPEN) != 0;
}

/**
 * Marks every record of the list, for `makeIndex`: what is not marked is on no list, and what joins it would be
 * lost, too. An old index becomes an ordinary free record by it. False: fault.
 */
function markListed<M>(db: usize): bool {
  let steps = stepsMax(db);
  for (let off = word<M>(db, FREE_HEAD); off != 0; off = word<M>(db, off + NEXT)) {
    if (!goodFree<M>(db, off)) return false;
    if (steps-- == 0) {
      fault(db, FAULT_LOOP, off);
      return false;
    }
    setWord<M>(db, off + CLASS, LISTED);
  }
  return true;
}

/** Walks the list, merges neighbours, and files everything in a new index. 0: no record has room for one. */
export function makeIndex<M>(db: usize): u32 {
  if (!markListed<M>(db)) return FAULT;
  let largest: u32 = 0;
  let largestLen: u32 = 0;
  let pred = FREE_HEAD;
  let steps = stepsMax(db);
  for (let off = word<M>(db, pred); off != 0; off = word<M>(db, pred)) {
    if (!goodFree<M>(db, off)) return FAULT;
    if (steps-- == 0) return fault(db, FAULT_LOOP, off);
    let at = freeLeft<M>(db, off);
    if (at != 0 && word<M>(db, at + CLASS) == LISTED) {
      const joined = word<M>(db, at + REC_LEN) + RECORD + word<M>(db, off + REC_LEN);
      setWord<M>(db, pred, word<M>(db, off + NEXT));
      setTailer<M>(db, at, joined);
      setWord<M>(db, at + REC_LEN, joined);
    } else {
      at = off;
      pred = off + NEXT;
    }
    if (word<M>(db, at + REC_LEN) > largestLen) {
      largest = at;
      largestLen = word<M>(db, at + REC_LEN);
    }
  }
  if (largest == 0 || !splits(largestLen, PAIR)) return 0;
  return found<M>(db, carve<M>(db, largest, largestLen, PAIR - RECORD));
}

/**
 * Lays B and C into the free run at `at` and files the old list. C is made whole within the run before B's length
 * shows it: killed before that, the run is still one free record (whose tailer a rescan mends).
 */
function found<M>(db: usize, at: u32): u32 {
  const index = at + RECORD_MIN;
  for (let word: u32 = 0; word < INDEX_LEN; word += 4) setWord<M>(db, index + RECORD + word, 0);
  setWord<M>(db, index + NEXT, 0);
  setWord<M>(db, index + REC_LEN, INDEX_LEN);
  setWord<M>(db, index + KEY_LEN, SIGN_KEY);
  setWord<M>(db, index + DATA_LEN, SIGN_DATA);
  setWord<M>(db, index + FULL_HASH, DIRTY);
  setWord<M>(db, index + MAGIC, FREE);
  setWord<M>(db, index + LAST, index);
  setTailer<M>(db, at, RECORD_MIN - RECORD);
  setTailer<M>(db, index, INDEX_LEN);
  setWord<M>(db, at + MAGIC, FREE);
  setWord<M>(db, at + REC_LEN, RECORD_MIN - RECORD);
  store<u32>(db, index, DB_INDEX_OPEN);
  let off = word<M>(db, FREE_HEAD);
  setWord<M>(db, FREE_HEAD, index);
  addTo<M>(db, at, 0);
  return addAll<M>(db, off, 0, stepsMax(db)) ? index : fault(db, FAULT_FREELIST, index);
}

/** Makes the list anew from all free records of the file, then indexes it; that also joins neighbours. */
function rescan<M>(db: usize): bool {
  // The scan must reach the true end of the file: ask the host to look.
  if (hostGrow(load<u32>(db, DB_NUMBER), 0) == 0) return false;
  // Once without changing anything: a file that cannot be scanned keeps its list.
  if (scanFree<M>(db, false) == FAULT) return false;
  setWord<M>(db, FREE_HEAD, scanFree<M>(db, true));
  const made = makeIndex<M>(db);
  return made != 0 && made != FAULT;
}

/** Passes all records of the file, links the free ones into a list if wanted; answers its head, 0 none, FAULT. */
function scanFree<M>(db: usize, links: bool): u32 {
  const size = load<u32>(db, DB_SIZE);
  const area = word<M>(db, AT_RECOVERY_START);
  let list: u32 = 0;
  let off = load<u32>(db, DB_DATA_START);
  while (off <= size - RECORD_MIN) {
    const magic = word<M>(db, off + MAGIC);
    if (magic != LIVE && magic != DEAD && magic != FREE && off != area) {
      // Unused space up to the end: its first word of magic is zero or padding.
      return magic == 0 || magic == PAD ? list : fault(db, FAULT_FREELIST, off);
    }
    if (!ends<M>(db, off)) return fault(db, FAULT_FREELIST, off);
    const recLen = word<M>(db, off + REC_LEN);
    if (magic == FREE && links) {
      setTailer<M>(db, off, recLen);
      setWord<M>(db, off + NEXT, list);
      list = off;
    }
    off += RECORD + recLen;
  }
  return list;
}
