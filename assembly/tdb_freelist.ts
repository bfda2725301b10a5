/**
 * The free list: taking space for a record and giving it back.
 *
 * The file has one singly linked list of free records. Walking it is what makes stores slow once lengths vary,
 * so a list longer than WALK_MAX gets an index by size (tdb_index.ts) that lies in the file itself, in free
 * bytes that other users of the format do not look at.
 *
 *   short list:  head -> r -> r -> 0              best fit by walking
 *   long list:   head -> INDEX -> r -> r ... -> 0  sorted by size class, doubly linked, first of each class known
 *
 * Freed records merge with both neighbours. The free list lock is held by the caller (lockFree).
 *
 * Does NOT promise: anything to a caller without that lock.
 * Upstream: tdb free list; differs from upstream: no factor 1.25, merge to the right, size classes.
 */
import {
  add,
  classFloor,
  findFit,
  finish,
  indexed,
  isGuard,
  keepsClass,
  push,
  spoil,
  SPOILT,
  unlist,
  WALK_MAX,
} from "./tdb_index";
import { makeIndex, settle } from "./tdb_settle";
import { carve, freeLeft, goodFree, setTailer, splits } from "./tdb_free_record";
import {
  AT_RECOVERY_START,
  DATA_LEN,
  DB_DATA_START,
  DB_EPOCH,
  DB_FAULT_KIND,
  DB_FLAGS,
  DB_INDEX_OPEN,
  DB_NUMBER,
  DB_SIZE,
  DB_TAKE,
  DB_TAKE_NEED,
  DB_TAKE_PRED,
  DEAD,
  ends,
  FAULT,
  fault,
  FAULT_BUSY,
  FAULT_FREELIST,
  FAULT_LENGTH,
  FAULT_LOOP,
  FAULT_NO_SPACE,
  FLAG_LOCK_FREE,
  FREE,
  FREE_HEAD,
  FULL_HASH,
  headOf,
  LIVE,
  MAGIC,
  NEXT,
  PAD,
  REC_LEN,
  RECORD,
  RECORD_MIN,
  setWord,
  sound,
  stepsMax,
  tailed,
  word,
} from "./tdb_layout";

// @ts-ignore: decorator
@external("env", "hostLockFree")
declare function hostLockFree(db: u32): u32;
// @ts-ignore: decorator
@external("env", "hostUnlockFree")
declare function hostUnlockFree(db: u32): void;
// @ts-ignore: decorator
@external("env", "hostGrow")
declare function hostGrow(db: u32, bytes: u32): u32;

/** Takes the free list lock, if this handle locks; false: held elsewhere, and the fault says busy. */
export function lockFree(db: usize): bool {
  if (!(load<u32>(db, DB_FLAGS) & FLAG_LOCK_FREE)) return true;
  if (hostLockFree(load<u32>(db, DB_NUMBER)) != 0) return true;
  fault(db, FAULT_BUSY, FREE_HEAD);
  return false;
}

/** Ends a change of the free list. */
export function unlockFree<M>(db: usize): void {
  finish<M>(db);
  if (load<u32>(db, DB_FLAGS) & FLAG_LOCK_FREE) hostUnlockFree(load<u32>(db, DB_NUMBER));
}

/**
 * Finds space for a record of `payload` bytes of key and value: where it will lie. Nothing is changed yet but
 * what makes room; the caller writes key and value there, then calls `take`, then links the record. A process
 * killed before `take` leaves the free list as it was. FAULT: corrupt, no space.
 */
export function allocate<M>(db: usize, payload: u32): u32 {
  if (payload > 0x7fffff00) return fault(db, FAULT_NO_SPACE, payload);
  const need = classFloor((payload + 7) & ~3);
  store<u32>(db, load<u32>(db, DB_EPOCH) + 1, DB_EPOCH);
  // Grown space is large enough for this and for an index; an index is given up and made anew once.
  for (let round = 0; round < 4; round++) {
    store<u32>(db, 0, DB_TAKE_PRED);
    const isIndexed = settle<M>(db);
    if (load<u32>(db, DB_FAULT_KIND) != 0) return FAULT;
    const from = isIndexed ? findFit<M>(db, need) : walk<M>(db, need);
    if (from == SPOILT) continue;
    if (from == FAULT) return FAULT;
    if (from != 0) {
      store<u32>(db, from, DB_TAKE);
      store<u32>(db, need, DB_TAKE_NEED);
      const recLen = word<M>(db, from + REC_LEN);
      return splits(recLen, need) ? from + recLen - need : from;
    }
    if (hostGrow(load<u32>(db, DB_NUMBER), need + RECORD) == 0) {
      return fault(db, FAULT_NO_SPACE, need);
    }
  }
  // It grew, and what was added is not to be found.
  return fault(db, FAULT_FREELIST, FREE_HEAD);
}

