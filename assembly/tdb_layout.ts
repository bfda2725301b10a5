/**
 * The page layout of a TDB file, and how the other kernels reach its words and bytes.
 *
 * A database is known by the address of its descriptor, 256 bytes in the thread's scratch area. All record
 * offsets are logical: they count from the header that governs the records (file byte 0, or the second header
 * behind the mutex area). Everything is written twice by the compiler, once per mode:
 *
 *   Fast   the file is mapped, native byte order, no transaction: an access is one load at base + offset
 *   Slow   a transaction's blocks lie over the file, or the file is in the other byte order
 *
 *   0 header 168 | 168 free head | 172 + 4c head of chain c | data start: records back to back ... size
 *   record: next rec_len key_len data_len full_hash magic | key data padding | tailer
 *
 * Does NOT promise: that an offset is sound. Callers test every offset read from the file (see `sound`).
 * Upstream: the tdb file format, version 6.
 */

/** The two compiled forms; only their sizes matter, the compiler decides by them. */
export type Fast = u8;
export type Slow = u16;

/** Magics of records; unused space has 0 or PAD there. */
export const LIVE: u32 = 0x26011999;
export const FREE: u32 = 0xd9fee666;
export const DEAD: u32 = 0xfee1dead;
export const RECOVERY: u32 = 0xf53bc0e7;
export const PAD: u32 = 0x42424242;

/** Where the heads lie, behind the file's header of 168 bytes. */
export const FREE_HEAD: u32 = 168;
export const FIRST_HEAD: u32 = 172;
/** Offsets inside the header. */
export const AT_RECOVERY_START: u32 = 44;
export const AT_SEQNUM: u32 = 48;
/** Offsets inside a record, and the size of its header. */
export const NEXT: u32 = 0;
export const REC_LEN: u32 = 4;
export const KEY_LEN: u32 = 8;
export const DATA_LEN: u32 = 12;
export const FULL_HASH: u32 = 16;
export const MAGIC: u32 = 20;
export const RECORD: u32 = 24;
/** Smallest record: a header and its tailer. */
export const RECORD_MIN: u32 = 28;

/** Fields of a descriptor, byte offsets, all u32. assembly/host/tdb_kernels.ts has the same table. */
export const DB_BASE: usize = 0; // address of logical offset 0
export const DB_SIZE: usize = 4; // logical bytes, as the transaction sees it
export const DB_HASH_SIZE: usize = 8;
export const DB_DATA_START: usize = 12;
export const DB_FLAGS: usize = 16;
export const DB_MAX_DEAD: usize = 20;
export const DB_FAULT_KIND: usize = 24; // FAULT_*, of the last call that answered FAULT
export const DB_FAULT_AT: usize = 28; // logical offset of the fault
export const DB_NUMBER: usize = 32; // index of the descriptor, names the database to the host
export const DB_EPOCH: usize = 36; // +1 on each change of a chain or the free list
export const DB_PRED: usize = 40; // where the pointer to the record found last lies
export const DB_ROOT: usize = 44; // address of the overlay's root table, 0 without a transaction
export const DB_FILE_SIZE: usize = 48; // logical bytes mapped; less than DB_SIZE when a transaction grew
export const DB_ARENA_NEXT: usize = 52; // overlay: next free byte for leaves and frames
export const DB_ARENA_END: usize = 56;
export const DB_FRAMES: usize = 60; // overlay: number of frames
export const DB_LAST_FRAME: usize = 64; // overlay: newest frame, a list through each frame's header
export const DB_INDEX_OPEN: usize = 68; // offset of the free list's index while this handle changes it
export const DB_INDEX_PAUSE: usize = 72; // calls left before another attempt to make one
export const DB_TAKE: usize = 76; // the free record that an allocation found
export const DB_TAKE_NEED: usize = 80; // rec_len wanted of it
export const DB_TAKE_PRED: usize = 84; // where the pointer to it lies; 0 = it is indexed
export const DB_HASH: usize = 88; // hash of the key that tdbChain was called with last
export const DB_SEEN: usize = 92; // what recordChain looked at; means nothing
export const DB_BYTES: usize = 256;

