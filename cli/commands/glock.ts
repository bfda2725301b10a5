/**
 * `ctdbx glock run | ls | show`: locks of the cluster, by name, and commands that run under one.
 *
 * Does NOT promise: that a lock that is shown is held still when it is read.
 */

import type { Command } from "commander";
import { showLock } from "../../actors/client/lock_list.ts";
import type { LockInfo, LockPlace } from "../../actors/client/types.ts";
import { type ConnectFlags, connectOptions, ONE_MS, OP_WAIT, withCluster } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT, type ExitCode } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { type LockRun, type LockRunEnd, runLocked } from "../lock_run.ts";
import { object, type RowOf, rows } from "../result.ts";
import { int, list, maybe, record, type Shape, text, u64, word } from "../schema.ts";
import { Verdict } from "../verdict.ts";
import type { CommandWorld } from "../world.ts";
import { seconds, whole } from "../world.ts";

/** Options of `glock run` and `lease run`. */
export interface RunFlags extends ConnectFlags {
  readonly wait?: number;
  readonly killAfter: number;
  readonly conflictExitCode: number;
}

interface GlockFlags extends RunFlags {
  readonly shared?: boolean;
  readonly nonblock?: boolean;
}

const PLACE = {
  pnn: int("Pnn", "number of its node"),
  incarnation: u64("Incarnation", "of its node"),
  pid: int("Pid", "process id, on its node; 0: not known"),
  mode: word("Mode", "how it is, or is to be, held", ["exclusive", "shared"]),
  since: text("Since", "when it was asked for; ISO 8601, UTC, by its node's clock"),
  graceMs: int("Grace", "so long after its end nobody else gets the lock", "ms"),
  token: maybe(text("Token", "fencing token; null: it waits")),
};
type PlaceRow = Shape<typeof PLACE>;
const FIELDS = {
  name: text("Name", "of the lock"),
  holders: list("Holders", "who has it", record("Holder", "one", PLACE)),
  waiters: list("Waiters", "who waits for it, in order", record("Waiter", "one", PLACE)),
};
const LOCKS = rows(FIELDS, {
  table: [
    "name",
    { name: "mode", title: "Mode", text: ({ holders }) => holders[0]?.mode ?? "free" },
    { name: "holders", text: ({ holders }) => holders.map(placeText).join(" ") },
    { name: "waiting", title: "Waiting", text: ({ waiters }) => waiters.length },
    { name: "since", title: "Since", text: ({ holders }) => holders[0]?.since ?? "" },
  ],
});
const LOCK = object(FIELDS, {
  table: [
    "name",
    { name: "mode", title: "Mode", text: ({ holders }) => holders[0]?.mode ?? "free" },
    { name: "holders", text: ({ holders }) => holders.map(placeText).join(" ") },
    { name: "token", title: "Token", text: ({ holders }) => holders[0]?.token ?? "" },
    { name: "since", title: "Since", text: ({ holders }) => holders[0]?.since ?? "" },
    { name: "waiters", text: ({ waiters }) => waiters.map(placeText).join(" ") },
  ],
});
type LockRow = RowOf<typeof LOCKS>;

/** The result of running something under a lock. */
export const RAN = object({
  name: text("Name", "of the lock"),
  how: word("How", "busy: the lock was not had in time; lost: CMD was stopped for that", [
    "ended",
    "busy",
    "lost",
    "stopped",
  ]),
  code: int("Code", "exit code of CMD, or of this command where it did not end by itself"),
  token: maybe(text("Token", "fencing token of the grant; null: it was not had")),
  why: maybe(text("Why", "why the lock was lost")),
});
/** See RAN. */
export type RanRow = RowOf<typeof RAN>;

const EXPLAINED = `
CMD runs while the lock is held, in a process group of its own; it finds the fencing token in
CTDBX_LOCK_TOKEN. When the lock is lost (the node has lost its place, the daemon has ended) CMD
gets TERM, and KILL --kill-after later; nobody gets the lock before that. It is also killed when
this command is.

Exit codes: that of CMD; 126 it cannot be executed, 127 not found, 128 + n ended by signal n;
1 (or --conflict-exit-code) the lock was not had in time; 124 CMD was stopped, since the lock was
lost or --timeout was over. With -o the output of CMD goes to standard error.
`;

/** Adds the options of running something under a lock. */
export function runOptions(command: Command): Command {
  return connectOptions(command)
    .option("-w, --wait <seconds>", "give up when it is not had after so long", seconds)
    .option("--kill-after <seconds>", "between TERM and KILL", seconds, 1)
    .option(
      "-E, --conflict-exit-code <code>",
      "when it is not had in time",
      whole(0, 255),
      EXIT.other,
    );
}

