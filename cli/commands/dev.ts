/**
 * `ctdbx dev ...`: a cluster of this machine to try things with, and faults on demand.
 *
 *   up --nodes 3 ──▶ keeper (background) ──▶ nats-server, supervisors ──▶ daemons        down: ends the keeper
 *
 * Does NOT promise: anything for production; it is for trying, testing and showing.
 */

import { dirname, join } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import { StatePage } from "../../actors/storage/state_page.ts";
import { declare, type Task } from "../declare.ts";
import {
  DEV_NODES_MAX,
  devHome,
  devKey,
  devNode,
  hasRoles,
  keeperOf,
  KeptCluster,
} from "../dev_cluster.ts";
import { planOf, removeCluster } from "../dev_cluster.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { devOption } from "../home_option.ts";
import { progress } from "../progress.ts";
import { raisePriority } from "../priority.ts";
import { isAlive, lastLines, startDetached, supervisorOf, until, writePid } from "../processes.ts";
import { selfCommand } from "../self.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, maybe, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { plannedCluster, SILENT_MS, waitUp } from "../dev_up.ts";
import { look } from "./asking.ts";
import { addChaosCommands } from "./dev_chaos.ts";
import { addDevRun } from "./dev_run.ts";
import type { OwnAnswer } from "./node_fields.ts";

const UP_MS = 60_000;
const DOWN_MS = 30_000;

interface DevFlags {
  readonly home?: string;
}

interface UpFlags extends DevFlags {
  readonly nodes?: number;
  readonly open?: boolean;
}

interface DownFlags extends DevFlags {
  readonly remove?: boolean;
}

const UP = object({
  home: text("Home", "folder of the cluster"),
  nodes: int("Nodes", "how many are up"),
  keeperPid: int("Keeper", "process id of the keeper"),
  natsPort: int("NATS", "port of its nats-server, on 127.0.0.1"),
  keys: maybe(text("Keys", "folder of admin.nkey, client.nkey, monitor.nkey; null: none needed")),
});
const DOWN = object({
  home: text("Home", "folder of the cluster"),
  wasUp: flag("Was up", "was it up before?"),
  removed: flag("Removed", "are its files removed?"),
});
const STATUS = rows({
  name: text("Node", "its name"),
  pid: maybe(int("Process", "process id of its daemon; null: none lives")),
  supervisor: maybe(int("Supervisor", "process id of its supervisor")),
  runstate: maybe(text("Runstate", "how far its daemon is")),
  condition: maybe(text("Condition", "how it is; down: no daemon, silent: it does not answer")),
  leader: maybe(text("Leader", "whom it takes for the leader")),
  serving: maybe(flag("Serving", "may it serve volatile records now?")),
  home: text("Home", "its folder, for --home"),
});

/** Adds `ctdbx dev`. */
export function addDevCommands(program: Command, world: CommandWorld): void {
  const dev = program.command("dev").description("a cluster of this machine, to try things with");
  declare<UpFlags, RowOf<typeof UP>>(
    devOption(dev.command("up"))
      .description("start it, in the background; made when there is none")
      .option("--nodes <count>", "how many nodes a new one has (3)", whole(1, DEV_NODES_MAX))
      .option("--open", "a new one needs no keys: whoever reaches its port may say anything"),
    world,
    { result: UP, changes: true, waits: "until all is well, which it always does" },
    up,
  );
  devOption(dev.command("keep", { hidden: true }).description("keep it, in the foreground"))
    .action((flags: DevFlags) => keep(flags));
  declare<DownFlags, RowOf<typeof DOWN>>(
    devOption(dev.command("down").description("stop all of it"))
      .option("--remove", "and remove its files"),
    world,
    {
      result: DOWN,
      changes: true,
      waits: "until all of it has ended, which it always does",
      destroys: "the files are removed",
    },
    down,
  );
  addDevRun(dev, world);
  declare<DevFlags, RowOf<typeof STATUS>>(
    devOption(dev.command("status").description("its processes, and what they say")),
    world,
    { result: STATUS },
    status,
  );
  addChaosCommands(dev, world);
}

