/**
 * Which functions of libc.so.6 are called, and with what: one table for both runtimes.
 *
 * Types: `buf` a typed array, `addr` an address as a number, `i32 u32 i64 u64` integers (64-bit
 * ones as numbers below 2^53), `mutex` an address in the form that the runtime passes fastest.
 *
 * Does NOT promise: that a variadic function works with floating-point arguments (open, fcntl
 * and ioctl get none).
 */

/** What an argument or a result is. */
export type FfiType = "buf" | "addr" | "mutex" | "i32" | "u32" | "i64" | "u64";

/** [arguments, separated by spaces; result] */
export const SIGNATURES = {
  __errno_location: ["", "addr"],
  open: ["buf i32 i32", "i32"],
  close: ["i32", "i32"],
  unlink: ["buf", "i32"],
  access: ["buf i32", "i32"],
  rename: ["buf buf", "i32"],
  ftruncate: ["i32 i64", "i32"],
  posix_fallocate: ["i32 i64 i64", "i32"],
  pwrite: ["i32 buf u64 i64", "i64"],
  lseek: ["i32 i64 i32", "i64"],
  statx: ["i32 buf i32 u32 buf", "i32"],
  fdatasync: ["i32", "i32"],
  fsync: ["i32", "i32"],
  futimens: ["i32 addr", "i32"],
  mmap: ["addr u64 i32 i32 i32 i64", "addr"],
  munmap: ["addr u64", "i32"],
  fcntl: ["i32 i32 buf", "i32"],
  pthread_mutexattr_init: ["buf", "i32"],
  pthread_mutexattr_setpshared: ["buf i32", "i32"],
  pthread_mutexattr_setrobust: ["buf i32", "i32"],
  pthread_mutexattr_settype: ["buf i32", "i32"],
  pthread_mutex_init: ["mutex buf", "i32"],
  pthread_mutex_trylock: ["mutex", "i32"],
  pthread_mutex_unlock: ["mutex", "i32"],
  pthread_mutex_consistent: ["mutex", "i32"],
  clock_gettime: ["i32 buf", "i32"],
  getsockopt: ["i32 i32 i32 buf buf", "i32"],
  socket: ["i32 i32 i32", "i32"],
  bind: ["i32 buf u32", "i32"],
  sendto: ["i32 buf u64 i32 buf u32", "i64"],
  recv: ["i32 buf u64 i32", "i64"],
  ioctl: ["i32 u64 buf", "i32"],
  getpid: ["", "i32"],
  gettid: ["", "i32"],
  tgkill: ["i32 i32 i32", "i32"],
  dlsym: ["addr buf", "addr"],
  sigaction: ["i32 buf buf", "i32"],
} as const satisfies Record<string, readonly [string, FfiType]>;

/** A function of the table, bound by a runtime. 64-bit results may come as bigint. */
export type FfiCall = (...args: (number | bigint | Uint8Array)[]) => number | bigint;

/** The table, bound. */
export type FfiSymbols = Record<keyof typeof SIGNATURES, FfiCall>;

/** What differs between the runtimes. */
export interface FfiRuntime {
  readonly symbols: FfiSymbols;
  addressOf(bytes: Uint8Array): number;
  /** Reads an i32 anywhere in this process. */
  readI32(address: number): number;
  /** The first mutex of a run, and the address of one: what a `mutex` argument gets. */
  mutexBase(address: number): number | bigint;
  trylock(base: number | bigint, offset: number): number;
  unlock(base: number | bigint, offset: number): number;
  mutexAddress(base: number | bigint, offset: number): number | bigint;
}

/**
 * The table in a runtime's own words. `word` translates a type; `isResult` tells the two places
 * apart.
 */
export function translate<T>(
  word: (type: FfiType, isResult: boolean) => string,
  join: (args: string[], result: string) => T,
): Record<string, T> {
  const out: Record<string, T> = {};
  for (const [name, [args, result]] of Object.entries(SIGNATURES)) {
    const types = args === "" ? [] : args.split(" ") as FfiType[];
    out[name] = join(types.map((type) => word(type, false)), word(result, true));
  }
  return out;
}
