/**
 * The command tree as data: what completion, man pages and docs/COMMANDS.md are made from.
 *
 *   commandTree(world) ──▶ partsOf() ──▶ one part for each command and group: words, options, arguments
 *
 * Does NOT promise: hidden commands; they are for ctdbx itself.
 */

import type { Command, Option } from "commander";
import { TUNABLE_NAMES } from "../actors/tunables/catalogue.ts";

/** What a value of an option or an argument can be, for completion. */
export type Value =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "file" | "folder" | "node" | "any" };

/** One option. */
export interface OptionPart {
  /** As typed, the short one first: -o, --output. */
  readonly names: readonly string[];
  /** As in help: "-o, --output <format>". */
  readonly flags: string;
  readonly about: string;
  /** Choices and default are part of it. */
  readonly more: string;
  /** Undefined: it takes none. */
  readonly value: Value | undefined;
}

/** One command, or a group of them. */
export interface Part {
  /** Behind the program's name: "tdb get"; empty: the program itself. */
  readonly words: string;
  readonly about: string;
  /** As in help: "[options] <file> <key>". */
  readonly usage: string;
  /** Names and descriptions of what is in a group; none: it is a command. */
  readonly inner: readonly { readonly name: string; readonly about: string }[];
  readonly options: readonly OptionPart[];
  readonly args: readonly {
    readonly name: string;
    readonly about: string;
    readonly value: Value;
  }[];
}

/** All parts of a tree, each before those in it. */
export function partsOf(tree: Command, words = ""): Part[] {
  const inner = visible(tree);
  const part: Part = {
    words,
    about: tree.description(),
    usage: tree.usage(),
    inner: inner.map((each) => ({ name: each.name(), about: each.description() })),
    options: tree.options.filter(({ hidden }) => !hidden).map(optionPart),
    args: tree.registeredArguments.map((arg) => ({
      name: arg.name(),
      about: arg.description,
      value: valueOf(arg.argChoices, arg.name()),
    })),
  };
  return [part, ...inner.flatMap((each) => partsOf(each, `${words} ${each.name()}`.trim()))];
}

/** The commands in a group that help shows, without help itself. */
function visible(command: Command): Command[] {
  if (command.commands.length === 0) return [];
  return command.createHelp().visibleCommands(command).filter((inner) => inner.name() !== "help");
}

function optionPart(option: Option): OptionPart {
  const { flags, description: about, short, long, argChoices, defaultValue, negate } = option;
  const [, place = ""] = /[<[]([^>\]]+)/.exec(flags) ?? [];
  const choices = argChoices === undefined ? "" : `: ${argChoices.join(", ")}`;
  const { defaultValueDescription: said } = option;
  // A home comes from the environment of who makes the page; other defaults are shown as they are typed.
  const isPlain = negate || defaultValue === undefined || defaultValue === false ||
    long === "--home" || (typeof defaultValue === "object" && said === undefined);
  return {
    names: [short, long].filter((name) => name !== undefined),
    flags,
    about,
    more: choices + (isPlain ? "" : ` (default: ${said ?? String(defaultValue)})`),
    value: place === "" ? undefined : valueOf(argChoices, place),
  };
}

const PLACES: Readonly<Record<string, Value["kind"]>> = {
  file: "file",
  path: "file",
  to: "file",
  folder: "folder",
  node: "node",
  nodes: "node",
  target: "node",
};

/** Words that are known beforehand, and are no choices: other ones may be right, too. */
const WORDS: ReadonlyMap<string, readonly string[]> = new Map([["tunable", TUNABLE_NAMES]]);

/** By its choices, or else by the name of its place. */
function valueOf(choices: readonly string[] | undefined, place: string): Value {
  if (choices !== undefined) return { kind: "words", words: choices };
  const words = WORDS.get(place);
  if (words !== undefined) return { kind: "words", words };
  const kind = PLACES[place.replace(/\.\.\.$/, "")];
  return kind === undefined || kind === "words" ? { kind: "any" } : { kind };
}
