/**
 * The functions of ffi_symbols.ts through Deno.dlopen.
 *
 * An address passed as a plain number takes Deno's slow path (about ten times the cost of a mutex);
 * a bigint whose width the compiler can see does not, and it is then never allocated either: hence
 * BigInt.asUintN around the sum.
 *
 * Deno compiles each function that it binds, half a millisecond each. So those that are called all the time are bound
 * at once, each of the others when it is called first.
 *
 * Does NOT promise: anything without --allow-ffi, or on another runtime (undefined there).
 */

import {
  type FfiCall,
  type FfiRuntime,
  type FfiSymbols,
  type FfiType,
  translate,
} from "./ffi_symbols.ts";

const LIBRARY = "libc.so.6";
/** Who calls one of these keeps it, and engines compile that best when it never changes; binding one changes errno. */
const BOUND_AT_ONCE: readonly string[] = [
  "__errno_location",
  "fcntl",
  "clock_gettime",
  "pthread_mutex_trylock",
  "pthread_mutex_unlock",
];

/** The part of Deno that is used; tsc does not know its types. */
interface DenoFfi {
  dlopen(name: string, symbols: Record<string, unknown>): { symbols: Record<string, FfiCall> };
  readonly UnsafePointer: {
    of(bytes: Uint8Array): unknown;
    value(pointer: unknown): number | bigint;
    create(address: bigint): unknown;
  };
  readonly UnsafePointerView: new (pointer: unknown) => { getInt32(): number };
}

/** How Deno calls a type. */
function word(type: FfiType): string {
  if (type === "buf") return "buffer";
  return type === "addr" || type === "mutex" ? "usize" : type;
}

/** The C library on Deno; undefined elsewhere. */
export function denoRuntime(): FfiRuntime | undefined {
  const { Deno: deno } = globalThis as unknown as { Deno?: DenoFfi };
  if (deno === undefined) return undefined;
  const table = translate(word, (parameters, result) => ({ parameters, result }));
  const symbols = bind(deno, table);
  const pointers = deno.UnsafePointer;
  const trylock = symbols.pthread_mutex_trylock as (address: bigint) => number;
  const unlock = symbols.pthread_mutex_unlock as (address: bigint) => number;
  return {
    symbols,
    addressOf: (bytes) => Number(pointers.value(pointers.of(bytes))),
    readI32: (address) => new deno.UnsafePointerView(pointers.create(BigInt(address))).getInt32(),
    mutexBase: (address) => BigInt(address),
    mutexAddress: (base, offset) => BigInt.asUintN(64, (base as bigint) + BigInt(offset)),
    trylock: (base, offset) => trylock(BigInt.asUintN(64, (base as bigint) + BigInt(offset))),
    unlock: (base, offset) => unlock(BigInt.asUintN(64, (base as bigint) + BigInt(offset))),
  };
}

/** The functions of a table: some bound, the others bound by their first call. */
function bind(deno: DenoFfi, table: Record<string, unknown>): FfiSymbols {
  const open = (names: readonly string[]): Record<string, FfiCall> =>
    deno.dlopen(LIBRARY, Object.fromEntries(names.map((name) => [name, table[name]]))).symbols;
  const symbols = { ...open(BOUND_AT_ONCE) };
  for (const name of Object.keys(table)) {
    symbols[name] ??= (...args) => {
      const call = open([name])[name] as FfiCall;
      symbols[name] = call;
      return call(...args);
    };
  }
  return symbols as FfiSymbols;
}
