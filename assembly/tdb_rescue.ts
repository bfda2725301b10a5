/**
 * Rescue: finding records in a file whose lists or lengths cannot be trusted.
 *
 *   1 walk   chains as far as they lead: their live records are reachable; free list and recovery area: covered
 *   2 scan   every multiple of 4 for the magic of a record; one that is not covered by another is a find
 *
 *   bitmaps, one bit for 4 bytes:  reach: a reachable live record starts here    cover: inside something known
 *
 * What a record, a free one or the recovery area covers holds no other records, whatever its bytes look like.
 * Each step covers a place that was not covered, so walks end on any input; keys are hashed within a budget.
 *
 * Does NOT promise: the newest value of a key that no chain leads to; old copies look alike. No open transaction.
 */
import { fits } from "./tdb_chain";
import { jenkins, oldHash } from "./hash";
import {
  AT_RECOVERY_START,
  DATA_LEN,
  DB_BASE,
  DB_DATA_START,
  DB_FLAGS,
  DB_HASH_SIZE,
  DB_SIZE,
  DEAD,
  ends,
  Fast,
  FIRST_HEAD,
  FLAG_JENKINS,
  FLAGS_SLOW,
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
  RECOVERY,
  Slow,
  sound,
  tailed,
  word,
} from "./tdb_layout";
import { among, enter, sortStep, sortSteps } from "./tdb_order";

/** Fields of a rescue's state; assembly/host/rescue_kernels.ts has the same table. */
const RS_REACH: usize = 0; // addresses of the two bitmaps, zeroed by the host
const RS_COVER: usize = 4;
const RS_AT: usize = 8; // where the scan goes on; 0 = the walks are to be done
const RS_REACHABLE: usize = 12; // records
const RS_SKIPPED: usize = 16; // records not judged: their keys were beyond the budget
const RS_SPENT: usize = 24; // u64, bytes of long keys hashed
const RS_COVERED: usize = 32; // u64, bytes covered, once for each record

/** Keys up to this are always hashed. */
const KEY_SHORT: u32 = 256;

// @ts-ignore: decorator
@inline
function isSet(map: usize, off: u32): bool {
  return ((load<u8>(map + (off >> 5)) >> ((off >> 2) & 7)) & 1) != 0;
}

// @ts-ignore: decorator
@inline
function setBit(map: usize, off: u32): void {
  const at = map + (off >> 5);
  store<u8>(at, <u32> load<u8>(at) | (<u32> 1 << ((off >> 2) & 7)));
}

/** Sets the bits of [off, off + bytes). */
function setRun(map: usize, off: u32, bytes: u32): void {
  let word = off >> 2;
  const last = (off + bytes + 3) >> 2;
  while (word < last && (word & 7) != 0) setBit(map, word++ << 2);
  const whole = (last - word) >> 3;
  if (word < last) {
    memory.fill(map + (word >> 3), 0xff, whole);
    word += whole << 3;
  }
  while (word < last) setBit(map, word++ << 2);
}

/** Do key and value lie inside the file, whatever rec_len says? */
function inside<M>(db: usize, off: u32): bool {
  return <u64> word<M>(db, off + KEY_LEN) + word<M>(db, off + DATA_LEN) + RECORD_MIN <=
    <u64> (load<u32>(db, DB_SIZE) - off);
}

/** Is the stored hash that of the key? No, too, for a long key once the budget of 4 file sizes is used up. */
function hashed<M>(db: usize, state: usize, off: u32): bool {
  const keyLen = word<M>(db, off + KEY_LEN);
  if (keyLen > KEY_SHORT) {
    const spent = load<u64>(state, RS_SPENT) + keyLen;
    if (spent > 4 * <u64> load<u32>(db, DB_SIZE)) {
      store<u32>(state, load<u32>(state, RS_SKIPPED) + 1, RS_SKIPPED);
      return false;
    }
    store<u64>(state, spent, RS_SPENT);
  }
  const key = <usize> load<u32>(db, DB_BASE) + off + RECORD;
  const hash = load<u32>(db, DB_FLAGS) & FLAG_JENKINS ? jenkins(key, keyLen) : oldHash(key, keyLen);
  return word<M>(db, off + FULL_HASH) == hash;
}

