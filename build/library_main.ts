/**
 * The library as it is packed: what programs import, in one file; where that file is loaded as one of the library's own
 * threads, it serves as that.
 *
 * Does NOT promise: anything of its own; see actors/mod.ts.
 */

import { isMainThread, workerData } from "node:worker_threads";
import { FILE_LOCK_THREAD } from "../transport/file_lock_steps.ts";
import { LOCK_THREAD } from "../transport/lock_worker.ts";

export { connect, CtdbxError, KEEP, numberOf, TIMEOUT_MS } from "../actors/mod.ts";

// The threads that wait for locks are this file, with their name as workerData.
if (!isMainThread && workerData === FILE_LOCK_THREAD) {
  await import("../transport/file_lock_worker.ts");
}
/** The thread that waits for record locks serves as soon as its module is loaded; this keeps it in the file. */
export const THREADS: readonly string[] = [LOCK_THREAD, FILE_LOCK_THREAD];
