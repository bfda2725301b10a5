/**
 * The one WebAssembly.Memory of a thread, and who owns which part of it.
 *
 * wasm32, initial == maximum: it is reserved address space, not memory; pages cost nothing until touched.
 * It is pinned here for the life of the thread, because a runtime may recycle the region of a dropped
 * Memory with a file still mapped in it, and is never grown, because growing may move it.
 *
 *   0        1 KiB         64 KiB          SCRATCH_END            REGIONS_START                  MEMORY_BYTES
 *   | null  | statics ...  | scratch: keys, results, descriptors  | regions: files, tables, buffers     |
 *
 * Does NOT promise: that a region's bytes are zero when it is taken again; take() says which are.
 */

/** A WebAssembly page, bytes. */
const WASM_PAGE = 65536;
/** All of it: 4 GiB - 64 KiB, the most that both runtimes accept with initial == maximum. */
export const MEMORY_BYTES = 65535 * WASM_PAGE;
/** Everything is handed out in pages of the machine. */
export const PAGE = 4096;
/** First byte after statics; assembly/ is compiled with its memory base below this. */
export const SCRATCH_START = WASM_PAGE;
/** First byte that take() hands out. */
export const REGIONS_START = 4 * 1024 * 1024;

/** A run of pages, [start, end), byte addresses. */
interface Run {
  start: number;
  end: number;
}

/** Hands out page-aligned address ranges of one Memory; first fit, neighbours merge when given back. */
export class Regions {
  #free: Run[];

  constructor(start: number, end: number) {
    this.#free = [{ start, end }];
  }

  /** Takes `bytes` (rounded up to pages). Returns the address, or undefined when no run is long enough. */
  take(bytes: number): number | undefined {
    const need = roundUp(bytes, PAGE);
    const index = this.#free.findIndex((run) => run.end - run.start >= need);
    const run = this.#free[index];
    if (run === undefined) return undefined;
    const address = run.start;
    run.start += need;
    if (run.start === run.end) this.#free.splice(index, 1);
    return address;
  }

  /** Takes exactly [address, address + bytes) if all of it is free: how a region grows in place. */
  takeAt(address: number, bytes: number): boolean {
    const end = address + roundUp(bytes, PAGE);
    const index = this.#free.findIndex((run) => run.start <= address && end <= run.end);
    const run = this.#free[index];
    if (run === undefined) return false;
    const rest: Run[] = [];
    if (run.start < address) rest.push({ start: run.start, end: address });
    if (end < run.end) rest.push({ start: end, end: run.end });
    this.#free.splice(index, 1, ...rest);
    return true;
  }

  /** Gives [address, address + bytes) back. What was mapped there must have been replaced by anonymous pages. */
  give(address: number, bytes: number): void {
    const end = address + roundUp(bytes, PAGE);
    let index = this.#free.findIndex((run) => run.start >= address);
    if (index < 0) index = this.#free.length;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    if (
      (before !== undefined && before.end > address) || (after !== undefined && after.start < end)
    ) {
      throw new RangeError(`Cannot give back region ${address}: it is free already`);
    }
    const run = { start: address, end };
    if (after !== undefined && after.start === end) {
      run.end = after.end;
      this.#free.splice(index, 1);
    }
    if (before !== undefined && before.end === address) before.end = run.end;
    else this.#free.splice(index, 0, run);
  }

  /** Bytes that are free in all, and in the longest run. */
  free(): { bytes: number; longest: number } {
    const sizes = this.#free.map((run) => run.end - run.start);
    return { bytes: sizes.reduce((sum, size) => sum + size, 0), longest: Math.max(0, ...sizes) };
  }
}

/** Rounds up to a multiple of `unit` (any positive number; exact below 2^53). */
export function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

/** The Memory of this thread with its views. Views stay valid for ever: the Memory never grows. */
export interface ThreadMemory {
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly regions: Regions;
}

/** The pin. One per thread; module state on purpose: see the head of this file. */
const PINNED: ThreadMemory[] = [];

/** This thread's Memory, made on first use. */
export function threadMemory(): ThreadMemory {
  const existing = PINNED[0];
  if (existing !== undefined) return existing;
  const pages = MEMORY_BYTES / WASM_PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const made = {
    memory,
    bytes: new Uint8Array(memory.buffer),
    words: new Uint32Array(memory.buffer),
    regions: new Regions(REGIONS_START, MEMORY_BYTES),
  };
  PINNED.push(made);
  return made;
}
