/**
 * A check's walk along the chains and the free list.
 *
 *   head --> record --> record --> 0     sound? marked? of the right kind, in its own chain, not visited yet?
 *
 * Two live records with one key are looked for in each chain: up to TWINS_MAX by comparing each with all before
 * it, four hashes at a time; in longer chains by sorting.
 *
 * Does NOT promise: to follow a pointer that is wrong; the rest of that list is then found to be in no list.
 */
import { fits } from "./tdb_chain";
import {
  AHEAD,
  BAD_POINTER,
  CHECK_COUNTS,
  CHECK_NO_SORT,
  CK_AT,
  CK_CURSORS,
  CK_EMPTY,
  CK_FAR_KEYS,
  CK_FLAGS,
  CK_HASHES,
  CK_KNOWN,
  CK_LENGTH,
  CK_LIVES,
  CK_LONGEST,
  CK_MAP,
  CK_OFFSETS,
  CK_PRED,
  CK_SINK,
  CK_SORT,
  CK_SORT_AT,
  CK_SORT_BYTES,
  CK_SORTING,
  CK_UNSORTED,
  CK_UNVISITED,
  CK_WANT_BUFFER,
  CK_WANT_SORT,
  count,
  FREE_IN_CHAIN,
  FREE_LIST,
  LOOP,
  NO_RECORD,
  OVERLAPS,
  report,
  TWIN,
  TWINS_MAX,
  USED_IN_FREE_LIST,
  WRONG_CHAIN,
} from "./tdb_check_state";
import { complain, judge, tell } from "./tdb_judge";
import {
  DB_BASE,
  DB_HASH_SIZE,
  DB_SIZE,
  DEAD,
  FIRST_HEAD,
  FREE,
  FREE_HEAD,
  FULL_HASH,
  KEY_LEN,
  LIVE,
  MAGIC,
  NEXT,
  sound,
  word,
} from "./tdb_layout";
import { compareKeys, ENTRY, enter, sortStep, sortSteps, twins } from "./tdb_order";
import {
  seen,
  SEEN_BAD,
  SEEN_FREE,
  SEEN_START,
  SEEN_VISITED,
  setSeen,
  starts,
} from "./tdb_seen";

/** Records of a chain that are read ahead. */
const AHEAD_DEPTH: u32 = 32;
/** Steps of a sort that count as one step of the check's budget. */
const SORT_SLICE: u32 = 64;

/**
 * Do the keys of the records met behind the scan's end have more bytes together than the file? Then they overlap,
 * and hashing them all could take for ever.
 */
function crowded<M>(db: usize, state: usize, off: u32, magic: u32): bool {
  if ((magic != LIVE && magic != DEAD) || !fits<M>(db, off)) return false;
  const keyLen = word<M>(db, off + KEY_LEN);
  const spent = load<u32>(state, CK_FAR_KEYS);
  if (keyLen > load<u32>(db, DB_SIZE) - spent) return true;
  store<u32>(state, spent + keyLen, CK_FAR_KEYS);
  return false;
}

/** The pointer that lies at `pred` leads to `off`, behind the scan's end: judges and marks what is there. */
function discover<M>(db: usize, state: usize, off: u32, list: u32): u32 {
  const map = <usize> load<u32>(state, CK_MAP);
  const magic = word<M>(db, off + MAGIC);
  const reason = crowded<M>(db, state, off, magic) ? OVERLAPS : judge<M>(db, state, off, magic);
  if (load<u32>(state, CK_WANT_BUFFER) != 0) return 0;
  if (reason != 0) {
    complain<M>(db, state, off, list, reason);
    setSeen(map, off, SEEN_START | SEEN_BAD);
    return SEEN_START | SEEN_BAD;
  }
  tell<M>(db, state, off, magic);
  count(state, CK_UNVISITED);
  const bits = magic == FREE ? SEEN_START | SEEN_FREE : SEEN_START;
  setSeen(map, off, bits);
  return bits;
}

