/**
 * Records of clustered databases: a header before each value, changed as a whole whoever dies on the way.
 *
 *   value in the file: 0 u64 rsn | 8 u32 dmaster | 12 u32 index | 16 u32 flags | 20 u32 mark | data ...
 *   record:            header of the file's format | key | value | free ... | undo | tailer
 *
 *   overwrite: old value -> undo, mark := its length, new value, length, header, mark := 0
 *
 * Whoever holds the chain's mutex and finds a mark knows that the one before died in the middle, and puts the old
 * value back first. A value without room for its undo, or above UNDO_MAX, is stored anew and linked with one word.
 *
 * Does NOT promise: host locks; the caller holds the chain's mutex, but for `recordPeek`. No transactions, and only
 * files in the native byte order.
 * Upstream: ctdb's record header in front of every value; the mark lies in its padding.
 */
import { tdbChain } from "./tdb";
import { changed, find, putRecord } from "./tdb_chain";
import {
  copy,
  DATA_LEN,
  DB_BASE,
  DB_FAULT_KIND,
  DB_HASH,
  DB_SEEN,
  FAULT,
  Fast,
  FIRST_HEAD,
  FULL_HASH,
  KEY_LEN,
  REC_LEN,
  RECORD,
  sound,
  word,
} from "./tdb_layout";

/** Bytes of the header, and where its fields lie. */
const HEADER: u32 = 24;
const RSN: usize = 0;
const DMASTER: usize = 8;
const FLAGS: usize = 16;
const MARK: usize = 20;
/** A mark is this and the length of the old value; other values there mean nothing. */
const MARKED: u32 = 0x75640000;
const MARK_BITS: u32 = 0xffff0000;
/** Longest value, header included, that is overwritten in place. */
const UNDO_MAX: u32 = 1024;

/** Bits of the flags that the kernels look at; actors/storage/record_header.ts has all of them. */
const HAS_READERS: u32 = 0x01000000;
const MAY_READ: u32 = 0x02000000;
const LOCKED: u32 = 0x20000000;

/** Where the mutexes of chains begin in a file that has them, and how large they are; a forged size shows nothing. */
const MUTEXES: usize = 256;
const MUTEX_BYTES: u32 = 40;

/** Reserved word of the header that says, when it is not 0, that this file is not the database any more. */
const OVER: usize = 164;

/** Mode of putRecord: never in place. */
const ANEW: u32 = 4;

/** The page of the node, and what a client compares it with: the fields of a lease. */
const LEASE_PAGE: usize = 0;
const LEASE_PNN: usize = 4;
const LEASE_INCARNATION: usize = 8;
/** Fields of the state page; actors/storage/state_page.ts has all of them. */
const PAGE_SEQUENCE: usize = 12;
const PAGE_INCARNATION: usize = 16;
const PAGE_LEASE_END: usize = 32;
const PAGE_FLAGS: usize = 44;
const PAGE_FROZEN: u32 = 1;
/** How often a page that is being written is looked at. */
const LOOKS_MAX: u32 = 64;
/** Answers of `recordMay`; as answers of `recordEnter` they stand beside 0 = not here and FAULT. */
const VALID: u32 = 0;
const FROZEN: u32 = 2;
const EXPIRED: u32 = 3;
const ENDED: u32 = 4;

// @ts-ignore: decorator
@inline
function at(db: usize, off: u32): usize {
  return <usize> load<u32>(db, DB_BASE) + off;
}

/** Where the old value of the record lies, whose length is `oldLen`. */
// @ts-ignore: decorator
@inline
function undoOf(record: usize, oldLen: u32): usize {
  return record + RECORD + load<u32>(record, REC_LEN) - 4 - oldLen;
}

/** Length of the old value that is kept for the record, 0 = none. */
// @ts-ignore: decorator
@inline
function undoLen(record: usize, mark: u32): u32 {
  if ((mark & MARK_BITS) != MARKED) return 0;
  const oldLen = mark & ~MARK_BITS;
  if (oldLen < HEADER || oldLen > UNDO_MAX) return 0;
  const used = <u64> load<u32>(record, KEY_LEN) + oldLen + oldLen + 4;
  return used <= <u64> load<u32>(record, REC_LEN) ? oldLen : 0;
}

