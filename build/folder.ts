/**
 * The program as a folder of modules that need no translation, for who starts it often: the live tests.
 *
 *   cli/main.ts, files of threads --bun build, in pieces--> build/out/program/HASH/main.js, thread_worker.js, ...
 *
 * A process loads the pieces that it needs: a node starts in three fifths of the time that it needs from sources, on
 * both runtimes. HASH is of all that goes in, so a folder never changes, and is made once.
 *
 * Does NOT promise: to work anywhere else; it takes packages from nowhere, but a nats-server as the sources do.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PACKER } from "./pack.ts";
import { OUT, ROOT } from "./steps.ts";

/** All that the program is made of, beside packages. */
const SOURCES = "{assembly/host,transport,actors,cli}/**/*.ts";
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
/** A folder that nobody has asked for so long is removed, ms: no test runs for a day. */
const UNUSED_MS = 86_400_000;

/** The file to start, made when it is not there. `within`: where such folders lie. Throws with the bundler's words. */
export function folderProgram(within: string = join(OUT, "program"), root: string = ROOT): string {
  const folder = join(within, hashOf(root));
  const main = join(folder, "main.js");
  if (!existsSync(main)) make(folder, within, root);
  const now = new Date();
  utimesSync(folder, now, now);
  return main;
}

function make(folder: string, within: string, root: string): void {
  mkdirSync(within, { recursive: true });
  removeUnused(within);
  const stage = mkdtempSync(join(within, ".stage-"));
  try {
    const words = ["build", ...OPTIONS, "--outdir", stage, ...ENTRIES];
    const result = spawnSync(PACKER, words, { cwd: root, encoding: "utf8" });
    if (result.error !== undefined) throw result.error;
    if (result.status !== 0) throw new Error(`Cannot pack ${ENTRIES[0]}: ${result.stderr.trim()}`);
    for (const name of readdirSync(stage)) toAscii(join(stage, name));
    // Not its maker's alone: a test starts the program as another user.
    chmodSync(stage, 0o755);
    renameSync(stage, folder);
  } catch (error) {
    // Somebody else has made the same one meanwhile.
    if (!existsSync(join(folder, "main.js"))) throw error;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
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

function removeUnused(within: string): void {
  for (const name of readdirSync(within)) {
    const path = join(within, name);
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > UNUSED_MS) rmSync(path, { recursive: true, force: true });
  }
}

/** Of the sources, the packages and the way of packing. */
function hashOf(root: string): string {
  const hash = createHash("sha256");
  const put = (name: string, bytes: Uint8Array): void => {
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  };
  hash.update(`${OPTIONS} ${ENTRIES}\n`);
  put("this", readFileSync(fileURLToPath(import.meta.url)));
  for (
    const path of [
      "package-lock.json",
      ...globSync(SOURCES, { cwd: root }).sort(),
    ]
  ) {
    put(path, readFileSync(join(root, path)));
  }
  return hash.digest("hex").slice(0, 16);
}
