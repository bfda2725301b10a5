/**
 * Starts the thread of a shard and tells of its end.
 *
 * Does NOT promise: that a thread in an endless loop is noticed; the node's status then has no answer of it.
 */

import { ShardThread } from "../actors/worker.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import type { ShardHandle } from "../actors/shards.ts";
import type { ThreadStart } from "./shard_worker.ts";

/** A thread that does not say that it is ready within this has failed, ms. */
const READY_MS = 10_000;

/** Starts one. Rejects when the thread does not come up. */
export async function startShardThread(
  config: NodeConfig,
  logPath: string | undefined,
): Promise<ShardHandle> {
  const worker = new Worker(new URL("./shard_worker.ts", import.meta.url), { type: "module" });
  const ended = Promise.withResolvers<Error>();
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    ended.resolve(new Error(event.message || "the thread has failed"));
  });
  // Bun tells of an end by "close"; elsewhere only of errors.
  worker.addEventListener("close", () => ended.resolve(new Error("the thread has ended")));
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the thread does not start")), READY_MS);
    worker.addEventListener("message", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
    void ended.promise.then((error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
  worker.postMessage({ config, logPath } satisfies ThreadStart);
  try {
    await ready;
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return { thread: new ShardThread(worker), ended: ended.promise, end: () => worker.terminate() };
}
