/**
 * `ctdbx daemon ...`: the daemon of a node, and the supervisor that keeps it.
 *
 *   start  supervisor in the background ──▶ daemon (run) ──▶ its socket answers     stop  SIGTERM to the supervisor
 *
 * A supervisor that is killed takes its daemon with it: nobody else could certify that daemon's death.
 *
 * Does NOT promise: NATS. A daemon without it says so within 2 s, goes on trying, and serves nothing meanwhile.
 */

import { join } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { readSecret } from "../../transport/real_nkeys.ts";
import { RealHost } from "../../transport/real_host.ts";
import type { NodePaths } from "../config.ts";
import { findNode, readConfigFile } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { refuseUnfit } from "../membership/starting.ts";
import { type HomeFlags, homeOption, homeWords } from "../home_option.ts";
import { object, type RowOf } from "../result.ts";
import { isAlive, lastLines, startDetached, supervisorOf, until } from "../processes.ts";
import { refuseUnsettable } from "../network.ts";
import { selfCommand } from "../self.ts";
import { int, maybe, text } from "../schema.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld } from "../world.ts";
import { askOnce } from "./asking.ts";
import { OWN_COLUMNS, OWN_FIELDS, OWN_TABLE, type OwnAnswer } from "./node_fields.ts";
import { declareQuestion } from "./question.ts";
import type { Ran, RunFlags } from "../daemon_process.ts";

/** A daemon answers on its socket after this, ms, or something is wrong; one that ends is noticed at once. */
const START_MS = 30_000;
/** It may hand records over for a minute. */
const STOP_MS = 80_000;
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
  declare<RunFlags, Ran>(
    daemon.command("run").description("run it in the foreground; SIGTERM ends it in order")
      .option("--log <file>", "add the log to this file, as JSON lines"),
    world,
    { result: RUN, asks: "home", timeout: { text: "end it in order after so long" } },
    // A daemon's parts, and its supervisor's, are loaded by who becomes one.
    async (task) => (await import("../daemon_process.ts")).runDaemon(task),
  );
  homeOption(
    daemon.command("supervise", { hidden: true })
      .description("run a supervisor in the foreground, and under it the daemon"),
  )
    .action(async (flags: HomeFlags) =>
      (await import("../supervisor_process.ts")).supervise(flags)
    );
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

/**
 * Starts the supervisor of a node and waits for its daemon's first answer; answers its process. One that somebody else
 * started a moment before is as good: the new one ends at once then.
 */
export async function startNode(paths: NodePaths, words: readonly string[]): Promise<number> {
  const log = join(paths.run, "supervisor.out");
  let ended: number | null | undefined;
  const command = [...selfCommand(), "daemon", "supervise", ...words];
  const pid = startDetached(command, log, (code) => ended = code);
  let hasAnswered = false;
  let hasSeen = false;
  const isLost = (): boolean => {
    const isThere = supervisorOf(paths.run) !== undefined;
    hasSeen ||= isThere;
    // Who met another one in its place may look before that one has written down its process.
    return !isThere && ended !== undefined && (ended !== EXIT.conflict || hasSeen);
  };
  await until(async () => {
    hasAnswered = await askOnce(paths, "node ping").then(() => true, () => false);
    return hasAnswered || isLost();
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
