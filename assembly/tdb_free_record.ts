/**
 * One free record: is it sound, what lies before it, cutting it in two. Lists are the business of
 * tdb_freelist.ts and tdb_index.ts.
 *
 *   | header: next rec_len - - - FREE | nobody's bytes ... | tailer |
 *
 * Does NOT promise: that a record is on the list.
 */
import {
  AT_RECOVERY_START,
  DB_DATA_START,
  DB_NUMBER,
  DB_SIZE,
  fault,
  FAULT_FREELIST,
  FAULT_LENGTH,
  FAULT_OFFSET,
  FAULT_TAILER,
  FREE,
  MAGIC,
  PAD,
  REC_LEN,
  RECORD,
  RECORD_MIN,
  setWord,
  sound,
  word,
} from "./tdb_layout";

/** A remainder smaller than this (with its header) stays with the record. */
const SPLIT_MIN: u32 = RECORD + 12;

// @ts-ignore: decorator
@external("env", "hostGrow")
declare function hostGrow(db: u32, bytes: u32): u32;

/** Writes the last word of a record. */
// @ts-ignore: decorator
@inline
export function setTailer<M>(db: usize, off: u32, recLen: u32): void {
  setWord<M>(db, off + RECORD + recLen - 4, RECORD + recLen);
}

/** Did another process make the file longer than we know? The host looks, and tells the descriptor. */
function grew(db: usize): bool {
  const size = load<u32>(db, DB_SIZE);
  return hostGrow(load<u32>(db, DB_NUMBER), 0) != 0 && load<u32>(db, DB_SIZE) != size;
}

/** Is `off` a free record whose length stays inside the file and whose tailer agrees? */
export function goodFree<M>(db: usize, off: u32): bool {
  if (!sound(db, off) && !((off & 3) == 0 && grew(db) && sound(db, off))) {
    fault(db, FAULT_OFFSET, off);
    return false;
  }
  if (word<M>(db, off + MAGIC) != FREE) {
    fault(db, FAULT_FREELIST, off);
    return false;
  }
  const recLen = word<M>(db, off + REC_LEN);
  const beyond = recLen > load<u32>(db, DB_SIZE) - RECORD - off;
  if (recLen < 4 || (recLen & 3) != 0 || (beyond && !within<M>(db, off, recLen))) {
    fault(db, FAULT_LENGTH, off);
    return false;
  }
  if (word<M>(db, off + RECORD + recLen - 4) != RECORD + recLen) {
    fault(db, FAULT_TAILER, off);
    return false;
  }
  return true;
}

/** Does a record that seemed to run past the end lie within the file as it is now? */
function within<M>(db: usize, off: u32, recLen: u32): bool {
  return grew(db) && recLen <= load<u32>(db, DB_SIZE) - RECORD - off;
}

/**
 * Cuts the last `need` bytes (and a header) off a free record that is larger; the front stays what it is. After each
 * word the front is a sound record, the longer one or the shorter: it may be on the list.
 */
export function carve<M>(db: usize, off: u32, recLen: u32, need: u32): u32 {
  const rest = recLen - need - RECORD;
  const made = off + RECORD + rest;
  setWord<M>(db, made + REC_LEN, need);
  setWord<M>(db, made + MAGIC, FREE);
  setTailer<M>(db, off, rest);
  setWord<M>(db, off + REC_LEN, rest);
  setTailer<M>(db, made, need);
  return made;
}

/** Can a free record of this length lose `need` bytes and stay one? */
// @ts-ignore: decorator
@inline
export function splits(recLen: u32, need: u32): bool {
  return recLen >= need + SPLIT_MIN;
}

/** The free record that ends where `off` begins, 0 = none. Its header must agree with its tailer. */
export function freeLeft<M>(db: usize, off: u32): u32 {
  const start = load<u32>(db, DB_DATA_START);
  if (off < start + RECORD_MIN) return 0;
  const size = word<M>(db, off - 4);
  if (size == 0 || size == PAD || (size & 3) != 0 || size < RECORD_MIN || size > off - start) return 0;
  const at = off - size;
  if (word<M>(db, at + MAGIC) != FREE || word<M>(db, at + REC_LEN) != size - RECORD) return 0;
  // Old pages kept in the recovery area may look like records.
  const area = word<M>(db, AT_RECOVERY_START);
  const isOld = at > area && sound(db, area) &&
    <u64> (at - area) < <u64> RECORD + word<M>(db, area + REC_LEN);
  return isOld ? 0 : at;
}
