/**
 * What the host calls of the TDB kernels: each picks the Fast or the Slow form by the descriptor's flags and
 * starts without a fault.
 *
 * Does NOT promise: host locks. The caller holds the chain's (or everything) before it calls.
 */
import { jenkins, oldHash } from "./hash";
import { clearHeads, find, live, putRecord, remove } from "./tdb_chain";
import { addSpace, tail } from "./tdb_freelist";
import { finish } from "./tdb_index";
import {
  BLOCK,
  DB_FAULT_KIND,
  DB_FLAGS,
  DB_HASH,
  DB_HASH_SIZE,
  FAULT,
  Fast,
  FIRST_HEAD,
  FLAG_JENKINS,
  FLAG_OVERLAY,
  FLAGS_SLOW,
  get,
  NEXT,
  put,
  readable,
  setWord,
  Slow,
  word,
} from "./tdb_layout";

// @ts-ignore: decorator
@inline
function slow(db: usize): bool {
  store<u32>(db, 0, DB_FAULT_KIND);
  return (load<u32>(db, DB_FLAGS) & FLAGS_SLOW) != 0;
}

/** The hash of a key by the database's own function. */
export function tdbHash(db: usize, key: usize, keyLen: u32): u32 {
  return load<u32>(db, DB_FLAGS) & FLAG_JENKINS ? jenkins(key, keyLen) : oldHash(key, keyLen);
}

/** The chain of a key; keeps its hash in the descriptor. */
export function tdbChain(db: usize, key: usize, keyLen: u32): u32 {
  const hash = tdbHash(db, key, keyLen);
  store<u32>(db, hash, DB_HASH);
  return hash % load<u32>(db, DB_HASH_SIZE);
}

/** `tdbFind` with the hash that `tdbChain` kept. */
export function tdbFindKept(db: usize, key: usize, keyLen: u32): u32 {
  return tdbFind(db, key, keyLen, load<u32>(db, DB_HASH));
}

/** Offset of the live record of a key; 0 none, 1 fault. */
export function tdbFind(db: usize, key: usize, keyLen: u32, hash: u32): u32 {
  return slow(db) ? find<Slow>(db, key, keyLen, hash) : find<Fast>(db, key, keyLen, hash);
}

/** `tdbFind` with the hash made on the way. */
export function tdbSeek(db: usize, key: usize, keyLen: u32): u32 {
  return tdbFind(db, key, keyLen, tdbHash(db, key, keyLen));
}

/** Stores a value under a key. 0 done, 1 fault, 2 not found (modify), 3 exists (insert). */
export function tdbStore(
  db: usize,
  key: usize,
  keyLen: u32,
  hash: u32,
  value: usize,
  valueLen: u32,
  mode: u32,
): i32 {
  if (slow(db)) return putRecord<Slow>(db, key, keyLen, hash, value, valueLen, mode, 0);
  return putRecord<Fast>(db, key, keyLen, hash, value, valueLen, mode, 0);
}

/** `tdbStore` with the hash made on the way. */
export function tdbPlace(
  db: usize,
  key: usize,
  keyLen: u32,
  value: usize,
  valueLen: u32,
  mode: u32,
): i32 {
  return tdbStore(db, key, keyLen, tdbHash(db, key, keyLen), value, valueLen, mode);
}

/** Deletes a key. 0 done, 1 fault, 2 not found. */
export function tdbRemove(db: usize, key: usize, keyLen: u32, hash: u32): i32 {
  return slow(db) ? remove<Slow>(db, key, keyLen, hash) : remove<Fast>(db, key, keyLen, hash);
}

/** The live record at `off` or behind it in its chain. 0 end, 1 fault. */
export function tdbLive(db: usize, off: u32, chain: u32): u32 {
  return slow(db) ? live<Slow>(db, off, chain) : live<Fast>(db, off, chain);
}

// @ts-ignore: decorator
@inline
function batch<M>(db: usize, chain: u32, off: u32, max: u32, out: usize): u32 {
  const chains = load<u32>(db, DB_HASH_SIZE);
  let count: u32 = 0;
  while (chain < chains) {
    if (off == 0) off = word<M>(db, FIRST_HEAD + chain * 4);
    while (off != 0) {
      off = live<M>(db, off, chain);
      if (off == FAULT) return 0xffffffff;
      if (off == 0) break;
      if (count == max) {
        store<u32>(out, chain);
        store<u32>(out, off, 4);
        return count;
      }
      store<u32>(out + 8 + count * 8, off);
      store<u32>(out + 12 + count * 8, chain);
      count++;
      off = word<M>(db, off + NEXT);
    }
    chain++;
    // Room for the next chain's first is not certain; a full batch ends at a chain's start.
    if (count == max) break;
  }
  store<u32>(out, chain);
  store<u32>(out, 0, 4);
  return count;
}

/**
 * Live records from (chain, off) on, off 0 = the chain's start: up to `max` pairs {offset, chain} to out + 8;
 * where to go on to {chain, off} at out (chain == hash size: the end). Answers their number, -1 = fault.
 */
export function tdbBatch(db: usize, chain: u32, off: u32, max: u32, out: usize): u32 {
  return slow(db) ? batch<Slow>(db, chain, off, max, out) : batch<Fast>(db, chain, off, max, out);
}

/** Makes [off, off + bytes) free space; the caller holds the free list lock or everything. */
export function tdbAddSpace(db: usize, off: u32, bytes: u32, ends: bool): void {
  if (slow(db)) {
    addSpace<Slow>(db, off, bytes);
    if (ends) finish<Slow>(db);
  } else {
    addSpace<Fast>(db, off, bytes);
    if (ends) finish<Fast>(db);
  }
}

/** Where bytes at the end of the file begin that belong to no record; 0 = there are none. */
export function tdbTail(db: usize): u32 {
  return slow(db) ? tail<Slow>(db) : tail<Fast>(db);
}

/** Empties all chains; the caller holds everything. */
export function tdbClearHeads(db: usize): void {
  if (slow(db)) clearHeads<Slow>(db);
  else clearHeads<Fast>(db);
}

/** A word in the file's own byte order, as the open transaction sees it. */
export function tdbWord(db: usize, off: u32): u32 {
  return slow(db) ? word<Slow>(db, off) : word<Fast>(db, off);
}

/** Sets a word, in the file's own byte order. */
export function tdbSetWord(db: usize, off: u32, value: u32): void {
  if (slow(db)) setWord<Slow>(db, off, value);
  else setWord<Fast>(db, off, value);
}

/** Copies bytes out, as the open transaction sees them. */
export function tdbGet(db: usize, off: u32, to: usize, length: u32): void {
  if (slow(db)) get<Slow>(db, off, to, length);
  else get<Fast>(db, off, to, length);
}

/** Copies bytes in. */
export function tdbPut(db: usize, off: u32, from: usize, length: u32): void {
  if (slow(db)) put<Slow>(db, off, from, length);
  else put<Fast>(db, off, from, length);
}

/** The address of `length` bytes at `off` if they lie in one piece, else 0: copy them out then. */
export function tdbWhere(db: usize, off: u32, length: u32): usize {
  if (!(load<u32>(db, DB_FLAGS) & FLAG_OVERLAY)) return readable(db, off);
  const start = readable(db, off);
  if (start == 0) return 0;
  let left = length;
  let at = start;
  let from = off;
  while (left > 0) {
    const part = min<u32>(left, BLOCK - (from & (BLOCK - 1)));
    if (readable(db, from) != at) return 0;
    from += part;
    at += part;
    left -= part;
  }
  return start;
}
