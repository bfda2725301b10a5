/**
 * One real file as an Image: MAP_SHARED into the thread's Memory, locked like libtdb locks.
 *
 * Differs from upstream: locks belong to the open file (OFD), so that a second Image of the same
 * file in this process is a stranger to the first, and closing it takes nothing from it. libtdb's
 * own locks conflict with them as they should.
 *
 * Does NOT promise: survival when another process shortens the file while its pages are touched.
 * WebAssembly on Bun gets a RuntimeError; JavaScript on Bun, all of Deno and a mutex call die of
 * SIGBUS. Hold the lock that forbids it and refresh().
 */

import process from "node:process";
import {
  cPath,
  ERRNO,
  type Libc,
  LOCK_COMMAND,
  LOCK_TYPE,
  OPEN,
  SEEK_END,
  systemError,
} from "./ffi.ts";
import type { Image, LockKind, LockRange, MutexOutcome } from "./image.ts";
import { checkMapped, checkRange, checkSize, checkTimeout } from "./image_checks.ts";
import { type LockThreads, type LockWait, wasCancelled } from "./real_lock.ts";
import { type Mappings, RealMapping } from "./real_mapping.ts";
import { RealMutexes } from "./real_mutex.ts";
import { CtdbxError } from "./wire/errors.ts";

/**
 * Pauses, ms, between tries of a record lock before a thread waits: most are held for microseconds.
 */
const LOCK_PAUSES_MS = [0, 1, 2];
/** Pauses between tries of a mutex, ms; the last one repeats. */
const MUTEX_PAUSES_MS = [0, 0, 0, 1, 1, 2, 3];
const MUTEX_PAUSE_MAX_MS = 5;
/** Bytes of zeros written at a time where blocks cannot be reserved otherwise. */
const ZEROS_BYTES = 65536;

/** What the images of a store share. */
export interface RealShared {
  readonly libc: Libc;
  readonly mappings: Mappings;
  readonly threads: LockThreads;
  readonly mutexSize: number;
}

/** One open file; made by RealImageStore.open(). */
export class RealImage implements Image {
  readonly path: string;
  readonly readOnly: boolean;
  readonly mutexSize: number;
  readonly #shared: RealShared;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #mapping: RealMapping;
  readonly #mutexes: RealMutexes;
  readonly #waits = new Set<LockWait>();
  /** Its name is not durable yet: the first sync() sees to that. */
  #created: boolean;
  #open = true;

  /** `fd` becomes this image's own, unless the constructor throws. */
  constructor(shared: RealShared, path: string, fd: number, readOnly: boolean, created: boolean) {
    this.path = path;
    this.readOnly = readOnly;
    this.mutexSize = shared.mutexSize;
    this.#shared = shared;
    this.#libc = shared.libc;
    this.#fd = fd;
    this.#created = created;
    this.#mutexes = new RealMutexes(shared.libc, path, fd);
    this.#mapping = new RealMapping(shared.mappings, path, fd, readOnly);
    try {
      this.#mapping.fit(this.size());
    } catch (error) {
      this.#mapping.close();
      throw error;
    }
  }

  get address(): number {
    return this.#mapping.address;
  }

  get mapped(): number {
    return this.#mapping.mapped;
  }