/** Takes what `allocate` found off the list: a record with rec_len and tailer set, its magic still FREE. */
export function take<M>(db: usize): void {
  const from = load<u32>(db, DB_TAKE);
  const need = load<u32>(db, DB_TAKE_NEED);
  const pred = load<u32>(db, DB_TAKE_PRED);
  const recLen = word<M>(db, from + REC_LEN);
  if (!splits(recLen, need)) {
    if (pred != 0) setWord<M>(db, pred, word<M>(db, from + NEXT));
    else unlist<M>(db, from);
  } else if (pred != 0 || keepsClass<M>(db, from, recLen - need - RECORD)) {
    carve<M>(db, from, recLen, need);
  } else {
    unlist<M>(db, from);
    carve<M>(db, from, recLen, need);
    add<M>(db, from);
  }
}

/** The best fit on a short list, with the place of the pointer to it in DB_TAKE_PRED. 0: nothing fits. */
function walk<M>(db: usize, need: u32): u32 {
  let best: u32 = 0;
  let bestLen: u32 = 0;
  let bestPred: u32 = 0;
  let pred = FREE_HEAD;
  let steps: u32 = 0;
  for (let off = word<M>(db, pred); off != 0; off = word<M>(db, pred)) {
    if (!goodFree<M>(db, off)) return FAULT;
    const recLen = word<M>(db, off + REC_LEN);
    if (recLen >= need && (best == 0 || recLen < bestLen)) {
      best = off;
      bestLen = recLen;
      bestPred = pred;
    }
    pred = off + NEXT;
    if (++steps > stepsMax(db)) return fault(db, FAULT_LOOP, off);
    if (steps == WALK_MAX + 1) {
      const made = makeIndex<M>(db);
      if (made == FAULT) return FAULT;
      if (made != 0) return findFit<M>(db, need); // of an index just made: never spoilt
    }
  }
  store<u32>(db, bestPred, DB_TAKE_PRED);
  return best;
}

/**
 * Makes the record at `off`, which is in no chain, free. Its rec_len is tested here once more: in a broken file what
 * was written since its test may have overlapped it. Faults: then nothing was freed. `most`: see `listed`.
 */
export function free<M>(db: usize, off: u32, most: u32 = WALK_MAX): void {
  if (!sound(db, off) || !ends<M>(db, off)) {
    fault(db, FAULT_LENGTH, off);
    return;
  }
  const recLen = word<M>(db, off + REC_LEN);
  if (!settle<M>(db) || !file<M>(db, off, recLen)) shelve<M>(db, off, recLen, most);
}

/** `free` into the open index: joins the neighbours that are in it, too. False: the index does not hold. */
function file<M>(db: usize, off: u32, length: u32): bool {
  let at = off;
  let recLen = length;
  const after = off + RECORD + recLen;
  if (sound(db, after) && word<M>(db, after + MAGIC) == FREE && !isGuard<M>(db, after)) {
    // No list led here, so nothing of it is tested yet.
    if (!ends<M>(db, after) || !tailed<M>(db, after)) {
      spoil(db);
      return false;
    }
    if (indexed<M>(db, after)) {
      recLen += RECORD + word<M>(db, after + REC_LEN);
      unlist<M>(db, after);
    }
  }
  const before = freeLeft<M>(db, off);
  if (before != 0 && !isGuard<M>(db, before) && indexed<M>(db, before)) {
    unlist<M>(db, before);
    recLen += off - before;
    at = before;
  }
  setWord<M>(db, at + REC_LEN, recLen);
  setTailer<M>(db, at, recLen);
  setWord<M>(db, at + MAGIC, FREE);
  add<M>(db, at);
  return true;
}

