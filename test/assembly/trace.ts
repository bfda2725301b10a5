/**
 * Kernels that tell of every load and store, made from those that are used by one pass more: who may be read and
 * written is then a matter of test, and a store can be looked at after each word it wrote.
 *
 *   kernels_wasm.ts --instrument-memory--> module --> env.load_ptr(id, bytes, offset, address) --> Watcher
 *
 * Does NOT promise: runs of bytes moved by memory.copy and memory.fill (payloads above 256 bytes, zeroing), and
 * atomic adds are not told of.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { instrumentedKernels } from "../../build/wasm.ts";
import { type Kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";

/** Told of each access before it is done: an address (u32) and a number of bytes. May throw. */
export interface Watcher {
  load(address: number, bytes: number): void;
  store(address: number, bytes: number): void;
}

/** The host's part for one rigged database; what a kernel asks for that is not here is refused. */
export interface TraceHost {
  /** Does no traverse stand on the record at `offset`? 1 yes. Default 1. */
  probe?(offset: number): number;
}

/** The traced module; making it takes a second, so once. */
const MODULES: Promise<WebAssembly.Module>[] = [];
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const OUT = join(ROOT, "build/out");
/** What it is made of. */
const SOURCES = ["assembly/host/kernels_wasm.ts", "build/wasm.ts", "package-lock.json"];

/** The wasm bytes of the traced kernels; they are kept for the next process. */
export async function tracedWasm(): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash("sha256");
  for (const path of SOURCES) hash.update(path).update(readFileSync(join(ROOT, path)));
  const path = join(OUT, `traced-${hash.digest("hex").slice(0, 16)}.wasm`);
  if (existsSync(path)) return new Uint8Array(readFileSync(path));
  const made = await instrumentedKernels();
  mkdirSync(OUT, { recursive: true });
  for (const old of globSync("traced-*.wasm", { cwd: OUT })) {
    rmSync(join(OUT, old), { force: true });
  }
  const part = `${path}.${process.pid}`;
  writeFileSync(part, made);
  renameSync(part, path);
  return made;
}

function tracedModule(): Promise<WebAssembly.Module> {
  const made = MODULES[0] ?? tracedWasm().then((bytes) => WebAssembly.compile(bytes));
  if (MODULES.length === 0) MODULES.push(made);
  return made;
}

/** What the traced module imports beyond the usual. */
export function traceImports(watcher: Watcher): WebAssembly.ModuleImports {
  const same = (_id: number, value: unknown): unknown => value;
  const values = ["i32", "i64", "f32", "f64"].flatMap((type) => [
    [`load_val_${type}`, same],
    [`store_val_${type}`, same],
  ]);
  return {
    ...Object.fromEntries(values),
    memory_grow_pre: same,
    memory_grow_post: same,
    load_ptr: (_id: number, bytes: number, offset: number, address: number): number => {
      watcher.load((address >>> 0) + (offset >>> 0), bytes);
      return address;
    },
    store_ptr: (_id: number, bytes: number, offset: number, address: number): number => {
      watcher.store((address >>> 0) + (offset >>> 0), bytes);
      return address;
    },
  };
}

/** An instance of its own over the thread's Memory, beside kernels(): for rigged databases, which do not grow. */
export async function tracedKernels(watcher: Watcher, host: TraceHost = {}): Promise<Kernels> {
  const env = {
    ...traceImports(watcher),
    memory: threadMemory().memory,
    hostGrow: (_db: number, bytes: number): number => bytes === 0 ? 1 : 0,
    hostLockFree: (): number => 1,
    hostUnlockFree: (): void => undefined,
    hostMemory: (): number => 0,
    hostProbe: (_db: number, offset: number): number => host.probe?.(offset >>> 0) ?? 1,
  };
  const instance = await WebAssembly.instantiate(await tracedModule(), { env });
  return instance.exports as unknown as Kernels;
}

/** Addresses, [start, end). */
export type Range = readonly [start: number, end: number];

/** Refuses what lies in none of some ranges, and work without end. */
export class Fence implements Watcher {
  readonly #readable: readonly Range[];
  readonly #writable: readonly Range[];
  readonly #most: number;
  /** Accesses since the last `begin`. */
  seen = 0;

  /** `most`: accesses between two calls of begin(). */
  constructor(readable: readonly Range[], writable: readonly Range[], most: number) {
    this.#readable = readable;
    this.#writable = writable;
    this.#most = most;
  }

  /** Another call of a kernel begins. */
  begin(): void {
    this.seen = 0;
  }

  load(address: number, bytes: number): void {
    this.#want("read", this.#readable, address, bytes);
  }

  store(address: number, bytes: number): void {
    this.#want("wrote", this.#writable, address, bytes);
  }

  #want(what: string, ranges: readonly Range[], address: number, bytes: number): void {
    if (++this.seen > this.#most) {
      throw new Error(`A kernel makes more than ${this.#most} accesses`);
    }
    for (const [start, end] of ranges) {
      if (address >= start && address + bytes <= end) return;
    }
    throw new Error(
      `A kernel ${what} ${bytes} bytes at ${address}, outside of ${ranges.join(" ")}`,
    );
  }
}