/** Adds `ctdbx glock`. */
export function addGlockCommands(program: Command, world: CommandWorld): void {
  const glock = program.command("glock").description("locks of the cluster, by name");
  const run = glock.command("run <name> <command...>")
    .description("run a command while a lock is held: glock run NAME -- CMD ARGS")
    .addHelpText("after", EXPLAINED);
  declare<GlockFlags, RanRow>(
    runOptions(run)
      .option("-s, --shared", "together with others that want it shared")
      .option("--nonblock", "do not wait for it"),
    world,
    {
      result: RAN,
      raw: "what CMD prints",
      asks: "home",
      timeout: { text: "stop CMD after so long, or the wait for the lock" },
    },
    runGlock,
  );
  const ls = glock.command("ls").alias("list").description("locks that are held or waited for");
  declare<ConnectFlags, LockRow>(
    connectOptions(ls),
    world,
    { result: LOCKS, asks: "home", timeout: OP_WAIT },
    runList,
  );
  const show = glock.command("show <name>")
    .description("who has a lock, and who waits; exit code 3 when nobody does");
  declare<ConnectFlags, LockRow>(
    connectOptions(show),
    world,
    { result: LOCK, asks: "home", timeout: OP_WAIT },
    runShow,
  );
}

function placeText({ pnn, pid }: PlaceRow): string {
  return `${pnn}:${pid}`;
}

function placeRow({ token, sinceMs, incarnation, ...place }: LockPlace): PlaceRow {
  return {
    ...place,
    incarnation: `${incarnation}`,
    since: new Date(sinceMs).toISOString(),
    token: token?.text ?? null,
  };
}

function lockRow({ name, holders, waiters }: LockInfo): LockRow {
  return { name, holders: holders.map(placeRow), waiters: waiters.map(placeRow) };
}

async function runList(task: Task<ConnectFlags, LockRow>): Promise<void> {
  await withCluster(task, async (cluster) => {
    for await (const info of cluster.locks()) task.out.row(lockRow(info));
  });
}

async function runShow(task: Task<ConnectFlags, LockRow>, name = ""): Promise<void> {
  lockName(name);
  await withCluster(task, async (cluster) => {
    const info = await showLock(cluster, name);
    if (info === undefined) {
      const hint = "`ctdbx glock ls` shows all that somebody has, or waits for";
      throw new Failure(EXIT.notFound, `Cannot show the lock ${name}: nobody has it`, hint);
    }
    task.out.object(lockRow(info));
  });
}

/** A lock's name. Throws Failure (usage). */
export function lockName(name: string): string {
  const size = new TextEncoder().encode(name).length;
  if (size >= 1 && size <= 1024) return name;
  throw usage(`Cannot use a lock whose name has ${size} bytes`, "it has 1 to 1024");
}

async function runGlock(
  task: Task<GlockFlags, RanRow>,
  name = "",
  ...rest: (string | undefined)[]
): Promise<void> {
  const { shared = false, nonblock = false, wait } = task.flags;
  if (nonblock && wait !== undefined) throw usage("Cannot use --wait: --nonblock does not wait");
  const run = lockRunOf(task, name, rest);
  const waitMs = nonblock ? 0 : run.waitMs;
  await withCluster(task, async (cluster) => {
    tellEnd(task, name, await runLocked(cluster, { ...run, isShared: shared, waitMs }));
  }, { timeoutMs: ONE_MS });
}

/** What is to be run. Throws Failure (usage). */
export function lockRunOf(
  { flags, signal }: Task<RunFlags, RanRow>,
  name: string,
  rest: readonly unknown[],
): LockRun {
  const { killAfter, wait, output } = flags;
  if (killAfter > 60) throw usage("Cannot use --kill-after: it is 60 s at most");
  return {
    name: lockName(name),
    command: rest.flat() as string[],
    isShared: false,
    waitMs: wait === undefined ? undefined : Math.round(1000 * wait),
    killAfterMs: Math.round(1000 * killAfter),
    ttlMs: undefined,
    isQuiet: output !== undefined,
    signal,
    onHeld: () => {},
  };
}

/** Shows how it ended, and ends this command with that code. */
export function tellEnd(
  { flags, out, world: { terminal } }: Task<RunFlags, RanRow>,
  name: string,
  { how, code, token, why }: LockRunEnd,
): never {
  const exit = how === "busy" ? flags.conflictExitCode : code;
  if (how === "lost") terminal.err.write(`ctdbx: the lock ${name} was lost: ${why}\n`);
  const told = { token: token ?? null, why: why ?? null };
  if (flags.output !== undefined) out.object({ name, how, code: exit, ...told });
  // Not of the table of exit codes: that of CMD, as --help says.
  throw new Verdict(exit as ExitCode);
}
