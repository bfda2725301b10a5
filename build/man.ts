/**
 * Writes the man pages into build/out/man, from the command tree: what `ctdbx man FOLDER` does.
 *
 *   bun build/man.ts [FOLDER]
 *
 * Does NOT promise: compressed pages; a package does that.
 */

import { join } from "node:path";
import process from "node:process";
import { run } from "../cli/run.ts";
import { realTerminal } from "../cli/terminal.ts";
import { ROOT } from "./steps.ts";

/** Writes them; exit code. */
export async function writeManPages(folder: string): Promise<number> {
  return await run(["man", folder], {
    terminal: realTerminal(),
    get store(): never {
      throw new Error("the man pages opened a database");
    },
  });
}

if (import.meta.main) {
  process.exitCode = await writeManPages(process.argv[2] ?? join(ROOT, "build", "out", "man"));
}
