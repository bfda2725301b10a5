/**
 * The thread of a shard: its own world, and in it what the main thread asks for.
 *
 * Does NOT promise: to end by itself; the main thread ends it.
 */

import { exposeShard } from "../actors/worker.ts";
import { Shard } from "../actors/shard.ts";
import { nodeWorld } from "./node_world.ts";
import { dieOf } from "./thread_end.ts";
import type { ThreadStart } from "./thread_start.ts";

/** Serves a shard of this node to the main thread. */
export function serveShard(
  scope: Parameters<typeof exposeShard>[0],
  { config, logPath }: ThreadStart,
): void {
  const world = nodeWorld(config, "shard", logPath);
  exposeShard(scope, (start) => Promise.resolve(new Shard(world, start, dieOf)));
}
