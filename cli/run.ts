/**
 * One run of ctdbx: words in, exit code out. cli/main.ts gives it the process, tests give it their own world.
 *
 *   words -> command tree -> action -> output, exit 0
 *                      \--> error -> two lines on stderr (an object with -o json), exit code of the table
 *
 * Does NOT promise: to have written everything when stdout's reader went away.
 */

import { Command, CommanderError } from "commander";
import { GROUPS } from "./commands/groups.ts";
import { Reported, wordsOf } from "./declare.ts";
import type { ExitCode } from "./exit_codes.ts";
import { EXIT, EXIT_MEANING } from "./exit_codes.ts";
import type { Report } from "./failure.ts";
import { reportOf, reportText } from "./failure.ts";
import { failedEnvelope } from "./result.ts";
import { ClosedPipe } from "./terminal.ts";
import { commandOf, schemaAnswer, usageReport, wantsJson, wantsSchema } from "./usage.ts";
import { Verdict } from "./verdict.ts";
import type { CommandWorld } from "./world.ts";

/** The version that --version prints; package.json says the same (test/cli/run.test.ts). */
export const VERSION = "0.1.0";

/** Runs the command that `words` name (without program and script). Never throws. */
export async function run(words: readonly string[], world: CommandWorld): Promise<ExitCode> {
  const { out, err } = world.terminal;
  const reports: Report[] = [];
  const form = wantsJson(words);
  let command: Command | undefined;
  let verdict: ExitCode = EXIT.ok;
  try {
    const tree = await commandTree(world, words);
    command = commandOf(tree, words).command;
    if (wantsSchema(words)) out.write(schemaAnswer(tree, words));
    else await tree.parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof Verdict) verdict = error.exit;
    else reports.push(...reportsOf(error, command));
    // With -o json there is one value on stdout, whatever happens.
    const isUsage = error instanceof CommanderError && reports[0] !== undefined;
    if (isUsage && form === "json") {
      out.write(failedEnvelope(nameOf(command), reports[0] as Report));
    }
  }
  // What was found goes first, and what becomes of it is part of the outcome.
  try {
    out.flush();
  } catch (error) {
    reports.push(...reportsOf(error, command));
  }
  try {
    for (const report of reports) {
      err.write(form === undefined ? reportText(report) : failedEnvelope(nameOf(command), report));
    }
    err.flush();
  } catch {
    // There is no other place to say it; the exit code still does.
  }
  return reports[0]?.exit ?? verdict;
}

function nameOf(command: Command | undefined): string {
  return command === undefined ? "" : wordsOf(command);
}

/** What is to be said about an error: nothing, when it only ended the command. */
function reportsOf(error: unknown, command: Command | undefined): Report[] {
  // `| head` has seen enough: that is how it should end.
  if (error instanceof ClosedPipe) return [];
  if (error instanceof Reported) return [error.report];
  if (!(error instanceof CommanderError)) return [reportOf(error)];
  const report = usageReport(error, command);
  return report === undefined ? [] : [report];
}

/**
 * The tree of all commands. With `words` only the commands of the first of them are loaded, and of the others names and
 * descriptions. Documents are made from the whole tree.
 */
export async function commandTree(
  world: CommandWorld,
  words?: readonly string[],
): Promise<Command> {
  const { out, columns } = world.terminal;
  const program = new Command("ctdbx")
    .description("A clustered trivial database: TDB files, shared")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => out.write(text),
      // What it would say on stderr is said in our words; see usage.ts.
      writeErr: () => {},
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      outputError: () => {},
    })
    .addHelpText("after", () => `\n${exitCodeHelp()}`);
  const [first] = words ?? [];
  // `help WORD` shows what is in it.
  const wanted = first === "help" ? words?.[1] : first;
  for (const { name, about, hidden = false, add } of GROUPS) {
    if (words === undefined || name === wanted) await add(program, world);
    else program.command(name, { hidden }).description(about);
  }
  return program;
}

/** The table of exit codes as help text. */
export function exitCodeHelp(): string {
  const lines = Object.entries(EXIT_MEANING).map(([code, text]) =>
    `  ${code.padStart(2)}  ${text}`
  );
  return `Exit codes:\n${lines.join("\n")}\n`;
}
