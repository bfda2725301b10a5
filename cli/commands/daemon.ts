/**
 * `ctdbx daemon ...`: the daemon of a node, and the supervisor that keeps it.
 *
 *   start  supervisor in the background ──▶ daemon (run) ──▶ its socket answers     stop  SIGTERM to the supervisor
 *
 * A supervisor that is killed takes its daemon with it: nobody else could certify that daemon's death.
 *
 * Does NOT promise: NATS. A daemon without it says so within 2 s, goes on trying, and serves nothing meanwhile.
 */

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { startEventDaemon } from "../../actors/events/link.ts";
import { Node } from "../../actors/node.ts";
import type { NodeConfig } from "../../actors/node_config.ts";
import { grantPagePath } from "../../actors/resources/wiring.ts";
import { GrantPage } from "../../actors/storage/grant_page.ts";
import { Supervisor } from "../../actors/supervisor.ts";
import { AHEAD_MAX_MS, chaosVerbs, chaosWorld } from "../chaos.ts";
import type { Image } from "../../transport/image.ts";
import { readSecret } from "../../transport/real_nkeys.ts";
import { RealHost } from "../../transport/real_host.ts";
import type { World } from "../../transport/world.ts";
import type { NodePaths } from "../config.ts";
import { findNode, readConfigFile } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { declare, type Task } from "../declare.ts";
import { ended } from "../ending.ts";
import { eventCommand, eventSocket } from "../event_daemon.ts";
import { refuseDouble } from "../double.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { refuseUnfit } from "../membership/starting.ts";
import { type HomeFlags, homeOption } from "../home_option.ts";
import { requireCoherentLocks } from "../lock_trial.ts";
import { serveMetrics } from "../metrics_server.ts";
import { keepUsers, ManagedNats } from "../managed_nats.ts";
import { leaderLock, nodeWorld } from "../node_world.ts";
import { processUsage } from "../process_usage.ts";
import type { HttpPages } from "../../transport/real_http.ts";
import { object, type RowOf } from "../result.ts";
import { raisePriority } from "../priority.ts";
import { isAlive, lastLines, startDetached, supervisorOf, until, writePid } from "../processes.ts";
import { VERSION } from "../run.ts";
import { clearingOf, closeNetwork, networkOf, refuseUnsettable } from "../network.ts";
import { selfCommand } from "../self.ts";
import { startDataThread, startShardThread } from "../node_threads.ts";
import { servicePorts } from "../service_ports.ts";
import { int, maybe, text } from "../schema.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld } from "../world.ts";
import { askOnce } from "./asking.ts";
import { OWN_COLUMNS, OWN_FIELDS, OWN_TABLE, type OwnAnswer } from "./node_fields.ts";
import { declareQuestion } from "./question.ts";

/** A daemon answers on its socket after this, ms, or something is wrong; one that ends is noticed at once. */
const START_MS = 30_000;
/** It may hand records over for a minute. */
const STOP_MS = 80_000;
/** After so long without NATS the daemon says so, ms. */
const SAY_MS = 2000;

/** With --wait a daemon serves after this, ms, or something is wrong. */
const SERVE_MS = 30_000;

const RUN = object({
  name: text("Node", "name of the node, by its configuration"),
  ended: text("Ended", "what has ended it: a signal, timeout, or its own reason"),
});
const STARTED = object({
  supervisorPid: int("Supervisor", "process id of the supervisor"),
  socket: text("Socket", "where the daemon answers"),
  runstate: maybe(text("Runstate", "how far it was when this command ended")),
});
const STOPPED = object({
  supervisorPid: int("Supervisor", "process id of the supervisor that has ended"),
});

/** Adds `ctdbx daemon`. */
export function addDaemonCommands(program: Command, world: CommandWorld): void {
  const daemon = program.command("daemon").description("the daemon of a node");
  declare<RunFlags, RowOf<typeof RUN>>(
    daemon.command("run").description("run it in the foreground; SIGTERM ends it in order")
      .option("--log <file>", "add the log to this file, as JSON lines"),
    world,
    { result: RUN, asks: "home", timeout: { text: "end it in order after so long" } },
    runDaemon,
  );
  homeOption(
    daemon.command("supervise", { hidden: true })
      .description("run a supervisor in the foreground, and under it the daemon"),
  )
    .action((flags: HomeFlags) => supervise(flags));
  declare<object, RowOf<typeof STARTED>>(
    daemon.command("start").description("start it, with its supervisor, in the background"),
    world,
    { result: STARTED, asks: "home", changes: true, waits: "until it is a member and serves" },
    start,
  );
  declare<object, RowOf<typeof STOPPED>>(
    daemon.command("stop").description("stop it in order, and its supervisor"),
    world,
    {
      result: STOPPED,
      asks: "home",
      changes: true,
      waits: "until it has stopped, which it always does",
    },
    stop,
  );
  declareQuestion<object, OwnAnswer>(
    daemon.command("status").description("how it is, by its own word"),
    world,
    {
      result: ({ node }) =>
        object(OWN_FIELDS, { table: node === undefined ? OWN_TABLE : OWN_COLUMNS }),
    },
    { verbs: ["node status"], data: ([answer]) => answer as OwnAnswer },
  );
}

