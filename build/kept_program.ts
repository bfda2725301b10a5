/**
 * Programs that tests start, made ready once for the same sources, packages and way of making.
 *
 *   sources, package-lock.json, what makes it ─▶ HASH      build/out/program/HASH/...
 *
 * HASH is of all that goes in, so what is there never changes. What nobody has asked for in a day goes when another one
 * is made, and of the others all but the last few: a binary has 124 MiB.
 *
 * Does NOT promise: that a change shows in a process that has started before it; nor that a run that goes on while
 * eight others are made can still start its own.
 */

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
} from "node:fs";
import { join } from "node:path";
import { OUT, ROOT } from "./steps.ts";

/** All that the program is made of, beside packages. */
const SOURCES = "{assembly/host,transport,actors,cli}/**/*.ts";
/** How it is made, beside this file. */
const MAKERS = ["kept_program.ts", "folder.ts", "binary.ts", "ready.ts", "pack.ts"];
/** One that nobody has asked for so long is removed, ms: no test runs for a day. */
const UNUSED_MS = 86_400_000;
/** So many stay, however often the sources change within a day. */
const KEPT = 8;

/** Where they lie, and what they are made of. */
export interface Place {
  readonly within?: string;
  readonly root?: string;
}

/** How one is made. */
export interface Making {
  /** Its file to start, in its folder. */
  readonly main: string;
  /** Puts it into a folder. */
  make(folder: string, root: string): void;
}

/** The file to start, made when it is not there. Throws what `make` throws. */
export function keptProgram({ main, make }: Making, place: Place = {}): string {
  const { within = join(OUT, "program"), root = ROOT } = place;
  const folder = join(within, hashOf(root, main));
  const path = join(folder, main);
  if (!existsSync(path)) {
    mkdirSync(within, { recursive: true });
    removeUnused(within);
    put(folder, within, path, (stage) => make(stage, root));
  }
  const now = new Date();
  utimesSync(folder, now, now);
  return path;
}

/** Makes it beside its place, so that nobody sees a half of it. */
function put(folder: string, within: string, path: string, make: (stage: string) => void): void {
  const stage = mkdtempSync(join(within, ".stage-"));
  try {
    make(stage);
    // Not its maker's alone: a test starts the program as another user.
    chmodSync(stage, 0o755);
    renameSync(stage, folder);
  } catch (error) {
    // Somebody else has made the same one meanwhile.
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function removeUnused(within: string): void {
  const found = readdirSync(within).map((name) => join(within, name)).map((path) => ({
    path,
    usedMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now(),
  })).sort((one, other) => other.usedMs - one.usedMs);
  for (const [at, { path, usedMs }] of found.entries()) {
    if (at >= KEPT - 1 || Date.now() - usedMs > UNUSED_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/** Of the sources, the packages, what makes it and what is started. */
function hashOf(root: string, main: string): string {
  const hash = createHash("sha256").update(`${main}\n`);
  const put = (folder: string, path: string): void => {
    const bytes = readFileSync(join(folder, path));
    hash.update(`${path} ${bytes.length}\n`).update(bytes);
  };
  for (const path of MAKERS) put(import.meta.dirname, path);
  for (const path of ["package-lock.json", ...globSync(SOURCES, { cwd: root }).sort()]) {
    put(root, path);
  }
  return hash.digest("hex").slice(0, 16);
}
