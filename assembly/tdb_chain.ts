/**
 * Hash chains: finding, storing and deleting records.
 *
 *   head of chain --> record --> record --> 0      each next is tested before it is followed
 *
 * A record that must move is replaced by its successor with one word written (the pointer to the old one), so a
 * process that dies leaves the old value or the new one. Host locks are the caller's business,
 * but for the free list's, which is taken through the host only when a record must be allocated or freed.
 *
 * Does NOT promise: that bytes overwritten in place are old or new as a whole; that takes a transaction.
 * Upstream: tdb store and delete; differs from upstream: the successor is linked before the old record goes.
 */
import { allocate, free, lockFree, take, unlockFree } from "./tdb_freelist";
import {
  AT_SEQNUM,
  DATA_LEN,
  DB_BASE,
  DB_DATA_START,
  DB_EPOCH,
  DB_FAULT_KIND,
  DB_FLAGS,
  DB_HASH_SIZE,
  DB_MAX_DEAD,
  DB_NUMBER,
  DB_PRED,
  DB_SIZE,
  DEAD,
  FAULT,
  fault,
  FAULT_CHAIN,
  FAULT_LENGTH,
  FAULT_LOOP,
  FAULT_MAGIC,
  FAULT_OFFSET,
  FIRST_HEAD,
  FLAG_PROBE,
  FLAG_SEQNUM,
  FULL_HASH,
  headOf,
  KEY_LEN,
  LIVE,
  MAGIC,
  NEXT,
  put,
  REC_LEN,
  RECORD,
  RECORD_MIN,
  same,
  setWord,
  sound,
  stepsMax,
  word,
} from "./tdb_layout";

/** Answers of store and delete. */
export const DONE: i32 = 0;
export const FAULTY: i32 = 1;
export const NOT_FOUND: i32 = 2;
export const EXISTS: i32 = 3;

/** Steps along a chain before the bound against loops is looked at. */
const STEPS_FREE: u32 = 64;

/** Modes of store; 0 is replace. ANEW: never over the old value. */
const INSERT: u32 = 1;
const MODIFY: u32 = 2;
const ANEW: u32 = 4;

// @ts-ignore: decorator
@external("env", "hostProbe")
declare function hostProbe(db: u32, off: u32): u32;

/** May `off` be unlinked or reused: does no traverse of any process stand on it? */
// @ts-ignore: decorator
@inline
export function unheld(db: usize, off: u32): bool {
  return !(load<u32>(db, DB_FLAGS) & FLAG_PROBE) || hostProbe(load<u32>(db, DB_NUMBER), off) != 0;
}

/** Do the lengths of the live or dead record at `off` fit into it and it into the file? */
// @ts-ignore: decorator
@inline
export function fits<M>(db: usize, off: u32): bool {
  const recLen = word<M>(db, off + REC_LEN);
  return recLen <= load<u32>(db, DB_SIZE) - RECORD - off && (recLen & 3) == 0 &&
    <u64> word<M>(db, off + KEY_LEN) + word<M>(db, off + DATA_LEN) + 4 <= <u64> recLen;
}

/** So many bytes from the data start on may begin a record's header: none in a file without room for one. */
// @ts-ignore: decorator
@inline
function placesFor(db: usize, start: u32): u32 {
  const size = load<u32>(db, DB_SIZE);
  return <u64> size < <u64> start + RECORD_MIN ? 0 : size - start - RECORD_MIN + 1;
}

/** The live record of a key: its offset, 0 = none, FAULT. DB_PRED then says where the pointer to it lies. */
// @ts-ignore: decorator
@inline
export function find<M>(db: usize, key: usize, keyLen: u32, hash: u32): u32 {
  return findFrom<M>(db, key, keyLen, hash, headOf(db, hash));
}

/** `find` in the rest of a chain: from the pointer that lies at `pred` on. */
function findFrom<M>(db: usize, key: usize, keyLen: u32, hash: u32, pred: u32): u32 {
  const start = load<u32>(db, DB_DATA_START);
  const places = placesFor(db, start);
  let off = word<M>(db, pred);
  let steps: u32 = 0;
  while (off != 0) {
    if (off - start >= places || (off & 3) != 0) return fault(db, FAULT_OFFSET, off);
    const magic = word<M>(db, off + MAGIC);
    if (word<M>(db, off + FULL_HASH) == hash && magic == LIVE) {
      if (word<M>(db, off + KEY_LEN) == keyLen) {
        if (!fits<M>(db, off)) return fault(db, FAULT_LENGTH, off);
        if (same<M>(db, off + RECORD, key, keyLen)) {
          store<u32>(db, pred, DB_PRED);
          return off;
        }
      }
    } else if (magic != LIVE && magic != DEAD) return fault(db, FAULT_MAGIC, off);
    // Most chains are short: the bound is made only for a long one.
    if (++steps > STEPS_FREE && steps > stepsMax(db)) return fault(db, FAULT_LOOP, off);
    pred = off + NEXT;
    off = word<M>(db, pred);
  }
  return 0;
}

