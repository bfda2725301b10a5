/**
 * What completion scripts of all shells are made of: the tables of commands and options, and the cases of values.
 *
 * Does NOT promise: a script; see completion_bash.ts, completion_zsh.ts and completion_fish.ts.
 */

import type { OptionPart, Part, Value } from "./tree.ts";

/** --help is an option of every command, which the tree does not list. */
const HELP: OptionPart = {
  names: ["-h", "--help"],
  flags: "-h, --help",
  about: "display help for command",
  more: "",
  value: undefined,
};

/** The options of a part, with --help. */
export function optionsOf(part: Part): OptionPart[] {
  return [...part.options, HELP];
}

/** Each step from a group to what is in it, as "path/word". */
export function steps(parts: readonly Part[]): string[] {
  return parts.flatMap(({ words, inner }) => inner.map(({ name }) => `${words}/${name}`));
}

/** Each option that takes a value, as "path/--option". */
export function valued(parts: readonly Part[]): string[] {
  return parts.flatMap((part) =>
    optionsOf(part).filter(({ value }) => value !== undefined)
      .flatMap(({ names }) => names.map((name) => `${part.words}/${name}`))
  );
}

/** The functions that bash and zsh share: is a word a step, does an option take a value, names of nodes. */
export function tables(parts: readonly Part[]): string {
  const listed = (texts: readonly string[]): string => texts.map(quoted).join("|\\\n    ");
  return `_ctdbx_steps() {
  case "$1" in
    ${listed(steps(parts))}) return 0 ;;
  esac
  return 1
}

_ctdbx_valued() {
  case "$1" in
    ${listed(valued(parts))}) return 0 ;;
  esac
  return 1
}

${NODES}`;
}

const NODES =
  `# Names of the nodes, by the node or cluster that the words name; nothing when it does not answer at once.
_ctdbx_nodes() {
  local program="$1" pnn name rest
  shift
  "$program" node list -o csv --timeout 1 "$@" 2>/dev/null | while IFS=, read -r pnn name rest; do
    [ "$pnn" = pnn ] || printf '%s\\n' "$name"
  done
}
`;

/** The names of all options of a part. */
export function allNames(part: Part): string[] {
  return optionsOf(part).flatMap(({ names }) => names);
}

/** The cases of option values: those that complete alike share one. */
export function valueCases(parts: readonly Part[], show: (value: Value) => string): string {
  const patterns = new Map<string, string[]>();
  for (const part of parts) {
    for (const { names, value } of optionsOf(part)) {
      if (value === undefined) continue;
      const list = patterns.get(show(value)) ?? [];
      patterns.set(show(value), list);
      list.push(...names.map((name) => quoted(`${part.words}/${name}`)));
    }
  }
  return [...patterns].map(([action, list]) => `    ${list.join("|\\\n    ")}) ${action} ;;`)
    .join("\n");
}

/** The cases of words that are no options: what is in a group, or the arguments of a command by their places. */
export function wordCases(
  parts: readonly Part[],
  show: (value: Value) => string,
  group: (part: Part) => string,
): string {
  const lines = parts.flatMap((part) =>
    part.inner.length > 0
      ? [`    ${quoted(`${part.words}/0`)}) ${group(part)} ;;`]
      : part.args.map(({ value }, place) =>
        `    ${quoted(`${part.words}/${place}`)}) ${show(value)} ;;`
      )
  );
  return lines.join("\n");
}

/** A text in single quotes, as bash and zsh take it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
