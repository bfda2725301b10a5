/**
 * `ctdbx config import FOLDER`: what a configuration of CTDB becomes here.
 *
 *   ctdbx config import /etc/ctdb                      shows each option, what was made of it, and what is to be run
 *   ctdbx config import /etc/ctdb --to sections.toml   and writes what goes to the end of each node's configuration
 *
 * A file that is malformed ends it, with file and line, and nothing is written.
 *
 * Does NOT promise: to run anything; the commands are shown, and people read them first.
 */

import { networkInterfaces } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import { parse } from "smol-toml";
import { readNodeConfig } from "../../actors/node_config.ts";
import { isClusterName } from "../../transport/wire/subjects.ts";
import { readFolder } from "../ctdb_config/folder.ts";
import type { Plan } from "../ctdb_config/plan.ts";
import { translate } from "../ctdb_config/translate.ts";
import { declare, type Task } from "../declare.ts";
import { configText } from "../membership/config_text.ts";
import { NewTextFile } from "../new_text_file.ts";
import { object, type RowOf } from "../result.ts";
import { int, list, maybe, record, text, word } from "../schema.ts";
import { targetOf } from "../target.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";

const OPTION = {
  file: text("File", "of ctdb's folder"),
  line: maybe(int("Line", "where it stands; null: not on a line")),
  option: text("Option", "what it is called there"),
  value: maybe(text("Value", "as it stands there")),
  outcome: word("Outcome", "taken as it is, taken in another form, or not taken", [
    "taken",
    "changed",
    "not taken",
  ]),
  text: text("What", "where it went, how it differs, or why it was not taken"),
};

const IMPORTED = object({
  folder: text("Folder", "that was read"),
  node: maybe(text("Node", "what the node is called whose files these are; null: cannot be told")),
  file: maybe(text("File", "that was written; null: none was")),
  sections: text("Sections", "what goes to the end of each node's configuration; empty: nothing"),
  commands: list(
    "Commands",
    "what is to be run, in this order",
    record("Command", "one of them", {
      at: maybe(text("At", "address of the node on whose machine; null: of any")),
      command: text("Command", "as a shell takes it"),
      text: text("What", "what it is for"),
    }),
  ),
  options: list("Options", "all that was found", record("Option", "one of them", OPTION)),
}, {
  rowsOf: "options",
  rowsTable: ["file", "line", "option", "value", "outcome", "text"],
});
type Imported = RowOf<typeof IMPORTED>;

interface ImportFlags {
  readonly to?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly cluster: string;
  readonly pnn?: number;
}

const HELP = `
Read are ctdb.conf, nodes, public_addresses, home_nodes, ctdb.tunables, script.options, which scripts of
events/legacy are enabled, and notify.sh. Nothing of ctdb is changed, and nothing is run.
`;

/** Adds `ctdbx config`. */
export function addConfigCommands(program: Command, world: CommandWorld): void {
  const config = program.command("config").description("configurations of nodes");
  declare<ImportFlags, Imported>(
    config.command("import <folder>").description("what a configuration of ctdb becomes here")
      .option("--to <file>", "write what goes to the end of each node's configuration")
      .option("--force", "replace that file when it is there")
      .option("--dry-run", "write nothing, but see whether it could be")
      .option("--cluster <name>", "what the cluster is to be called", clusterName, "ctdb")
      .option("--pnn <n>", "number of the node whose files these are", whole(0, 4095))
      .addHelpText("after", HELP),
    world,
    { result: IMPORTED },
    importFolder,
  );
}

function clusterName(name: string): string {
  if (isClusterName(name)) return name;
  throw new InvalidArgumentError("Must be 1 to 63 of A-Z a-z 0-9 _ -.");
}

function importFolder({ world, flags, out }: Task<ImportFlags, Imported>, folder = ""): void {
  const files = readFolder(folder);
  const own = Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address }) => address)
  );
  const { cluster, pnn, to: sectionsFile = "FILE" } = flags;
  const plan = translate(files, { cluster, pnn, own, sectionsFile });
  proveSections(plan.sections);
  const file = write(world, flags, plan);
  const { sections, commands, options, self } = plan;
  out.object({
    ...{ folder: files.folder, node: self, file, sections },
    ...{ commands: [...commands], options: [...options] },
  });
  if (out.isTable) sayPlan(out.say.bind(out), plan, file);
}

/** What a node would refuse is not written. */
function proveSections(sections: string): void {
  const config = configText({
    ...{ cluster: "c", name: "n", servers: ["127.0.0.1:4222"], lock: { kind: "jetstream" } },
  }, "config import");
  readNodeConfig(parse(`${config}\n${sections}`), "what would be written");
}

function write(
  world: CommandWorld,
  { to, force = false, dryRun = false }: ImportFlags,
  { sections }: Plan,
): string | undefined {
  if (to === undefined) return undefined;
  const target = targetOf(to, { force, overEmpty: true });
  if (dryRun) return undefined;
  const made = new NewTextFile(world, target);
  try {
    made.sink.write("# Made by `ctdbx config import`, for the end of a node's configuration.\n");
    made.sink.write(`\n${sections}`);
  } catch (error) {
    made.abandon();
    throw error;
  }
  made.finish();
  return to;
}

function sayPlan(say: (text: string) => void, plan: Plan, file: string | undefined): void {
  const { sections, commands, options } = plan;
  const left = options.filter(({ outcome }) => outcome === "not taken").length;
  say(`\n${options.length} options, ${left} of them not taken\n`);
  if (sections !== "") {
    const where = file === undefined ? "" : ` (in ${file})`;
    say(`\nAt the end of each node's configuration${where}:\n\n${indented(sections)}\n`);
  }
  if (commands.length === 0) return;
  say("\nTo be run:\n");
  let before: string | undefined = "nowhere";
  for (const { at, command, text } of commands) {
    if (at !== before) say(at === undefined ? "\n  on one of them\n" : `\n  on ${at}\n`);
    before = at;
    say(`    ${command}    # ${text}\n`);
  }
}

function indented(text: string): string {
  return text.trimEnd().split("\n").map((line) => line === "" ? "" : `  ${line}`).join("\n");
}
