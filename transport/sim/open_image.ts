/**
 * One opened simulated file: the Image port over a SimFile.
 *
 * Does NOT promise: anything by itself; the store (image.ts) makes it and decides when it fails.
 */

import type { Image, LockKind, LockRange, MutexOutcome } from "../image.ts";
import { checkMapped, checkRange, checkSize, checkTimeout } from "../image_checks.ts";
import { CtdbxError } from "../wire/errors.ts";
import type { Dice } from "./dice.ts";
import type { SimFile } from "./file.ts";

/** What an image needs from the machine it is on. */
export interface SimWorld {
  readonly dice: Dice;
  readonly timer: ((delayMs: number, fire: () => void) => () => void) | undefined;
  /** Throws SimCrash when the machine is down. */
  alive(what: string): void;
  /** Counts a step; throws what was ordered for it. */
  step(what: string): void;
  /** Throws "limit" when the file may not be mapped with this size. */
  room(path: string, file: SimFile, size: number): void;
  closed(image: SimImage): void;
}

/** Bytes of a simulated mutex: as on x86-64. */
const SIM_MUTEX_SIZE = 40;

/** An Image of a simulated file; made by SimImageStore.open(). */
export class SimImage implements Image {
  readonly path: string;
  readonly readOnly: boolean;
  readonly mutexSize = SIM_MUTEX_SIZE;
  readonly file: SimFile;
  readonly #world: SimWorld;
  #mapped: number;
  #open = true;

  constructor(world: SimWorld, path: string, file: SimFile, readOnly: boolean) {
    this.path = path;
    this.readOnly = readOnly;
    this.file = file;
    this.#world = world;
    file.attach();
    this.#mapped = file.size;
  }

  get address(): number {
    return this.file.address;
  }

  get mapped(): number {
    return this.#mapped;
  }

  size(): number {
    this.#alive();
    return this.file.size;
  }

  refresh(): number {
    this.#alive();
    this.#mapped = this.file.size;
    return this.#mapped;
  }

  extend(size: number): void {
    this.#writable();
    checkSize("extend", this.path, size);
    this.#world.room(this.path, this.file, size);
    this.#world.step(`extend ${this.path}`);
    if (size > this.file.size) this.file.resize(size);
    this.#mapped = this.file.size;
  }

  truncate(size: number): void {
    this.#writable();
    checkSize("truncate", this.path, size);
    this.#world.room(this.path, this.file, size);
    this.#world.step(`truncate ${this.path}`);
    this.file.resize(size);
    this.#mapped = size;
  }

  write(offset: number, from: number, length: number): void {
    this.#writable();
    checkMapped("write", this.path, offset, length, this.#mapped);
    this.#world.step(`write ${this.path}`);
    this.file.write(offset, from, length, this.#world.dice);
  }

  sync(_offset: number, _length: number): void {
    this.#alive();
    this.#world.step(`sync ${this.path}`);
    this.file.sync();
  }

  touch(): void {
    this.#alive();
    this.#world.step(`touch ${this.path}`);
  }

  tryLock(range: LockRange, kind: LockKind): boolean {
    checkRange(range);
    if (kind === "write") this.#writable();
    else this.#alive();
    return this.file.locks.tryLock(this, range, kind);
  }

  async lock(range: LockRange, kind: LockKind, timeoutMs: number): Promise<void> {
    checkTimeout(timeoutMs);
    if (this.tryLock(range, kind)) return;
    const what = `lock ${range.start}+${range.length} of ${this.path}`;
    await this.#queue<true>(
      what,
      timeoutMs,
      (granted, dropped) =>
        this.file.locks.wait({ owner: this, range, kind, granted: () => granted(true), dropped }),
    );
  }

  unlock(range: LockRange): void {
    this.#alive();
    checkRange(range);
    this.file.locks.unlock(this, range);
  }

  initMutex(offset: number): void {
    this.#mutexCheck(offset);
    this.file.mutexes.init(offset);
  }

  tryMutex(offset: number): MutexOutcome {
    this.#mutexCheck(offset);
    return this.file.mutexes.take(this, offset);
  }

  async mutex(offset: number, timeoutMs: number): Promise<MutexOutcome> {
    checkTimeout(timeoutMs);
    const outcome = this.tryMutex(offset);
    if (outcome !== "busy") return outcome;
    const what = `take the mutex at ${offset} of ${this.path}`;
    return await this.#queue<MutexOutcome>(
      what,
      timeoutMs,
      (taken, dropped) => this.file.mutexes.wait(offset, { owner: this, taken, dropped }),
    );
  }

  unlockMutex(offset: number): void {
    this.#mutexCheck(offset);
    this.file.mutexes.give(this, offset);
  }

  close(): void {
    this.end(false);
  }

  /**
   * Closes; `killed`: as the end of its process does, so that mutexes it holds have died.
   * Idempotent.
   */
  end(killed: boolean): void {
    if (!this.#open) return;
    this.#open = false;
    this.file.locks.dropOwner(this);
    this.file.mutexes.dropOwner(this, killed);
    this.file.detach();
    this.#mapped = 0;
    this.#world.closed(this);
  }

  /** Everybody dies at once: nobody shall inherit from the one who is closed first. */
  dropWaits(): void {
    this.file.locks.dropWaits(this);
    this.file.mutexes.dropWaits(this);
  }

  /** Waits in a queue until served, dropped, or out of time. */
  #queue<T>(
    what: string,
    timeoutMs: number,
    join: (served: (value: T) => void, dropped: () => void) => () => void,
  ): Promise<T> {
    const late = () =>
      new CtdbxError("timeout", `Cannot ${what}: held elsewhere for ${timeoutMs} ms`);
    if (timeoutMs === 0) return Promise.reject(late());
    return new Promise((resolve, reject) => {
      const stop = this.#world.timer?.(timeoutMs, () => {
        leave();
        reject(late());
      });
      const leave = join((value) => {
        stop?.();
        resolve(value);
      }, () => {
        stop?.();
        reject(this.#whyDropped());
      });
    });
  }

  #whyDropped(): unknown {
    try {
      this.#alive();
    } catch (error) {
      return error;
    }
    throw new Error(`Cannot drop a wait on ${this.path}: the image is open`);
  }

  #alive(): void {
    this.#world.alive(`use ${this.path}`);
    if (!this.#open) throw new CtdbxError("state", `Cannot use ${this.path}: the image is closed`);
  }

  #writable(): void {
    this.#alive();
    if (this.readOnly) {
      throw new CtdbxError("read_only", `Cannot write ${this.path}: opened read-only`);
    }
  }

  #mutexCheck(offset: number): void {
    this.#writable();
    checkMapped("use a mutex of", this.path, offset, this.mutexSize, this.#mapped);
  }
}
