/**
 * Sizes of the records on the free list, by a walk that ends on any input.
 *
 *   out: | count | smallest | largest | 0 | sum u64 |      rec_len, bytes
 *
 * A mark is left at each power of two of steps; a list that comes to its mark again is a loop.
 *
 * Does NOT promise: free records that are not on the list; a check finds those.
 */
import { DONE, FAULTY } from "./tdb_chain";
import { goodFree } from "./tdb_free_record";
import {
  DB_FAULT_KIND,
  DB_FLAGS,
  Fast,
  fault,
  FAULT_LOOP,
  FLAGS_SLOW,
  FREE_HEAD,
  NEXT,
  REC_LEN,
  Slow,
  word,
} from "./tdb_layout";

function walk<M>(db: usize, out: usize): i32 {
  memory.fill(out, 0, 24);
  let count: u32 = 0;
  let smallest: u32 = 0xffffffff;
  let largest: u32 = 0;
  let sum: u64 = 0;
  let mark: u32 = 0;
  for (let off = word<M>(db, FREE_HEAD); off != 0; off = word<M>(db, off + NEXT)) {
    if (!goodFree<M>(db, off)) return FAULTY;
    if (off == mark) {
      fault(db, FAULT_LOOP, off);
      return FAULTY;
    }
    if ((count & (count - 1)) == 0) mark = off;
    const recLen = word<M>(db, off + REC_LEN);
    smallest = min<u32>(smallest, recLen);
    largest = max<u32>(largest, recLen);
    sum += recLen;
    count++;
  }
  store<u32>(out, count);
  store<u32>(out, count == 0 ? 0 : smallest, 4);
  store<u32>(out, largest, 8);
  store<u64>(out, sum, 16);
  return DONE;
}

/** Walks the free list, 24 bytes to `out`. 0 done, 1 fault: loop, or no free record. */
export function tdbFreeSizes(db: usize, out: usize): i32 {
  store<u32>(db, 0, DB_FAULT_KIND);
  return load<u32>(db, DB_FLAGS) & FLAGS_SLOW ? walk<Slow>(db, out) : walk<Fast>(db, out);
}
