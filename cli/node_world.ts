/**
 * The world of a daemon or supervisor: the real one, put together from its configuration.
 *
 * Does NOT promise: a bus that is connected; it dials for ever and says in the log why it does not get through.
 */

import type { NodeConfig } from "../actors/node_config.ts";
import type { NatsOptions } from "../actors/node_nats.ts";
import type { BusLogin } from "../transport/real_nats_login.ts";
import { type RealWorld, realWorld } from "../transport/real_world.ts";

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
