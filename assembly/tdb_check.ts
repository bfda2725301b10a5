/**
 * The check of a database, in slices: every record is where it should be, exactly once.
 *
 *   scan      from data start to the end by rec_len: each record is judged, its start marked in the bitmap
 *   chains    each pointer must lead to a marked, unvisited, used record of that chain; twins are looked for
 *   free list the same with free records
 *   left      marked records that no list led to
 *
 * A record with something wrong is reported once and passed through where its words allow it. Where the scan
 * cannot go on, what lies behind is unknown: records that lists lead to there are judged then, others are not
 * missed. Every step of a walk marks a record as visited, so walks end on any input.
 *
 * Does NOT promise: sense while another writes to the file; the caller holds a lock on everything.
 */
import {
  AREA_LENGTH,
  AREA_LOST,
  AREA_MAGIC,
  AREA_POINTER,
  AREA_STRAY,
  CHECK_STRICT,
  CK_AREA,
  CK_AT,
  CK_FLAGS,
  CK_KNOWN,
  CK_MAP,
  CK_NEIGHBOURS,
  CK_PHASE,
  CK_PRED,
  CK_RECOVERY_BYTES,
  CK_UNUSED_BYTES,
  CK_UNVISITED,
  CK_WANT_BUFFER,
  CK_WANT_SORT,
  CK_WAS_FREE,
  count,
  IN_NO_CHAIN,
  NOT_ON_FREE_LIST,
  report,
  REST,
  UNUSED_CONTENT,
} from "./tdb_check_state";
import { chains, freeList } from "./tdb_check_lists";
import { complain, judge, tell } from "./tdb_judge";
import {
  AT_RECOVERY_START,
  DB_DATA_START,
  DB_FLAGS,
  DB_SIZE,
  DEAD,
  ends,
  Fast,
  FIRST_HEAD,
  FLAGS_SLOW,
  FREE,
  FREE_HEAD,
  LIVE,
  MAGIC,
  PAD,
  REC_LEN,
  RECORD,
  RECOVERY,
  Slow,
  sound,
  tailed,
  word,
} from "./tdb_layout";
import { byteAt } from "./tdb_order";
import {
  seen,
  SEEN_BAD,
  SEEN_FREE,
  SEEN_START,
  SEEN_VISITED,
  setSeen,
  starts,
} from "./tdb_seen";

/** Answers of tdbCheck. */
const GO_ON: u32 = 0;
const DONE: u32 = 1;
const WANTS: u32 = 2;

/** Phases. */
const BEGIN: u32 = 0;
const SCAN: u32 = 1;
const UNUSED: u32 = 2;
const CHAINS: u32 = 3;
const FREE_WALK: u32 = 4;
const LEFT: u32 = 5;
const END: u32 = 6;

/** May a record begin at `off`, or does the file end there? How we go on behind a record that is wrong. */
function lands<M>(db: usize, off: u32, area: u32): bool {
  const size = load<u32>(db, DB_SIZE);
  if (off == size || off == area) return true;
  if (!sound(db, off)) return false;
  const magic = word<M>(db, off + MAGIC);
  return magic == LIVE || magic == DEAD || magic == FREE;
}

/** Bytes to go on by behind a record with something wrong; 0: nobody knows where the next one begins. */
function beyond<M>(db: usize, off: u32, area: u32): u32 {
  if (!ends<M>(db, off)) return 0;
  const bytes = RECORD + word<M>(db, off + REC_LEN);
  return tailed<M>(db, off) || lands<M>(db, off + bytes, area) ? bytes : 0;
}

/** The recovery area, where the header says. Answers its bytes, 0 = stop. */
function area<M>(db: usize, state: usize, off: u32, magic: u32): u32 {
  store<u32>(state, 0, CK_AREA);
  store<u32>(state, 0, CK_WAS_FREE);
  if (magic != 0 && magic != RECOVERY) {
    report(state, AREA_MAGIC, off, 0, magic);
    return record<M>(db, state, off, magic);
  }
  if (!ends<M>(db, off)) {
    report(state, AREA_LENGTH, off, 0, word<M>(db, off + REC_LEN));
    return 0;
  }
  const bytes = RECORD + word<M>(db, off + REC_LEN);
  store<u32>(state, bytes, CK_RECOVERY_BYTES);
  return bytes;
}

