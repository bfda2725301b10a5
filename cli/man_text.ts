/**
 * Man pages made from the command tree: ctdbx.1, and one for each first word with all its commands.
 *
 * Does NOT promise: more than --help says; docs/COMMANDS.md has explanations that hold for many commands.
 */

import { EXIT_MEANING } from "./exit_codes.ts";
import type { OptionPart, Part } from "./tree.ts";

/** A page by its file name, as ctdbx-tdb.1. */
export interface ManPage {
  readonly file: string;
  readonly text: string;
}

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["CTDBX_HOME", "folder of the node, or of a development cluster; --home comes before it"],
  ["NO_COLOR", "any value but the empty one: no colours"],
  ["COLUMNS", "width of help and bars, where the terminal does not tell it"],
];

const FILES: readonly (readonly [string, string])[] = [
  ["/etc/ctdbx/NAME.toml", "configuration of the node NAME of this machine"],
  ["/var/lib/ctdbx/NAME", "its state"],
  ["/run/ctdbx/NAME", "its socket, state page and logs"],
];

/** All pages. `parts`: of the whole tree; `version`: of the program. */
export function manPages(parts: readonly Part[], version: string): ManPage[] {
  const [program] = parts;
  if (program === undefined) return [];
  const names = program.inner.map(({ name }) => name);
  const pages = names.map((name) => {
    const own = parts.filter(({ words }) => words === name || words.startsWith(`${name} `));
    return { file: `ctdbx-${name}.1`, text: groupPage(name, own, version) };
  });
  return [{ file: "ctdbx.1", text: programPage(program, version) }, ...pages];
}

function programPage(program: Part, version: string): string {
  const groups = program.inner.map(({ name, about }) =>
    `.TP\n.BR ctdbx\\-${escaped(name)} (1)\n${line(about)}`
  );
  return [
    head("CTDBX", version),
    section("Name", `ctdbx \\- ${escaped(lower(program.about))}`),
    section("Synopsis", `.B ctdbx\n.I command\n.RI [ options ]`),
    section("Description", line(`${program.about}. Each command has a page of its own.`)),
    section("Commands", groups.join("\n")),
    section("Options", options(program.options)),
    ...tail([]),
  ].join("\n");
}

function groupPage(name: string, own: readonly Part[], version: string): string {
  const [group, ...inner] = own;
  const about = group?.about ?? "";
  const commands = (group?.inner.length ?? 0) > 0
    ? inner.filter((part) => part.inner.length === 0)
    : own;
  const synopsis = commands.map(({ words, usage }) =>
    `.B ctdbx ${escaped(words)}\n${line(usage)}\n.br`
  );
  const shown = commands.map((part) => {
    const args = part.args.filter((arg) => arg.about !== "")
      .map((arg) => `.TP\n.I ${escaped(arg.name)}\n${line(arg.about)}`);
    return [
      `.SS ctdbx ${escaped(part.words)} ${escaped(part.usage)}`,
      line(sentence(part.about)),
      ...args,
      options(part.options),
    ].join("\n");
  });
  return [
    head(`CTDBX\\-${name.toUpperCase()}`, version),
    section("Name", `ctdbx\\-${escaped(name)} \\- ${escaped(lower(about))}`),
    section("Synopsis", synopsis.join("\n")),
    section("Description", line(sentence(about))),
    section("Commands", shown.join("\n")),
    ...tail(["ctdbx"]),
  ].join("\n");
}

function tail(others: readonly string[]): string[] {
  const codes = Object.entries(EXIT_MEANING)
    .map(([code, meaning]): [string, string] => [code, meaning]);
  const see = others.map((name) => `.BR ${escaped(name)} (1)`);
  return [
    section("Exit status", pairs(codes)),
    section("Environment", pairs(ENVIRONMENT)),
    section("Files", pairs(FILES)),
    ...(see.length === 0 ? [] : [section("See also", see.join("\n"))]),
    "",
  ];
}

function head(title: string, version: string): string {
  // No date: the same sources give the same pages.
  return `.TH "${title}" "1" "" "ctdbx ${version}" "User Commands"`;
}

function section(title: string, text: string): string {
  return `.SH ${title.toUpperCase()}\n${text}`;
}

function options(of: readonly OptionPart[]): string {
  return pairs(of.map(({ flags, about, more }): [string, string] => [flags, `${about}${more}`]));
}

function pairs(of: readonly (readonly [string, string])[]): string {
  return of.map(([name, text]) => `.TP\n.B ${escaped(name)}\n${line(text)}`).join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll('"', "\\(dq");
}

/** A line of text: one that begins with a dot or a quote would be a request. */
function line(text: string): string {
  const one = escaped(text);
  return /^[.']/.test(one) ? `\\&${one}` : one;
}

function lower(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}

/** A description as a sentence: "how nodes are" -> "How nodes are." */
export function sentence(text: string): string {
  const upper = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return /[.?!]$/.test(upper) ? upper : `${upper}.`;
}
