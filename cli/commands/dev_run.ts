/**
 * `ctdbx dev run`: a cluster in the foreground, its state and what happens in it; Ctrl-C stops all of it.
 *
 *   nats-server, N nodes ──▶ all well ──▶ cluster status ──▶ events, as they come ──▶ Ctrl-C ──▶ everything is stopped
 *   --once: the same, a change of the leader to look at, the end
 *
 * Does NOT promise: to stop what it started when it is killed with SIGKILL; `ctdbx dev down` finds that.
 */

import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import { Daemon } from "../control_client.ts";
import { DEV_NODES_MAX, devHome, devNode, keeperOf, KeptCluster } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { progress } from "../progress.ts";
import { writePid } from "../processes.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { askOnce } from "./asking.ts";
import { showStatus } from "./cluster.ts";
import { plannedCluster, waitUp } from "../dev_up.ts";
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

/** Adds `ctdbx dev run`. */
export function addDevRun(dev: Command, world: CommandWorld): void {
  dev.command("run")
    .description("start it in the foreground and show what happens; Ctrl-C stops all of it")
    .option("--home <folder>", "where it is (CTDBX_HOME)", process.env["CTDBX_HOME"])
    .option("--nodes <count>", "how many nodes a new one has (3)", whole(1, DEV_NODES_MAX))
    .option("--once", "show it, change the leader once, and end")
    .action((flags: RunFlags) => run(world, flags));
}

async function run(world: CommandWorld, flags: RunFlags): Promise<void> {
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
  const asked = new Promise<undefined>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(undefined));
  });
  const cluster = new KeptCluster(home, plan);
  try {
    const work = show(world, home, cluster, plan.nodes, flags.once === true);
    // What comes of it after the end was asked for is of no interest.
    work.catch(() => {});
    await Promise.race([asked, work]);
  } finally {
    say(world, "\nstopping all of it ...\n");
    await cluster.stop();
  }
}

function say(world: CommandWorld, text: string): void {
  world.terminal.out.write(text);
  world.terminal.out.flush();
}

async function show(
  world: CommandWorld,
  home: string,
  cluster: KeptCluster,
  nodes: number,
  once: boolean,
): Promise<void> {
  say(world, `starting nats-server and ${nodes} nodes in ${home}\n`);
  const bar = progress(world.terminal, "waiting for all nodes");
  try {
    await cluster.start();
    await waitUp(home, nodes, () => true, UP_MS);
  } finally {
    bar.end();
  }
  await status(world, home);
  if (!once) say(world, hints(home));
  const end = watchAll(world, home, nodes);
  try {
    if (once) await changeLeader(world, home);
    else await cluster.keep((text) => say(world, `${text}\n`));
  } finally {
    end();
  }
}

/** Shows what each node says of itself; a node that goes is asked again when it is back. */
function watchAll(world: CommandWorld, home: string, nodes: number): () => void {
  let isOn = true;
  const ends: (() => void)[] = [];
  const watchOne = async (index: number): Promise<void> => {
    while (isOn) {
      try {
        const daemon = await Daemon.dial(new RealHost(), devNode(home, index));
        ends.push(() => daemon.close());
        await daemon.watch("watch", { own: true }, (event) => say(world, eventLine(event)));
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

async function status(world: CommandWorld, home: string): Promise<void> {
  say(world, "\n");
  await showStatus(world, devNode(home, 0), {
    format: "table",
    color: world.terminal.colorAllowed,
  });
  world.terminal.out.flush();
}

function hints(home: string): string {
  const command = (words: string): string => `  npm run -s ctdbx -- ${words} --home ${home}\n`;
  return `
In a second terminal:
${command("cluster status")}${command("dev chaos kill leader")}${
    command("dev chaos pause leader 5s")
  }${command("dev chaos partition n1 10s")}${command("leader show --why")}
What happens, as it happens (Ctrl-C stops all of it):
`;
}

/** Something to look at: the leader gives the lead to another. */
async function changeLeader(world: CommandWorld, home: string): Promise<void> {
  say(world, "\nThe leader is asked to let another lead:\n");
  const seen = new Promise((resolve) => setTimeout(resolve, SHOW_MS));
  await askOnce(devNode(home, 0), "leader yield", { why: "to show it" });
  await seen;
  await status(world, home);
}
