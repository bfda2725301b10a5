/**
 * `ctdbx dev ...`: a cluster of this machine to try things with, and faults on demand.
 *
 *   up --nodes 3 ──▶ keeper (background) ──▶ nats-server, supervisors ──▶ daemons        down: ends the keeper
 *   chaos pause | kill | partition | skew TARGET DUR
 *
 * Does NOT promise: anything for production; it is for trying, testing and showing.
 */

import { join } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { StatePage } from "../../actors/storage/state_page.ts";
import { type NodeId, tagOf } from "../../transport/wire/terms.ts";
import { DEV_NODES_MAX, devHome, devNode, keeperOf, KeptCluster } from "../dev_cluster.ts";
import { nodeIds, planOf, removeCluster } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import type { Column, Row } from "../output.ts";
import { RowWriter } from "../output.ts";
import { progress } from "../progress.ts";
import { isAlive, lastLines, startDetached, supervisorOf, until, writePid } from "../processes.ts";
import { selfCommand } from "../self.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, whole } from "../world.ts";
import type { LeaderAnswer } from "../answers.ts";
import { plannedCluster, SILENT_MS, waitUp } from "../dev_up.ts";
import { askOnce, look } from "./asking.ts";
import { addDevRun } from "./dev_run.ts";

const UP_MS = 30_000;
const DOWN_MS = 30_000;

interface DevFlags {
  readonly home?: string;
}

interface CutFlags extends DevFlags {
  readonly from?: string;
  readonly way?: "both" | "in" | "out";
}

interface UpFlags extends DevFlags {
  readonly nodes?: number;
}

const STATUS: readonly Column[] = [
  ["name", "Node"],
  ["pid", "Process"],
  ["supervisor", "Supervisor"],
  ["runstate", "Runstate"],
  ["condition", "Condition"],
  ["leader", "Leader"],
  ["serving", "Serving"],
  ["home", "Home"],
].map(([name = "", title = ""]) => ({ name, title }));

/** Adds `ctdbx dev`. */
export function addDevCommands(program: Command, world: CommandWorld): void {
  const dev = program.command("dev").description("a cluster of this machine, to try things with");
  devOption(dev.command("up").description("start it, in the background; made when there is none"))
    .option("--nodes <count>", "how many nodes a new one has (3)", whole(1, DEV_NODES_MAX))
    .action((flags: UpFlags) => up(world, flags));
  devOption(dev.command("keep", { hidden: true }).description("keep it, in the foreground"))
    .action((flags: DevFlags) => keep(flags));
  devOption(dev.command("down").description("stop all of it"))
    .option("--remove", "and remove its files")
    .action((flags: DevFlags & { remove?: boolean }) => down(flags));
  addDevRun(dev, world);
  outputOptions(devOption(dev.command("status").description("its processes, and what they say")))
    .action((flags: DevFlags & OutputFlags) => status(world, flags));
  const chaos = dev.command("chaos").description("make a fault, for a time");
  devOption(chaos.command("partition").description("cut a node from others"))
    .argument("<target>", "n0, n1, ... or leader")
    .argument("<duration>", "as 500ms, 5s or 2m", milliseconds)
    .option("--from <nodes>", "from these only, with commas: n1,n2 (all)")
    .addOption(
      new Option("--way <way>", "in: it hears nothing; out: it is not heard").choices([
        "both",
        "in",
        "out",
      ]),
    )
    .action((target: string, ms: number, flags: CutFlags) => partition(flags, target, ms));
  for (const kind of ["pause", "skew"] as const) {
    devOption(chaos.command(kind).description(CHAOS[kind]))
      .argument("<target>", "n0, n1, ... or leader")
      .argument("<duration>", "as 500ms, 5s or 2m", milliseconds)
      .action((target: string, ms: number, flags: DevFlags) => makeFault(flags, kind, target, ms));
  }
  devOption(
    chaos.command("kill").description("kill a daemon (SIGKILL); its supervisor starts it again"),
  )
    .argument("<target>", "n0, n1, ... or leader")
    .action((target: string, flags: DevFlags) => makeFault(flags, "kill", target, 0));
  devOption(chaos.command("heal").description("end the partition and the skew of a node now"))
    .argument("<target>", "n0, n1, ... or leader")
    .action((target: string, flags: DevFlags) => makeFault(flags, "heal", target, 0));
}

