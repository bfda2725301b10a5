/**
 * The program as a folder of modules that need no translation, for who starts it often: the live tests on Deno, and
 * `npm start`.
 *
 *   cli/main.ts, files of threads --bun build, in pieces--> build/out/program/HASH/main.js, thread_worker.js, ...
 *
 * A process loads the pieces that it needs: a node starts in three fifths of the time that it needs from sources, on
 * both runtimes.
 *
 * Does NOT promise: to work anywhere else; it takes packages from nowhere, but a nats-server as the sources do.
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keptProgram } from "./kept_program.ts";
import type { Place } from "./kept_program.ts";
import { PACKER } from "./pack.ts";

/** The program, and each file that a thread of it begins with. */
const ENTRIES = [
  "cli/main.ts",
  "cli/thread_worker.ts",
  "transport/lock_worker.ts",
  "transport/file_lock_worker.ts",
];
/** Names and lines stay: a trace shall say what failed. The banner is Bun's own mark for code that is ready. */
const OPTIONS = [
  "--format=esm",
  "--splitting",
  "--keep-names",
  "--minify-syntax",
  "--target=node",
  "--external=bun:ffi",
  "--banner=// @bun",
  "--entry-naming=[name].[ext]",
  "--chunk-naming=[name]-[hash].[ext]",
  `--define=CTDBX_BUILD=${JSON.stringify({ kind: "folder" })}`,
];

/** The file to start, made when it is not there. Throws with the bundler's words. */
export function folderProgram(place?: Place): string {
  return keptProgram({ main: "main.js", make }, place);
}

function make(folder: string, root: string): void {
  const words = ["build", ...OPTIONS, "--outdir", folder, ...ENTRIES];
  const result = spawnSync(PACKER, words, { cwd: root, encoding: "utf8" });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`Cannot pack ${ENTRIES[0]}: ${result.stderr.trim()}`);
  for (const name of readdirSync(folder)) toAscii(join(folder, name));
}

/**
 * What Bun takes as ready it reads as Latin-1, and a module for all runtimes is written as UTF-8. In the texts,
 * patterns and comments of a module an escape is the same as the character.
 */
function toAscii(path: string): void {
  const text = readFileSync(path, "utf8");
  const ascii = text.replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  if (ascii !== text) writeFileSync(path, ascii);
}
