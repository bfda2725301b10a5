/**
 * The lock that the leader of a node's cluster holds, as its configuration names it.
 *
 * Does NOT promise: that it can be had; who leads says why not.
 */

import type { LockConfig, NodeConfig } from "../actors/node_config.ts";
import type { LeaderLock } from "../transport/leader_lock.ts";
import { Guard } from "../transport/real_child.ts";
import { HelperLock } from "../transport/real_command_lock.ts";
import { FileLock } from "../transport/real_file_lock.ts";
import { KvLock } from "../transport/real_kv.ts";
import type { RealWorld } from "../transport/real_world.ts";
import { SingleLock } from "../transport/single_lock.ts";

/** The lock that the configuration names. */
export function leaderLock(config: NodeConfig, world: RealWorld): LeaderLock {
  const { clock, bus } = world;
  const lock: LockConfig = config.lock;
  switch (lock.kind) {
    case "jetstream":
      return new KvLock({ bus, cluster: config.cluster, clock });
    case "file":
      return new FileLock({ path: lock.path, clock });
    case "helper":
      return new HelperLock({ command: lock.command, clock, guard: new Guard() });
    case "single":
      return new SingleLock(clock);
  }
}
