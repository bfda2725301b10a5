/**
 * The event daemon of a node: a process of its own that runs its scripts, so that nothing that they do is done to the
 * daemon.
 *
 *   daemon ── starts, dials run/events.sock ──▶ event daemon ── a group of processes for each script ──▶ scripts
 *   the daemon ends: this process ends, and with it every script that runs
 *
 * Does NOT promise: to judge what scripts say; the daemon does.
 */

import { mkdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { EventDesk } from "../actors/events/desk.ts";
import { environmentOf } from "../actors/events/environment.ts";
import { READY } from "../actors/events/link.ts";
import { RealClock } from "../transport/real_clock.ts";
import { RealGroups } from "../transport/real_group.ts";
import { RealHost } from "../transport/real_host.ts";
import { RealLog } from "../transport/real_log.ts";
import { RealScriptFolder } from "../transport/real_script_folder.ts";
import { type NodePaths, readConfigFile } from "./config.ts";
import { makeTools } from "./event_tools.ts";
import { usage } from "./failure.ts";
import { selfCommand } from "./self.ts";

/** The component of CTDB that has all scripts. */
const COMPONENT = "legacy";

/** Where an event daemon of a node listens. */
export function eventSocket({ run }: NodePaths): string {
  return join(run, "events.sock");
}

/** Its log; no other process is started with that. */
export function eventLog({ run }: NodePaths): string {
  return join(run, "events.log");
}

/** The command that starts one. `place`: the options that name the node. */
export function eventCommand(place: readonly string[], paths: NodePaths): string[] {
  return [...selfCommand(), "event", "daemon", ...place, "--log", eventLog(paths)];
}

/** Runs one until its node has gone. Throws Failure, CtdbxError. */
export async function runEventDaemon(paths: NodePaths, logPath?: string): Promise<void> {
  const config = readConfigFile(paths.config);
  const { scripts } = config;
  if (scripts === undefined) throw usage(`Cannot run scripts: ${paths.config} has no [scripts]`);
  // The daemon may go before others; scripts may not.
  if (getPriority() < 0) setPriority(0);
  const clock = new RealClock();
  const log = new RealLog({
    clock,
    level: config.log.level,
    speaker: ["ctdbx", config.name, "events"],
    ...logPath === undefined ? { plain: true } : { path: logPath },
  });
  const { dir, stock, helpers, debug } = scripts;
  const tools = join(paths.state, "tools");
  const variable = join(paths.run, "scripts");
  const { socket } = paths;
  const command = selfCommand();
  makeTools({
    folder: tools,
    socket,
    command,
    state: paths.state,
    lock: config.lock,
    ...helpers === undefined ? {} : { helpers },
  });
  mkdirSync(variable, { recursive: true });
  const left = Promise.withResolvers<void>();
  const parts = {
    clock,
    log,
    groups: new RealGroups(),
    folder: new RealScriptFolder({
      folder: join(dir, "events", COMPONENT),
      above: [dir, join(dir, "events")],
      stock: join(stock, COMPONENT),
    }),
    env: environmentOf(
      { dir, tools, variable, socket, log: join(paths.run, "scripts.log") },
      process.env,
    ),
    ...debug === undefined ? {} : { debug: join(dir, debug) },
    hasAddresses: config.addresses?.backend === "iproute2",
    onLeft: left.resolve,
  };
  let desk: EventDesk | undefined;
  const endListen = await new RealHost().listen(eventSocket(paths), (stream) => {
    if (desk !== undefined) {
      stream.close();
      return { onBytes: () => {}, onClose: () => {} };
    }
    return desk = new EventDesk(parts, stream);
  });
  console.log(READY);
  await left.promise;
  await endListen();
  log.close();
  // Nothing that a script has left open keeps it.
  process.exit(0);
}
