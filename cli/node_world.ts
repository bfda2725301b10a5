/**
 * The world of a daemon or supervisor: the real one, put together from its configuration.
 *
 * Does NOT promise: a bus that is connected; it dials for ever and says in the log why it does not get through.
 */

import type { LockConfig, NodeConfig } from "../actors/node_config.ts";
import type { NatsOptions } from "../actors/node_nats.ts";
import type { LeaderLock } from "../transport/leader_lock.ts";
import { FileLock } from "../transport/real_file_lock.ts";
import { HelperLock } from "../transport/real_command_lock.ts";
import { Guard } from "../transport/real_child.ts";
import { KvLock } from "../transport/real_kv.ts";
import type { BusLogin } from "../transport/real_nats_login.ts";
import { type RealWorld, realWorld } from "../transport/real_world.ts";
import { SingleLock } from "../transport/single_lock.ts";

/** The world of one process of a node. `part` tells it from others in the log and at the server. */
export function nodeWorld(config: NodeConfig, part: string, logPath?: string): RealWorld {
  const { servers } = config.nats;
  const login = loginOf(config.nats);
  return realWorld({
    bus: { servers, login, name: `ctdbx ${config.cluster} ${config.name} ${part}` },
    log: {
      level: config.log.level,
      speaker: ["ctdbx", config.name, part],
      ...logPath === undefined ? { plain: true } : { path: logPath },
    },
  });
}

/** How a node logs in. */
export function loginOf({ keyFile, user, password, token, inbox, tls }: NatsOptions): BusLogin {
  return {
    ...keyFile === undefined ? {} : { keyFile },
    ...user === undefined ? {} : { user },
    ...password === undefined ? {} : { password },
    ...token === undefined ? {} : { token },
    ...inbox === undefined ? {} : { inbox },
    ...tls === undefined ? {} : { tls },
  };
}

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
