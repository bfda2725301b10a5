/**
 * What the binary and the bundle have in common: the stamp, the bundler's options, the run of Bun.
 *
 *   sources --bun build--> one file, CTDBX_BUILD in it replaced by the stamp --rename--> its place
 *
 * Does NOT promise: the same bytes from another version of Bun; package-lock.json pins it.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import type { Build, EmbeddedNats } from "../transport/real_build.ts";
import { findTool, NATS_SERVER } from "./tools.ts";
import { ROOT } from "./steps.ts";

/** Bun, also for who runs on another runtime; build/first.mjs sees to it that it is there. */
export const PACKER: string = process.versions["bun"] === undefined
  ? join(ROOT, "node_modules/bun/bin/bun.exe")
  : process.execPath;

/** The program that is packed. */
const MAIN = "cli/main.ts";
/** Comments go, names stay: a trace shall name what failed. */
const OPTIONS = ["--format=esm", "--minify-syntax", "--minify-whitespace", "--keep-names"];

/** What was made. */
export interface Packed {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly build: Build;
}

/** Packs the program into `out`, which is replaced in one step. Throws with the bundler's own text. */
export function pack(
  build: Build,
  more: readonly string[],
  out: string,
  main: string = MAIN,
): Packed {
  mkdirSync(dirname(out), { recursive: true });
  // In a folder of its own, under its own name: the name goes into the program, and is seen in traces.
  const folder = mkdtempSync(join(dirname(out), ".pack-"));
  const made = join(folder, basename(out));
  const define = ["--define", `CTDBX_BUILD=${JSON.stringify(build)}`];
  const result = spawnSync(
    PACKER,
    ["build", ...OPTIONS, ...more, ...define, main, "--outfile", made],
    { cwd: ROOT, encoding: "utf8" },
  );
  try {
    if (result.error !== undefined) throw result.error;
    if (result.status !== 0) throw new Error(`Cannot pack ${main}: ${result.stderr.trim()}`);
    renameSync(made, out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { path: out, size: statSync(out).size, build };
}

/** The commit of the checkout, with "+" when files differ from it; undefined outside of one. */
export function commitOf(root: string): string | undefined {
  const git = (...words: string[]): string | undefined => {
    const result = spawnSync("git", ["--no-optional-locks", ...words], {
      cwd: root,
      encoding: "utf8",
    });
    return result.status === 0 ? result.stdout.trim() : undefined;
  };
  const commit = git("rev-parse", "--short=12", "HEAD");
  if (commit === undefined) return undefined;
  return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}+`;
}

/** The nats-server of this machine, as it is when it is embedded; undefined: there is none. */
export function natsToEmbed(): EmbeddedNats & { readonly path: string } | undefined {
  const path = findTool(NATS_SERVER);
  if (path === undefined) return undefined;
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  const version = /\bv?(\d+\.\d+\.\d+[\w.]{0,20})/.exec(stdout ?? "")?.[1];
  if (version === undefined) throw new Error(`Cannot embed ${path}: it does not say its version`);
  const bytes = readFileSync(path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { path, version, size: bytes.length, sha256 };
}

/** A size for people. */
export function mebibytes(size: number): string {
  return `${(size / 1024 ** 2).toFixed(1)} MiB`;
}

/** The stamp's commit, as a property that may be absent. */
export function commitPart(): { commit?: string } {
  const commit = commitOf(ROOT);
  return commit === undefined ? {} : { commit };
}
