/**
 * The robust mutexes inside a mapped file, by address.
 *
 * They are reached through mappings of their own, outside the Memory, which never move while the
 * file is open: the C library chains every mutex that a thread holds by its address, and the kernel
 * walks that chain when the thread dies. A file whose pages in the Memory move while a mutex is
 * held (it grows) would break the chain.
 *
 *   file   | window 0: 16 MiB | window 1 | ...   each mapped on first use, one page longer than its
 *          '------------------'---+              step: a mutex across the border lies in the first
 *
 * A mutex belongs to a thread: it must be given back by the thread that took it, and is never taken
 * for another.
 *
 * Does NOT promise: safety from a file whose mutex bytes are forged, or that is shortened below
 * them (SIGBUS); libtdb has the same trust.
 */

import { PAGE } from "../assembly/host/memory.ts";
import { ERRNO, type Libc, MAP, type MutexBase, systemError } from "./ffi.ts";
import type { MutexOutcome } from "./image.ts";
import { CtdbxError } from "./wire/errors.ts";

/** log2 of a window's step, and the mask of an offset in it. */
const STEP_BITS = 24;
const STEP = 2 ** STEP_BITS;
const STEP_MASK = STEP - 1;

/** sizeof(pthread_mutex_t) in glibc by `process.arch`; another machine has none for us. */
export const MUTEX_SIZES: Readonly<Record<string, number>> = { x64: 40, arm64: 48 };

/** The mutexes of one open file. Offsets below 4 GiB. */
export class RealMutexes {
  readonly #libc: Libc;
  readonly #path: string;
  readonly #fd: number;
  readonly #windows: { readonly base: MutexBase; readonly address: number }[] = [];
  /** Offsets held, the latest last; one or two in practice. */
  readonly #held: number[] = [];

  constructor(libc: Libc, path: string, fd: number) {
    this.#libc = libc;
    this.#path = path;
    this.#fd = fd;
  }

  init(offset: number): void {
    const errno = this.#libc.mutexInit(this.#base(offset), offset & STEP_MASK);
    if (errno !== 0) throw systemError(`Cannot make a mutex at ${offset} of ${this.#path}`, errno);
  }

  take(offset: number): MutexOutcome {
    const errno = this.#libc.mutexTrylock(this.#base(offset), offset & STEP_MASK);
    if (errno === 0) {
      this.#held.push(offset);
      return "taken";
    }
    // EDEADLK: this thread has it, through this or another Image of the file; a stranger all the
    // same.
    if (errno === ERRNO.EBUSY || errno === ERRNO.EDEADLK) return "busy";
    if (errno !== ERRNO.EOWNERDEAD) {
      throw systemError(`Cannot take the mutex at ${offset} of ${this.#path}`, errno);
    }
    this.#held.push(offset);
    this.#libc.mutexConsistent(this.#base(offset), offset & STEP_MASK);
    return "owner_died";
  }

  give(offset: number): void {
    const held = this.#held;
    const index = held[held.length - 1] === offset ? held.length - 1 : held.indexOf(offset);
    if (index < 0) {
      throw new CtdbxError(
        "state",
        `Cannot give back the mutex at ${offset} of ${this.#path}: not held`,
      );
    }
    if (index === held.length - 1) held.pop();
    else held.splice(index, 1);
    const errno = this.#libc.mutexUnlock(this.#base(offset), offset & STEP_MASK);
    if (errno !== 0) {
      throw systemError(`Cannot give back the mutex at ${offset} of ${this.#path}`, errno);
    }
  }

  /**
   * Gives back all that is held, then unmaps: a held mutex whose page is gone would crash a later
   * one.
   */
  close(): void {
    for (const offset of this.#held.splice(0)) {
      this.#libc.mutexUnlock(this.#base(offset), offset & STEP_MASK);
    }
    for (const window of this.#windows.splice(0)) {
      if (window !== undefined) this.#libc.munmap(window.address, STEP + PAGE);
    }
  }

  #base(offset: number): MutexBase {
    const window = this.#windows[offset >>> STEP_BITS];
    return window === undefined ? this.#open(offset) : window.base;
  }

  #open(offset: number): MutexBase {
    const index = offset >>> STEP_BITS;
    const [prot, length] = [MAP.READ | MAP.WRITE, STEP + PAGE];
    // Pages beyond the end of the file may be mapped, they may only not be touched.
    const address = this.#libc.mmap(0, length, prot, MAP.SHARED, this.#fd, index * STEP);
    if (address < 0) throw systemError(`Cannot map mutexes of ${this.#path}`, this.#libc.errno());
    const base = this.#libc.mutexBase(address);
    this.#windows[index] = { base, address };
    return base;
  }
}
