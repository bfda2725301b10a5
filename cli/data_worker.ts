/**
 * The data thread of a node: databases, and all who serve programs.
 *
 * Does NOT promise: to end by itself; the main thread ends it.
 */

import { exposeData } from "../actors/data_remote.ts";
import { DataShard } from "../actors/data/shard.ts";
import { chaosWorld } from "./chaos.ts";
import { loadProcedures } from "./load_procedures.ts";
import { nodeWorld } from "./node_world.ts";
import { dieOf } from "./thread_end.ts";
import type { ThreadFault, ThreadScope, ThreadStart } from "./thread_start.ts";

/** Serves the databases of this node to the main thread. */
export function serveData(
  scope: Parameters<typeof exposeData>[0] & ThreadScope,
  { config, logPath }: ThreadStart,
): void {
  const { world, chaos } = chaosWorld(nodeWorld(config, "data", logPath), config.chaos);
  if (chaos !== undefined) {
    scope.addEventListener("message", ({ data }: MessageEvent<Partial<ThreadFault> | null>) => {
      if (data?.fault !== undefined) chaos.make(data.fault);
    });
  }
  const { procedures = [] } = config;
  const parts = { onFailure: dieOf, procedures: () => loadProcedures(procedures) };
  exposeData(scope, () => new DataShard(world, parts));
}