/** The next live record from `off` on (`off` itself included), 0 = end of the chain. */
export function live<M>(db: usize, off: u32, chain: u32): u32 {
  let steps = stepsMax(db);
  while (off != 0) {
    if (!sound(db, off)) return fault(db, FAULT_OFFSET, off);
    const magic = word<M>(db, off + MAGIC);
    if (magic == LIVE) {
      if (!fits<M>(db, off)) return fault(db, FAULT_LENGTH, off);
      if (word<M>(db, off + FULL_HASH) % load<u32>(db, DB_HASH_SIZE) != chain) {
        return fault(db, FAULT_CHAIN, off);
      }
      return off;
    }
    if (magic != DEAD) return fault(db, FAULT_MAGIC, off);
    if (steps-- == 0) return fault(db, FAULT_LOOP, off);
    off = word<M>(db, off + NEXT);
  }
  return 0;
}

/** Counts the sequence number up, if this handle does. One atomic add where the word is native. */
// @ts-ignore: decorator
@inline
export function changed<M>(db: usize): void {
  store<u32>(db, load<u32>(db, DB_EPOCH) + 1, DB_EPOCH);
  if (!(load<u32>(db, DB_FLAGS) & FLAG_SEQNUM)) return;
  if (sizeof<M>() == 1) atomic.add<u32>(<usize> load<u32>(db, DB_BASE) + AT_SEQNUM, 1);
  else setWord<M>(db, AT_SEQNUM, word<M>(db, AT_SEQNUM) + 1);
}

/**
 * Stores a value of `dataLen` bytes under a key. A new place has `room` bytes more than it needs. Answers DONE, FAULTY,
 * NOT_FOUND (modify) or EXISTS (insert).
 */
export function putRecord<M>(
  db: usize,
  key: usize,
  keyLen: u32,
  hash: u32,
  value: usize,
  dataLen: u32,
  mode: u32,
  room: u32,
): i32 {
  const old = find<M>(db, key, keyLen, hash);
  if (old == FAULT) return FAULTY;
  if (old != 0 && mode != ANEW) {
    if (mode == INSERT) return EXISTS;
    const at = old + RECORD + keyLen;
    const oldLen = word<M>(db, old + DATA_LEN);
    if (oldLen == dataLen && same<M>(db, at, value, dataLen)) {
      changed<M>(db);
      return DONE;
    }
    if (<u64> keyLen + dataLen + 4 <= <u64> word<M>(db, old + REC_LEN)) {
      put<M>(db, at, value, dataLen);
      if (oldLen != dataLen) setWord<M>(db, old + DATA_LEN, dataLen);
      changed<M>(db);
      return DONE;
    }
  } else if (mode == MODIFY) return NOT_FOUND;

  const payload = keyLen + dataLen + room;
  let off = reuse<M>(db, hash, payload);
  if (off == FAULT) return FAULTY;
  const locked = off == 0;
  if (locked) {
    if (!lockFree(db)) return FAULTY;
    const trims = load<u32>(db, DB_MAX_DEAD) != 0;
    off = trims && !trim<M>(db, headOf(db, hash), 0) ? FAULT : allocate<M>(db, payload);
    if (off == FAULT) {
      unlockFree<M>(db);
      return FAULTY;
    }
  }
  put<M>(db, off + RECORD, key, keyLen);
  put<M>(db, off + RECORD + keyLen, value, dataLen);
  // From here to the link there are only a few words: who dies in between leaves space on no list.
  if (locked) take<M>(db);
  setWord<M>(db, off + KEY_LEN, keyLen);
  setWord<M>(db, off + DATA_LEN, dataLen);
  setWord<M>(db, off + FULL_HASH, hash);
  if (old == 0) {
    const head = headOf(db, hash);
    setWord<M>(db, off + NEXT, word<M>(db, head));
    setWord<M>(db, off + MAGIC, LIVE);
    setWord<M>(db, head, off);
  } else succeed<M>(db, off, old, locked);
  if (locked) unlockFree<M>(db);
  changed<M>(db);
  return load<u32>(db, DB_FAULT_KIND) == 0 ? DONE : FAULTY;
}

/**
 * Puts `off` in the place of `old`, the record found last, then lets `old` go. One word switches from the old
 * value to the new: who dies behind it leaves a record on no list, never two with one key, of which a later
 * delete would bring the old one back.
 */
function succeed<M>(db: usize, off: u32, old: u32, locked: bool): void {
  setWord<M>(db, off + NEXT, word<M>(db, old + NEXT));
  setWord<M>(db, off + MAGIC, LIVE);
  setWord<M>(db, load<u32>(db, DB_PRED), off);
  setWord<M>(db, old + MAGIC, DEAD);
  if (locked && load<u32>(db, DB_MAX_DEAD) == 0 && unheld(db, old)) free<M>(db, old);
  // Kept for reuse, or for a traverse that stands on it and will ask for its next.
  else setWord<M>(db, off + NEXT, old);
}

/**
 * A dead record of the own chain that is large enough, unlinked; 0 = none, FAULT. Only where dead ones are kept.
 * DB_PRED stays right.
 */
