/**
 * The process of a daemon: a node, its threads and what belongs to them, from its start to its end.
 *
 *   configuration ─▶ world ─▶ Node.start ─▶ SIGTERM, or the node's own reason ─▶ node.stop, all closed
 *
 * Does NOT promise: NATS. A daemon without it says so within 2 s, goes on trying, and serves nothing meanwhile.
 */

import process from "node:process";
import { startEventDaemon } from "../actors/events/link.ts";
import { Node } from "../actors/node.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import type { HttpPages } from "../transport/real_http.ts";
import type { World } from "../transport/world.ts";
import { chaosVerbs, chaosWorld } from "./chaos.ts";
import { findNode, readConfigFile } from "./config.ts";
import type { Task } from "./declare.ts";
import { refuseDouble } from "./double.ts";
import { ended } from "./ending.ts";
import { eventCommand, eventSocket } from "./event_daemon.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { homeWords } from "./home_option.ts";
import { leaderLock } from "./leader_lock.ts";
import { requireCoherentLocks } from "./lock_trial.ts";
import { keepUsers } from "./managed_nats.ts";
import { refuseUnfit } from "./membership/starting.ts";
import { closeNetwork, networkOf } from "./network.ts";
import { startDataThread, startShardThread } from "./node_threads.ts";
import { nodeWorld } from "./node_world.ts";
import { raisePriority } from "./priority.ts";
import { processUsage } from "./process_usage.ts";
import { VERSION } from "./run.ts";
import { servicePorts } from "./service_ports.ts";

/** After so long without NATS the daemon says so, ms. */
const SAY_MS = 2000;

/** How it is run. */
export interface RunFlags {
  /** Its log goes here, too. */
  readonly log?: string;
}

/** How it ended. */
export interface Ran {
  /** The node, by its configuration. */
  readonly name: string;
  /** A signal, timeout, or its own reason. */
  readonly ended: string;
}

/** Runs a daemon until it is ended, or ends itself. Throws Failure where it ends by a fault. */
export async function runDaemon(
  { flags, out, signal }: Task<RunFlags, Ran>,
): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const config = readConfigFile(paths.config);
  refuseUnfit(paths);
  raisePriority();
  if (config.lock.kind === "file") await requireCoherentLocks(config.lock.path);
  const real = nodeWorld(config, "daemon", flags.log);
  const { world, chaos } = chaosWorld(real, config.chaos);
  const asked = ended(signal);
  const own = Promise.withResolvers<string>();
  let pages: HttpPages | undefined;
  const network = networkOf(config);
  try {
    await refuseDouble(real, config.cluster, paths.state);
    const node = await Node.start({
      world,
      config,
      stateFolder: paths.state,
      runFolder: paths.run,
      socketPath: paths.socket,
      lock: leaderLock(config, real),
      shard: () => startShardThread({ config, logPath: flags.log }),
      data: () => startDataThread({ config, logPath: flags.log }, chaos),
      scripts: () =>
        startEventDaemon({
          host: world.host,
          log: world.log,
          clock: world.clock,
          command: eventCommand(homeWords(flags), paths),
          socketPath: eventSocket(paths),
        }),
      ...chaos === undefined ? {} : { aheadMs: () => chaos.aheadMs(real.clock.nowMs()) },
      services: servicePorts(),
      ...network === undefined ? {} : { network },
      verbs: new Map([["node process", () => ({ pid: process.pid })], ...chaosVerbs(chaos)]),
      monitoring: { software: VERSION, usage: processUsage },
      onEnd: (why, isFault) => own.resolve(isFault ? why : ""),
    });
    sayWithoutBus(world, config);
    keepUsers(node, paths);
    if (config.metrics !== undefined) pages = await servePages(node, config.metrics.listen);
    const why = await Promise.race([asked.then(() => undefined), own.promise]);
    if (why === undefined) await node.stop();
    else if (why !== "") throw new Failure(EXIT.other, `Cannot go on: ${why}`, "its log says more");
    const by = why === undefined ? await asked : "it has stopped by itself";
    if (!out.isTable) out.object({ name: config.name, ended: by });
  } finally {
    await pages?.close();
    closeNetwork(network);
    await real.close();
  }
}

/** Few daemons have pages. */
async function servePages(node: Node, listen: string): Promise<HttpPages> {
  return await (await import("./metrics_server.ts")).serveMetrics(node, listen);
}

function sayWithoutBus(world: World, config: NodeConfig): void {
  world.clock.after(SAY_MS, () => {
    if (world.bus.status === "connected") return;
    const servers = config.nats.servers.join(", ");
    world.log.write("error", `NATS does not answer at ${servers}; nothing is served until it does`);
  });
}
