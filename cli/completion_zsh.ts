/**
 * The completion script for zsh: commands and options with their descriptions.
 *
 * Does NOT promise: groups or styles of its own; zsh's settings hold.
 */

import { optionsOf, quoted, tables, valueCases, wordCases } from "./completion_parts.ts";
import type { Part, Value } from "./tree.ts";

const MAIN = `_ctdbx() {
  local path_="" last="" word at place=0
  local -a home found
  for ((at = 2; at < CURRENT; at++)); do
    word="\${words[at]}"
    if [[ -n "$last" ]]; then
      [[ "$last" = --home || "$last" = --node-name ]] && home=("$last" "$word")
      last=""
    elif [[ "$word" = -* ]]; then
      _ctdbx_valued "$path_/$word" && last="$word"
    elif _ctdbx_steps "$path_/$word"; then
      path_="\${path_:+$path_ }$word"
    else
      place=$((place + 1))
    fi
  done
  if [[ -n "$last" ]]; then
    _ctdbx_value "$path_/$last"
  elif [[ "\${words[CURRENT]}" = -* ]]; then
    _ctdbx_options "$path_"
  else
    _ctdbx_words "$path_" "$place"
  fi
}`;

/** The script. */
export function zshScript(parts: readonly Part[]): string {
  return `#compdef ctdbx
# Completion of ctdbx for zsh: put it into a folder of $fpath as _ctdbx
# Made by \`ctdbx completion zsh\`.

${tables(parts)}
${MAIN}

_ctdbx_value() {
  case "$1" in
${valueCases(parts, zshValue)}
  esac
}

_ctdbx_options() {
  case "$1" in
${
    parts.map((part) => {
      const pairs = optionsOf(part).flatMap(({ names, about }) =>
        names.map((name): [string, string] => [name, about])
      );
      return `    ${quoted(part.words)}) ${zshDescribed("option", pairs)} ;;`;
    }).join("\n")
  }
  esac
}

_ctdbx_words() {
  case "$1/$2" in
${
    wordCases(parts, zshValue, ({ inner }) =>
      zshDescribed("command", inner.map(({ name, about }): [string, string] => [name, about])))
  }
  esac
}

_ctdbx "$@"
`;
}

function zshDescribed(what: string, pairs: readonly (readonly [string, string])[]): string {
  const items = pairs.map(([name, about]) => quoted(`${name}:${about.replaceAll(":", "\\:")}`));
  return `found=(${items.join(" ")}); _describe ${what} found`;
}

function zshValue(value: Value): string {
  switch (value.kind) {
    case "words":
      return `compadd -- ${value.words.map(quoted).join(" ")}`;
    case "file":
      return "_files";
    case "folder":
      return "_files -/";
    case "node":
      return `compadd -- \${(f)"$(_ctdbx_nodes "\${words[1]}" "\${home[@]}")"}`;
    case "any":
      return "_message value";
  }
}
