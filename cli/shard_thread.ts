/**
 * Starts the thread of a shard and tells of its end.
 *
 *   new Worker ──▶ "here": it listens ──▶ {config, logPath} ──▶ "ready": from now on it is Comlink's
 *
 * What is sent to a thread that does not listen yet is lost; hence it speaks first.
 *
 * Does NOT promise: that a thread in an endless loop is noticed; the node's status then has no answer of it.
 */

import { ShardThread } from "../actors/worker.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import type { ShardHandle } from "../actors/shards.ts";
import { threadUrl } from "../transport/real_build.ts";
import { THREAD_HERE, type ThreadStart } from "./thread_start.ts";

/** A thread that does not say that it is ready within this has failed, ms. */
const READY_MS = 10_000;

/** Starts one. Rejects when the thread does not come up. */
export async function startShardThread(
  config: NodeConfig,
  logPath: string | undefined,
): Promise<ShardHandle> {
  const worker = new Worker(threadUrl("shard_worker", import.meta.url), { type: "module" });
  const ended = Promise.withResolvers<Error>();
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    ended.resolve(new Error(event.message || "the thread has failed"));
  });
  // Bun tells of an end by "close"; elsewhere only of errors.
  worker.addEventListener("close", () => ended.resolve(new Error("the thread has ended")));
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the thread does not start")), READY_MS);
    const onMessage = ({ data }: MessageEvent) => {
      if (data === THREAD_HERE) {
        return worker.postMessage({ config, logPath } satisfies ThreadStart);
      }
      worker.removeEventListener("message", onMessage);
      clearTimeout(timer);
      resolve();
    };
    worker.addEventListener("message", onMessage);
    void ended.promise.then((error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
  try {
    await ready;
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return { thread: new ShardThread(worker), ended: ended.promise, end: () => worker.terminate() };
}
