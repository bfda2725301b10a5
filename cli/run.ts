/**
 * One run of ctdbx: words in, exit code out. cli/main.ts gives it the process, tests give it their own world.
 *
 *   words -> command tree -> action -> output, exit 0
 *                      \--> error -> two lines on stderr (an object with -o json), exit code of the table
 *
 * Does NOT promise: to have written everything when stdout's reader went away.
 */

import { Command, CommanderError } from "commander";
import { addClusterCommands } from "./commands/cluster.ts";
import { addClusterBench } from "./commands/bench.ts";
import { addDaemonCommands } from "./commands/daemon.ts";
import { addDevCommands } from "./commands/dev.ts";
import { addLeaderCommands } from "./commands/leader.ts";
import { addLockCommands } from "./commands/lock.ts";
import { addLockShowCommand } from "./commands/lock_show.ts";
import { addNatsCommands } from "./commands/nats.ts";
import { addNodeCommands } from "./commands/node.ts";
import { addSlotCommands } from "./commands/slot.ts";
import { addSimCommands } from "./commands/sim.ts";
import { addTdbCommands } from "./commands/tdb.ts";
import { addWatchCommand } from "./commands/watch.ts";
import type { ExitCode } from "./exit_codes.ts";
import { EXIT, EXIT_MEANING } from "./exit_codes.ts";
import type { Report } from "./failure.ts";
import { reportJson, reportOf, reportText } from "./failure.ts";
import { ClosedPipe } from "./terminal.ts";
import type { CommandWorld } from "./world.ts";

/** The version that --version prints; package.json says the same (test/cli/run.test.ts). */
export const VERSION = "0.1.0";

/** Runs the command that `words` name (without program and script). Never throws. */
export async function run(words: readonly string[], world: CommandWorld): Promise<ExitCode> {
  const { out, err } = world.terminal;
  const reports: Report[] = [];
  // Commander's own words are held back until it is known in which form they are wanted.
  const said: string[] = [];
  try {
    await commandTree(world, said).parseAsync(words, { from: "user" });
  } catch (error) {
    reports.push(...reportsOf(error, said));
  }
  // What was found goes first, and what becomes of it is part of the outcome.
  try {
    out.flush();
  } catch (error) {
    reports.push(...reportsOf(error, said));
  }
  try {
    const asText = wantsJson(words) ? reportJson : reportText;
    for (const report of reports) err.write(asText(report));
    err.flush();
  } catch {
    // There is no other place to say it; the exit code still does.
  }
  return reports[0]?.exit ?? EXIT.ok;
}

/** What is to be said about an error: nothing, when it only ended the command. */
function reportsOf(error: unknown, said: readonly string[]): Report[] {
  // `| head` has seen enough: that is how it should end.
  if (error instanceof ClosedPipe) return [];
  if (!(error instanceof CommanderError)) return [reportOf(error)];
  const report = usageReport(error, said);
  return report === undefined ? [] : [report];
}

/** The tree of all commands; `said` takes what commander would print on stderr. docs are made from it, too. */
export function commandTree(world: CommandWorld, said: string[]): Command {
  const { out, columns } = world.terminal;
  const program = new Command("ctdbx")
    .description("A clustered trivial database: TDB files, shared")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => said.push(text),
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      outputError: (text) => said.push(text),
    })
    .addHelpText("after", () => `\n${exitCodeHelp()}`);
  addClusterCommands(program, world);
  addNodeCommands(program, world);
  addLeaderCommands(program, world);
  addSlotCommands(program, world);
  addWatchCommand(program, world);
  addClusterBench(program, world);
  addDaemonCommands(program, world);
  addDevCommands(program, world);
  addSimCommands(program, world);
  addTdbCommands(program, world);
  addNatsCommands(program, world);
  addLockCommands(program, world);
  addLockShowCommand(program, world);
  return program;
}

/** The table of exit codes as help text. */
export function exitCodeHelp(): string {
  const lines = Object.entries(EXIT_MEANING).map(([code, text]) =>
    `  ${code.padStart(2)}  ${text}`
  );
  return `Exit codes:\n${lines.join("\n")}\n`;
}

const HELP = "--help after a command shows its arguments and options";
const HINTS: Readonly<Record<string, string>> = {
  "commander.unknownOption": `a key or value that begins with - goes after --; ${HELP}`,
};

/** What commander refused, in our words; undefined when it only printed help or the version. */
function usageReport(error: CommanderError, said: readonly string[]): Report | undefined {
  if (error.exitCode === 0) return undefined;
  // A command that needs a subcommand: commander has put its help into `said`.
  if (error.code === "commander.help") {
    const [first = ""] = said.join("").split("\n");
    return {
      exit: EXIT.usage,
      code: "usage",
      message: `Cannot tell what to do: a command is missing (${first})`,
      hint: "--help lists the commands",
    };
  }
  const [reason = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = rest.join(" ").replace(/[()]/g, "").trim();
  return {
    exit: EXIT.usage,
    code: "usage",
    message: `Cannot understand the command: ${reason}`,
    hint: suggestion === "" ? HINTS[error.code] ?? HELP : suggestion,
  };
}

/** Errors follow the form of the output, also when the rest of the command line could not be understood. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const before = end < 0 ? words : words.slice(0, end);
  return before.some((word, index) =>
    /^(-o|--output=)jsonl?$/.test(word) ||
    (/^jsonl?$/.test(word) && /^(-o|--output)$/.test(before[index - 1] ?? ""))
  );
}
