/**
 * The file of a persistent or replicated database follows what is applied: transactions that are committed, and durable
 * in the log, are read at once from above the file, and brought into it some at a time.
 *
 *   add ─▶ above the file: read from now on ─▶ QUIET_MS without more, or FOLLOW_MS, or FOLLOW_BYTES
 *       ─▶ an apply in steps, synced elsewhere
 *   atRest(work): the file has all that was added before, and no apply is under way
 *
 * A replicated database's file is not synced: it is emptied by the next life.
 *
 * Does NOT promise: that a new life finds all of it in the file; it is in the log, and applied again from there.
 */
import type { Image } from "../../transport/image.ts";
import { type Entry, versionAt } from "../../transport/wire/commit/entry.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock, FileSync } from "../../transport/world.ts";
import type { Key } from "../machines/record/copy.ts";
import type { CommitFile, CommitRecord } from "../storage/commit_file.ts";
import { SEQ_KEY } from "../storage/commit_stage.ts";

/** What it needs. */
export interface FollowingParts {
  readonly clock: Clock;
  /** Absent: synced in this thread. */
  readonly syncs: FileSync | undefined;
  readonly isReplicated: boolean;
  /** The file as it is now; another one after an exchange. */
  readonly file: () => CommitFile;
  /** The disk is full: nothing is done until goOn(). */
  readonly onFull: () => void;
  /** A page is not what it must be: nothing is done until goOn(). */
  readonly onDamage: (error: CorruptError) => void;
  /** It cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

/** A state that can be read. */
export interface CommitView {
  readonly dbseq: bigint;
  /** Throws CorruptError. */
  fetch(key: Key): CommitRecord | undefined;
  versionOf(key: Key): bigint;
}

/** An apply begins when nothing was added for so long, ms: soon the file has all. */
export const QUIET_MS = 100;
/** And so long after the first that it brings, ms: its syncs are shared by many, as they hold up those of the log. */
export const FOLLOW_MS = 1000;
/** So much begins one at once, bytes of entries. */
export const FOLLOW_BYTES: number = 1024 * 1024;
/** So much above the file is enough: who adds waits, bytes of entries. */
export const ABOVE_MAX: number = 8 * 1024 * 1024;
/** A file that a program reads is tried again so soon, ms. */
const BUSY_MS = 5;

/** A record that is above the file; without a value it is deleted. */
interface Above {
  readonly dbseq: bigint;
  readonly version: bigint;
  readonly value: Uint8Array | undefined;
}

interface Waiting {
  readonly dbseq: bigint;
  readonly run: () => void;
  readonly fail: (error: CtdbxError) => void;
}

/** One database's. */
export class CommitFollowing implements CommitView {
  /** Applies, and the syncs that they took, since the file was opened. */
  readonly counts = { applies: 0, syncs: 0 };
  readonly #parts: FollowingParts;
  #entries: Entry[] = [];
  readonly #records = new Map<Key, Above>();
  #bytes = 0;
  /** Of the last transaction that was added; undefined: the file's. */
  #dbseq: bigint | undefined;
  #steps: Generator<Image, void> | undefined;
  /** What the step under way waits for. */
  #image: Image | undefined;
  #waiting: Waiting[] = [];
  #cancel: (() => void) | undefined;
  /** When the first was added that the apply to come brings, and when the last. */
  #firstMs = 0;
  #lastMs = 0;
  /** Why nothing is done: the disk is full, or a page is bad. */
  #held: CtdbxError | undefined;
  #isOver = false;

  constructor(parts: FollowingParts) {
    this.#parts = parts;
  }

  // --- reading

  get dbseq(): bigint {
    const { dbseq } = this.#parts.file();
    return this.#dbseq === undefined || this.#dbseq < dbseq ? dbseq : this.#dbseq;
  }

  /** What is above the file for this key; a file that was exchanged may be ahead of it. */
  #above(key: Key): Above | undefined {
    const above = this.#records.get(key);
    return above === undefined || above.dbseq <= this.#parts.file().dbseq ? undefined : above;
  }