/** `free` without an index: the left neighbour grows, or the record becomes the head of the list. */
function shelve<M>(db: usize, off: u32, length: u32, most: u32): void {
  const before = freeLeft<M>(db, off);
  if (before != 0 && listed<M>(db, before, most)) {
    const recLen = off - before + length;
    setTailer<M>(db, before, recLen);
    setWord<M>(db, before + REC_LEN, recLen);
    return;
  }
  setTailer<M>(db, off, length);
  setWord<M>(db, off + MAGIC, FREE);
  push<M>(db, off);
}

/**
 * Is the free record at `off` on the list? A process that died may have lost it, and what joins it is lost, too.
 * Yes as well when the list is longer than `most`.
 */
function listed<M>(db: usize, off: u32, most: u32): bool {
  let left = most;
  for (let at = word<M>(db, FREE_HEAD); at != 0 && sound(db, at); at = word<M>(db, at + NEXT)) {
    if (at == off || left-- == 0) return true;
  }
  return false;
}

/** Makes [off, off + bytes) one free record; runs too short for one are left out. For growth and wipe. */
export function addSpace<M>(db: usize, off: u32, bytes: u32): void {
  // Records begin at multiples of 4, whatever lies before.
  const skip = (0 - off) & 3;
  if (bytes < RECORD_MIN + skip) return;
  const at = off + skip;
  setWord<M>(db, at + REC_LEN, ((bytes - skip) & ~3) - RECORD);
  setWord<M>(db, at + DATA_LEN, 0);
  // Rare, and a store is waiting for it: looks at the whole list.
  free<M>(db, at, stepsMax(db));
}

/**
 * Where bytes at the end of the file begin that belong to no record; 0: the last record ends where the file
 * does. Looks at the last record only, if a list leads to it; otherwise scans the file.
 */
export function tail<M>(db: usize): u32 {
  const start = load<u32>(db, DB_DATA_START);
  const size = load<u32>(db, DB_SIZE);
  if (size <= start) return 0;
  const area = word<M>(db, AT_RECOVERY_START);
  const areaEnd = areaEndOf<M>(db, area);
  if (areaEnd == size || lastIsListed<M>(db)) return 0;
  let off = start;
  while (off <= size - RECORD_MIN) {
    const magic = word<M>(db, off + MAGIC);
    const recLen = word<M>(db, off + REC_LEN);
    const real = magic == LIVE || magic == DEAD || magic == FREE || (off == area && areaEnd != 0);
    // Only what looks unused is a tail; a record that runs past the end tells of a file cut short.
    if (!real) return magic == 0 || magic == PAD ? off : 0;
    if ((recLen & 3) != 0 || recLen < 4 || recLen > size - RECORD - off) return 0;
    off += RECORD + recLen;
  }
  return off < size ? off : 0;
}

/** Does the file end in a record that its chain or the free list leads to? Garbage may look like a record. */
function lastIsListed<M>(db: usize): bool {
  const start = load<u32>(db, DB_DATA_START);
  const size = load<u32>(db, DB_SIZE);
  if ((size & 3) != 0 || size - start < RECORD_MIN) return false;
  const length = word<M>(db, size - 4);
  if ((length & 3) != 0 || length < RECORD_MIN || length > size - start) return false;
  const last = size - length;
  if (word<M>(db, last + REC_LEN) != length - RECORD) return false;
  const magic = word<M>(db, last + MAGIC);
  if (magic == FREE && load<u32>(db, DB_INDEX_OPEN) != 0 && indexed<M>(db, last)) return true;
  let off = magic == FREE
    ? word<M>(db, FREE_HEAD)
    : magic == LIVE || magic == DEAD
    ? word<M>(db, headOf(db, word<M>(db, last + FULL_HASH)))
    : 0;
  for (let steps = stepsMax(db); off != 0 && sound(db, off) && steps != 0; steps--) {
    if (off == last) return true;
    off = word<M>(db, off + NEXT);
  }
  return false;
}

/** Where the recovery area ends, 0 without one. */
function areaEndOf<M>(db: usize, area: u32): u32 {
  if (area == 0 || !sound(db, area)) return 0;
  const recLen = word<M>(db, area + REC_LEN);
  return recLen > load<u32>(db, DB_SIZE) - RECORD - area ? 0 : area + RECORD + recLen;
}