/** Puts the old value back if somebody died in the middle of a new one. May be done again at any point of it. */
function heal(db: usize, off: u32): void {
  const record = at(db, off);
  const data = record + RECORD + load<u32>(record, KEY_LEN);
  const oldLen = undoLen(record, load<u32>(data, MARK));
  if (oldLen == 0) return;
  const undo = undoOf(record, oldLen);
  copy(data + HEADER, undo + HEADER, oldLen - HEADER);
  store<u32>(record, oldLen, DATA_LEN);
  copy(data, undo, <u32> MARK);
  store<u32>(data, 0, MARK);
  changed<Fast>(db);
}

/** The record of the key that tdbChain was called with, mended. 0 = none that has a header, FAULT. */
// @ts-ignore: decorator
@inline
function seek(db: usize, key: usize, keyLen: u32): u32 {
  store<u32>(db, 0, DB_FAULT_KIND);
  const off = find<Fast>(db, key, keyLen, load<u32>(db, DB_HASH));
  if (off <= FAULT) return off;
  const record = at(db, off);
  if (load<u32>(record, DATA_LEN) < HEADER) return 0;
  if (load<u32>(record + RECORD + keyLen, MARK) != 0) heal(db, off);
  return off;
}

/**
 * tdbChain, and looks at what the caller will need: the mutex, and the first record of the chain. Loads that miss the
 * cache then run at the same time; behind the mutex, which is a barrier, they would wait for it.
 */
export function recordChain(db: usize, key: usize, keyLen: u32, mutexSize: u32): u32 {
  const chain = tdbChain(db, key, keyLen);
  const base = <usize> load<u32>(db, DB_BASE);
  let seen = load<u32>(base - mutexSize + MUTEXES + chain * MUTEX_BYTES);
  const first = word<Fast>(db, FIRST_HEAD + chain * 4);
  if (sound(db, first)) seen ^= load<u32>(base + first, FULL_HASH);
  // Kept, so that nobody finds the loads useless.
  store<u32>(db, seen, DB_SEEN);
  return chain;
}

/** `seek`, for callers that want no lease. */
export function recordFind(db: usize, key: usize, keyLen: u32): u32 {
  return seek(db, key, keyLen);
}

/** The header of a record to `out`, 24 bytes, then {length, address} of its data. */
export function recordHead(db: usize, off: u32, out: usize): void {
  const record = at(db, off);
  const data = record + RECORD + load<u32>(record, KEY_LEN);
  copy(out, data, HEADER);
  store<u32>(out, load<u32>(record, DATA_LEN) - HEADER, HEADER);
  store<u32>(out, <u32> data + HEADER, HEADER + 4);
}

/** May records be used now, by the page of the node? `nowMs`: CLOCK_BOOTTIME. VALID, FROZEN, EXPIRED, ENDED. */
export function recordMay(lease: usize, nowMs: f64): u32 {
  const page: usize = load<u32>(lease, LEASE_PAGE);
  for (let look: u32 = 0; look < LOOKS_MAX; look++) {
    const sequence = atomic.load<u32>(page, PAGE_SEQUENCE);
    if ((sequence & 1) != 0) continue;
    const end = atomic.load<u64>(page, PAGE_LEASE_END);
    const flags = load<u32>(page, PAGE_FLAGS);
    const incarnation = load<u64>(page, PAGE_INCARNATION);
    if (atomic.load<u32>(page, PAGE_SEQUENCE) != sequence) continue;
    if (incarnation != load<u64>(lease, LEASE_INCARNATION)) return ENDED;
    if (end == 0 || (flags & PAGE_FROZEN) != 0) return FROZEN;
    // Rounded up: never later than it is.
    return <u64> (nowMs * 1e6) + 1 < end ? VALID : EXPIRED;
  }
  // Its writer was stopped or killed in the middle: it grants nothing until somebody writes it again.
  return FROZEN;
}

/**
 * The record of a key, if this node may read (or write) it by page and header: its offset, 0, FAULT, FROZEN ... In a
 * file that is over nothing is here.
 */
export function recordEnter(
  db: usize,
  key: usize,
  keyLen: u32,
  lease: usize,
  nowMs: f64,
  isWrite: bool,
): u32 {
  const may = recordMay(lease, nowMs);
  if (may != VALID) return may;
  if (load<u32>(<usize> load<u32>(db, DB_BASE), OVER) != 0) return 0;
  const off = seek(db, key, keyLen);
  if (off <= FAULT) return off;
  const data = at(db, off) + RECORD + keyLen;
  const flags = load<u32>(data, FLAGS);
  const isOwn = load<u32>(data, DMASTER) == load<u32>(lease, LEASE_PNN);
  if (isWrite) return isOwn && (flags & (HAS_READERS | MAY_READ)) == 0 ? off : 0;
  return isOwn || (flags & (MAY_READ | LOCKED)) != 0 ? off : 0;
}

