/**
 * `ctdbx daemon ...`: the daemon of a node, and the supervisor that keeps it.
 *
 *   start  supervisor in the background ──▶ daemon (run) ──▶ its socket answers     stop  SIGTERM to the supervisor
 *
 * A supervisor that is killed takes its daemon with it: nobody else could certify that daemon's death.
 *
 * Does NOT promise: NATS. A daemon without it says so within 2 s, goes on trying, and serves nothing meanwhile.
 */

import { join, resolve } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { Node } from "../../actors/node.ts";
import type { NodeConfig } from "../../actors/node_config.ts";
import { Supervisor } from "../../actors/supervisor.ts";
import { AHEAD_MAX_MS, chaosVerbs, chaosWorld } from "../chaos.ts";
import type { Image } from "../../transport/image.ts";
import type { World } from "../../transport/world.ts";
import type { NodePaths } from "../config.ts";
import { findNode, readConfigFile } from "../config.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { requireCoherentLocks } from "../lock_trial.ts";
import { leaderLock, nodeWorld } from "../node_world.ts";
import type { Row } from "../output.ts";
import { json, writeObject } from "../output.ts";
import { isAlive, lastLines, startDetached, supervisorOf, until, writePid } from "../processes.ts";
import { selfCommand } from "../self.ts";
import { startShardThread } from "../shard_thread.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions } from "../world.ts";
import { askedNode, askOnce, type HomeFlags, homeOption, look } from "./asking.ts";
import { STATUS, statusRow } from "./node.ts";

/** A daemon answers on its socket after this, ms, or something is wrong. */
const START_MS = 10_000;
const STOP_MS = 15_000;
/** After so long without NATS the daemon says so, ms. */
const SAY_MS = 2000;

/** Adds `ctdbx daemon`. */
export function addDaemonCommands(program: Command, world: CommandWorld): void {
  const daemon = program.command("daemon").description("the daemon of a node");
  homeOption(
    daemon.command("run").description("run it in the foreground; SIGTERM ends it in order"),
  )
    .option("--log <file>", "add the log to this file, as JSON lines")
    .action((flags: RunFlags) => runDaemon(flags));
  homeOption(
    daemon.command("supervise", { hidden: true })
      .description("run a supervisor in the foreground, and under it the daemon"),
  )
    .action((flags: HomeFlags) => supervise(flags));
  homeOption(
    daemon.command("start").description("start it, with its supervisor, in the background"),
  )
    .action((flags: HomeFlags) => start(world, flags));
  homeOption(daemon.command("stop").description("stop it in order, and its supervisor"))
    .action((flags: HomeFlags) => stop(flags));
  outputOptions(homeOption(daemon.command("status").description("how it is, by its own word")))
    .action((flags: HomeFlags & OutputFlags) => status(world, flags));
}

interface RunFlags extends HomeFlags {
  readonly log?: string;
}

/** Resolves with the first signal that asks for an end. */
function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
}

async function runDaemon(flags: RunFlags): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const config = readConfigFile(paths.config);
  if (config.lock.kind === "file") await requireCoherentLocks(config.lock.path);
  const real = nodeWorld(config, "daemon", flags.log);
  const { world, chaos } = chaosWorld(real, config.chaos);
  const asked = signalled();
  const ended = Promise.withResolvers<string>();
  try {
    const node = await Node.start({
      world,
      config,
      stateFolder: paths.state,
      runFolder: paths.run,
      socketPath: paths.socket,
      lock: leaderLock(config, real),
      shard: () => startShardThread(config, flags.log),
      ...chaos === undefined ? {} : { aheadMs: () => chaos.aheadMs(real.clock.nowMs()) },
      verbs: new Map([["node process", () => ({ pid: process.pid })], ...chaosVerbs(chaos)]),
      onEnd: (why, isFault) => ended.resolve(isFault ? why : ""),
    });
    sayWithoutBus(world, config);
    const why = await Promise.race([asked.then(() => undefined), ended.promise]);
    if (why === undefined) await node.stop();
    else if (why !== "") throw new Failure(EXIT.other, `Cannot go on: ${why}`);
  } finally {
    await real.close();
  }
}

function sayWithoutBus(world: ReturnType<typeof chaosWorld>["world"], config: NodeConfig): void {
  world.clock.after(SAY_MS, () => {
    if (world.bus.status === "connected") return;
    const servers = config.nats.servers.join(", ");
    world.log.write("error", `NATS does not answer at ${servers}; nothing is served until it does`);
  });
}

async function supervise(flags: HomeFlags): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const config = readConfigFile(paths.config);
  const world = nodeWorld(config, "supervisor", join(paths.run, "supervisor.log"));
  const lock = holdPlace(world, paths);
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
  });
  void signalled().then(() => supervisor.stop());
  await supervisor.run();
  await supervisor.told();
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

function homeWords(flags: HomeFlags): string[] {
  if (flags.home !== undefined) return ["--home", resolve(flags.home)];
  return flags.nodeName === undefined ? [] : ["--node-name", flags.nodeName];
}

/** Starts the supervisor of a node and waits for its daemon's first answer. */
export async function startNode(paths: NodePaths, words: readonly string[]): Promise<number> {
  const log = join(paths.run, "supervisor.out");
  const pid = startDetached([...selfCommand(), "daemon", "supervise", ...words], log);
  let hasAnswered = false;
  await until(async () => {
    hasAnswered = await askOnce(paths, "node ping").then(() => true, () => false);
    return hasAnswered || !isAlive(pid);
  }, START_MS);
  if (hasAnswered) return pid;
  const said = [log, join(paths.run, "daemon.out"), join(paths.run, "daemon.log")]
    .flatMap((path) => lastLines(path, 3));
  throw new Failure(
    EXIT.other,
    `Cannot start the daemon: it does not answer at ${paths.socket}: ${said.join(" | ")}`,
    `its logs are in ${paths.run}`,
  );
}

async function start(world: CommandWorld, flags: HomeFlags): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  readConfigFile(paths.config);
  const running = supervisorOf(paths.run);
  if (running !== undefined) {
    throw new Failure(EXIT.conflict, `Cannot start the daemon: it runs already, pid ${running}`);
  }
  const pid = await startNode(paths, homeWords(flags));
  world.terminal.out.write(`started, supervisor pid ${pid}\n`);
}

async function stop(flags: HomeFlags): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const pid = supervisorOf(paths.run);
  if (pid === undefined) {
    throw new Failure(EXIT.notFound, "Cannot stop the daemon: no supervisor runs for this node");
  }
  process.kill(pid, "SIGTERM");
  if (await until(() => !isAlive(pid), STOP_MS)) return;
  throw new Failure(
    EXIT.unknownOutcome,
    `Cannot tell whether it has stopped: pid ${pid} is still there`,
  );
}

async function status(world: CommandWorld, flags: HomeFlags & OutputFlags): Promise<void> {
  const row = await look(await askedNode(flags), "node status") as Row;
  const shown = lookOf(world, flags);
  if (shown.format === "json") return void world.terminal.out.write(`${json(row, 2)}\n`);
  writeObject(world.terminal.out, shown, STATUS, statusRow(row));
}
