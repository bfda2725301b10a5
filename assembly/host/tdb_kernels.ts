/**
 * The TDB exports of the WebAssembly core, typed, and the layout of a database's descriptor.
 *
 * A descriptor is DB_BYTES in the scratch area, one per open database. The host fills it, the kernels work by
 * it; both sides have the same table of fields (assembly/tdb_layout.ts), a test compares them.
 *
 *   scratch:  KEY_AT 64 KiB | OUT_AT 64 KiB | DESCRIPTORS_AT 1024 x 256 | VALUE_AT .. REGIONS_START
 *
 * Does NOT promise: checks of addresses or locks; see actors/storage.
 */
import { SCRATCH_START } from "./memory.ts";

/** Where a key is put for a call, room for the longest (64 KiB - 1). */
export const KEY_AT = SCRATCH_START;
/** Where batch calls answer, 64 KiB. */
export const OUT_AT = KEY_AT + 65536;
/** Descriptors, DATABASES_MAX of them. */
export const DESCRIPTORS_AT = OUT_AT + 65536;
export const DATABASES_MAX = 1024;
/** Where a value is put for a call, VALUE_ROOM bytes; a longer one needs a region. */
export const VALUE_AT = 1024 * 1024;
export const VALUE_ROOM = 2 * 1024 * 1024;

/** Fields of a descriptor: byte offsets of u32 words. */
export const DB = {
  base: 0,
  size: 4,
  hashSize: 8,
  dataStart: 12,
  flags: 16,
  maxDead: 20,
  faultKind: 24,
  faultAt: 28,
  number: 32,
  epoch: 36,
  pred: 40,
  root: 44,
  fileSize: 48,
  arenaNext: 52,
  arenaEnd: 56,
  frames: 60,
  lastFrame: 64,
  indexOpen: 68,
  indexPause: 72,
  take: 76,
  takeNeed: 80,
  takePred: 84,
  hash: 88,
  seen: 92,
} as const;
/** Bytes of a descriptor. */
export const DB_BYTES = 256;

/** Bits of `DB.flags`. */
export const FLAG = {
  swapped: 1,
  overlay: 2,
  jenkins: 4,
  seqnum: 8,
  probe: 16,
  lockFree: 32,
} as const;

/** An overlay block; its frame is {offset u32, address of the frame before u32, block}. */
export const BLOCK = 1024;
export const FRAME_HEADER = 8;

/** The offset that says "fault, see the descriptor". */
export const FAULT = 1;
/** Faults that are corruption, by number - 1. */
export const FAULT_KINDS = [
  "loop",
  "offset",
  "magic",
  "tailer",
  "length",
  "hash",
  "chain",
  "freelist",
  "header",
  "truncated",
  "recovery",
  "duplicate",
] as const;
/** Faults that are not. */
export const FAULT_NO_SPACE = 32;
export const FAULT_NO_MEMORY = 33;
export const FAULT_BUSY = 34;

/** Answers of store and remove. */
export const ANSWER = { done: 0, fault: 1, notFound: 2, exists: 3 } as const;
/** Modes of store. */
export const MODE = { replace: 0, insert: 1, modify: 2 } as const;

/** Exports of assembly/tdb.ts. `db` is the address of a descriptor; u32 answers arrive signed. */
export interface TdbKernels {
  /** Hash of a key by the database's function. u32. */
  tdbHash(db: number, key: number, keyLen: number): number;
  /** The chain of a key; its hash is kept in the descriptor (DB.hash). */
  tdbChain(db: number, key: number, keyLen: number): number;
  /** tdbFind with the hash that tdbChain kept. u32. */
  tdbFindKept(db: number, key: number, keyLen: number): number;
  /** Offset of a key's live record; 0 none, FAULT. u32. */
  tdbFind(db: number, key: number, keyLen: number, hash: number): number;
  /** tdbFind with the hash made on the way. u32. */
  tdbSeek(db: number, key: number, keyLen: number): number;
  /** Stores a value. ANSWER. */
  tdbStore(
    db: number,
    key: number,
    keyLen: number,
    hash: number,
    value: number,
    valueLen: number,
    mode: number,
  ): number;
  /** tdbStore with the hash made on the way. ANSWER. */
  tdbPlace(
    db: number,
    key: number,
    keyLen: number,
    value: number,
    valueLen: number,
    mode: number,
  ): number;
  /** Deletes a key, all records of it. ANSWER. */
  tdbRemove(db: number, key: number, keyLen: number, hash: number): number;
  /** The live record at `off` or behind it in its chain; 0 end, FAULT. u32. */
  tdbLive(db: number, off: number, chain: number): number;
  /** Up to `max` pairs {offset, chain} to out + 8, continuation {chain, off} at out. Their number, -1 fault. */
  tdbBatch(db: number, chain: number, off: number, max: number, out: number): number;
  /** Makes a run of bytes free space. `ends` 1: the change of the free list ends with it. */
  tdbAddSpace(db: number, off: number, bytes: number, ends: number): void;
  /** Where bytes at the end of the file begin that belong to no record; 0 = none. u32. */
  tdbTail(db: number): number;
  /** Empties all chains. */
  tdbClearHeads(db: number): void;
  /** A word in the file's byte order, as the open transaction sees it. u32. */
  tdbWord(db: number, off: number): number;
  tdbSetWord(db: number, off: number, value: number): void;
  /** Copies bytes out of the database to an address. */
  tdbGet(db: number, off: number, to: number, length: number): void;
  /** Copies bytes from an address into the database. */
  tdbPut(db: number, off: number, from: number, length: number): void;
  /** Address of `length` bytes at `off` if in one piece, else 0. u32. */
  tdbWhere(db: number, off: number, length: number): number;
}