const CHAOS = {
  pause: "stop a daemon (SIGSTOP) for a time; its supervisor kills one that is silent for 30 s",
  skew: "let a node's clock run fast by 1 %, and its wall clock jump by an hour",
} as const;

function devOption(command: Command): Command {
  const named = process.env["CTDBX_HOME"];
  return command.option("--home <folder>", "where it is (CTDBX_HOME)", named);
}

function milliseconds(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(count) * ({ ms: 1, s: 1000, m: 60_000 }[unit] ?? NaN);
  if (ms >= 1 && ms <= 3_600_000) return ms;
  throw new InvalidArgumentError("Must be from 1ms to 60m.");
}

async function up(world: CommandWorld, flags: UpFlags): Promise<void> {
  const home = devHome(flags.home);
  if (keeperOf(home) !== undefined) {
    throw new Failure(EXIT.conflict, `Cannot start the cluster in ${home}: it is up`);
  }
  const plan = await plannedCluster(home, flags.nodes);
  const log = join(home, "keeper.log");
  const pid = startDetached([...selfCommand(), "dev", "keep", "--home", home], log);
  const bar = progress(world.terminal, "waiting for all nodes");
  try {
    await waitUp(home, plan.nodes, () => isAlive(pid), UP_MS);
  } catch (error) {
    if (isAlive(pid)) process.kill(pid, "SIGTERM");
    const said = lastLines(log, 3).join(" | ");
    if (error instanceof Failure && said !== "") {
      throw new Failure(error.exit, `${error.message}: ${said}`, error.hint);
    }
    throw error;
  } finally {
    bar.end();
  }
  world.terminal.out.write(`${plan.nodes} nodes are up in ${home}\n`);
  world.terminal.out.write(`try: ctdbx cluster status --home ${join(home, "n0")}\n`);
}

async function keep(flags: DevFlags): Promise<void> {
  const home = devHome(flags.home);
  const plan = planOf(home);
  if (keeperOf(home) !== undefined) {
    throw new Failure(EXIT.conflict, `Cannot keep the cluster in ${home}: it is up`);
  }
  writePid(join(home, "keeper.pid"));
  const stopped = new Promise<undefined>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(undefined));
  });
  const cluster = new KeptCluster(home, plan);
  try {
    await cluster.start();
    // The log of the keeper: what it says goes to keeper.log.
    const say = (text: string) => console.log(`${new Date().toISOString()} ${text}`);
    await Promise.race([stopped, cluster.keep(say)]);
    // Without a node that runs there is still the server; only a signal, or `dev down`, ends it.
    await stopped;
  } finally {
    await cluster.stop();
  }
}

async function down(flags: DevFlags & { remove?: boolean }): Promise<void> {
  const home = devHome(flags.home);
  planOf(home);
  const pid = keeperOf(home);
  if (pid === undefined && flags.remove !== true) {
    throw new Failure(EXIT.notFound, `Cannot stop the cluster in ${home}: it is down`);
  }
  if (pid !== undefined) {
    process.kill(pid, "SIGTERM");
    if (!await until(() => !isAlive(pid), DOWN_MS)) {
      throw new Failure(
        EXIT.unknownOutcome,
        `Cannot tell whether it has stopped: pid ${pid} is there`,
      );
    }
  }
  if (flags.remove === true) removeCluster(home);
}

