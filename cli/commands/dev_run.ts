/**
 * `ctdbx dev run`: a cluster in the foreground, its state and what happens in it; Ctrl-C stops all of it.
 *
 *   nats-server, N nodes ──▶ all well ──▶ cluster status ──▶ events, as they come ──▶ Ctrl-C ──▶ everything is stopped
 *   --once: the same, a change of the leader to look at, the end
 *
 * Does NOT promise: to stop what it started when it is killed with SIGKILL; `ctdbx dev down` finds that.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import type { ClusterAnswer } from "../answers.ts";
import { Daemon } from "../control_client.ts";
import { declare, type Task } from "../declare.ts";
import { DEV_NODES_MAX, devHome, devNode, keeperOf, KeptCluster } from "../dev_cluster.ts";
import { ended } from "../ending.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { progress } from "../progress.ts";
import { writePid } from "../processes.ts";
import { typedCommand } from "../self.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { rows } from "../result.ts";
import { ResultWriter } from "../result_writer.ts";
import { int, maybe, text } from "../schema.ts";
import { plannedCluster, waitUp } from "../dev_up.ts";
import { askOnce, look } from "./asking.ts";
import { showCluster, STATUS } from "./cluster.ts";
import { devOption } from "../home_option.ts";
import { eventLine } from "./watch.ts";

const UP_MS = 60_000;
/** With --once: how long the change of the leader is shown, ms. */
const SHOW_MS = 3000;

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
  node: text("Node", "name of the node"),
  what: text("What", "what happened, in a word or two"),
  text: text("Text", "the same with all that is known"),
});

/** Adds `ctdbx dev run`. */
export function addDevRun(dev: Command, world: CommandWorld): void {
  const command = dev.command("run")
    .description("start it in the foreground and show what happens; Ctrl-C stops all of it")
    .option("--nodes <count>", "how many nodes a new one has (3)", whole(1, DEV_NODES_MAX))
    .option("--once", "show it, change the leader once, and end");
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
  if (!once) say(task, hints(home));
  const end = watchAll(task, home, nodes);
  try {
    if (once) await changeLeader(task, home);
    else await cluster.keep((text) => say(task, `${text}\n`));
  } finally {
    end();
  }
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
  const command = (words: string): string => `  ${typedCommand()} ${words} --home ${home}\n`;
  return `
In a second terminal:
${command("cluster status")}${command("dev chaos kill leader")}${
    command("dev chaos pause leader 5s")
  }${command("dev chaos partition n1 10s")}${command("leader show --why")}
What happens, as it happens (Ctrl-C stops all of it):
`;
}

/** Something to look at: the leader gives the lead to another. */
async function changeLeader(task: Task<RunFlags>, home: string): Promise<void> {
  say(task, "\nThe leader is asked to let another lead:\n");
  const seen = new Promise((resolve) => setTimeout(resolve, SHOW_MS));
  await askOnce(devNode(home, 0), "leader yield", { why: "to show it" });
  await seen;
  await status(task, home);
}
