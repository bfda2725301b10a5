/**
 * `ctdbx check`: the cluster's state as a plugin for monitoring systems: one line and an exit code of 0 to 3.
 *
 *   feed ─▶ board, until every node was heard, or for --listen seconds ─▶ judge ─▶ OK | WARNING | CRITICAL | UNKNOWN
 *
 * It listens, over the daemon's socket or with the key of a monitor at NATS, and asks nobody anything.
 *
 * Does NOT promise: the exit codes of other commands: 0 OK, 1 WARNING, 2 CRITICAL (or wrong use), 3 UNKNOWN.
 */

import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { Board } from "../board.ts";
import {
  CHECK_STATUSES,
  type CheckReport,
  CRIT_LIMITS,
  judge,
  LIMITS,
  type Limits,
  readLimits,
  reportLine,
  WARN_LIMITS,
} from "../check_report.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT, type ExitCode } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { type FeedFlags, feedOptions, openFeed } from "../feed.ts";
import { Pacer } from "../pacer.ts";
import { object, type RowOf } from "../result.ts";
import { list, maybe, num, record, text, word } from "../schema.ts";
import { Verdict } from "../verdict.ts";
import type { CommandWorld } from "../world.ts";
import { seconds } from "../world.ts";

interface CheckFlags extends FeedFlags {
  readonly warn?: Limits;
  readonly crit?: Limits;
  readonly listen: number;
}

const REPORT = object({
  status: word("Status", "the verdict; the exit code is its place, from 0", CHECK_STATUSES),
  text: text("Text", "what is wrong, the gravest first, and a summary"),
  measured: list(
    "Measured",
    "values with their limits",
    record("Value", "one of them", {
      name: text("Name", "what was measured"),
      value: num("Value", "in its unit"),
      unit: text("Unit", "ms, or nothing for counts"),
      warn: maybe(num("Warning", "limit for WARNING")),
      crit: maybe(num("Critical", "limit for CRITICAL")),
    }),
  ),
});

/** Nodes are heard once a second; how often it is looked whether all were, ms. */
const LOOK_EVERY_MS = 50;

/** Adds `ctdbx check`. */
export function addCheckCommand(program: Command, world: CommandWorld): void {
  const command = feedOptions(program.command("check"))
    .description("judge the cluster for a monitoring system: one line, exit code 0 to 3")
    .option("--warn <limits>", `WARNING at: ${limitsText(WARN_LIMITS)}`, limitsOf)
    .option("--crit <limits>", `CRITICAL at: ${limitsText(CRIT_LIMITS)}`, limitsOf)
    .option("--listen <seconds>", "listen so long for nodes that are silent", seconds, 2.5)
    .addHelpText("after", `\n${limitsHelp()}`);
  declare<CheckFlags, RowOf<typeof REPORT>>(
    command,
    world,
    { result: REPORT, asks: "node" },
    check,
  );
}

async function check(task: Task<CheckFlags, RowOf<typeof REPORT>>): Promise<void> {
  const report = await reportOf(task);
  if (task.out.isTable) task.out.say(`${reportLine(report)}\n`);
  else task.out.object(report);
  const exit = CHECK_STATUSES.indexOf(report.status) as ExitCode;
  if (exit !== EXIT.ok) throw new Verdict(exit);
}

async function reportOf({ flags }: Task<CheckFlags>): Promise<CheckReport> {
  const board = new Board();
  const now = (): number => performance.now();
  try {
    const feed = await openFeed(flags, {
      topics: ["heartbeat", "stats"],
      onItem: (item) => board.note(item, now(), Date.now()),
    });
    const endMs = now() + flags.listen * 1000;
    try {
      const pacer = new Pacer([feed.ended]);
      while (now() < endMs && !board.isComplete(now())) await pacer.pause(LOOK_EVERY_MS);
    } finally {
      feed.close();
    }
  } catch (error) {
    return unheard(error);
  }
  const warn = { ...WARN_LIMITS, ...flags.warn };
  return judge(board.view(now()), warn, { ...CRIT_LIMITS, ...flags.crit });
}

/** Why nothing could be heard: without a daemon on this machine it is grave, all else leaves it open. */
function unheard(error: unknown): CheckReport {
  const message = error instanceof Error ? error.message : String(error);
  const isDown = error instanceof Failure && error.exit === EXIT.notFound;
  return { status: isDown ? "CRITICAL" : "UNKNOWN", text: message, measured: [] };
}

function limitsOf(text: string): Limits {
  try {
    return readLimits(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function limitsText(limits: Limits): string {
  return Object.entries(limits).map(([name, value]) => `${name}=${value}`).join(",");
}

function limitsHelp(): string {
  const lines = Object.entries(LIMITS).map(([name, { unit, about }]) =>
    `  ${name.padEnd(9)}${about}${unit === "" ? "" : `, ${unit}`}`
  );
  return `Limits:\n${lines.join("\n")}\n`;
}