/** Overwrites the value of the record at `off` by `length` bytes at `from`, header included; false: no room. */
function overwrite(db: usize, off: u32, from: usize, length: u32): bool {
  const record = at(db, off);
  const keyLen = load<u32>(record, KEY_LEN);
  const oldLen = load<u32>(record, DATA_LEN);
  if (oldLen < HEADER || oldLen > UNDO_MAX) return false;
  const used = <u64> keyLen + max<u32>(oldLen, length) + oldLen + 4;
  if (used > <u64> load<u32>(record, REC_LEN)) return false;
  const data = record + RECORD + keyLen;
  copy(undoOf(record, oldLen), data, oldLen);
  store<u32>(data, MARKED | oldLen, MARK);
  copy(data + HEADER, from + HEADER, length - HEADER);
  if (length != oldLen) store<u32>(record, length, DATA_LEN);
  store<u64>(data, load<u64>(from));
  store<u64>(data, load<u64>(from, DMASTER), DMASTER);
  store<u32>(data, load<u32>(from, FLAGS), FLAGS);
  store<u32>(data, 0, MARK);
  changed<Fast>(db);
  return true;
}

/** Bytes behind a value for its undo, and for some growth of both. */
// @ts-ignore: decorator
@inline
function roomFor(length: u32): u32 {
  return length > UNDO_MAX ? 0 : length + ((length - HEADER) >> 2);
}

/**
 * Stores `length` bytes at `from`, a header and data, under the key that tdbChain was called with. 0 done, 1 fault.
 */
export function recordStore(
  db: usize,
  key: usize,
  keyLen: u32,
  from: usize,
  length: u32,
): i32 {
  const off = seek(db, key, keyLen);
  if (off == FAULT) return 1;
  if (off != 0 && overwrite(db, off, from, length)) return 0;
  const hash = load<u32>(db, DB_HASH);
  return putRecord<Fast>(db, key, keyLen, hash, from, length, ANEW, roomFor(length));
}

/**
 * Gives the record at `off` the data in the `length` bytes at `from`, of which the first 24 are the kernel's to fill:
 * the header as it is, with the next rsn. `key`: room for the key, needed when the record moves. 0 done, 1 fault.
 */
export function recordWrite(db: usize, off: u32, from: usize, length: u32, key: usize): i32 {
  store<u32>(db, 0, DB_FAULT_KIND);
  const record = at(db, off);
  const keyLen = load<u32>(record, KEY_LEN);
  const data = record + RECORD + keyLen;
  store<u64>(from, load<u64>(data) + 1);
  store<u64>(from, load<u64>(data, DMASTER), DMASTER);
  store<u64>(from, <u64> load<u32>(data, FLAGS), FLAGS);
  if (overwrite(db, off, from, length)) return 0;
  memory.copy(key, record + RECORD, keyLen);
  const hash = load<u32>(record, FULL_HASH);
  return putRecord<Fast>(db, key, keyLen, hash, from, length, ANEW, roomFor(length));
}

/**
 * The header and data of a key's record to `out` + 8, their length to `out`, without the mutex: as they are, or as
 * they were before a write that is under way. 0 none, FAULT: look again; 2: longer than `room`, the length is at `out`.
 */
export function recordPeek(db: usize, key: usize, keyLen: u32, out: usize, room: u32): u32 {
  store<u32>(db, 0, DB_FAULT_KIND);
  const hash = load<u32>(db, DB_HASH);
  const off = find<Fast>(db, key, keyLen, hash);
  if (off <= FAULT) return off;
  const record = at(db, off);
  const data = record + RECORD + keyLen;
  const mark = load<u32>(data, MARK);
  const rsn = load<u64>(data, RSN);
  const oldLen = mark == 0 ? 0 : undoLen(record, mark);
  const length = oldLen == 0 ? load<u32>(record, DATA_LEN) : oldLen;
  store<u32>(out, length);
  if (length < HEADER) return 0;
  if (length > room) return 2;
  copy(out + 8, oldLen == 0 ? data : undoOf(record, oldLen), length);
  // Still the same record, and nobody has begun or ended anything in it?
  const isSame = find<Fast>(db, key, keyLen, hash) == off && load<u32>(data, MARK) == mark &&
    load<u64>(data, RSN) == rsn && (oldLen != 0 || load<u32>(record, DATA_LEN) == length);
  return isSame ? off : FAULT;
}