interface RunFlags {
  readonly log?: string;
}

async function runDaemon(
  { flags, out, signal }: Task<RunFlags, RowOf<typeof RUN>>,
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
    if (config.metrics !== undefined) pages = await serveMetrics(node, config.metrics.listen);
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
  const nats = server === undefined ? undefined : new ManagedNats(world, config, server, paths);
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

function homeWords(flags: HomeFlags): string[] {
  if (flags.home !== undefined) return ["--home", resolve(flags.home)];
  return flags.nodeName === undefined ? [] : ["--node-name", flags.nodeName];
}

/**
 * Starts the supervisor of a node and waits for its daemon's first answer; answers its process. One that somebody else
 * started a moment before is as good: the new one ends at once then.
 */
export async function startNode(paths: NodePaths, words: readonly string[]): Promise<number> {
  const log = join(paths.run, "supervisor.out");
  const pid = startDetached([...selfCommand(), "daemon", "supervise", ...words], log);
  let hasAnswered = false;
  await until(async () => {
    hasAnswered = await askOnce(paths, "node ping").then(() => true, () => false);
    return hasAnswered || (!isAlive(pid) && supervisorOf(paths.run) === undefined);
  }, START_MS);
  if (hasAnswered) return supervisorOf(paths.run) ?? pid;
  const said = [log, join(paths.run, "daemon.out"), join(paths.run, "daemon.log")]
    .flatMap((path) => lastLines(path, 3));
  throw new Failure(
    EXIT.other,
    `Cannot start the daemon: it does not answer at ${paths.socket}: ${said.join(" | ")}`,
    `its logs are in ${paths.run}`,
  );
}

async function start({ flags, out }: Task<object, RowOf<typeof STARTED>>): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const config = readConfigFile(paths.config);
  const { keyFile } = config.nats;
  // A supervisor would only say it into its log.
  refuseUnfit(paths);
  refuseUnsettable(config);
  if (keyFile !== undefined) readSecret(keyFile);
  const running = supervisorOf(paths.run);
  if (running !== undefined) {
    throw new Failure(
      EXIT.conflict,
      `Cannot start the daemon: it runs already, pid ${running}`,
      "`ctdbx daemon stop` stops it, `ctdbx daemon status` says how it is",
    );
  }
  const supervisorPid = await startNode(paths, homeWords(flags));
  if (flags.wait === true) await untilServing(paths);
  const runstate = await askOnce(paths, "node status")
    .then((answer) => (answer as OwnAnswer).runstate, () => undefined);
  if (out.isTable) out.say(`started, supervisor pid ${supervisorPid}\n`);
  else out.object({ supervisorPid, socket: paths.socket, runstate });
}

/** Waits until a node that was started is a member, and serves. Throws Failure (expectation). */
async function untilServing(paths: NodePaths): Promise<void> {
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), paths),
    verb: "node status",
    lack: (answer) => {
      const { serving, runstate, why } = answer as OwnAnswer;
      return serving === true ? undefined : `it is in ${runstate}${why ? `: ${why}` : ""}`;
    },
    timeoutMs: SERVE_MS,
  });
  if (lack === undefined) return;
  throw new Failure(
    EXIT.expectation,
    `Cannot see it serve: the daemon has started, but ${lack}`,
    "`ctdbx cluster health` says what is wrong",
  );
}

async function stop({ flags, out }: Task<object, RowOf<typeof STOPPED>>): Promise<void> {
  const paths = findNode(flags.home, flags.nodeName);
  const pid = supervisorOf(paths.run);
  if (pid === undefined) {
    throw new Failure(
      EXIT.notFound,
      "Cannot stop the daemon: no supervisor runs for this node",
      "`ctdbx daemon start` starts it",
    );
  }
  process.kill(pid, "SIGTERM");
  if (!await until(() => !isAlive(pid), STOP_MS)) {
    throw new Failure(
      EXIT.unknownOutcome,
      `Cannot tell whether it has stopped: pid ${pid} is still there`,
      `its logs are in ${paths.run}`,
    );
  }
  if (out.isTable) out.say(`stopped, supervisor pid ${pid}\n`);
  else out.object({ supervisorPid: pid });
}
