/**
 * `ctdbx completion bash|zsh|fish`: a script that completes commands, options, choices, files and names of nodes.
 * `ctdbx man FOLDER` (hidden): the man pages, for packages and for who has only the program.
 *
 *   source <(ctdbx completion bash)
 *
 * Does NOT promise: that a script fits another version of ctdbx; make it anew with each.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Argument, type Command } from "commander";
import { completionScript, type Shell, SHELLS } from "../completion.ts";
import { declare, type Task } from "../declare.ts";
import { systemFailure } from "../failure.ts";
import { manPages } from "../man_text.ts";
import { object, type RowOf } from "../result.ts";
import { list, text, word } from "../schema.ts";
import { partsOf } from "../tree.ts";
import type { CommandWorld } from "../world.ts";

/** Makes the whole tree, and knows the version; cli/run.ts has both. */
export interface Program {
  readonly tree: () => Promise<Command>;
  readonly version: string;
}

const SCRIPT = object({
  shell: word("Shell", "that the script is for", SHELLS),
  script: text("Script", "to be sourced"),
});
const PAGES = object({
  folder: text("Folder", "where the pages are"),
  files: list("Files", "their names", text("File", "a name")),
});

const INSTALLED = `
bash   ctdbx completion bash > /usr/share/bash-completion/completions/ctdbx
       or in ~/.bashrc: source <(ctdbx completion bash)
zsh    ctdbx completion zsh > /usr/share/zsh/site-functions/_ctdbx
fish   ctdbx completion fish > ~/.config/fish/completions/ctdbx.fish
`;

/** Adds `ctdbx completion`. */
export function addCompletionCommand(
  program: Command,
  world: CommandWorld,
  { tree }: Program,
): void {
  const completion = program.command("completion")
    .description("print a script that completes commands in a shell")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText("after", INSTALLED);
  declare<object, RowOf<typeof SCRIPT>>(
    completion,
    world,
    { result: SCRIPT, raw: "the script itself" },
    async ({ out }, shell = "") => {
      const script = completionScript(shell as Shell, partsOf(await tree()));
      if (out.format === "raw") out.raw(script);
      else out.object({ shell: shell as Shell, script });
    },
  );
}

/** Adds `ctdbx man`, which help does not show. */
export function addManCommand(program: Command, world: CommandWorld, about: Program): void {
  const man = program.command("man", { hidden: true })
    .description("write the man pages into a folder")
    .argument("<folder>", "where they go; it is made");
  declare<object, RowOf<typeof PAGES>>(
    man,
    world,
    { result: PAGES },
    (task, folder = "") => writePages(task, folder, about),
  );
}

async function writePages(
  { out }: Task<object, RowOf<typeof PAGES>>,
  folder: string,
  { tree, version }: Program,
): Promise<void> {
  const pages = manPages(partsOf(await tree()), version);
  try {
    mkdirSync(folder, { recursive: true });
    for (const { file, text } of pages) writeFileSync(join(folder, file), text);
  } catch (error) {
    throw systemFailure(error, `Cannot write man pages into ${folder}`);
  }
  if (out.isTable) out.say(`${pages.length} pages are in ${folder}\n`);
  else out.object({ folder, files: pages.map(({ file }) => file) });
}
