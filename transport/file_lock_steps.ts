/**
 * What the thread of a file lock is asked and answers; real_file_lock.ts asks, file_lock_worker.ts answers.
 *
 * Does NOT promise: anything; these are shapes.
 */

/** The workerData of such a thread. */
export const FILE_LOCK_THREAD = "ctdbx file lock";

/** One operation. `write` absent: only look. */
export interface FileLockRequest {
  readonly id: number;
  /** The record file; PATH.lock beside it is what is locked. */
  readonly path: string;
  /** Gives up waiting for the lock after this. */
  readonly waitMs: number;
  readonly write?: { readonly revision: number; readonly bytes: Uint8Array };
}

/** How it ended; `bytes` is the record that is there now, undefined when there is none. */
export interface FileLockAnswer {
  readonly id: number;
  readonly kind: "seen" | "ok" | "refused" | "unknown";
  readonly revision: number;
  readonly bytes?: Uint8Array;
  readonly why?: string;
}