/** Bits of DB_FLAGS. */
export const FLAG_SWAPPED: u32 = 1; // file in the other byte order
export const FLAG_OVERLAY: u32 = 2; // a transaction is open
export const FLAG_JENKINS: u32 = 4;
export const FLAG_SEQNUM: u32 = 8; // changes count up the sequence number
export const FLAG_PROBE: u32 = 16; // ask the host before a record is unlinked or reused
export const FLAG_LOCK_FREE: u32 = 32; // ask the host for the free list lock
/** Any of these: the Slow form. */
export const FLAGS_SLOW: u32 = FLAG_SWAPPED | FLAG_OVERLAY;

/** The offset that no record has: an answer of FAULT, details in the descriptor. */
export const FAULT: u32 = 1;
/** Kinds of fault that kernels note; the numbers of assembly/host/tdb_kernels.ts, which has more. */
export const FAULT_LOOP: u32 = 1;
export const FAULT_OFFSET: u32 = 2;
export const FAULT_MAGIC: u32 = 3;
export const FAULT_TAILER: u32 = 4;
export const FAULT_LENGTH: u32 = 5;
export const FAULT_CHAIN: u32 = 7;
export const FAULT_FREELIST: u32 = 8;
/** Not corruption: the host refused space, memory or a lock. */
export const FAULT_NO_SPACE: u32 = 32;
export const FAULT_NO_MEMORY: u32 = 33;
export const FAULT_BUSY: u32 = 34;

/** Bytes of an overlay block; a frame is its block number, the frame before it, then the block. */
export const BLOCK: u32 = 1024;
export const FRAME_HEADER: u32 = 8;
const LEAF_BYTES: u32 = 4096 * 4;
/** A zero word, read in place of blocks that a transaction added and nobody wrote yet. */
const ZERO: usize = 64;
/** Where writes go after the memory for frames ran out; the call answers FAULT then. */
const TRASH: usize = 65536 - 2048;

// @ts-ignore: decorator
@external("env", "hostMemory")
declare function hostMemory(db: u32, bytes: u32): u32;

/** Notes what is wrong and where; answers FAULT. The first fault of a call stays. */
export function fault(db: usize, kind: u32, at: u32): u32 {
  if (load<u32>(db, DB_FAULT_KIND) == 0) {
    store<u32>(db, kind, DB_FAULT_KIND);
    store<u32>(db, at, DB_FAULT_AT);
  }
  return FAULT;
}

/** Is `off` a place where a record header may be? */
// @ts-ignore: decorator
@inline
export function sound(db: usize, off: u32): bool {
  return off >= load<u32>(db, DB_DATA_START) && off <= load<u32>(db, DB_SIZE) - RECORD_MIN &&
    (off & 3) == 0;
}

/** More steps than a list without loops can have. */
// @ts-ignore: decorator
@inline
export function stepsMax(db: usize): u32 {
  return (load<u32>(db, DB_SIZE) - load<u32>(db, DB_DATA_START)) / RECORD_MIN + 1;
}

/** The offset of the head of the chain of `hash`. */
// @ts-ignore: decorator
@inline
export function headOf(db: usize, hash: u32): u32 {
  return FIRST_HEAD + (hash % load<u32>(db, DB_HASH_SIZE)) * 4;
}

/** The frame over the block at `off`, 0 without one. Only with FLAG_OVERLAY. */
function frameAt(db: usize, off: u32): usize {
  const leaf = load<u32>(load<u32>(db, DB_ROOT) + ((off >> 22) << 2));
  return leaf == 0 ? 0 : load<u32>(leaf + (((off >> 10) & 4095) << 2));
}

