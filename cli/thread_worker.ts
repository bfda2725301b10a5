/**
 * A thread of a node: it says that it is here, is told which one it is, loads that one, and says "ready".
 *
 * Does NOT promise: to end by itself; the main thread ends it.
 */

import type { exposeData } from "../actors/data_remote.ts";
import { dieOf } from "./thread_end.ts";
import { THREAD_HERE, type ThreadScope, type ThreadStart } from "./thread_start.ts";

const scope = globalThis as unknown as ThreadScope & Parameters<typeof exposeData>[0];

scope.addEventListener("message", ({ data }: MessageEvent<ThreadStart>) => {
  serve(data).then(() => scope.postMessage("ready"), dieOf);
}, { once: true });
scope.postMessage(THREAD_HERE);

/** One thread's code is not the other's: what is wrong with it is not, either. */
async function serve(start: ThreadStart): Promise<void> {
  if (start.thread === "data") (await import("./data_worker.ts")).serveData(scope, start);
  else (await import("./shard_worker.ts")).serveShard(scope, start);
}