/**
 * Covers [off, off + bytes). No, and only its start, once 4 file sizes were covered: records that do not overlap
 * need one, and what is found shall not be larger without bound than the file.
 */
function cover(db: usize, state: usize, off: u32, bytes: u32): bool {
  const map = <usize> load<u32>(state, RS_COVER);
  const covered = load<u64>(state, RS_COVERED) + bytes;
  if (covered > 4 * <u64> load<u32>(db, DB_SIZE)) {
    store<u32>(state, load<u32>(state, RS_SKIPPED) + 1, RS_SKIPPED);
    setBit(map, off);
    return false;
  }
  store<u64>(state, covered, RS_COVERED);
  setRun(map, off, bytes);
  return true;
}

/** Header, key and value of the record at `off` belong to it. */
function coverRecord<M>(db: usize, state: usize, off: u32): bool {
  return cover(db, state, off, RECORD + word<M>(db, off + KEY_LEN) + word<M>(db, off + DATA_LEN));
}

function walkChain<M>(db: usize, state: usize, chain: u32): void {
  const map = <usize> load<u32>(state, RS_COVER);
  const chains = load<u32>(db, DB_HASH_SIZE);
  let off = word<M>(db, FIRST_HEAD + chain * 4);
  while (off != 0 && sound(db, off) && !isSet(map, off)) {
    const live = word<M>(db, off + MAGIC) == LIVE;
    if (live && inside<M>(db, off) && hashed<M>(db, state, off)) {
      if (word<M>(db, off + FULL_HASH) % chains != chain) return;
      if (coverRecord<M>(db, state, off)) {
        setBit(load<u32>(state, RS_REACH), off);
        store<u32>(state, load<u32>(state, RS_REACHABLE) + 1, RS_REACHABLE);
      }
    } else setBit(map, off);
    off = word<M>(db, off + NEXT);
  }
}

/** Covers free records and the recovery area, as far as they can be believed. */
function walkFree<M>(db: usize, state: usize): void {
  const map = <usize> load<u32>(state, RS_COVER);
  let off = word<M>(db, FREE_HEAD);
  while (off != 0 && sound(db, off) && !isSet(map, off)) {
    if (word<M>(db, off + MAGIC) != FREE || !ends<M>(db, off) || !tailed<M>(db, off)) break;
    cover(db, state, off, RECORD + word<M>(db, off + REC_LEN));
    off = word<M>(db, off + NEXT);
  }
  const area = word<M>(db, AT_RECOVERY_START);
  if (area == 0 || !sound(db, area) || !ends<M>(db, area)) return;
  const magic = word<M>(db, area + MAGIC);
  if (magic != 0 && magic != RECOVERY) return;
  cover(db, state, area, RECORD + word<M>(db, area + REC_LEN));
}

/** Is the live record at `off`, which no chain leads to, to be believed? */
function believable<M>(db: usize, state: usize, off: u32): bool {
  if (!fits<M>(db, off) || !ends<M>(db, off)) return false;
  const next = word<M>(db, off + NEXT);
  return (next == 0 || sound(db, next) || tailed<M>(db, off)) && hashed<M>(db, state, off);
}

/** What the magic found at `off + MAGIC` is: 0 nothing, 1 a find, 2 a reachable record. Covers what it is. */
function judged<M>(db: usize, state: usize, off: u32): u32 {
  if (!sound(db, off)) return 0;
  if (isSet(load<u32>(state, RS_REACH), off)) return 2;
  if (isSet(load<u32>(state, RS_COVER), off)) return 0;
  const magic = word<M>(db, off + MAGIC);
  if (magic == FREE) {
    // The list may have ended before it; its body is old stuff all the same.
    if (ends<M>(db, off) && tailed<M>(db, off)) {
      cover(db, state, off, RECORD + word<M>(db, off + REC_LEN));
    }
    return 0;
  }
  if (!believable<M>(db, state, off)) return 0;
  return coverRecord<M>(db, state, off) && magic == LIVE ? 1 : 0;
}

