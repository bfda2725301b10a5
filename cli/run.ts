/**
 * One run of ctdbx: words in, exit code out. cli/main.ts gives it the process, tests give it their own world.
 *
 *   words -> command tree -> action -> output, exit 0
 *                      \--> error -> two lines on stderr (an object with -o json), exit code of the table
 *
 * Does NOT promise: to have written everything when stdout's reader went away.
 */

import { Command, CommanderError } from "commander";
import { addTdbCommands } from "./commands/tdb.ts";
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
  try {
    // Not before: commander's own words are held back until it is known in which form they are wanted.
    const said: string[] = [];
    try {
      await commandTree(world, said).parseAsync(words, { from: "user" });
      out.flush();
    } catch (error) {
      if (error instanceof ClosedPipe) throw error;
      // What was found before goes first; a stdout that has failed is empty by now.
      out.flush();
      const report = error instanceof CommanderError ? usageReport(error, said) : reportOf(error);
      if (report === undefined) return EXIT.ok;
      err.write(wantsJson(words) ? reportJson(report) : reportText(report));
      err.flush();
      return report.exit;
    }
    err.flush();
    return EXIT.ok;
  } catch (error) {
    // `| head` has seen enough: that is how it should end. Anything else has nowhere to be said.
    return error instanceof ClosedPipe ? EXIT.ok : EXIT.other;
  }
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
  addTdbCommands(program, world);
  return program;
}

/** The table of exit codes as help text. */
export function exitCodeHelp(): string {
  const lines = Object.entries(EXIT_MEANING).map(([code, text]) =>
    `  ${code.padStart(2)}  ${text}`
  );
  return `Exit codes:\n${lines.join("\n")}\n`;
}

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
    hint: suggestion === "" ? "--help after a command shows its arguments and options" : suggestion,
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
