/**
 * A script: the text of a scenario, run command by command, and what came of it written below each.
 *
 *   name 3          a setting, before the first command
 *   > command       a command; what happened by it stands below, by two blanks
 *
 * Does NOT promise: what commands there are; those who have a stage say that.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What came of a scenario. */
export interface Told {
  /** The file with what happened now. */
  readonly text: string;
  /** What the judges object to. */
  readonly violations: readonly string[];
}

/** How scenarios of one kind are run. */
export interface Script<Stage> {
  /** Where they are. */
  readonly folder: string;
  /** As in the command line that rewrites them. */
  readonly program: string;
  /** The stage of the settings that stand before the first command. */
  readonly open: (settings: ReadonlyMap<string, number>) => Stage;
  readonly commands: Readonly<Record<string, (stage: Stage, words: string[]) => void>>;
  /** What happened since it was asked last, a line each. */
  readonly lines: (stage: Stage) => string[];
  /** At the end. */
  readonly violations: (
    stage: Stage,
  ) => readonly { readonly rule: string; readonly text: string }[];
}

/** The names of all scenarios of a folder, sorted. */
export function namesIn(folder: string): string[] {
  return globSync("*.txt", { cwd: folder }).sort();
}

/** The text of a scenario. */
export function textIn(folder: string, name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

/** A line "NAME NUMBER". */
const SETTING = /^([a-z]+[A-Za-z]*) (\d+)$/;

/** Runs a scenario. Throws TypeError on a command that is not known. */
export function tellScript<Stage>(script: Script<Stage>, text: string): Told {
  const out: string[] = [];
  const settings = new Map<string, number>();
  let stage: Stage | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("> ")) {
      stage ??= script.open(settings);
      out.push(line);
      const said = line.slice(2).trim();
      const [name = "", ...words] = said.split(" ");
      const command = script.commands[name];
      if (command === undefined) throw new TypeError(`Unknown command of a scenario: ${said}`);
      command(stage, words);
      out.push(...script.lines(stage));
    } else if (line.startsWith("  ") || (line === "" && out.at(-1) === "")) continue;
    else {
      out.push(line);
      const [, name, value] = SETTING.exec(line) ?? [];
      if (name !== undefined) settings.set(name, Number(value));
    }
  }
  const found = stage === undefined ? [] : script.violations(stage);
  return { text: out.join("\n"), violations: found.map(({ rule, text }) => `${rule}: ${text}`) };
}

/** The command line of a kind of scenarios: writes what happens now into the files. */
export function rewriteScripts<Stage>(script: Script<Stage>): void {
  const { folder, program } = script;
  const [flag, ...given] = process.argv.slice(2);
  if (flag !== "--rewrite") return console.log(`bun ${program} --rewrite [FILES]`);
  for (const name of given.length > 0 ? given : namesIn(folder)) {
    const before = textIn(folder, name);
    const { text, violations } = tellScript(script, before);
    for (const violation of violations) console.log(`${name}: ${violation}`);
    if (text !== before) console.log(`${name} rewritten`);
    writeFileSync(join(folder, name), text);
  }
}