async function up({ world, flags, out }: Task<UpFlags, RowOf<typeof UP>>): Promise<void> {
  const home = devHome(flags.home);
  if (keeperOf(home) !== undefined) {
    throw new Failure(
      EXIT.conflict,
      `Cannot start the cluster in ${home}: it is up`,
      "`ctdbx dev down` stops it",
    );
  }
  const plan = await plannedCluster(home, flags.nodes, flags.open);
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
  out.say(`${plan.nodes} nodes are up in ${home}\n`);
  out.say(`try: ctdbx cluster status --home ${join(home, "n0")}\n`);
  const keys = keysOf(home);
  if (keys !== undefined) {
    out.say(`keys for programs on its bus (admin, client, monitor): ${keys}\n`);
  }
  const { nodes, port } = planOf(home);
  if (!out.isTable) out.object({ home, nodes, keeperPid: pid, natsPort: port, keys });
}

async function keep(flags: DevFlags): Promise<void> {
  const home = devHome(flags.home);
  const plan = planOf(home);
  if (keeperOf(home) !== undefined) {
    throw new Failure(
      EXIT.conflict,
      `Cannot keep the cluster in ${home}: it is up`,
      "`ctdbx dev down` stops it",
    );
  }
  raisePriority();
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

async function down(task: Task<DownFlags, RowOf<typeof DOWN>>): Promise<void> {
  const { flags, out } = task;
  const home = devHome(flags.home);
  planOf(home);
  const pid = keeperOf(home);
  if (pid === undefined && flags.remove !== true) {
    throw new Failure(
      EXIT.notFound,
      `Cannot stop the cluster in ${home}: it is down`,
      "`ctdbx dev up` starts it, `ctdbx dev down --remove` removes its files",
    );
  }
  const removed = flags.remove === true;
  if (removed) await task.confirm(`All files of the cluster in ${home} will be removed`);
  if (pid !== undefined) {
    process.kill(pid, "SIGTERM");
    if (!await until(() => !isAlive(pid), DOWN_MS)) {
      throw new Failure(
        EXIT.unknownOutcome,
        `Cannot tell whether it has stopped: pid ${pid} is there`,
        `its log is ${join(home, "keeper.log")}`,
      );
    }
  }
  if (removed) removeCluster(home);
  if (!out.isTable) return out.object({ home, wasUp: pid !== undefined, removed });
  out.say(`${pid === undefined ? "was down" : "stopped"}${removed ? ", removed" : ""}: ${home}\n`);
}

async function status(
  { world, flags, out }: Task<DevFlags, RowOf<typeof STATUS>>,
): Promise<void> {
  const home = devHome(flags.home);
  const plan = planOf(home);
  const each = Array.from({ length: plan.nodes }, (_, index) => statusRow(world, home, index));
  for (const row of await Promise.all(each)) out.row(row);
  const keys = keysOf(home);
  out.say(`\nNATS: 127.0.0.1:${plan.port}, ${keys === undefined ? "open" : `keys in ${keys}`}\n`);
}

/** The folder of keys for programs on its bus; undefined: it needs none. */
function keysOf(home: string): string | undefined {
  return hasRoles(home) ? dirname(devKey(home, "admin")) : undefined;
}

async function statusRow(
  world: CommandWorld,
  home: string,
  index: number,
): Promise<RowOf<typeof STATUS>> {
  const paths = devNode(home, index);
  const pid = daemonOf(world, home, index);
  const silent = { condition: pid === undefined ? "down" : "silent" };
  const said = await look(paths, "node status", {}, SILENT_MS)
    .then((answer) => answer as OwnAnswer, (): Partial<OwnAnswer> => silent as never);
  const { runstate, condition, leader, serving } = said;
  const shown = { runstate, condition, leader, serving };
  const supervisor = supervisorOf(paths.run);
  return { name: `n${index}`, pid, supervisor, ...shown, home: join(home, `n${index}`) };
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
