/**
 * The completion script for bash. It needs no package with helpers; bash 4 or later.
 *
 * Does NOT promise: completion of a word in the middle of a line that was changed behind it.
 */

import { allNames, quoted, tables, valueCases, wordCases } from "./completion_parts.ts";
import type { Part, Value } from "./tree.ts";

const MAIN = `_ctdbx_reply() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_ctdbx_paths() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}

_ctdbx() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" last="" word home=() at place=0
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    # --output=json comes as three words.
    [ "$word" = "=" ] && continue
    if [ -n "$last" ]; then
      [ "$last" = --home ] && home=(--home "$word")
      [ "$last" = --node-name ] && home=(--node-name "$word")
      last=""
    elif [[ "$word" == -* ]]; then
      _ctdbx_valued "$path/$word" && last="$word"
    elif _ctdbx_steps "$path/$word"; then
      path="\${path:+$path }$word"
    else
      place=$((place + 1))
    fi
  done
  [ "$cur" = "=" ] && cur=""
  if [ -n "$last" ]; then
    _ctdbx_value "$path/$last"
  elif [[ "$cur" == -* ]]; then
    _ctdbx_options "$path"
  else
    _ctdbx_words "$path" "$place"
  fi
}`;

/** The script. */
export function bashScript(parts: readonly Part[]): string {
  return `# Completion of ctdbx for bash: source it, or put it into /usr/share/bash-completion/completions/ctdbx
# Made by \`ctdbx completion bash\`.

${tables(parts)}
${MAIN}

_ctdbx_value() {
  case "$1" in
${valueCases(parts, bashValue)}
  esac
}

_ctdbx_options() {
  case "$1" in
${parts.map((part) => `    ${quoted(part.words)}) ${bashWords(allNames(part))} ;;`).join("\n")}
  esac
}

_ctdbx_words() {
  case "$1/$2" in
${wordCases(parts, bashValue, ({ inner }) => bashWords(inner.map(({ name }) => name)))}
  esac
}

complete -o default -F _ctdbx ctdbx
`;
}

function bashWords(words: readonly string[]): string {
  return `_ctdbx_reply $'${words.join("\\n")}'`;
}

function bashValue(value: Value): string {
  switch (value.kind) {
    case "words":
      return bashWords(value.words);
    case "file":
      return "_ctdbx_paths -f";
    case "folder":
      return "_ctdbx_paths -d";
    case "node":
      return `_ctdbx_reply "$(_ctdbx_nodes "\${COMP_WORDS[0]}" "\${home[@]}")"`;
    case "any":
      return "compopt +o default 2>/dev/null || :";
  }
}
