/**
 * `ctdbx dev run`: a cluster in the foreground, the main job on it (cli/dev_job.ts), then what happens in it; Ctrl-C
 * stops all of it.
 *
 *   nats-server, N nodes ──▶ all well ──▶ main job ──▶ events, as they come ──▶ Ctrl-C ──▶ everything is stopped
 *   --once: the same without the events; the exit code says whether the main job was done
 *
 * Does NOT promise: to stop what it started when it is killed with SIGKILL; `ctdbx dev down` finds that.
 */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { ClusterAnswer } from "../answers.ts";
import { Daemon } from "../control_client.ts";
import { hasNodes } from "../config.ts";
import { declare, type Task } from "../declare.ts";
import { COUNTERS_DB, mainJob, REGISTRY_DB } from "../dev_job.ts";
import { jobWorld } from "../dev_job_world.ts";
import { SHARED } from "../dev_load.ts";
import { devServiceFile } from "../dev_addresses.ts";
import { DEV_NODES_MAX, devHome, devNode, keeperOf, KeptCluster } from "../dev_cluster.ts";
import { ended } from "../ending.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { progress } from "../progress.ts";
import { raisePriority } from "../priority.ts";
import { writePid } from "../processes.ts";
import { typedCommand } from "../self.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { rows } from "../result.ts";
import { wrapped } from "../wrapped.ts";
import { ResultWriter } from "../result_writer.ts";
import { int, maybe, text } from "../schema.ts";
import { plannedCluster, waitUp } from "../dev_up.ts";
import { look } from "./asking.ts";
import { showCluster, STATUS } from "./cluster.ts";
import { devOption } from "../home_option.ts";
import { eventLine } from "./watch.ts";

const UP_MS = 60_000;
/** The main job needs fifteen seconds; a busy machine some more. After this it hangs, ms. */
const JOB_MS = 180_000;
/** Column of what a step says, characters. */
const STEP_WIDTH = 15;
/** What a step says is this wide at least, characters. */
const TEXT_MIN = 60;
/** Who tells of the steps, where rows are shown. */
const JOB = "main job";

/** A daemon that has gone is looked for again after so long, ms. */
const AGAIN_MS = 250;

interface RunFlags {
  readonly home?: string;
  readonly nodes?: number;
  readonly once?: boolean;
}

/** What happens at the nodes; people see more than that. */
const EVENTS = rows({
  wallMs: maybe(int("Time", "when, by the wall clock of the node that tells it", "ms since 1970")),
  node: text("Node", "name of the node; main job: a step of that"),
  what: text("What", "what happened, in a word or two"),
  text: text("Text", "the same with all that is known"),
});

/** Adds `ctdbx dev run`. */
export function addDevRun(dev: Command, world: CommandWorld): void {
  const command = dev.command("run")
    .description(
      "start it in the foreground, do the main job, show what happens; Ctrl-C stops all of it",
    )
    .option("--nodes <count>", "how many nodes a new one has (3)", whole(1, DEV_NODES_MAX))
    .option("--once", "do the main job, and end: 0 when all was as promised");
  const timeout = { text: "stop all of it after so long" };
  declare<RunFlags>(devOption(command), world, { result: EVENTS, timeout }, run);
}

async function run(task: Task<RunFlags>): Promise<void> {
  const { flags, signal } = task;
  const home = devHome(flags.home);
  if (keeperOf(home) !== undefined) {
    throw new Failure(
      EXIT.conflict,
      `Cannot start the cluster in ${home}: it is up`,
      "`ctdbx dev down` stops it",
    );
  }
  const plan = await plannedCluster(home, flags.nodes);
  raisePriority();
  writePid(join(home, "keeper.pid"));
  const asked = ended(signal);
  const cluster = new KeptCluster(home, plan);
  try {
    const work = show(task, home, cluster, plan.nodes);
    // What comes of it after the end was asked for is of no interest.
    work.catch(() => {});
    await Promise.race([asked, work]);
  } finally {
    say(task, "\nstopping all of it ...\n");
    await cluster.stop();
  }
}

function say({ out }: Task<RunFlags>, text: string): void {
  out.say(text);
  out.flush();
}

async function show(
  task: Task<RunFlags>,
  home: string,
  cluster: KeptCluster,
  nodes: number,
): Promise<void> {
  const { world, flags: { once = false } } = task;
  say(task, `starting nats-server and ${nodes} nodes in ${home}\n`);
  const bar = progress(world.terminal, "waiting for all nodes");
  try {
    await cluster.start();
    await waitUp(home, nodes, () => true, UP_MS);
  } finally {
    bar.end();
  }
  await status(task, home);
  await job(task, home, nodes);
  if (once) return;
  say(task, hints(home));
  const end = watchAll(task, home, nodes);
  try {
    await cluster.keep((text) => say(task, `${text}\n`));
  } finally {
    end();
  }
}

