/**
 * `ctdbx lease run`: a command of which one copy runs in the whole cluster.
 *
 * Does NOT promise: that it runs on a certain node; where it runs is who got the lease.
 */

import type { Command } from "commander";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../actors/client/types.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { ONE_MS, withCluster } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { usage } from "../failure.ts";
import { type LockRun, type LockRunEnd, runLocked } from "../lock_run.ts";
import type { CommandWorld } from "../world.ts";
import { seconds } from "../world.ts";
import { lockRunOf, RAN, type RanRow, type RunFlags, runOptions, tellEnd } from "./glock.ts";

/** What a node says that is not there just now. */
const PASSING: readonly ErrorCode[] = ["state", "busy", "timeout", "unknown"];
/** Then it is tried again, ms. */
const RETRY_MS = 300;

interface LeaseFlags extends RunFlags {
  readonly ttl: number;
  readonly once?: boolean;
}

const EXPLAINED = `
Start it on every node: one of them gets the lease and runs CMD, the others wait. When the node, the
daemon or this command ends, another one gets it; before that CMD has had TERM and KILL. A lease that
is lost is waited for again, unless --once is given. Leases and locks share their names.

Exit codes: that of CMD, when it ends by itself; 126, 127 and 128 + n as shells have them;
1 (or --conflict-exit-code) not had in time; 124 stopped, by --timeout, or with --once since the
lease was lost. With -o the output of CMD goes to standard error.
`;

/** Adds `ctdbx lease`. */
export function addLeaseCommands(program: Command, world: CommandWorld): void {
  const lease = program.command("lease").description("one copy of a command in the whole cluster");
  const run = lease.command("run <name> <command...>")
    .description("run a command while a lease is held: lease run NAME -- CMD ARGS")
    .addHelpText("after", EXPLAINED);
  declare<LeaseFlags, RanRow>(
    runOptions(run)
      .option("--ttl <seconds>", "it is lost when this command has hung for so long", seconds, 10)
      .option("--once", "end when it is lost"),
    world,
    {
      result: RAN,
      raw: "what CMD prints",
      asks: "home",
      timeout: { text: "stop CMD after so long, or the wait for the lease" },
    },
    runLease,
  );
}

async function runLease(
  task: Task<LeaseFlags, RanRow>,
  name = "",
  ...rest: (string | undefined)[]
): Promise<void> {
  const { ttl, once = false, killAfter } = task.flags;
  if (ttl < 2 * killAfter || ttl < 1 || ttl > 600) {
    throw usage("Cannot use --ttl: it is 1 to 600 s, and twice --kill-after at least");
  }
  const run = { ...lockRunOf(task, name, rest), ttlMs: Math.round(1000 * ttl) };
  await withCluster(task, async (cluster) => {
    for (;;) {
      const end = await runAgain(cluster, run, task.signal);
      if (end.how !== "lost" || once) tellEnd(task, name, end);
      task.world.terminal.err.write(`ctdbx: the lease ${name} was lost: ${end.why}\n`);
      task.world.terminal.err.flush();
    }
  }, { timeoutMs: ONE_MS });
}

/** Runs it; what a daemon that is being started again cannot do is tried again. */
async function runAgain(cluster: Cluster, run: LockRun, signal: AbortSignal): Promise<LockRunEnd> {
  for (;;) {
    try {
      return await runLocked(cluster, run);
    } catch (error) {
      const isPassing = error instanceof CtdbxError && PASSING.includes(error.code);
      if (!isPassing || signal.aborted) throw error;
    }
    await sleep(RETRY_MS);
  }
}
