/**
 * What is wrong with a command line, and what was wanted of it, as far as that can be told before it is understood.
 *
 * Does NOT promise: the words of the library that reads the command line; they are turned into ours here.
 */

import type { Command, CommanderError } from "commander";
import { schemaOf, schemaText, wordsOf } from "./declare.ts";
import { EXIT } from "./exit_codes.ts";
import { HELP, type Report, usage } from "./failure.ts";
import { meant } from "./nearest.ts";
import { peerHint, sameNameHint } from "./peer_words.ts";

const HINTS: Readonly<Record<string, string>> = {
  "commander.unknownOption": `a key or value that begins with - goes after --; ${HELP}`,
};

/** What commander refused, in our words; undefined when it only printed help or the version. */
export function usageReport(
  error: CommanderError,
  command: Command | undefined,
): Report | undefined {
  if (error.exitCode === 0) return undefined;
  if (error.code === "commander.help") {
    const name = command === undefined ? "" : `${wordsOf(command)} `.trimStart();
    const inner = command?.createHelp().visibleCommands(command).map((each) => each.name()) ?? [];
    const names = inner.filter((each) => each !== "help").join(", ");
    return {
      exit: EXIT.usage,
      code: "usage",
      message: `Cannot tell what to do: ctdbx ${name}needs a command`,
      hint: `one of ${names}; --help says more`,
    };
  }
  const [reason = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = rest.join(" ").replace(/[()]/g, "").trim().replace(/^D/, "d");
  const hint = otherHint(reason, command) ??
    (suggestion === "" ? choiceHint(reason) ?? HINTS[error.code] ?? HELP : suggestion);
  return {
    exit: EXIT.usage,
    code: "usage",
    message: `Cannot understand the command: ${reason}`,
    hint,
  };
}

/** What another system's command, or its argument, is called here. */
function otherHint(reason: string, command: Command | undefined): string | undefined {
  const words = command === undefined ? "" : wordsOf(command);
  const [, typed] = /^unknown command '([^']*)'$/.exec(reason) ?? [];
  if (words === "") return typed === undefined ? undefined : peerHint(typed);
  const isExcess = typed !== undefined || reason.startsWith("too many arguments");
  return isExcess ? sameNameHint(words) : undefined;
}

/** Which of the choices of an option was meant. */
function choiceHint(reason: string): string | undefined {
  const [, typed, choices] =
    /(?:argument|value) '([^']*)' is invalid.*\. Allowed choices are (.*)\.$/.exec(reason) ?? [];
  if (typed === undefined || choices === undefined) return undefined;
  return meant(typed, choices.split(", "));
}

/** The words before --; what stands behind it are arguments. */
function before(words: readonly string[]): readonly string[] {
  const end = words.indexOf("--");
  return end < 0 ? words : words.slice(0, end);
}

/** Errors follow the form of the output, also when the rest of the command line could not be understood. */
export function wantsJson(words: readonly string[]): "json" | "jsonl" | undefined {
  const own = before(words);
  for (const [index, word] of own.entries()) {
    const follows = /^(?:-o|--output)$/.test(own[index - 1] ?? "");
    const form = /^(?:-o|--output=)(jsonl?)$/.exec(word)?.[1] ??
      (follows && /^jsonl?$/.test(word) ? word : undefined);
    if (form === "json" || form === "jsonl") return form;
  }
  return undefined;
}

/** Is only the schema wanted? */
export function wantsSchema(words: readonly string[]): boolean {
  return before(words).includes("--schema") && !before(words).includes("--help");
}

/** The command that the first words name, and the words behind it. */
export function commandOf(
  tree: Command,
  words: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } {
  let command = tree;
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as string;
    const inner = command.commands.find((each) =>
      each.name() === word || each.aliases().includes(word)
    );
    if (inner === undefined) break;
    command = inner;
  }
  return { command, rest: words.slice(at) };
}

/** The schema that --schema asks for. Arguments may be missing. Throws Failure (usage) and CommanderError. */
export function schemaAnswer(tree: Command, words: readonly string[]): string {
  const { command, rest } = commandOf(tree, words);
  const { unknown } = command.parseOptions([...rest]);
  const schema = schemaOf(command, command.opts());
  if (schema !== undefined && unknown.length === 0) return schemaText(schema);
  const name = `ctdbx ${wordsOf(command)}`.trim();
  throw usage(
    unknown.length > 0 && schema !== undefined
      ? `Cannot understand the command: unknown option '${unknown[0]}'`
      : `Cannot show a schema: ${name} has no result of its own`,
    command.commands.length > 0 ? `${name} --help lists its commands` : HELP,
  );
}