/** The main job, with an end in any case. Throws Failure with what has failed. */
async function job(task: Task<RunFlags>, home: string, nodes: number): Promise<void> {
  // It stays, so that people may look at it; each run makes it anew.
  const folder = join(home, "samba");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  let step = "at its first step";
  const tell = (name: string, lines: readonly string[]): void => {
    step = `after "${name}"`;
    showStep(task, name, lines);
  };
  const work = mainJob(jobWorld(task.world, { home, nodes, folder, tell }));
  work.catch(() => {});
  const over = new AbortController();
  const late = sleep(JOB_MS, undefined, { signal: over.signal }).then(() => {
    throw new Failure(
      EXIT.other,
      `The main job has failed ${step}: it has not ended after ${JOB_MS / 1000} s`,
      `the nodes' logs are in ${home}`,
    );
  });
  try {
    await Promise.race([work, late]);
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    const why = `The main job has failed ${step}: ${error.message}`;
    throw new Failure(EXIT.other, why, hintFor(error, home));
  } finally {
    over.abort();
    late.catch(() => {});
  }
}

/** What to do about a job that has failed. A cluster that an older version made needs a decision first. */
export function hintFor({ code }: CtdbxError, home: string): string {
  if (code !== "version") return `the nodes' logs are in ${home}`;
  const at = `--home ${home}`;
  return `an older version made this cluster: \`ctdbx dev down --remove ${at}\` forgets it; to keep it: ` +
    `\`ctdbx dev up ${at}\`, \`ctdbx cluster upgrade --finalize ${at}\`, \`ctdbx dev down ${at}\``;
}

/** A step of the main job: its name beside its first line; a row where rows are wanted. */
function showStep(task: Task<RunFlags>, name: string, lines: readonly string[]): void {
  const { out } = task;
  if (out.isTable) {
    const width = Math.max(TEXT_MIN, task.world.terminal.columns - STEP_WIDTH);
    const all = lines.flatMap((line) => wrapped(line, width))
      .map((line, at) => `${(at === 0 ? name : "").padEnd(STEP_WIDTH)}${line}\n`);
    return say(task, `${all.join("")}\n`);
  }
  const text = lines.map((line) => line.trim()).join("; ");
  out.row({ wallMs: Date.now(), node: JOB, what: name, text });
  out.flush();
}

/** Shows what each node says of itself; a node that goes is asked again when it is back. */
function watchAll(task: Task<RunFlags>, home: string, nodes: number): () => void {
  let isOn = true;
  const ends: (() => void)[] = [];
  const watchOne = async (index: number): Promise<void> => {
    while (isOn) {
      try {
        const daemon = await Daemon.dial(new RealHost(), devNode(home, index));
        ends.push(() => daemon.close());
        await daemon.watch("watch", { own: true }, (event) => {
          if (isOn) tell(task, event);
        });
      } catch {
        // It is down, or has just gone; the supervisor starts it again.
      }
      await sleep(AGAIN_MS);
    }
  };
  for (let index = 0; index < nodes; index++) void watchOne(index);
  return () => {
    isOn = false;
    for (const close of ends) close();
  };
}

async function status(task: Task<RunFlags>, home: string): Promise<void> {
  if (!task.out.isTable) return;
  const { terminal } = task.world;
  const cluster = await look(devNode(home, 0), "cluster status") as ClusterAnswer;
  say(task, "\n");
  const wanted = { format: "table", color: terminal.colorAllowed } as const;
  showCluster(new ResultWriter(terminal.out, wanted, "cluster status", STATUS), cluster);
  task.out.flush();
}

/** Shows an event: a line for people, else a row. */
function tell({ out }: Task<RunFlags>, event: unknown): void {
  const { wallMs, who, what, text } = event as Readonly<Record<string, unknown>>;
  if (out.isTable) out.say(eventLine(event));
  else out.row({ wallMs, node: String(who), what: String(what), text: String(text) });
  out.flush();
}

function hints(home: string): string {
  // Without --home, commands ask the cluster in the usual place.
  const isUsual = home === devHome(undefined) && !hasNodes();
  const where = isUsual ? "" : ` --home ${home}`;
  const command = (words: string): string =>
    `  ${typedCommand()} ${words}${words.startsWith("tdb ") ? "" : where}\n`;
  const groups = {
    "Look, in a second terminal": [
      "db ls",
      `db traverse ${REGISTRY_DB} --limit 5`,
      `tdb info ${join(home, "samba", "state", "registry.tdb")}`,
      `rec get ${COUNTERS_DB} ${SHARED}`,
      `rec where ${COUNTERS_DB} ${SHARED}`,
      "ip ls",
    ],
    "Change something, and follow it": [
      `rec watch ${COUNTERS_DB} hello`,
      `rec put ${COUNTERS_DB} hello world`,
      `rec call ${COUNTERS_DB} visitors incr 1`,
    ],
    "Break something": [
      "dev chaos kill leader",
      "dev chaos pause n1 5s",
      "dev chaos partition n2 10s",
      "recovery report",
      "cluster explain",
    ],
  };
  const all = Object.entries(groups).map(([title, list]) =>
    `${title}:\n${list.map(command).join("")}`
  );
  all.push(`  rm ${devServiceFile(home, 0)}   # the check of n0 fails, its addresses move\n`);
  return `${all.join("")}Write a program of your own: docs/GUIDE.md
What happens, as it happens (Ctrl-C stops all of it):
`;
}