  fetch(key: Key): CommitRecord | undefined {
    if (key === SEQ_KEY && this.#dbseq !== undefined) return numberRecord(this.dbseq);
    const above = this.#above(key);
    if (above === undefined) return this.#parts.file().fetch(key);
    const { value, version } = above;
    return value === undefined ? undefined : { rsn: version, value: value.slice() };
  }

  versionOf(key: Key): bigint {
    const above = this.#above(key);
    if (above === undefined || key === SEQ_KEY) return this.fetch(key)?.rsn ?? 0n;
    return above.value === undefined ? 0n : above.version;
  }

  /** Bytes of entries that the file does not have. */
  get bytes(): number {
    return this.#bytes;
  }

  /** There is so much above the file that nothing should be added. */
  get isFull(): boolean {
    return this.#bytes >= ABOVE_MAX;
  }

  // --- adding

  /** Takes committed entries that follow one another. Answers dbseq. Throws "state" when one is missing in between. */
  add(entries: readonly Entry[]): bigint {
    let last = this.dbseq;
    for (const { lineage, dbseqFirst, txns } of entries) {
      for (const [at, { writes }] of txns.entries()) {
        const dbseq = dbseqFirst + BigInt(at);
        if (dbseq <= last) continue;
        if (dbseq !== last + 1n) {
          throw new CtdbxError(
            "state",
            `Cannot apply transaction ${dbseq}: ${last + 1n} is missing`,
          );
        }
        const version = versionAt(lineage, dbseq);
        for (const { key, value } of writes) this.#records.set(key, { dbseq, version, value });
        last = dbseq;
      }
    }
    if (last === this.dbseq) return last;
    const added = entries.filter(({ txns }) => txns.length > 0);
    this.#dbseq = last;
    this.#entries.push(...added);
    for (const { size } of added) this.#bytes += size;
    this.#lastMs = this.#parts.clock.nowMs();
    if (this.#cancel === undefined && this.#steps === undefined) this.#firstMs = this.#lastMs;
    this.#soon(this.#bytes >= FOLLOW_BYTES ? 0 : QUIET_MS);
    return last;
  }

  /**
   * Runs `work` when the file has all that was added until now, and no apply is under way: at once, if that is so.
   * Rejects with what it throws, with "state" when the file goes before, and with what holds the file up.
   */
  atRest<T>(work: (file: CommitFile) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(work(this.#parts.file()));
        } catch (error) {
          reject(error);
        }
      };
      if (this.#isOver) return reject(gone());
      if (this.#held !== undefined) return reject(this.#held);
      this.#waiting.push({ dbseq: this.dbseq, run, fail: reject });
      this.#serve();
      if (this.#waiting.length > 0) this.#soon(0);
    });
  }

  #serve(): void {
    if (this.#steps !== undefined || this.#isOver) return;
    const { dbseq } = this.#parts.file();
    while (this.#waiting[0] !== undefined && this.#waiting[0].dbseq <= dbseq) {
      this.#waiting.shift()?.run();
    }
  }

  // --- the file

  #soon(afterMs: number): void {
    if (this.#steps !== undefined || this.#isOver || this.#held !== undefined) return;
    if (this.#cancel !== undefined && afterMs > 0) return;
    this.#cancel?.();
    this.#cancel = this.#parts.clock.after(afterMs, () => {
      this.#cancel = undefined;
      if (afterMs === 0) return this.#begin();
      const nowMs = this.#parts.clock.nowMs();
      const dueMs = Math.min(this.#lastMs + QUIET_MS, this.#firstMs + FOLLOW_MS);
      if (nowMs >= dueMs) this.#begin();
      else this.#soon(dueMs - nowMs);
    });
  }

  #begin(): void {
    if (this.#steps !== undefined || this.#isOver || this.#held !== undefined) return;
    const file = this.#parts.file();
    this.#steps = file.applying(this.#entries.slice());
    this.#goStep(this.#steps);
  }

  /** Goes on as far as it can without waiting. */
  #goStep(steps: Generator<Image, void>): void {
    const { syncs, isReplicated } = this.#parts;
    try {
      for (let next = steps.next(); next.done !== true; next = steps.next()) {
        if (this.#steps !== steps) return;
        this.#image = next.value;
        if (isReplicated) continue;
        this.counts.syncs += 1;
        if (syncs === undefined) {
          next.value.sync(0, next.value.mapped);
          continue;
        }
        syncs.sync(next.value.path).then(
          () => this.#steps === steps ? this.#goStep(steps) : undefined,
          (error) => this.#steps === steps ? this.#stopped(error) : undefined,
        );
        return;
      }
      this.#ended();
    } catch (error) {
      this.#stopped(error);
    }
  }

  #ended(): void {
    this.counts.applies += 1;
    this.#steps = undefined;
    this.#image = undefined;
    this.#settle();
    this.#serve();
    if (this.#entries.length === 0) return;
    this.#firstMs = this.#parts.clock.nowMs();
    this.#soon(this.#waiting.length > 0 || this.#bytes >= FOLLOW_BYTES ? 0 : QUIET_MS);
  }

  /** A program reads the file just now. */
  #later(): void {
    this.#cancel = this.#parts.clock.after(BUSY_MS, () => {
      this.#cancel = undefined;
      this.#begin();
    });
  }