/** Is one of the four words at an address a magic in native order? */
// @ts-ignore: decorator
@inline
function anyMagic(at: usize): bool {
  const four = v128.load(at);
  const hits = v128.or(
    v128.or(v128.eq<u32>(four, v128.splat<u32>(LIVE)), v128.eq<u32>(four, v128.splat<u32>(FREE))),
    v128.eq<u32>(four, v128.splat<u32>(DEAD)),
  );
  return v128.any_true(hits);
}

function scan<M>(db: usize, state: usize, budget: u32, out: usize, max: u32): u32 {
  const size = load<u32>(db, DB_SIZE) & ~3;
  const base = <usize> load<u32>(db, DB_BASE);
  // 20 bytes: the magic's place in a record.
  let at = load<u32>(state, RS_AT);
  let count: u32 = 0;
  while (at < size && count < max && budget != 0) {
    budget--;
    if (sizeof<M>() == 1 && size - at >= 16 && !anyMagic(base + at)) {
      at += 16;
      continue;
    }
    const magic = word<M>(db, at);
    if (magic == LIVE || magic == FREE || magic == DEAD) {
      const kind = judged<M>(db, state, at - MAGIC);
      if (kind != 0) {
        store<u32>(out + count * 8, at - MAGIC);
        store<u32>(out + count * 8, kind - 1, 4);
        count++;
      }
    }
    at += 4;
  }
  store<u32>(state, at, RS_AT);
  return count;
}

function walks<M>(db: usize, state: usize): void {
  const chains = load<u32>(db, DB_HASH_SIZE);
  for (let chain: u32 = 0; chain < chains; chain++) walkChain<M>(db, state, chain);
  walkFree<M>(db, state);
  store<u32>(state, load<u32>(db, DB_DATA_START) + MAGIC, RS_AT);
}

/** The walks, once before the scan. */
export function tdbRescueWalk(db: usize, state: usize): void {
  if (load<u32>(db, DB_FLAGS) & FLAGS_SLOW) walks<Slow>(db, state);
  else walks<Fast>(db, state);
}

/**
 * Scans on by at most about `budget` places: up to `max` finds {offset, reachable 0/1} to `out`, ascending.
 * Answers their number; RS_AT reaches the size (a multiple of 4) at the end.
 */
export function tdbRescueScan(db: usize, state: usize, budget: u32, out: usize, max: u32): u32 {
  return load<u32>(db, DB_FLAGS) & FLAGS_SLOW
    ? scan<Slow>(db, state, budget, out, max)
    : scan<Fast>(db, state, budget, out, max);
}

function sort<M>(db: usize, state: usize, table: usize): void {
  const reach = <usize> load<u32>(state, RS_REACH);
  const bytes = load<u32>(db, DB_SIZE) >> 5;
  let count: u32 = 0;
  for (let index: u32 = 0; index <= bytes; index++) {
    let bits: u32 = load<u8>(reach + index);
    while (bits != 0) {
      const off = (index << 5) + (ctz<u32>(bits) << 2);
      bits &= bits - 1;
      enter(table, count++, word<M>(db, off + FULL_HASH), off);
    }
  }
  const steps = sortSteps(count);
  for (let step: u32 = 0; step < steps; step++) sortStep<M>(db, table, count, step);
}

/** Enters the reachable records, RS_REACHABLE of them, into a table of 8 bytes each and sorts it by key. */
export function tdbRescueSort(db: usize, state: usize, table: usize): void {
  if (load<u32>(db, DB_FLAGS) & FLAGS_SLOW) sort<Slow>(db, state, table);
  else sort<Fast>(db, state, table);
}

/** Has a reachable record the key of the record at `off`? 1 yes. */
export function tdbRescueKnown(db: usize, state: usize, table: usize, off: u32): u32 {
  const count = load<u32>(state, RS_REACHABLE);
  if (load<u32>(db, DB_FLAGS) & FLAGS_SLOW) {
    return among<Slow>(db, table, count, word<Slow>(db, off + FULL_HASH), off) ? 1 : 0;
  }
  return among<Fast>(db, table, count, word<Fast>(db, off + FULL_HASH), off) ? 1 : 0;
}
