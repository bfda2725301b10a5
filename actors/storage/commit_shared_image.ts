/**
 * A second look at a mapped file that somebody else owns: read only, and closing it closes nothing.
 *
 * Does NOT promise: anything after its owner has closed the file.
 */
import type { Image, LockKind, LockRange, MutexOutcome } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";

/** The file as a reader sees it. */
export class SharedImage implements Image {
  readonly readOnly = true;
  readonly mutexSize = 0;
  readonly #image: Image;

  constructor(image: Image) {
    this.#image = image;
  }

  get path(): string {
    return this.#image.path;
  }

  get address(): number {
    return this.#image.address;
  }

  get mapped(): number {
    return this.#image.mapped;
  }

  size(): number {
    return this.#image.mapped;
  }

  refresh(): number {
    return this.#image.mapped;
  }

  extend(_size: number): void {
    throw this.#refusal();
  }

  truncate(_size: number): void {
    throw this.#refusal();
  }

  write(_offset: number, _from: number, _length: number): void {
    throw this.#refusal();
  }

  sync(_offset: number, _length: number): void {
    throw this.#refusal();
  }

  touch(): void {
    throw this.#refusal();
  }

  tryLock(_range: LockRange, _kind: LockKind): boolean {
    throw this.#refusal();
  }

  lock(_range: LockRange, _kind: LockKind, _timeoutMs: number): Promise<void> {
    return Promise.reject(this.#refusal());
  }

  unlock(_range: LockRange): void {
    throw this.#refusal();
  }

  initMutex(_offset: number): void {
    throw this.#refusal();
  }

  tryMutex(_offset: number): MutexOutcome {
    throw this.#refusal();
  }

  mutex(_offset: number, _timeoutMs: number): Promise<MutexOutcome> {
    return Promise.reject(this.#refusal());
  }

  unlockMutex(_offset: number): void {
    throw this.#refusal();
  }

  close(): void {}

  #refusal(): CtdbxError {
    return new CtdbxError("read_only", `Cannot change ${this.path}: this is a snapshot of it`);
  }
}