/** Where the pointer at `pred` leads; 0 = the list ends here, be it well or not. Marks it as visited. */
// @ts-ignore: decorator
@inline
function follow<M>(db: usize, state: usize, pred: u32, list: u32): u32 {
  const off = word<M>(db, pred);
  if (off == 0) return 0;
  if (!sound(db, off)) {
    report(state, BAD_POINTER, pred, list, off);
    return 0;
  }
  const map = <usize> load<u32>(state, CK_MAP);
  let bits = seen(map, off);
  if (!starts(bits)) {
    if (off < load<u32>(state, CK_KNOWN) || bits != 0) {
      report(state, NO_RECORD, pred, list, off);
      return 0;
    }
    bits = discover<M>(db, state, off, list);
    if (bits == 0) return 0;
  }
  if (bits & SEEN_BAD) {
    setSeen(map, off, SEEN_START | SEEN_VISITED);
    return off;
  }
  if (((bits & SEEN_FREE) != 0) != (list == FREE_LIST)) {
    report(state, list == FREE_LIST ? USED_IN_FREE_LIST : FREE_IN_CHAIN, off, list, pred);
    return 0;
  }
  if (list != FREE_LIST) {
    if (word<M>(db, off + FULL_HASH) % load<u32>(db, DB_HASH_SIZE) != list) {
      report(state, WRONG_CHAIN, off, list, pred);
      return 0;
    }
  }
  if (bits & SEEN_VISITED) {
    // Only the own list visits a record, so the list has met itself.
    report(state, LOOP, off, list, pred);
    return 0;
  }
  setSeen(map, off, bits | SEEN_VISITED);
  store<u32>(state, load<u32>(state, CK_UNVISITED) - 1, CK_UNVISITED);
  return off;
}

/** Compares a live record with those of its chain before it, and joins it to them. */
function meet<M>(db: usize, state: usize, off: u32, list: u32): void {
  const lives = load<u32>(state, CK_LIVES);
  store<u32>(state, lives + 1, CK_LIVES);
  if (lives >= TWINS_MAX) return;
  const hash = word<M>(db, off + FULL_HASH);
  const hashes = state + CK_HASHES;
  const wanted = v128.splat<u32>(hash);
  for (let i: u32 = 0; i < lives; i += 4) {
    if (!v128.any_true(v128.eq<u32>(wanted, v128.load(hashes + i * 4)))) continue;
    for (let k = i; k < min<u32>(i + 4, lives); k++) {
      if (load<u32>(hashes + k * 4) != hash) continue;
      const other = load<u32>(state + CK_OFFSETS + k * 4);
      if (compareKeys<M>(db, off, other) == 0) report(state, TWIN, off, list, other);
    }
  }
  store<u32>(hashes + lives * 4, hash);
  store<u32>(state + CK_OFFSETS + lives * 4, off);
}

/** Goes on sorting a long chain; true: it is done with. Its records were walked, so its pointers are sound. */
function sorted<M>(db: usize, state: usize, chain: u32): bool {
  const table = <usize> load<u32>(state, CK_SORT);
  const lives = load<u32>(state, CK_LIVES);
  if (load<u32>(state, CK_FLAGS) & CHECK_NO_SORT) {
    count(state, CK_UNSORTED);
    return true;
  }
  if (load<u32>(state, CK_SORT_BYTES) / ENTRY < lives) {
    store<u32>(state, lives * ENTRY, CK_WANT_SORT);
    return false;
  }
  const at = load<u32>(state, CK_SORT_AT);
  if (at == 0) {
    let off = word<M>(db, FIRST_HEAD + chain * 4);
    let index: u32 = 0;
    for (let left = load<u32>(state, CK_LENGTH); left != 0; left--) {
      if (word<M>(db, off + MAGIC) == LIVE && fits<M>(db, off) && index < lives) {
        enter(table, index, word<M>(db, off + FULL_HASH), off);
        index++;
      }
      off = word<M>(db, off + NEXT);
    }
    store<u32>(state, index, CK_LIVES);
  }
  const steps = sortSteps(load<u32>(state, CK_LIVES));
  const end = min<u32>(steps, at + SORT_SLICE);
  const entries = load<u32>(state, CK_LIVES);
  for (let step = at; step < end; step++) sortStep<M>(db, table, entries, step);
  store<u32>(state, end, CK_SORT_AT);
  if (end < steps) return false;
  for (let i: u32 = 0; i + 1 < entries; i++) {
    if (!twins<M>(db, table, i)) continue;
    report(state, TWIN, load<u32>(table + (i + 1) * ENTRY, 4), chain, load<u32>(table + i * ENTRY, 4));
  }
  return true;
}