  /** What the file has needs not be kept above it. */
  #settle(): void {
    const { dbseq } = this.#parts.file();
    let count = 0;
    for (const { dbseqFirst, txns, size } of this.#entries) {
      if (dbseqFirst + BigInt(txns.length) - 1n > dbseq) break;
      count += 1;
      this.#bytes -= size;
      for (const { writes } of txns) {
        for (const { key } of writes) {
          if ((this.#records.get(key)?.dbseq ?? 0n) <= dbseq) this.#records.delete(key);
        }
      }
    }
    this.#entries.splice(0, count);
    if (this.#entries.length === 0) this.#dbseq = undefined;
  }

  #stopped(error: unknown): void {
    const { onFull, onDamage, onFailure } = this.#parts;
    this.#drop();
    if (!(error instanceof CtdbxError)) return onFailure(error);
    // Batches before this one may be in the file.
    if (error.code !== "io" && error.code !== "state") this.#settle();
    if (error.code === "busy") return this.#later();
    if (error.code !== "no_space" && !(error instanceof CorruptError)) return onFailure(error);
    this.#held = error;
    for (const { fail } of this.#waiting.splice(0)) fail(error);
    if (error instanceof CorruptError) onDamage(error);
    else onFull();
  }

  #drop(): void {
    const steps = this.#steps;
    this.#steps = undefined;
    this.#image = undefined;
    // Its ends are tied up; the file knows that it is broken.
    steps?.return();
  }

  /** There is room again, or the page is what it must be: what waits is tried again. */
  goOn(): void {
    if (this.#held === undefined || this.#isOver) return;
    this.#held = undefined;
    this.#settle();
    this.#serve();
    if (this.#entries.length > 0) this.#soon(0);
  }

  /** All of it is in the file when this returns, unless something fails: then the next life has it from the log. */
  finish(): void {
    if (this.#isOver || this.#held !== undefined) return;
    const { file, isReplicated } = this.#parts;
    if (isReplicated) return;
    try {
      const [steps, image] = [this.#steps, this.#image];
      this.#steps = undefined;
      image?.sync(0, image.mapped);
      if (steps !== undefined) { for (const one of steps) one.sync(0, one.mapped); }
      file().apply(this.#entries);
    } catch {
      // The log has it.
    }
  }

  /** The file goes: what is above it is forgotten, and who waits is told. Another file may come. */
  forget(): void {
    this.#drop();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#entries = [];
    this.#records.clear();
    this.#bytes = 0;
    this.#dbseq = undefined;
    this.#held = undefined;
    for (const { fail } of this.#waiting.splice(0)) fail(gone());
  }

  /** It is over. Idempotent. */
  end(): void {
    this.forget();
    this.#isOver = true;
  }
}

function gone(): CtdbxError {
  return new CtdbxError("state", "Cannot use the file: it is closed, or exchanged for another");
}

function numberRecord(dbseq: bigint): CommitRecord {
  const value = new Uint8Array(8);
  new DataView(value.buffer).setBigUint64(0, dbseq, true);
  return { rsn: dbseq, value };
}
