/**
 * The port through which a database file is seen: its bytes, in place, in this thread's WebAssembly
 * memory.
 *
 * Whoever holds an Image reads and writes the file by address; the adapter decides whether those
 * bytes are a MAP_SHARED mapping of a real file (transport/real_image.ts) or a simulated one that
 * can lose and tear what was not synced (transport/sim/image.ts). test/contracts/image.ts runs on
 * both.
 *
 *   Memory of the thread  0 ..... [ region of this image: address .. address + mapped ) ..... 4 GiB
 *                                   file byte 0                      file byte mapped
 *
 * Does NOT promise: that `address` stays: extend() and refresh() may move the mapping. Read it
 * again after them.
 */

export { MAPPED_MAX } from "./wire/limits.ts";

/** Read = shared, write = exclusive. */
export type LockKind = "read" | "write";

/** A byte range of the file; `length` 0 reaches to the largest offset, as with fcntl. */
export interface LockRange {
  readonly start: number;
  readonly length: number;
}

/**
 * Outcome of taking a mutex. `owner_died`: taken, and its last holder was killed while it held it.
 */
export type MutexOutcome = "taken" | "busy" | "owner_died";

/** How to open a file. */
export interface ImageOptions {
  /** Refuse writes; locks of kind "write" fail. Default false. */
  readonly readOnly?: boolean;
  /** Create the file (mode 0600) when it is absent; it then has size 0. Default false. */
  readonly create?: boolean;
  /** With create: fail with code "exists" if the file is there. Default false. */
  readonly exclusive?: boolean;
}

/**
 * An opened file, mapped. All sizes and offsets are bytes of the file. All methods throw
 * CtdbxError.
 */
export interface Image {
  readonly path: string;
  readonly readOnly: boolean;
  /** Address of file byte 0 in the thread's Memory, a multiple of 4096. */
  readonly address: number;
  /**
   * Bytes mapped and safe to touch: the file's size when open(), extend(), truncate() or refresh()
   * last looked.
   */
  readonly mapped: number;
  /** The file's size now, as the operating system has it. */
  size(): number;
  /**
   * Looks at the size again and maps what has grown (or unmaps what is gone). Returns the new
   * `mapped`.
   */
  refresh(): number;
  /**
   * Grows the file to `size` bytes and maps it; the space is reserved on the disk first, so that a
   * later write through the mapping cannot fail. New bytes are zero. Throws "no_space" with the
   * file as it was.
   */
  extend(size: number): void;
  /** Sets the size exactly (shorter, or longer without reservation). */
  truncate(size: number): void;
  /**
   * Copies `length` bytes from an address in this thread's Memory into the file: one step that a
   * crash may precede.
   */
  write(offset: number, from: number, length: number): void;
  /**
   * Makes [offset, offset+length) durable (fdatasync: the whole file is allowed). Size changes
   * included.
   */
  sync(offset: number, length: number): void;
  /** Sets the modification time to now. */
  touch(): void;

  /**
   * Takes a byte-range lock without waiting. Open-file-description lock: belongs to this Image.
   * False: held elsewhere.
   */
  tryLock(range: LockRange, kind: LockKind): boolean;
  /**
   * Waits for a byte-range lock without blocking the event loop. Throws "timeout" after
   * `timeoutMs`: nothing new is held then (what was to be upgraded still is as it was). While it
   * waits, leave overlapping ranges of this Image alone: what is granted replaces what is held. No
   * deadlock detection: keep the lock order.
   */
  lock(range: LockRange, kind: LockKind, timeoutMs: number): Promise<void>;
  /** Gives a range back, whatever kind is held on it. */
  unlock(range: LockRange): void;

  /** Bytes of one robust process-shared mutex of this platform, 0 if there are none. */
  readonly mutexSize: number;
  /** Writes a fresh robust, process-shared, error-checking mutex at a file offset. */
  initMutex(offset: number): void;
  /**
   * Takes the mutex at a file offset without waiting. It belongs to this thread: "busy" also when
   * another Image of the thread, or this one, holds it. After "owner_died" the mutex is already
   * made consistent.
   */
  tryMutex(offset: number): MutexOutcome;
  /** Waits for a mutex without blocking the event loop. Throws "timeout". */
  mutex(offset: number, timeoutMs: number): Promise<MutexOutcome>;
  /** Gives a mutex back. Throws "state" when this Image does not hold it. */
  unlockMutex(offset: number): void;

  /** Unmaps and closes; drops every lock of this Image. Idempotent. */
  close(): void;
}

/** Opens images. One per thread; a constructor argument of whoever needs mapped files. */
export interface ImageStore {
  open(path: string, options?: ImageOptions): Image;
  exists(path: string): boolean;
  /** Removes a file (not an error if absent). */
  remove(path: string): void;
  /** Renames, replacing the target, and makes the rename durable. */
  rename(from: string, to: string): void;
}