/**
 * Reads AHEAD chains side by side, to AHEAD_DEPTH records: a walk waits for memory at each record, this waits for
 * AHEAD of them at once, and the walk then finds them in the cache.
 */
function readAhead(db: usize, state: usize, chain: u32): void {
  const map = <usize> load<u32>(state, CK_MAP);
  const base = <usize> load<u32>(db, DB_BASE);
  const cursors = state + CK_CURSORS;
  const chains = min<u32>(AHEAD, load<u32>(db, DB_HASH_SIZE) - chain);
  memory.copy(cursors, base + FIRST_HEAD + chain * 4, chains * 4);
  let sink: u32 = 0;
  for (let depth: u32 = 0; depth < AHEAD_DEPTH; depth++) {
    let any: u32 = 0;
    for (let i: u32 = 0; i < chains; i++) {
      const off = load<u32>(cursors + i * 4);
      if (off == 0) continue;
      let next: u32 = 0;
      if (sound(db, off)) {
        sink ^= seen(map, off) ^ load<u32>(base + off, MAGIC);
        next = load<u32>(base + off, NEXT);
      }
      store<u32>(cursors + i * 4, next);
      any |= next;
    }
    if (any == 0) break;
  }
  // Kept, so that the compiler keeps the reads.
  store<u32>(state, sink, CK_SINK);
}

/** Walks on along the chains; answers what is left of the budget. At the end CK_PRED is FREE_HEAD. */
export function chains<M>(db: usize, state: usize, budget: u32): u32 {
  const hashSize = load<u32>(db, DB_HASH_SIZE);
  const lookForTwins = !(load<u32>(state, CK_FLAGS) & CHECK_COUNTS);
  let chain = load<u32>(state, CK_AT);
  let pred = load<u32>(state, CK_PRED);
  let length = load<u32>(state, CK_LENGTH);
  while (chain < hashSize && budget != 0) {
    budget--;
    if (sizeof<M>() == 1 && length == 0 && (chain & (AHEAD - 1)) == 0) readAhead(db, state, chain);
    const off = load<u32>(state, CK_SORTING) == 0 ? follow<M>(db, state, pred, chain) : 0;
    if (load<u32>(state, CK_WANT_BUFFER) != 0) break;
    if (off != 0) {
      length++;
      if (lookForTwins && word<M>(db, off + MAGIC) == LIVE && fits<M>(db, off)) {
        meet<M>(db, state, off, chain);
      }
      pred = off + NEXT;
      continue;
    }
    if (load<u32>(state, CK_LIVES) > TWINS_MAX) {
      store<u32>(state, 1, CK_SORTING);
      store<u32>(state, length, CK_LENGTH);
      if (!sorted<M>(db, state, chain)) {
        if (load<u32>(state, CK_WANT_SORT) != 0) break;
        continue;
      }
    }
    if (length == 0) count(state, CK_EMPTY);
    else if (length > load<u32>(state, CK_LONGEST)) store<u32>(state, length, CK_LONGEST);
    store<u32>(state, 0, CK_LIVES);
    store<u32>(state, 0, CK_SORT_AT);
    store<u32>(state, 0, CK_SORTING);
    length = 0;
    chain++;
    pred = FIRST_HEAD + chain * 4;
  }
  store<u32>(state, chain, CK_AT);
  store<u32>(state, length, CK_LENGTH);
  store<u32>(state, chain < hashSize ? pred : FREE_HEAD, CK_PRED);
  return budget;
}

/** Walks on along the free list; at the end CK_PRED is 0. */
export function freeList<M>(db: usize, state: usize, budget: u32): u32 {
  let pred = load<u32>(state, CK_PRED);
  while (budget != 0) {
    budget--;
    const off = follow<M>(db, state, pred, FREE_LIST);
    if (load<u32>(state, CK_WANT_BUFFER) != 0) break;
    pred = off;
    if (off == 0) break;
  }
  store<u32>(state, pred, CK_PRED);
  return budget;
}
