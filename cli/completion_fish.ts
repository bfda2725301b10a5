/**
 * The completion script for fish: a rule for each command, option and argument.
 *
 * Does NOT promise: fish before 3.0.
 */

import { optionsOf, quoted, steps, valued } from "./completion_parts.ts";
import type { Part, Value } from "./tree.ts";

const MAIN = `# The command that is being typed, and how many arguments it has so far.
function __ctdbx_path
    set -l path ""
    set -l place 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if string match -q -- "-*" $word
            contains -- "$path/$word" $__ctdbx_valued; and set skip 1
        else if contains -- "$path/$word" $__ctdbx_steps
            set path (string trim -- "$path $word")
        else
            set place (math $place + 1)
        end
    end
    echo $path
    echo $place
end

function __ctdbx_at
    set -l found (__ctdbx_path)
    test "$found[1]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; or test "$found[2]" = "$argv[2]"
end

function __ctdbx_nodes
    set -l words (commandline -opc)
    set -l home
    for at in (seq 2 (count $words))
        contains -- $words[$at] --home --node-name; and set home $words[$at] $words[(math $at + 1)]
    end
    $words[1] node list -o csv --timeout 1 $home 2>/dev/null | tail -n +2 | cut -d, -f2
end`;

/** The script. */
export function fishScript(parts: readonly Part[]): string {
  const lines: string[] = [];
  for (const part of parts) {
    const at = `-n ${quoted(`__ctdbx_at ${fishQuoted(part.words)}`)}`;
    for (const { name, about } of part.inner) {
      lines.push(`complete -c ctdbx -f ${at} -a ${fishQuoted(name)} -d ${fishQuoted(about)}`);
    }
    for (const { names, about, value } of optionsOf(part)) {
      const flags = names.map((name) =>
        name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
      );
      lines.push(
        `complete -c ctdbx ${at} ${flags.join(" ")}${fishValue(value)} -d ${fishQuoted(about)}`,
      );
    }
    for (const [place, { value }] of part.args.entries()) {
      const here = `-n ${quoted(`__ctdbx_at ${fishQuoted(part.words)} ${place}`)}`;
      const files = value.kind === "file" || value.kind === "folder" ? " -F" : " -f";
      const shown = value.kind === "node" ? ` -a '(__ctdbx_nodes)'` : "";
      const words = value.kind === "words" ? ` -a ${fishQuoted(value.words.join(" "))}` : "";
      lines.push(`complete -c ctdbx ${here}${files}${shown}${words}`);
    }
  }
  const quotedAll = (texts: readonly string[]) => texts.map(fishQuoted).join(" \\\n  ");
  return `# Completion of ctdbx for fish: put it into ~/.config/fish/completions/ctdbx.fish
# Made by \`ctdbx completion fish\`.

set -g __ctdbx_steps ${quotedAll(steps(parts))}
set -g __ctdbx_valued ${quotedAll(valued(parts))}

${MAIN}

complete -c ctdbx -f
${lines.join("\n")}
`;
}

function fishValue(value: Value | undefined): string {
  switch (value?.kind) {
    case undefined:
      return "";
    case "words":
      return ` -x -a ${fishQuoted(value?.kind === "words" ? value.words.join(" ") : "")}`;
    case "file":
      return " -r -F";
    case "folder":
      return " -x -a '(__fish_complete_directories)'";
    case "node":
      return " -x -a '(__ctdbx_nodes)'";
    case "any":
      return " -x";
  }
}

function fishQuoted(text: string): string {
  return `"${text.replaceAll(/[\\"$]/g, "\\$&")}"`;
}
