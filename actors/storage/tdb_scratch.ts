/**
 * Where keys are put for the kernels.
 *
 *   KEY_AT: key bytes, by words where possible
 *
 * Does NOT promise: to keep a key; the next operation on any database of the thread puts its own there.
 */
import type { ThreadMemory } from "../../assembly/host/memory.ts";
import { KEY_AT, MODE } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { KEY_MAX, tooLong } from "../../transport/wire/limits.ts";

/** Keys up to this long are copied here; a longer one is worth a call. */
const LOOP_MAX = 40;

/** What store does when the key is there, or is not. */
export type StoreMode = keyof typeof MODE;

/** The length of a value that is to be stored. Throws TypeError on what is none. */
export function storedLength(value: Uint8Array, mode: StoreMode): number {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError("Cannot store: value must be a Uint8Array");
  }
  if (typeof MODE[mode] === "number") return value.length;
  throw new TypeError(`Cannot store: mode must be replace, insert or modify, is ${mode}`);
}

/** The scratch area as one handle sees it. */
export class TdbScratch {
  readonly #memory: ThreadMemory;
  // Small views: both runtimes compile accesses to them better than to the whole Memory.
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(memory: ThreadMemory) {
    this.#memory = memory;
    this.#bytes = memory.bytes.subarray(KEY_AT, KEY_AT + KEY_MAX);
    this.#words = memory.words.subarray(KEY_AT >>> 2, (KEY_AT + KEY_MAX) >>> 2);
  }

  /** Puts a key; answers its length. Throws "limit". */
  key(key: Uint8Array): number {
    if (!(key instanceof Uint8Array)) {
      throw new TypeError("Cannot use key: it must be a Uint8Array");
    }
    const { length } = key;
    const bytes = this.#bytes;
    if (length > LOOP_MAX) {
      if (length > KEY_MAX) throw tooLong("key", length, "KEY_MAX", KEY_MAX);
      bytes.set(key);
      return length;
    }
    // The kernel reads words, and would wait for stores of a byte each.
    const words = this.#words;
    let i = 0;
    for (; i + 4 <= length; i += 4) {
      words[i >>> 2] = (key[i] as number) | ((key[i + 1] as number) << 8) |
        ((key[i + 2] as number) << 16) | ((key[i + 3] as number) << 24);
    }
    for (; i < length; i++) bytes[i] = key[i] as number;
    return length;
  }

  /** Takes a region for a long value. Throws "limit". */
  room(bytes: number): number {
    const at = this.#memory.regions.take(bytes);
    if (at !== undefined) return at;
    throw new CtdbxError("limit", `Cannot store ${bytes} bytes: this thread's memory is used up`);
  }
}
