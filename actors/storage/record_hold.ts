/**
 * A record that a program has locked for its own code: the mutex of its chain is held until `release`.
 *
 *   await using hold = await records.fetchLock(key, { timeoutMs: 1000 });
 *   const old = hold.value();   hold.store(next);   hold.release() // "done": it counts
 *
 * All changes in between count together, by the page at the end. A hold that lasts stops all that lies in the same
 * chain, in every process of the node, and the daemon, which lets others wait; `warnMs` tells when it does.
 *
 * Does NOT promise: to end by itself.
 */
import { MAY, RECORD_HEADER } from "../../assembly/host/record_kernels.ts";
import { OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { LocalLife, LocalNode } from "./local_node.ts";
import type { LocalAnswer } from "./local_records.ts";
import type { RecordFile } from "./record_file.ts";
import { TdbScratch } from "./tdb_scratch.ts";

/** How to lock a record. */
export interface HoldOptions {
  /** How long the mutex is waited for, ms. */
  readonly timeoutMs: number;
  /** For reading only: a copy of another node's record will do. Default false. */
  readonly isRead?: boolean;
  /** After so long, ms, `onLong` is called, once. */
  readonly warnMs?: number;
  readonly onLong?: (key: Uint8Array, heldMs: number) => void;
}

/** What a hold is made of. */
export interface HoldParts {
  readonly node: LocalNode;
  readonly life: LocalLife;
  readonly file: RecordFile;
  readonly key: Uint8Array;
  readonly options: HoldOptions;
  readonly leave: () => void;
  /** Called when the record was emptied. */
  readonly tell: () => void;
}

/** A record that is locked. */
export class RecordHold implements AsyncDisposable, Disposable {
  readonly key: Uint8Array;
  readonly #parts: HoldParts;
  readonly #scratch: TdbScratch;
  readonly #stopWarning: (() => void) | undefined;
  #hasWritten = false;
  #outcome: LocalAnswer | undefined;

  /** Use LocalRecords.fetchLock(). */
  constructor(parts: HoldParts) {
    const { node, life, file, key, options: { warnMs, onLong } } = parts;
    this.#parts = parts;
    this.key = key;
    this.#scratch = new TdbScratch(file.core.memory);
    life.keep();
    const { clock } = node.options;
    const sinceMs = clock.nowMs();
    if (warnMs !== undefined && onLong !== undefined) {
      this.#stopWarning = clock.after(warnMs, () => onLong(key, clock.nowMs() - sinceMs));
    }
  }

  /** How it ended; undefined: it has not. */
  get outcome(): LocalAnswer | undefined {
    return this.#outcome;
  }

  /** A copy of the value, as it is now. */
  value(): Uint8Array {
    const { file } = this.#parts;
    const off = this.#find();
    const { bytes, words } = file.core.memory;
    file.kernel.recordHead(file.db, off, OUT_AT);
    const length = words[(OUT_AT + RECORD_HEADER) >>> 2] as number;
    const address = words[(OUT_AT + RECORD_HEADER + 4) >>> 2] as number;
    return bytes.slice(address, address + length);
  }

  /** Stores a value. False: the page is not valid just now, nothing was done. Throws "state", "limit", "no_space". */
  store(value: Uint8Array): boolean {
    const { file, life, node, options, tell } = this.#parts;
    if (options.isRead === true) {
      throw new CtdbxError("state", "Cannot store: the record is locked for reading");
    }
    const off = this.#find();
    if (node.may(life) !== MAY.valid) return false;
    // Looked at after the page: the file is marked before the page is valid again.
    if (file.isOver) {
      throw new CtdbxError("state", "Cannot store: the database was emptied or detached meanwhile");
    }
    this.#hasWritten = true;
    file.withDraft(value, (from, length) => file.write(off, from, length));
    if (value.length === 0) tell();
    return true;
  }

  /** After a `store` that was not possible: waits while the page is frozen. False: not in this life, or not yet. */
  async again(timeoutMs: number): Promise<boolean> {
    const { life, node } = this.#parts;
    return await node.settled(life, timeoutMs);
  }

  /** Empties the record; as `store`. */
  delete(): boolean {
    return this.store(new Uint8Array(0));
  }

  /** Gives the mutex back; what was done counts if the answer is "done". Idempotent. */
  release(): LocalAnswer {
    if (this.#outcome !== undefined) return this.#outcome;
    const { life, node, leave } = this.#parts;
    this.#stopWarning?.();
    const may = node.may(life);
    this.#outcome = may === MAY.valid
      ? this.#isLost ? "unknown" : "done"
      : !this.#hasWritten
      ? "frozen"
      : may === MAY.frozen
      ? "unsure"
      : "unknown";
    leave();
    // Its page is needed as long as it is not known whether it counts.
    if (this.#outcome !== "unsure") life.unkeep();
    return this.#outcome;
  }

  /** Were values written to a file that is not the database any more? Whether it was before is not known. */
  get #isLost(): boolean {
    return this.#hasWritten && this.#parts.file.isOver;
  }

  /** After `unsure`: did it count? False: unknown. */
  async settled(timeoutMs: number): Promise<boolean> {
    if (this.#outcome !== "unsure") return this.release() === "done";
    const { life, node } = this.#parts;
    const isGood = await node.settled(life, timeoutMs) && !this.#isLost;
    if (this.#outcome === "unsure") {
      this.#outcome = isGood ? "done" : "unknown";
      life.unkeep();
    }
    return isGood;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }

  #find(): number {
    const { file } = this.#parts;
    if (this.#outcome !== undefined) throw new CtdbxError("state", "Cannot use the hold: it ended");
    file.use();
    const keyLen = this.#scratch.key(this.key);
    file.chainOf(keyLen);
    return file.find(keyLen);
  }
}
