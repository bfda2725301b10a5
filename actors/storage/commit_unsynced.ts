/**
 * Files of a replicated database: what is in memory is enough, so nothing waits for a disk. A new life begins with none
 * of them.
 *
 * Does NOT promise: anything after a loss of power; nor that the system writes nothing to the disk by itself.
 */
import type {
  Image,
  ImageOptions,
  ImageStore,
  LockKind,
  LockRange,
  MutexOutcome,
} from "../../transport/image.ts";

/** A file that is never synced. */
class UnsyncedImage implements Image {
  readonly path: string;
  readonly readOnly: boolean;
  readonly mutexSize: number;
  readonly #image: Image;

  constructor(image: Image) {
    this.#image = image;
    this.path = image.path;
    this.readOnly = image.readOnly;
    this.mutexSize = image.mutexSize;
  }

  get address(): number {
    return this.#image.address;
  }

  get mapped(): number {
    return this.#image.mapped;
  }

  sync(_offset: number, _length: number): void {}

  size(): number {
    return this.#image.size();
  }

  refresh(): number {
    return this.#image.refresh();
  }

  extend(size: number): void {
    this.#image.extend(size);
  }

  truncate(size: number): void {
    this.#image.truncate(size);
  }

  write(offset: number, from: number, length: number): void {
    this.#image.write(offset, from, length);
  }

  touch(): void {
    this.#image.touch();
  }

  tryLock(range: LockRange, kind: LockKind): boolean {
    return this.#image.tryLock(range, kind);
  }

  lock(range: LockRange, kind: LockKind, timeoutMs: number): Promise<void> {
    return this.#image.lock(range, kind, timeoutMs);
  }

  unlock(range: LockRange): void {
    this.#image.unlock(range);
  }

  initMutex(offset: number): void {
    this.#image.initMutex(offset);
  }

  tryMutex(offset: number): MutexOutcome {
    return this.#image.tryMutex(offset);
  }

  mutex(offset: number, timeoutMs: number): Promise<MutexOutcome> {
    return this.#image.mutex(offset, timeoutMs);
  }

  unlockMutex(offset: number): void {
    this.#image.unlockMutex(offset);
  }

  close(): void {
    this.#image.close();
  }
}

/** Opens files that are never synced. */
export class UnsyncedImages implements ImageStore {
  readonly #images: ImageStore;

  constructor(images: ImageStore) {
    this.#images = images;
  }

  open(path: string, options?: ImageOptions): Image {
    return new UnsyncedImage(this.#images.open(path, options));
  }

  exists(path: string): boolean {
    return this.#images.exists(path);
  }

  remove(path: string): void {
    this.#images.remove(path);
  }

  rename(from: string, to: string): void {
    this.#images.rename(from, to);
  }
}
