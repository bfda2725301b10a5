/**
 * The functions of ffi_symbols.ts through bun:ffi.
 *
 * A pointer is a number (user-space addresses are below 2^47), and a number is what it passes
 * fastest.
 *
 * Does NOT promise: anything on another runtime: bunRuntime() returns undefined there.
 */

import { type FfiRuntime, type FfiSymbols, type FfiType, translate } from "./ffi_symbols.ts";

/** The part of bun:ffi that is used; no types for it are known to both compilers. */
interface BunFfi {
  dlopen(name: string, symbols: Record<string, unknown>): { symbols: FfiSymbols };
  ptr(bytes: ArrayBufferView): number;
  readonly read: { i32(address: number, offset: number): number };
}

interface BunProcess {
  readonly versions?: { readonly bun?: string };
  getBuiltinModule(name: string): unknown;
}

/** How Bun calls a type. Results of 64 bits come as numbers when they fit: `_fast`. */
function word(type: FfiType, isResult: boolean): string {
  if (type === "buf" || type === "addr" || type === "mutex") return "ptr";
  return isResult && (type === "i64" || type === "u64") ? `${type}_fast` : type;
}

/** The C library on Bun; undefined elsewhere. */
export function bunRuntime(): FfiRuntime | undefined {
  const { process } = globalThis as unknown as { process?: BunProcess };
  if (process?.versions?.bun === undefined) return undefined;
  // Not an import: Deno and tsc do not know the name, and this file is loaded by both.
  const ffi = process.getBuiltinModule("bun:ffi") as BunFfi;
  const table = translate(word, (args, returns) => ({ args, returns }));
  const { symbols } = ffi.dlopen("libc.so.6", table);
  const trylock = symbols.pthread_mutex_trylock as (address: number) => number;
  const unlock = symbols.pthread_mutex_unlock as (address: number) => number;
  return {
    symbols,
    addressOf: (bytes) => ffi.ptr(bytes),
    readI32: (address) => ffi.read.i32(address, 0),
    mutexBase: (address) => address,
    mutexAddress: (base, offset) => (base as number) + offset,
    trylock: (base, offset) => trylock((base as number) + offset),
    unlock: (base, offset) => unlock((base as number) + offset),
  };
}
