/**
 * The thread of a shard: its own world, and in it what the main thread asks for.
 *
 * Started with the configuration of its node as the first message; everything after that is Comlink's.
 *
 * Does NOT promise: to end by itself; the main thread ends it.
 */

import { exposeShard } from "../actors/worker.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import { Shard } from "../actors/shard.ts";
import { nodeWorld } from "./node_world.ts";

/** The first message to the thread. */
export interface ThreadStart {
  readonly config: NodeConfig;
  readonly logPath: string | undefined;
}

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