/** The address to read `off` from; a run of bytes from it is good to the end of the block. */
export function readable(db: usize, off: u32): usize {
  if (load<u32>(db, DB_FLAGS) & FLAG_OVERLAY) {
    const frame = frameAt(db, off);
    if (frame != 0) return frame + FRAME_HEADER + (off & (BLOCK - 1));
    if (off >= load<u32>(db, DB_FILE_SIZE)) return 0;
  }
  return <usize> load<u32>(db, DB_BASE) + off;
}

/** Takes zeroed bytes for the overlay; 0 when the host has none. */
function arena(db: usize, bytes: u32): usize {
  if (load<u32>(db, DB_ARENA_END) - load<u32>(db, DB_ARENA_NEXT) < bytes) {
    // The host answers with a fresh run and sets DB_ARENA_NEXT and DB_ARENA_END itself.
    if (hostMemory(load<u32>(db, DB_NUMBER), bytes) == 0) return 0;
  }
  const at = load<u32>(db, DB_ARENA_NEXT);
  store<u32>(db, at + bytes, DB_ARENA_NEXT);
  return at;
}

/** The address to write `off` at: a frame is made for its block if there is none. */
export function writable(db: usize, off: u32): usize {
  if (!(load<u32>(db, DB_FLAGS) & FLAG_OVERLAY)) return <usize> load<u32>(db, DB_BASE) + off;
  const slot = <usize> load<u32>(db, DB_ROOT) + ((off >> 22) << 2);
  let leaf: usize = load<u32>(slot);
  if (leaf == 0) {
    leaf = arena(db, LEAF_BYTES);
    if (leaf == 0) return noMemory(db, off);
    memory.fill(leaf, 0, LEAF_BYTES);
    store<u32>(slot, <u32> leaf);
  }
  const entry = leaf + (((off >> 10) & 4095) << 2);
  let frame: usize = load<u32>(entry);
  if (frame == 0) {
    frame = arena(db, FRAME_HEADER + BLOCK);
    if (frame == 0) return noMemory(db, off);
    const start = off & ~(BLOCK - 1);
    store<u32>(frame, start);
    store<u32>(frame, load<u32>(db, DB_LAST_FRAME), 4);
    store<u32>(db, <u32> frame, DB_LAST_FRAME);
    store<u32>(db, load<u32>(db, DB_FRAMES) + 1, DB_FRAMES);
    store<u32>(entry, <u32> frame);
    // The old bytes, as far as the file has them; zeros behind its end.
    const size = load<u32>(db, DB_FILE_SIZE);
    const have = start >= size ? 0 : min<u32>(BLOCK, size - start);
    memory.copy(frame + FRAME_HEADER, <usize> load<u32>(db, DB_BASE) + start, have);
    memory.fill(frame + FRAME_HEADER + have, 0, BLOCK - have);
  }
  return frame + FRAME_HEADER + (off & (BLOCK - 1));
}

function noMemory(db: usize, off: u32): usize {
  fault(db, FAULT_NO_MEMORY, off);
  return TRASH + (off & (BLOCK - 1));
}

function slowWord(db: usize, off: u32): u32 {
  const at = readable(db, off);
  const value = load<u32>(at == 0 ? ZERO : at);
  return load<u32>(db, DB_FLAGS) & FLAG_SWAPPED ? bswap<u32>(value) : value;
}

function slowSetWord(db: usize, off: u32, value: u32): void {
  const at = writable(db, off);
  store<u32>(at, load<u32>(db, DB_FLAGS) & FLAG_SWAPPED ? bswap<u32>(value) : value);
}

/** The word at an offset that is a multiple of 4 and inside the database. */
// @ts-ignore: decorator
@inline
export function word<M>(db: usize, off: u32): u32 {
  if (sizeof<M>() == 1) return load<u32>(<usize> load<u32>(db, DB_BASE) + off);
  return slowWord(db, off);
}

/** Sets a word, likewise. */
// @ts-ignore: decorator
@inline
export function setWord<M>(db: usize, off: u32, value: u32): void {
  if (sizeof<M>() == 1) store<u32>(<usize> load<u32>(db, DB_BASE) + off, value);
  else slowSetWord(db, off, value);
}

