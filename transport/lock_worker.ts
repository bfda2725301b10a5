/**
 * The thread that waits in the kernel for a record lock, so that the event loop need not.
 *
 * An OFD lock belongs to the open file description, not to a thread: what this thread gets, the
 * whole process has. It therefore only waits; giving back is the main thread's business
 * (real_lock.ts).
 *
 *   STATE: idle -> queued (main) -> waiting (worker) -> idle (worker; it then posts the errno)
 *                     `--- cancelled (main) ----> idle
 *
 * Does NOT promise: to notice a closed descriptor; the main thread keeps it open until the answer
 * is there.
 */

import { parentPort, workerData } from "node:worker_threads";
import { ERRNO, type Libc, LOCK_COMMAND, openLibc } from "./ffi.ts";

/** What the worker is told: which descriptor, which lock; `cells` is shared memory, see CELL. */
export interface LockRequest {
  readonly cells: Int32Array;
  readonly fd: number;
  readonly type: number;
  readonly start: number;
  readonly length: number;
}

/** The workerData of such a thread. */
export const LOCK_THREAD = "ctdbx lock";
/** Places in the shared cells. */
export const CELL = { STATE: 0, TID: 1 } as const;
/** Values of CELL.STATE. */
export const WAIT_STATE = { IDLE: 0, QUEUED: 1, WAITING: 2, CANCELLED: 3 } as const;

/**
 * Performs one request and returns the error number, 0 when the lock is held. EINTR: it was
 * cancelled.
 */
export function waitForLock(libc: Libc, request: LockRequest): number {
  const { cells, fd, type, start, length } = request;
  Atomics.store(cells, CELL.TID, libc.gettid());
  const { QUEUED, WAITING } = WAIT_STATE;
  let errno: number = ERRNO.EINTR;
  if (Atomics.compareExchange(cells, CELL.STATE, QUEUED, WAITING) === QUEUED) {
    const failed = libc.flock(fd, LOCK_COMMAND.OFD_SETLKW, type, start, length) !== 0;
    errno = failed ? libc.errno() : 0;
  }
  Atomics.store(cells, CELL.STATE, WAIT_STATE.IDLE);
  return errno;
}

// Loaded as a thread it serves; imported for its types (also by another thread) it does nothing.
if (parentPort !== null && workerData === LOCK_THREAD) {
  const port = parentPort;
  const libc = openLibc();
  port.on("message", (request: LockRequest) => port.postMessage(waitForLock(libc, request)));
}