/** What stands at `off` is no record: is it unused space up to the end? Answers its bytes, 0 = stop. */
function unused<M>(db: usize, state: usize, off: u32): u32 {
  const first = byteAt(db, off);
  if (first != 0 && first != 0x42) {
    report(state, UNUSED_CONTENT, off, 0, first);
    return 0;
  }
  const bytes = load<u32>(db, DB_SIZE) - off;
  store<u32>(state, bytes, CK_UNUSED_BYTES);
  return bytes;
}

/** A live, dead or free record, or what should be one. Answers its bytes, 0 = stop. */
function record<M>(db: usize, state: usize, off: u32, magic: u32): u32 {
  const map = <usize> load<u32>(state, CK_MAP);
  const reason = judge<M>(db, state, off, magic);
  if (load<u32>(state, CK_WANT_BUFFER) != 0) return 0;
  if (reason != 0) {
    complain<M>(db, state, off, 0, reason);
    setSeen(map, off, SEEN_START | SEEN_BAD);
    store<u32>(state, 0, CK_WAS_FREE);
    return beyond<M>(db, off, load<u32>(state, CK_AREA));
  }
  tell<M>(db, state, off, magic);
  const isFree: u32 = magic == FREE ? 1 : 0;
  setSeen(map, off, isFree != 0 ? SEEN_START | SEEN_FREE : SEEN_START);
  count(state, CK_UNVISITED);
  if (isFree & load<u32>(state, CK_WAS_FREE)) count(state, CK_NEIGHBOURS);
  store<u32>(state, isFree, CK_WAS_FREE);
  return RECORD + word<M>(db, off + REC_LEN);
}

/** One place of the scan. Answers the bytes to go on by, 0 = stop. */
// @ts-ignore: decorator
@inline
function place<M>(db: usize, state: usize, off: u32): u32 {
  const rest = load<u32>(db, DB_SIZE) - off;
  if (rest < RECORD) {
    report(state, REST, off, 0, rest);
    return rest;
  }
  const magic = word<M>(db, off + MAGIC);
  if (off == load<u32>(state, CK_AREA)) return area<M>(db, state, off, magic);
  if (magic == 0 || magic == PAD) return unused<M>(db, state, off);
  if (magic == RECOVERY) {
    report(state, AREA_STRAY, off, 0, magic);
    store<u32>(state, 0, CK_WAS_FREE);
    return beyond<M>(db, off, load<u32>(state, CK_AREA));
  }
  return record<M>(db, state, off, magic);
}

/** Scans on; answers what is left of the budget. */
function scan<M>(db: usize, state: usize, budget: u32): u32 {
  const size = load<u32>(db, DB_SIZE);
  let off = load<u32>(state, CK_AT);
  while (off < size) {
    if (budget == 0) {
      store<u32>(state, off, CK_AT);
      return 0;
    }
    budget--;
    const bytes = place<M>(db, state, off);
    if (bytes == 0) {
      store<u32>(state, off, CK_AT);
      if (load<u32>(state, CK_WANT_BUFFER) != 0) return budget;
      break;
    }
    off += bytes;
  }
  // Stopped: the header where it happened is known, what follows is not.
  store<u32>(state, off < size ? off + RECORD : size, CK_KNOWN);
  const lost = load<u32>(state, CK_AREA);
  if (lost != 0 && lost < load<u32>(state, CK_KNOWN)) {
    report(state, AREA_LOST, lost, 0, word<M>(db, lost + MAGIC));
  }
  const bytes = load<u32>(state, CK_UNUSED_BYTES);
  store<u32>(state, size - bytes, CK_AT);
  const strict = load<u32>(state, CK_FLAGS) & CHECK_STRICT;
  if (bytes != 0 && strict) store<u32>(state, UNUSED, CK_PHASE);
  else toLists(state);
  return budget;
}