async function status(world: CommandWorld, flags: DevFlags & OutputFlags): Promise<void> {
  const home = devHome(flags.home);
  const plan = planOf(home);
  const rows = new RowWriter(world.terminal.out, lookOf(world, flags), STATUS);
  const each = Array.from({ length: plan.nodes }, (_, index) => statusRow(world, home, index));
  for (const row of await Promise.all(each)) rows.row(row);
  rows.end();
}

async function statusRow(world: CommandWorld, home: string, index: number): Promise<Row> {
  const paths = devNode(home, index);
  const pid = daemonOf(world, home, index);
  const silent = { condition: pid === undefined ? "down" : "silent" };
  const said = await look(paths, "node status", {}, SILENT_MS)
    .then((row) => row as Row, (): Row => silent);
  return {
    name: `n${index}`,
    pid,
    supervisor: supervisorOf(paths.run),
    runstate: said["runstate"],
    condition: said["condition"],
    leader: said["leader"],
    serving: said["serving"],
    home: join(home, `n${index}`),
  };
}

/** The process of a node's daemon, by its state page; undefined: none lives. */
function daemonOf(world: CommandWorld, home: string, index: number): number | undefined {
  const path = join(devNode(home, index).run, "state");
  let page: StatePage;
  try {
    page = StatePage.open(world.store, path);
  } catch {
    // There is none, or a new life is just making its own.
    return undefined;
  }
  try {
    const pid = page.read()?.pid;
    return pid !== undefined && isAlive(pid) ? pid : undefined;
  } finally {
    page.close();
  }
}

async function makeFault(
  flags: DevFlags,
  kind: "pause" | "kill" | "skew" | "heal",
  target: string,
  ms: number,
): Promise<void> {
  const home = devHome(flags.home);
  const plan = planOf(home);
  const index = await indexOf(home, plan.nodes, target);
  const paths = devNode(home, index);
  if (kind === "heal") return void await askOnce(paths, "chaos heal");
  if (kind === "skew") return void await askOnce(paths, "chaos skew", { ms });
  const { pid } = await askOnce(paths, "node process") as { pid: number };
  if (kind === "kill") return void process.kill(pid, "SIGKILL");
  process.kill(pid, "SIGSTOP");
  // A process of its own lets it go on, whatever becomes of this one.
  startDetached(["/bin/sh", "-c", `sleep ${ms / 1000}; kill -CONT ${pid}`], "/dev/null");
}

async function partition(flags: CutFlags, target: string, ms: number): Promise<void> {
  const home = devHome(flags.home);
  const plan = planOf(home);
  const index = await indexOf(home, plan.nodes, target);
  const ids = nodeIds(home, plan);
  const from = flags.from === undefined
    ? ids.keys().filter((other) => other !== index)
    : await Promise.all(
      flags.from.split(",").map((name) => indexOf(home, plan.nodes, name.trim())),
    );
  const tags = [...from].map((other) => tagOf(ids[other] as NodeId));
  await askOnce(devNode(home, index), "chaos cut", { tags, ms, way: flags.way ?? "both" });
}

async function indexOf(home: string, nodes: number, target: string): Promise<number> {
  const index = /^n(\d{1,2})$/.exec(target)?.[1];
  if (index !== undefined && Number(index) < nodes) return Number(index);
  if (target !== "leader") {
    throw usage(`Cannot find ${target}: targets are n0 to n${nodes - 1}, leader`);
  }
  const views = await Promise.all(
    Array.from(
      { length: nodes },
      (_, each) => look(devNode(home, each), "leader show", {}, SILENT_MS).catch(() => ({})),
    ),
  ) as LeaderAnswer[];
  // A leader that was cut off may still take itself for one: the newest token counts.
  const known = views.filter(({ leader }) => leader !== undefined)
    .sort((one, other) => Number(other.election ?? 0) - Number(one.election ?? 0));
  const leader = known[0]?.leader;
  if (leader !== undefined) return Number(leader.slice(1));
  throw new Failure(EXIT.noQuorum, "Cannot find the leader: no node knows one");
}
