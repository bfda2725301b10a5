/**
 * The storage of a record machine, which also remembers at which records a program holds it up, and since when.
 *
 *   tryLock ─▶ busy: remembered, with the time ─▶ had, or died: forgotten
 *
 * Does NOT promise: to see a program that is in a mutex nobody else wants.
 */
import type { CtdbxError } from "../../transport/wire/errors.ts";
import type { Incarnation } from "../../transport/wire/terms.ts";
import type { Head, Key, Stored } from "../machines/record/copy.ts";
import type { RecordStore } from "../machines/record/store.ts";
import type { FileRecordStore } from "../storage/record_store.ts";

/** Records that are remembered. */
const HELD_MAX = 4096;

/** A record at which a program holds the daemon up. */
export interface HeldUp {
  readonly key: Key;
  /** Process id, if it is that process's main thread. */
  readonly pid: number | undefined;
  /** By the node's clock. */
  readonly sinceMs: number;
}

/** One database's. */
export class HeldStore implements RecordStore {
  readonly files: FileRecordStore;
  readonly #nowMs: () => number;
  readonly #busy = new Map<Key, number>();

  constructor(files: FileRecordStore, nowMs: () => number) {
    this.files = files;
    this.#nowMs = nowMs;
  }

  tryLock(key: Key): "had" | "died" | "busy" {
    const outcome = this.files.tryLock(key);
    if (outcome !== "busy") {
      if (this.#busy.size > 0) this.#busy.delete(key);
    } else if (!this.#busy.has(key) && this.#busy.size < HELD_MAX) {
      this.#busy.set(key, this.#nowMs());
    }
    return outcome;
  }

  unlock(key: Key): void {
    this.files.unlock(key);
  }

  get(key: Key): Stored | undefined {
    return this.files.get(key);
  }

  head(key: Key): Head | undefined {
    return this.files.head(key);
  }

  put(key: Key, stored: Stored): void {
    this.files.put(key, stored);
  }

  drop(key: Key): void {
    this.files.drop(key);
  }

  get trouble(): CtdbxError | undefined {
    return this.files.trouble;
  }

  renew(incarnation: Incarnation): void {
    this.#busy.clear();
    this.files.renew(incarnation);
  }

  /** Who holds a record up; undefined: nobody, as far as is known. */
  heldUp(key: Key): HeldUp | undefined {
    const sinceMs = this.#busy.get(key);
    if (this.files.path === undefined) return undefined;
    const pid = this.files.holderOf(key);
    if (pid !== undefined) return { key, pid, sinceMs: sinceMs ?? this.#nowMs() };
    if (sinceMs === undefined) return undefined;
    // It was given back, and nobody has looked since.
    this.#busy.delete(key);
    return undefined;
  }

  /** The record that has been held up longest. */
  longest(): HeldUp | undefined {
    let found: HeldUp | undefined;
    for (const key of [...this.#busy.keys()]) {
      const held = this.heldUp(key);
      if (held !== undefined && held.sinceMs < (found?.sinceMs ?? Infinity)) found = held;
    }
    return found;
  }
}