function reuse<M>(db: usize, hash: u32, payload: u32): u32 {
  if (load<u32>(db, DB_MAX_DEAD) == 0) return 0;
  const need = payload + 4;
  let best: u32 = 0;
  let bestLen: u32 = 0;
  let bestPred: u32 = 0;
  let pred = headOf(db, hash);
  let steps = stepsMax(db);
  for (let off = word<M>(db, pred); off != 0; off = word<M>(db, pred)) {
    if (!sound(db, off)) return fault(db, FAULT_OFFSET, off);
    if (steps-- == 0) return fault(db, FAULT_LOOP, off);
    if (word<M>(db, off + MAGIC) == DEAD && fits<M>(db, off)) {
      const recLen = word<M>(db, off + REC_LEN);
      if (recLen >= need && (best == 0 || recLen < bestLen) && unheld(db, off)) {
        best = off;
        bestLen = recLen;
        bestPred = pred;
      }
    }
    pred = off + NEXT;
  }
  if (best != 0) unlink<M>(db, bestPred, best);
  return best;
}

/** Takes the record at `off`, to which the pointer at `pred` leads, out of its chain; DB_PRED may have lain in it. */
// @ts-ignore: decorator
@inline
function unlink<M>(db: usize, pred: u32, off: u32): void {
  setWord<M>(db, pred, word<M>(db, off + NEXT));
  if (load<u32>(db, DB_PRED) == off + NEXT) store<u32>(db, pred, DB_PRED);
}

/** Deletes a key's record, and what else bears its key: a process that died in a store may have left two. */
export function remove<M>(db: usize, key: usize, keyLen: u32, hash: u32): i32 {
  const off = find<M>(db, key, keyLen, hash);
  if (off == FAULT) return FAULTY;
  if (off == 0) return NOT_FOUND;
  const head = headOf(db, hash);
  const keep = load<u32>(db, DB_MAX_DEAD);
  // Counted before anything changes: without the lock that trimming takes, nothing has happened.
  const trims = keep == 0 || dead<M>(db, head) >= keep;
  if (trims && !lockFree(db)) return FAULTY;
  if (removeTwins<M>(db, key, keyLen, hash, off)) {
    setWord<M>(db, off + MAGIC, DEAD);
    changed<M>(db);
    if (trims) trim<M>(db, head, keep);
  }
  if (trims) unlockFree<M>(db);
  return load<u32>(db, DB_FAULT_KIND) == 0 ? DONE : FAULTY;
}

/**
 * Marks the live records of a key behind the first one, at `off`, dead; the first is the last to go, so nobody ever
 * sees one of them. False: fault.
 */
function removeTwins<M>(db: usize, key: usize, keyLen: u32, hash: u32, off: u32): bool {
  let twin = findFrom<M>(db, key, keyLen, hash, off + NEXT);
  while (twin > FAULT) {
    setWord<M>(db, twin + MAGIC, DEAD);
    twin = findFrom<M>(db, key, keyLen, hash, twin + NEXT);
  }
  return twin == 0;
}

/** Dead records in a chain. */
function dead<M>(db: usize, head: u32): u32 {
  let count: u32 = 0;
  let steps = stepsMax(db);
  for (let off = word<M>(db, head); off != 0 && sound(db, off); off = word<M>(db, off + NEXT)) {
    if (word<M>(db, off + MAGIC) == DEAD) count++;
    if (steps-- == 0) break;
  }
  return count;
}

/**
 * Unlinks and frees the dead records of a chain beyond the first `keep`, but for those a traverse stands on. DB_PRED
 * stays right. False: fault.
 */
function trim<M>(db: usize, head: u32, keep: u32): bool {
  let seen: u32 = 0;
  let pred = head;
  let steps = stepsMax(db);
  for (let off = word<M>(db, pred); off != 0; off = word<M>(db, pred)) {
    if (!sound(db, off)) {
      fault(db, FAULT_OFFSET, off);
      return false;
    }
    if (steps-- == 0) {
      fault(db, FAULT_LOOP, off);
      return false;
    }
    const magic = word<M>(db, off + MAGIC);
    if (magic == DEAD && ++seen > keep && fits<M>(db, off) && unheld(db, off)) {
      unlink<M>(db, pred, off);
      free<M>(db, off);
      // A list that cannot be mended costs a scan of the file: not once for each.
      if (load<u32>(db, DB_FAULT_KIND) != 0) return false;
      continue;
    }
    if (magic != LIVE && magic != DEAD) {
      fault(db, FAULT_MAGIC, off);
      return false;
    }
    pred = off + NEXT;
  }
  return true;
}

/** Empties every chain; the caller holds everything and makes the space free. */
export function clearHeads<M>(db: usize): void {
  const count = load<u32>(db, DB_HASH_SIZE);
  if (sizeof<M>() == 1) memory.fill(<usize> load<u32>(db, DB_BASE) + FIRST_HEAD, 0, count * 4);
  else for (let i: u32 = 0; i < count; i++) setWord<M>(db, FIRST_HEAD + i * 4, 0);
  store<u32>(db, load<u32>(db, DB_EPOCH) + 1, DB_EPOCH);
}
