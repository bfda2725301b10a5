/**
 * The process of a supervisor: it holds the place of the node, and keeps its daemon and its server.
 *
 * Does NOT promise: that a daemon runs; its log says why none does.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { grantPagePath } from "../actors/resources/wiring.ts";
import { GrantPage } from "../actors/storage/grant_page.ts";
import { Supervisor } from "../actors/supervisor.ts";
import type { Image } from "../transport/image.ts";
import type { World } from "../transport/world.ts";
import { AHEAD_MAX_MS } from "./chaos.ts";
import type { NodePaths } from "./config.ts";
import { findNode, readConfigFile } from "./config.ts";
import { ended } from "./ending.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { type HomeFlags, homeWords } from "./home_option.ts";
import { refuseUnfit } from "./membership/starting.ts";
import { clearingOf } from "./network.ts";
import { nodeWorld } from "./node_world.ts";
import { raisePriority } from "./priority.ts";
import { writePid } from "./processes.ts";
import { selfCommand } from "./self.ts";

/** Supervises the daemon of a node until this process is ended. Throws Failure (conflict): another one does. */
export async function supervise(flags: HomeFlags): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const config = readConfigFile(paths.config);
  // It would start a daemon again and again that never runs.
  refuseUnfit(paths);
  // Whoever starts it in the foreground need not make the folder of its log.
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  const world = nodeWorld(config, "supervisor", join(paths.run, "supervisor.log"));
  const lock = holdPlace(world, paths);
  raisePriority();
  writePid(join(paths.run, "supervisor.pid"));
  const place = homeWords(flags);
  const supervisor = new Supervisor({
    world,
    cluster: config.cluster,
    stateFolder: paths.state,
    runFolder: paths.run,
    socketPath: paths.socket,
    command: [...selfCommand(), "daemon", "run", ...place, "--log", join(paths.run, "daemon.log")],
    child: { logPath: join(paths.run, "daemon.out") },
    aheadMaxMs: config.chaos ? AHEAD_MAX_MS : 0,
    clearAddresses: clearingOf(paths, world.disk),
    clearResources: () => GrantPage.isOver(world.images, grantPagePath(paths.run), world.clock),
  });
  const { server } = config.nats;
  const nats = server === undefined
    ? undefined
    : new (await import("./managed_nats.ts")).ManagedNats(world, config, server, paths);
  void nats?.start();
  void ended().then(() => supervisor.stop());
  await supervisor.run();
  await supervisor.told();
  await nats?.stop();
  lock.close();
  await world.close();
}

/** One supervisor for a node: the lock lives as long as this process. Throws Failure (conflict). */
function holdPlace(world: World, paths: NodePaths): Image {
  world.disk.makeFolder(paths.run);
  const image = world.images.open(join(paths.run, "supervisor.lock"), { create: true });
  if (image.tryLock({ start: 0, length: 1 }, "write")) return image;
  image.close();
  throw new Failure(
    EXIT.conflict,
    `Cannot supervise the node in ${paths.run}: another supervisor does`,
    "`ctdbx daemon stop` ends it",
  );
}
