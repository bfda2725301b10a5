/**
 * Starts a thread of a node and tells of its end.
 *
 * Does NOT promise: that a thread in an endless loop is noticed here; whoever asks it gets no answer.
 */

import type { DataHandle } from "../actors/data_link.ts";
import { RemoteData } from "../actors/data_remote.ts";
import { ShardThread } from "../actors/worker.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import type { ShardHandle } from "../actors/shards.ts";
import { threadUrl } from "../transport/real_build.ts";
import type { Chaos } from "./chaos.ts";
import type { ThreadFault, ThreadName, ThreadStart } from "./thread_start.ts";
import { THREAD_HERE } from "./thread_start.ts";

/** A thread that does not say that it is ready within this has failed, ms. */
const READY_MS = 30_000;

/** What threads get from their node. */
export interface NodeOfThread {
  readonly config: NodeConfig;
  readonly logPath: string | undefined;
}

/** Starts the thread of the node's metadata. Rejects when it does not come up. */
export async function startShardThread(node: NodeOfThread): Promise<ShardHandle> {
  const { worker, ended, end } = await startThread("shard", node);
  return { thread: new ShardThread(worker), ended, end };
}

/** Starts the thread of the node's databases, which has the node's faults, too. Rejects when it does not come up. */
export async function startDataThread(node: NodeOfThread, chaos?: Chaos): Promise<DataHandle> {
  const { worker, ended, end } = await startThread("data", node);
  const endFaults = chaos?.onFault((fault) => worker.postMessage({ fault } satisfies ThreadFault));
  void ended.then(endFaults);
  return { thread: new RemoteData(worker, ended), ended, end };
}

async function startThread(
  thread: ThreadName,
  { config, logPath }: NodeOfThread,
): Promise<{ worker: Worker; ended: Promise<Error>; end: () => void }> {
  const worker = new Worker(threadUrl("thread_worker", import.meta.url), { type: "module" });
  const ended = Promise.withResolvers<Error>();
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    ended.resolve(new Error(reasonOf(event.message)));
  });
  // Bun tells of an end by "close"; elsewhere only of errors.
  worker.addEventListener("close", () => ended.resolve(new Error("the thread has ended")));
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the thread does not start")), READY_MS);
    const onMessage = ({ data }: MessageEvent) => {
      if (data === THREAD_HERE) {
        return worker.postMessage({ thread, config, logPath } satisfies ThreadStart);
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
  const end = (): void => {
    worker.terminate();
    // Deno says nothing of it.
    ended.resolve(new Error("the thread was ended"));
  };
  return { worker, ended: ended.promise, end };
}

/** Why a thread has died, in a line. Bun shows the lines of the source around it, too. */
function reasonOf(message: string): string {
  const line = /^(?:Uncaught )?(?:\w*[Ee]rror): (.*)$/m.exec(message)?.[1];
  return line ?? (message.split("\n").at(0) || "it has failed");
}