/** Has the record at `off`, a sound place, a rec_len that is one and ends inside the file? */
// @ts-ignore: decorator
@inline
export function ends<M>(db: usize, off: u32): bool {
  const recLen = word<M>(db, off + REC_LEN);
  return recLen <= load<u32>(db, DB_SIZE) - RECORD - off && recLen >= 4 && (recLen & 3) == 0;
}

/** Does the tailer agree with the header? Only for a record that `ends`. */
// @ts-ignore: decorator
@inline
export function tailed<M>(db: usize, off: u32): bool {
  const recLen = word<M>(db, off + REC_LEN);
  return word<M>(db, off + RECORD + recLen - 4) == RECORD + recLen;
}

/** Bytes from `off` to the end of its block or of the run, whichever is nearer. */
// @ts-ignore: decorator
@inline
function piece(off: u32, length: u32): u32 {
  return min<u32>(length, BLOCK - (off & (BLOCK - 1)));
}

/** Are the `length` bytes at `off` those at the address? */
// @ts-ignore: decorator
@inline
export function same<M>(db: usize, off: u32, at: usize, length: u32): bool {
  if (sizeof<M>() == 1) return equal(<usize> load<u32>(db, DB_BASE) + off, at, length);
  return slowSame(db, off, at, length);
}

function slowSame(db: usize, off: u32, at: usize, length: u32): bool {
  while (length != 0) {
    const part = piece(off, length);
    const from = readable(db, off);
    if (from == 0 ? !zero(at, part) : !equal(from, at, part)) return false;
    off += part;
    at += part;
    length -= part;
  }
  return true;
}

/** Writes `length` bytes from an address to `off`. */
// @ts-ignore: decorator
@inline
export function put<M>(db: usize, off: u32, from: usize, length: u32): void {
  if (sizeof<M>() == 1) copy(<usize> load<u32>(db, DB_BASE) + off, from, length);
  else slowPut(db, off, from, length);
}

function slowPut(db: usize, off: u32, from: usize, length: u32): void {
  while (length != 0) {
    const part = piece(off, length);
    copy(writable(db, off), from, part);
    off += part;
    from += part;
    length -= part;
  }
}

/** Reads `length` bytes at `off` to an address. */
// @ts-ignore: decorator
@inline
export function get<M>(db: usize, off: u32, to: usize, length: u32): void {
  if (sizeof<M>() == 1) copy(to, <usize> load<u32>(db, DB_BASE) + off, length);
  else slowGet(db, off, to, length);
}

function slowGet(db: usize, off: u32, to: usize, length: u32): void {
  while (length != 0) {
    const part = piece(off, length);
    const from = readable(db, off);
    if (from == 0) memory.fill(to, 0, part);
    else copy(to, from, part);
    off += part;
    to += part;
    length -= part;
  }
}

/** Copies without overlap. Short runs by words: a bulk copy is a call out of the compiled code. */
// @ts-ignore: decorator
@inline
export function copy(to: usize, from: usize, length: u32): void {
  if (length > 256) {
    memory.copy(to, from, length);
    return;
  }
  let left = length;
  while (left >= 8) {
    store<u64>(to, load<u64>(from));
    to += 8;
    from += 8;
    left -= 8;
  }
  while (left != 0) {
    store<u8>(to, load<u8>(from));
    to += 1;
    from += 1;
    left -= 1;
  }
}

/** Are two runs of bytes equal? */
// @ts-ignore: decorator
@inline
export function equal(one: usize, other: usize, length: u32): bool {
  while (length >= 8) {
    if (load<u64>(one) != load<u64>(other)) return false;
    one += 8;
    other += 8;
    length -= 8;
  }
  while (length != 0) {
    if (load<u8>(one) != load<u8>(other)) return false;
    one += 1;
    other += 1;
    length -= 1;
  }
  return true;
}

function zero(at: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(at + i) != 0) return false;
  }
  return true;
}
