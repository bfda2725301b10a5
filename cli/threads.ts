/**
 * A packed program is one file, which also is the file of each of its threads: here it finds out which one it is.
 *
 *   main thread ──new Worker(itself)──▶ main.ts ──▶ servesAsThread ──▶ the module of that thread
 *
 * From sources and in a folder a thread has its own file, and this says no.
 *
 * Does NOT promise: anything about threads that others start.
 */

import process from "node:process";
import { isMainThread, workerData } from "node:worker_threads";
import { FILE_LOCK_THREAD } from "../transport/file_lock_steps.ts";
import { thisBuild } from "../transport/real_build.ts";

/**
 * Serves as the thread that this is; false: it is the main thread, and has everything to do still. `url` is the
 * program's own.
 */
export async function servesAsThread(url: string): Promise<boolean> {
  const kind = thisBuild()?.kind;
  if (kind === undefined || kind === "folder") return false;
  // The modules begin to serve when they are loaded, by the same workerData.
  if (workerData === FILE_LOCK_THREAD) await import("../transport/file_lock_worker.ts");
  else if (typeof workerData === "string") await import("../transport/lock_worker.ts");
  else if (isNodeThread(url)) await import("./thread_worker.ts");
  else return false;
  return true;
}

/** A web worker: Deno calls it a main thread, but keeps its whole name. */
function isNodeThread(url: string): boolean {
  const onDeno = process.versions["deno"] !== undefined;
  return onDeno ? new URL(url).searchParams.has("thread") : !isMainThread;
}
