/**
 * Starts the contestants of the TDB benchmark: the C program linked with libtdb, compiled here when its source
 * is new, and our engine on Bun and on Deno.
 *
 * Does NOT promise: that libtdb is there; peer() then says why not.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BUN, DENO } from "../../../build/steps.ts";
import { cacheFolder } from "../../../build/tools.ts";

const HERE = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCE = join(HERE, "tdb_peer.c");
const ENGINE = join(HERE, "tdb_engine.ts");
/** A process that takes longer is killed. libtdb needs some 100 s for varying lengths. */
const RUN_LIMIT_MS = 600_000;

/** One side of a contest. */
export interface Contestant {
  readonly name: "libtdb" | "Bun" | "Deno";
  /** Program and first arguments. */
  readonly command: readonly string[];
}

/** What one work of one process printed; the C program's words. */
export interface Line {
  readonly work: string;
  readonly ops: number;
  readonly ns: number;
  /** ns per operation of the first 1000. */
  readonly coldNs: number;
  readonly sum: number;
  readonly windows?: readonly number[];
}

/** What verify printed. */
export interface Content {
  readonly hash: string;
  readonly records: number;
  /** Size of the file. */
  readonly bytes: number;
}

/** libtdb's side, compiled from `path`; a text says why there is none. */
export function peer(path: string = SOURCE): Contestant | string {
  const source = readFileSync(path);
  const folder = join(cacheFolder(), "bench");
  const digest = createHash("sha256").update(source).digest("hex").slice(0, 12);
  const program = join(folder, `${basename(path, ".c")}-${digest}`);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    // Two runs at once may both compile; a rename leaves a whole program in any case.
    const made = `${program}.${process.pid}`;
    const options = ["-O2", "-Wall", "-o", made, path, "-ltdb"];
    const { status, stderr, error } = spawnSync("gcc", options, { encoding: "utf8" });
    if (status !== 0) {
      return `Cannot compile against libtdb: ${error?.message ?? stderr.split("\n")[0]}`;
    }
    renameSync(made, program);
  }
  return { name: "libtdb", command: [program] };
}

/** Our engine on a runtime: the program at `path`. */
export function ours(name: "Bun" | "Deno", path: string = ENGINE): Contestant {
  return { name, command: name === "Bun" ? [BUN, path] : [DENO, "run", "-A", path] };
}

/** Our engine on the runtime that this runs on. */
export function oursHere(path: string = ENGINE): Contestant {
  return ours("bun" in process.versions ? "Bun" : "Deno", path);
}

/** Prefix that pins a process to one core, the last one; empty where that cannot be done. */
export function pinned(): string[] {
  const cores = availableParallelism();
  if (cores < 2 || !existsSync("/usr/bin/taskset")) return [];
  return ["/usr/bin/taskset", "-c", String(cores - 1)];
}

/** Runs a contestant with name=value arguments; its lines. Throws with its stderr when it fails. */
export function start<T>(
  { name, command }: Contestant,
  args: Readonly<Record<string, string | number>>,
  prefix: readonly string[] = [],
): T[] {
  const words = Object.entries(args).map(([key, value]) => `${key}=${value}`);
  const [program = "", ...rest] = [...prefix, ...command, ...words];
  const { status, signal, stdout, stderr, error } = spawnSync(program, rest, {
    encoding: "utf8",
    timeout: RUN_LIMIT_MS,
  });
  if (status !== 0) {
    const why = error?.message ?? (stderr.trim() || `signal ${signal}`);
    throw new Error(`Cannot run ${name} with ${words.join(" ")}: ${why}`);
  }
  return stdout.split("\n").filter((line) => line !== "").map((line): T => JSON.parse(line));
}