/** The scan is done: on with the first chain. */
function toLists(state: usize): void {
  store<u32>(state, CHAINS, CK_PHASE);
  store<u32>(state, 0, CK_AT);
  store<u32>(state, FIRST_HEAD, CK_PRED);
}

/** Looks at every byte of unused space: zero or padding. */
function unusedBytes(db: usize, state: usize, budget: u32): u32 {
  const size = load<u32>(db, DB_SIZE);
  let off = load<u32>(state, CK_AT);
  for (; off < size; off++) {
    if ((off & 63) == 0) {
      if (budget == 0) {
        store<u32>(state, off, CK_AT);
        return 0;
      }
      budget--;
    }
    const byte = byteAt(db, off);
    if (byte != 0 && byte != 0x42) {
      report(state, UNUSED_CONTENT, off, 0, byte);
      break;
    }
  }
  toLists(state);
  return budget;
}

/** Reports marked records that no list led to. */
function left(db: usize, state: usize, budget: u32): u32 {
  const map = <usize> load<u32>(state, CK_MAP);
  const size = load<u32>(db, DB_SIZE);
  let off = load<u32>(state, CK_AT);
  while (off < size && load<u32>(state, CK_UNVISITED) != 0) {
    if (budget == 0) break;
    budget--;
    if ((off & 255) == 0 && load<u64>(map + (off >> 5)) == 0) {
      // Nothing marked in 256 bytes; the bitmap has 8 bytes more than it needs.
      off += 256;
      continue;
    }
    const bits = seen(map, off);
    if (starts(bits)) {
      if ((bits & (SEEN_VISITED | SEEN_BAD)) == 0) {
        const free = (bits & SEEN_FREE) != 0;
        report(state, free ? NOT_ON_FREE_LIST : IN_NO_CHAIN, off, 0, 0);
        store<u32>(state, load<u32>(state, CK_UNVISITED) - 1, CK_UNVISITED);
      }
    }
    off += 4;
  }
  store<u32>(state, off, CK_AT);
  if (off >= size || load<u32>(state, CK_UNVISITED) == 0) store<u32>(state, END, CK_PHASE);
  return budget;
}

/** Before the first step. */
function begin<M>(db: usize, state: usize): void {
  const start = word<M>(db, AT_RECOVERY_START);
  if (start != 0 && !sound(db, start)) report(state, AREA_POINTER, AT_RECOVERY_START, 0, start);
  else store<u32>(state, start, CK_AREA);
  store<u32>(state, load<u32>(db, DB_DATA_START), CK_AT);
  store<u32>(state, SCAN, CK_PHASE);
}

function slice<M>(db: usize, state: usize, budget: u32): u32 {
  while (budget != 0) {
    const phase = load<u32>(state, CK_PHASE);
    if (phase == BEGIN) begin<M>(db, state);
    else if (phase == SCAN) budget = scan<M>(db, state, budget);
    else if (phase == UNUSED) budget = unusedBytes(db, state, budget);
    else if (phase == CHAINS) {
      budget = chains<M>(db, state, budget);
      if (load<u32>(state, CK_PRED) == FREE_HEAD) store<u32>(state, FREE_WALK, CK_PHASE);
    } else if (phase == FREE_WALK) {
      budget = freeList<M>(db, state, budget);
      if (load<u32>(state, CK_PRED) == 0) {
        store<u32>(state, LEFT, CK_PHASE);
        store<u32>(state, load<u32>(db, DB_DATA_START) & ~255, CK_AT);
      }
    } else if (phase == LEFT) budget = left(db, state, budget);
    else return DONE;
    if (load<u32>(state, CK_WANT_BUFFER) | load<u32>(state, CK_WANT_SORT)) return WANTS;
  }
  return GO_ON;
}

/**
 * Goes on with a check for at most about `budget` records or pointers. 0 there is more to do, 1 done, 2 the host
 * must first give what CK_WANT_BUFFER or CK_WANT_SORT ask for and set them to 0.
 */
export function tdbCheck(db: usize, state: usize, budget: u32): u32 {
  return load<u32>(db, DB_FLAGS) & FLAGS_SLOW
    ? slice<Slow>(db, state, budget)
    : slice<Fast>(db, state, budget);
}
