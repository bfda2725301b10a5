/**
 * A table of records sorted by hash and key: how twins are found among many without comparing all with all.
 *
 *   table: | hash, offset | hash, offset | ...        8 bytes an entry
 *
 * Heap sort, because it needs no second table, no recursion, is never quadratic, and its state between two
 * slices is one number.
 *
 * Does NOT promise: checks of records. Only those whose lengths are inside the file (`fits`) may be entered.
 */
import { DB_BASE, KEY_LEN, readable, RECORD, word } from "./tdb_layout";

/** Bytes of an entry. */
export const ENTRY: u32 = 8;

/** Orders two records by key length, then key: below, at, above 0. */
export function compareKeys<M>(db: usize, one: u32, other: u32): i32 {
  const length = word<M>(db, one + KEY_LEN);
  const otherLength = word<M>(db, other + KEY_LEN);
  if (length != otherLength) return length < otherLength ? -1 : 1;
  one += RECORD;
  other += RECORD;
  if (sizeof<M>() == 1) {
    const base = <usize> load<u32>(db, DB_BASE);
    return memory.compare(base + one, base + other, length);
  }
  for (let i: u32 = 0; i < length; i++) {
    const difference = <i32> byteAt(db, one + i) - <i32> byteAt(db, other + i);
    if (difference != 0) return difference;
  }
  return 0;
}

/** The byte at `off`, as an open transaction sees it. */
export function byteAt(db: usize, off: u32): u32 {
  const at = readable(db, off);
  return at == 0 ? 0 : load<u8>(at);
}

/** Enters a record as number `index`. */
// @ts-ignore: decorator
@inline
export function enter(table: usize, index: u32, hash: u32, off: u32): void {
  store<u32>(table + index * ENTRY, hash);
  store<u32>(table + index * ENTRY, off, 4);
}

function less<M>(db: usize, one: u64, other: u64): bool {
  const hash = <u32> one;
  const otherHash = <u32> other;
  if (hash != otherHash) return hash < otherHash;
  return compareKeys<M>(db, <u32> (one >> 32), <u32> (other >> 32)) < 0;
}

/** Lets the entry at `root` sink to its place in the heap of `count` entries. */
function sift<M>(db: usize, table: usize, root: u32, count: u32): void {
  const sinking = load<u64>(table + root * ENTRY);
  for (let child = root * 2 + 1; child < count; child = root * 2 + 1) {
    let larger = load<u64>(table + child * ENTRY);
    if (child + 1 < count) {
      const right = load<u64>(table + (child + 1) * ENTRY);
      if (less<M>(db, larger, right)) {
        larger = right;
        child++;
      }
    }
    if (!less<M>(db, sinking, larger)) break;
    store<u64>(table + root * ENTRY, larger);
    root = child;
  }
  store<u64>(table + root * ENTRY, sinking);
}

/** Steps that sorting `count` entries takes. */
// @ts-ignore: decorator
@inline
export function sortSteps(count: u32): u32 {
  return (count >> 1) + count;
}

/** Step number `at` of sorting `count` entries; in order after all sortSteps(count). */
export function sortStep<M>(db: usize, table: usize, count: u32, at: u32): void {
  const half = count >> 1;
  if (at < half) {
    sift<M>(db, table, half - 1 - at, count);
    return;
  }
  const last = count - 1 - (at - half);
  const largest = load<u64>(table);
  store<u64>(table, load<u64>(table + last * ENTRY));
  store<u64>(table + last * ENTRY, largest);
  sift<M>(db, table, 0, last);
}

/** Do two neighbours of the sorted table have the same key? */
export function twins<M>(db: usize, table: usize, index: u32): bool {
  const one = load<u64>(table + index * ENTRY);
  const other = load<u64>(table + (index + 1) * ENTRY);
  return <u32> one == <u32> other &&
    compareKeys<M>(db, <u32> (one >> 32), <u32> (other >> 32)) == 0;
}

/** Has the sorted table a record with the key of the record at `off`? */
export function among<M>(db: usize, table: usize, count: u32, hash: u32, off: u32): bool {
  let low: u32 = 0;
  let high = count;
  const wanted = <u64> hash | (<u64> off << 32);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (less<M>(db, load<u64>(table + middle * ENTRY), wanted)) low = middle + 1;
    else high = middle;
  }
  return low < count && !less<M>(db, wanted, load<u64>(table + low * ENTRY));
}
