/**
 * The thread of a shard: its own world, and in it what the main thread asks for.
 *
 * It says that it is here, is told the configuration of its node, and says "ready"; everything after is Comlink's.
 *
 * Does NOT promise: to end by itself; the main thread ends it.
 */

import { exposeShard } from "../actors/worker.ts";
import { Shard } from "../actors/shard.ts";
import { nodeWorld } from "./node_world.ts";
import { THREAD_HERE, type ThreadStart } from "./thread_start.ts";

/** What a worker's global scope is here. */
interface ThreadScope {
  addEventListener(
    type: "message",
    onMessage: (event: MessageEvent) => void,
    once?: { once: boolean },
  ): void;
  postMessage(message: unknown): void;
  reportError?(error: unknown): void;
}

const scope = globalThis as unknown as ThreadScope & Parameters<typeof exposeShard>[0];

scope.addEventListener("message", ({ data }: MessageEvent<ThreadStart>) => {
  const { config, logPath } = data;
  const world = nodeWorld(config, "shard", logPath);
  exposeShard(scope, (start) =>
    Promise.resolve(
      new Shard(world, start, (error) => {
        // An assert has failed: the thread ends, and its owner starts another.
        setTimeout(() => {
          throw error;
        }, 0);
      }),
    ));
  scope.postMessage("ready");
}, { once: true });
scope.postMessage(THREAD_HERE);