  size(): number {
    this.#alive();
    const size = this.#libc.lseek(this.#fd, 0, SEEK_END);
    if (size < 0) throw systemError(`Cannot see the size of ${this.path}`, this.#libc.errno());
    return size;
  }

  refresh(): number {
    const size = this.size();
    if (size !== this.#mapping.mapped) this.#mapping.fit(size);
    return size;
  }

  extend(size: number): void {
    this.#writable();
    checkSize("extend", this.path, size);
    const before = this.size();
    if (size > before) {
      this.#mapping.reserve(size); // refuse before the file has changed
      const errno = this.#allocate(before, size - before);
      if (errno !== 0) {
        this.#libc.ftruncate(this.#fd, before);
        throw systemError(`Cannot extend ${this.path} to ${size} bytes`, errno);
      }
    }
    this.refresh();
  }

  truncate(size: number): void {
    this.#writable();
    checkSize("truncate", this.path, size);
    this.#mapping.reserve(size);
    if (this.#libc.ftruncate(this.#fd, size) !== 0) {
      throw systemError(`Cannot set ${this.path} to ${size} bytes`, this.#libc.errno());
    }
    this.#mapping.fit(size);
  }

  write(offset: number, from: number, length: number): void {
    this.#writable();
    checkMapped("write", this.path, offset, length, this.#mapping.mapped);
    const { bytes } = this.#shared.mappings.thread;
    bytes.copyWithin(this.address + offset, from, from + length);
  }

  /** The whole file. Linux counts pages written through a shared mapping as dirty: no msync(). */
  sync(_offset: number, _length: number): void {
    this.#alive();
    if (this.#libc.fdatasync(this.#fd) !== 0) {
      throw systemError(`Cannot sync ${this.path}`, this.#libc.errno());
    }
    if (this.#created) syncFolderOf(this.#libc, this.path);
    this.#created = false;
  }

  touch(): void {
    this.#alive();
    if (this.#libc.futimens(this.#fd) !== 0) {
      throw systemError(`Cannot touch ${this.path}`, this.#libc.errno());
    }
  }

  tryLock(range: LockRange, kind: LockKind): boolean {
    const type = this.#lockType(range, kind);
    const { OFD_SETLK } = LOCK_COMMAND;
    if (this.#libc.flock(this.#fd, OFD_SETLK, type, range.start, range.length) === 0) return true;
    const errno = this.#libc.errno();
    if (errno === ERRNO.EAGAIN || errno === ERRNO.EACCES) return false;
    throw systemError(`Cannot lock ${this.#lockName(range, kind)}`, errno);
  }

  async lock(range: LockRange, kind: LockKind, timeoutMs: number): Promise<void> {
    checkTimeout(timeoutMs);
    const deadline = performance.now() + timeoutMs;
    if (this.tryLock(range, kind)) return;
    for (const pauseMs of LOCK_PAUSES_MS) {
      if (deadline - performance.now() <= pauseMs) break;
      await pause(pauseMs);
      if (this.tryLock(range, kind)) return;
    }
    const leftMs = deadline - performance.now();
    const errno = leftMs <= 0 ? ERRNO.EINTR : await this.#wait(range, kind, leftMs);
    if (errno === 0) return;
    const name = this.#lockName(range, kind);
    if (!wasCancelled(errno)) throw systemError(`Cannot lock ${name}`, errno);
    throw new CtdbxError("timeout", `Cannot lock ${name}: held elsewhere for ${timeoutMs} ms`);
  }

  unlock(range: LockRange): void {
    this.#alive();
    checkRange(range);
    const { start, length } = range;
    const { OFD_SETLK } = LOCK_COMMAND;
    if (this.#libc.flock(this.#fd, OFD_SETLK, LOCK_TYPE.UNLOCK, start, length) === 0) return;
    throw systemError(`Cannot unlock ${start}+${length} of ${this.path}`, this.#libc.errno());
  }

  initMutex(offset: number): void {
    this.#mutexCheck(offset);
    this.#mutexes.init(offset);
  }

  tryMutex(offset: number): MutexOutcome {
    if (!this.#mutexFits(offset)) this.#mutexCheck(offset);
    return this.#mutexes.take(offset);
  }

  async mutex(offset: number, timeoutMs: number): Promise<MutexOutcome> {
    checkTimeout(timeoutMs);
    const deadline = performance.now() + timeoutMs;
    for (let tries = 0;; tries++) {
      const outcome = this.tryMutex(offset);
      if (outcome !== "busy") return outcome;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      await pause(Math.min(leftMs, MUTEX_PAUSES_MS[tries] ?? MUTEX_PAUSE_MAX_MS));
    }
    throw new CtdbxError(
      "timeout",
      `Cannot take the mutex at ${offset} of ${this.path}: held elsewhere for ${timeoutMs} ms`,
    );
  }

  unlockMutex(offset: number): void {
    if (!this.#mutexFits(offset)) this.#mutexCheck(offset);
    this.#mutexes.give(offset);
  }

  close(): void {
    if (!this.#open) return;
    this.#mutexes.close();
    this.#mapping.close();
    this.#libc.flock(this.#fd, LOCK_COMMAND.OFD_SETLK, LOCK_TYPE.UNLOCK, 0, 0);
    this.#open = false;
    // A waiting thread still uses the descriptor: its number must not go to another file before.
    for (const wait of this.#waits) wait.cancel();
    if (this.#waits.size === 0) this.#libc.close(this.#fd);
    if (this.#shared.mappings.open.size === 0) this.#shared.threads.end();
  }

  async #wait(range: LockRange, kind: LockKind, timeoutMs: number): Promise<number> {
    const type = this.#lockType(range, kind);
    const { start, length } = range;
    const wait = this.#shared.threads.wait({ fd: this.#fd, type, start, length }, timeoutMs);
    this.#waits.add(wait);
    let errno: number;
    try {
      errno = await wait.done;
    } finally {
      this.#waits.delete(wait);
      if (!this.#open && this.#waits.size === 0) this.#libc.close(this.#fd);
    }
    this.#alive();
    return errno;
  }

  #alive(): void {
    if (!this.#open) throw new CtdbxError("state", `Cannot use ${this.path}: the image is closed`);
  }

  #writable(): void {
    this.#alive();
    if (this.readOnly) {
      throw new CtdbxError("read_only", `Cannot write ${this.path}: opened read-only`);
    }
  }

  #lockType(range: LockRange, kind: LockKind): number {
    checkRange(range);
    if (kind === "read") {
      this.#alive();
      return LOCK_TYPE.READ;
    }
    this.#writable();
    return LOCK_TYPE.WRITE;
  }

  #lockName(range: LockRange, kind: LockKind): string {
    return `${range.start}+${range.length} of ${this.path} (${kind})`;
  }

  /** Is there nothing to refuse? What #mutexCheck asks one by one, for the way of every lock. */
  #mutexFits(offset: number): boolean {
    return this.#open && !this.readOnly && this.mutexSize !== 0 && offset >= 0 &&
      offset + this.mutexSize <= this.#mapping.mapped;
  }

  #mutexCheck(offset: number): void {
    this.#writable();
    if (this.mutexSize === 0) {
      throw new CtdbxError("unsupported", `Cannot use mutexes: unknown layout on ${process.arch}`);
    }
    checkMapped("use a mutex of", this.path, offset, this.mutexSize, this.#mapping.mapped);
  }

  /** Reserves blocks; returns an errno. Where the file system cannot, zeros are written instead. */
  #allocate(offset: number, length: number): number {
    let errno: number;
    do errno = this.#libc.posixFallocate(this.#fd, offset, length); while (errno === ERRNO.EINTR);
    if (errno !== ERRNO.EOPNOTSUPP) return errno;
    const zeros = new Uint8Array(ZEROS_BYTES);
    for (let done = 0; done < length;) {
      const want = Math.min(zeros.length, length - done);
      const wrote = this.#libc.pwrite(this.#fd, zeros, want, offset + done);
      if (wrote > 0) {
        done += wrote;
        continue;
      }
      errno = wrote < 0 ? this.#libc.errno() : ERRNO.EIO;
      if (errno !== ERRNO.EINTR) return errno;
    }
    return 0;
  }
}

/** The folder a path is in. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

/** Makes the names in a file's folder durable. */
export function syncFolderOf(libc: Libc, path: string): void {
  const folder = folderOf(path);
  const fd = libc.open(cPath(folder), OPEN.RDONLY | OPEN.DIRECTORY | OPEN.CLOEXEC, 0);
  if (fd < 0) throw systemError(`Cannot open folder ${folder}`, libc.errno());
  const errno = libc.fsync(fd) === 0 ? 0 : libc.errno();
  libc.close(fd);
  if (errno !== 0) throw systemError(`Cannot sync folder ${folder}`, errno);
}

function pause(pauseMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseMs));
}
