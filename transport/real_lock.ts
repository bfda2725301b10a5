/**
 * Waiting for record locks in threads: who waits, how a wait is called off.
 *
 * A thread blocked in F_OFD_SETLKW is freed by a signal whose handler does nothing: the call then
 * returns EINTR and holds nothing. The signal may come before the thread is in the kernel, so it is
 * repeated until the thread has answered. Hence no wait is ever abandoned: a caller is told
 * "timeout" only when the kernel has forgotten the request, and a lock granted in the last moment
 * is a lock granted.
 *
 * Does NOT promise: fairness beyond the kernel's, or detection of deadlocks.
 */

import { Worker } from "node:worker_threads";
import { ERRNO, type Libc } from "./ffi.ts";
import { CELL, LOCK_THREAD, type LockRequest, WAIT_STATE } from "./lock_worker.ts";
import { threadUrl } from "./real_build.ts";
import { CtdbxError } from "./wire/errors.ts";

/** The real-time signal that calls a wait off; nothing else in Bun, Deno or glibc uses it. */
const CANCEL_SIGNAL = 50;
/** How often it is repeated, ms. */
const CANCEL_EVERY_MS = 1;
/** Waits at one time, per thread; each is a kernel thread. */
export const LOCK_WAITS_MAX = 64;
/** setTimeout() takes no more. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A lock that is being waited for. */
export interface LockWait {
  /**
   * The error number: 0 the lock is held, EINTR it was called off and nothing is held. Rejects "io"
   * if the thread died.
   */
  readonly done: Promise<number>;
  /** Calls it off; `done` settles a moment later. */
  cancel(): void;
}

interface WaitThread {
  readonly worker: Worker;
  readonly cells: Int32Array<SharedArrayBuffer>;
  settle: (errno: number) => void;
  fail: (cause: unknown) => void;
}

/** The waiting threads of one store; made on demand, ended when the store has no image left. */
export class LockThreads {
  readonly #libc: Libc;
  readonly #idle: WaitThread[] = [];
  #busy = 0;
  #ended = false;
  #armed = false;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /**
   * Starts waiting; at most `timeoutMs` (bounded to 24 days). Throws "limit" beyond LOCK_WAITS_MAX.
   */
  wait(lock: Omit<LockRequest, "cells">, timeoutMs: number): LockWait {
    if (this.#busy >= LOCK_WAITS_MAX) {
      throw new CtdbxError(
        "limit",
        `Cannot wait for a lock: ${LOCK_WAITS_MAX} waits are the limit`,
      );
    }
    this.#arm();
    this.#ended = false;
    const thread = this.#idle.pop() ?? this.#start();
    this.#busy++;
    let repeat: ReturnType<typeof setInterval> | undefined;
    const cancel = () => {
      const { QUEUED, CANCELLED } = WAIT_STATE;
      Atomics.compareExchange(thread.cells, CELL.STATE, QUEUED, CANCELLED);
      repeat ??= setInterval(() => this.#interrupt(thread), CANCEL_EVERY_MS);
      this.#interrupt(thread);
    };
    // Also keeps the process alive: the threads themselves do not.
    const timer = setTimeout(cancel, Math.min(timeoutMs, TIMER_MAX_MS));
    const done = new Promise<number>((resolve, reject) => {
      thread.settle = resolve;
      thread.fail = (cause) => reject(new CtdbxError("io", "Cannot wait for a lock", { cause }));
    }).finally(() => {
      clearTimeout(timer);
      clearInterval(repeat);
      this.#busy--;
      this.#rest(thread);
    });
    Atomics.store(thread.cells, CELL.STATE, WAIT_STATE.QUEUED);
    thread.worker.postMessage({ ...lock, cells: thread.cells } satisfies LockRequest);
    thread.worker.unref(); // after the message: Bun counts the thread again with each
    return { done, cancel };
  }

  /**
   * Ends the threads that wait for nothing, and the others when they have answered. New waits start
   * new ones.
   */
  end(): void {
    this.#ended = true;
    for (const thread of this.#idle.splice(0)) void thread.worker.terminate();
  }

  #arm(): void {
    if (this.#armed) return;
    if (this.#libc.interruptible(CANCEL_SIGNAL) !== 0) {
      throw new CtdbxError(
        "unsupported",
        `Cannot wait for a lock: signal ${CANCEL_SIGNAL} is in use`,
      );
    }
    this.#armed = true;
  }

  #interrupt(thread: WaitThread): void {
    if (Atomics.load(thread.cells, CELL.STATE) !== WAIT_STATE.WAITING) return;
    this.#libc.tgkill(this.#libc.getpid(), Atomics.load(thread.cells, CELL.TID), CANCEL_SIGNAL);
  }

  #rest(thread: WaitThread): void {
    if (this.#ended) void thread.worker.terminate();
    else if (thread.settle !== dead) this.#idle.push(thread);
  }

  #start(): WaitThread {
    const url = threadUrl("lock_worker", import.meta.url);
    const worker = new Worker(url, { workerData: LOCK_THREAD });
    const cells = new Int32Array(new SharedArrayBuffer(8));
    const thread: WaitThread = { worker, cells, settle: () => {}, fail: () => {} };
    worker.on("message", (errno: number) => thread.settle(errno));
    const fail = (cause: unknown) => {
      const index = this.#idle.indexOf(thread);
      if (index >= 0) this.#idle.splice(index, 1);
      thread.settle = dead;
      thread.fail(cause);
    };
    worker.on("error", fail);
    worker.on("exit", fail);
    return thread;
  }
}

/** Marks a thread that must not be used again. */
function dead(): void {}

/** Was the wait called off? */
export function wasCancelled(errno: number): boolean {
  return errno === ERRNO.EINTR;
}
