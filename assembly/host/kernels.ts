/**
 * The WebAssembly core of this thread: one instance over its one Memory, the exports typed.
 *
 *   TypeScript  --- kernels().jenkins(address, length) >>> 0 -->  assembly/*.ts, on the Memory
 *   Hooks of db <-- env.hostGrow(db, need), hostProbe ... -------
 *
 * Three rules for callers:
 * - WebAssembly has one 32 bit integer and JavaScript sees it signed: write `>>> 0` behind every
 *   u32 result. Arguments need nothing: addresses and lengths go in as numbers 0 .. 2^32 - 1.
 * - Nothing is checked inside. `address + length` must lie within the Memory; where a file is
 *   mapped, within the file (its last page may be touched to the end, the page after it may not).
 * - A call is synchronous and not re-entrant: MD5 has one state. Hooks may call the hashes, not
 *   MD5.
 *
 * Does NOT promise: that an address stays good after a mapping moved; see transport/image.ts.
 */

import type { CheckKernels } from "./check_kernels.ts";
import { KERNELS_WASM_BASE64 } from "./kernels_wasm.ts";
import type { Lcp2Kernels } from "./lcp2_kernels.ts";
import { SCRATCH_START, threadMemory } from "./memory.ts";
import type { RecordKernels } from "./record_kernels.ts";
import type { RescueKernels } from "./rescue_kernels.ts";
import type { TdbKernels } from "./tdb_kernels.ts";

/**
 * Exports of assembly/hash.ts, checksum.ts and md5.ts. Addresses are bytes of the Memory, any
 * alignment.
 */
export interface HashKernels {
  /** First byte after the statics of all kernels. */
  staticsEnd(): number;
  /** Jenkins lookup3 of `length` bytes, as in TDB files with the Jenkins hash. u32: `>>> 0`. */
  jenkins(address: number, length: number): number;
  /** TDB's old hash of `length` bytes. u32: `>>> 0`. */
  oldHash(address: number, length: number): number;
  /**
   * jenkins() of `count` keys. `pairs`: count x {address u32, length u32}; `out`: count x u32,
   * little-endian. The two must not overlap.
   */
  jenkinsMany(pairs: number, count: number, out: number): void;
  /** oldHash() of `count` keys; layout as in jenkinsMany. */
  oldHashMany(pairs: number, count: number, out: number): void;
  /**
   * CRC32C of `length` bytes, continuing from `crc` (0 to begin, the last result to go on). u32:
   * `>>> 0`.
   */
  crc32c(crc: number, address: number, length: number): number;
  /** MD5 of `length` bytes: 16 bytes to `out`. */
  md5(address: number, length: number, out: number): void;
  /**
   * MD5 of each of `blockCount` neighbouring blocks of 4096 bytes: 16 bytes a block to `out`, which
   * must not overlap the blocks. Four at a time: a count that is a multiple of four is fastest.
   */
  md5Blocks(address: number, blockCount: number, out: number): void;
  /**
   * MD5 of each of `pageCount` neighbouring blocks of 4096 bytes, followed by its number as a u64: 16
   * bytes a page to `out`. `numbers`: `pageCount` x u32. Four at a time.
   */
  md5Pages(address: number, numbers: number, pageCount: number, out: number): void;
}

/** Everything the core exports. */
export interface Kernels
  extends HashKernels, TdbKernels, CheckKernels, RescueKernels, RecordKernels, Lcp2Kernels {}

/** What the TDB kernels ask of the host while they work on one database. */
export interface Hooks {
  /** Make room for `need` more bytes (u32). The answer is passed to the kernel, i32. */
  grow(need: number): number;
  /** Take the lock of the free list. The answer is passed to the kernel, i32. */
  lockFree(): number;
  /** Give the lock of the free list back. */
  unlockFree(): void;
  /** Set aside at least `bytes` more for the overlay of a transaction; 0: there is none. */
  memory(bytes: number): number;
  /**
   * Look at what stands at logical `offset` (u32) of the file. The answer is passed to the kernel,
   * i32.
   */
  probe(offset: number): number;
}

/**
 * The instance, at most one, and hooks by database number. Module state on purpose: as the Memory,
 * one per thread.
 */
const INSTANCE: Kernels[] = [];
const HOOKS: (Hooks | undefined)[] = [];

/**
 * Sets who answers the kernels' calls for database number `db` (0, 1, 2 ...); undefined: nobody any
 * more.
 */
export function setHooks(db: number, hooks: Hooks | undefined): void {
  if (!Number.isInteger(db) || db < 0) {
    throw new RangeError(`Cannot set hooks: db must be an integer from 0, is ${db}`);
  }
  HOOKS[db] = hooks;
}

function hooksOf(db: number): Hooks {
  const hooks = HOOKS[db];
  if (hooks === undefined) throw new Error(`Cannot call the host: database ${db} has no hooks`);
  return hooks;
}

/** This thread's kernels; the module is compiled on first use (2 to 5 ms). */
export function kernels(): Kernels {
  return INSTANCE[0] ?? startKernels(Uint8Array.fromBase64(KERNELS_WASM_BASE64));
}

/**
 * Makes this module's instance the thread's kernels; `more` = what it imports beyond the usual. For tests that
 * watch every access. Throws an Error when the thread has kernels already.
 */
export function startKernels(
  wasm: Uint8Array<ArrayBuffer>,
  more: WebAssembly.ModuleImports = {},
): Kernels {
  if (INSTANCE.length > 0) throw new Error("Cannot start kernels: this thread has them already");
  const env = {
    ...more,
    memory: threadMemory().memory,
    // u32 arguments arrive signed, too.
    hostGrow: (db: number, need: number): number => hooksOf(db).grow(need >>> 0),
    hostLockFree: (db: number): number => hooksOf(db).lockFree(),
    hostUnlockFree: (db: number): void => hooksOf(db).unlockFree(),
    hostMemory: (db: number, bytes: number): number => hooksOf(db).memory(bytes >>> 0),
    hostProbe: (db: number, offset: number): number => hooksOf(db).probe(offset >>> 0),
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env });
  const made = instance.exports as unknown as Kernels;
  if (made.staticsEnd() > SCRATCH_START) {
    throw new Error(
      `Cannot use kernels: their statics end at ${made.staticsEnd()}, in the scratch`,
    );
  }
  INSTANCE.push(made);
  return made;
}
