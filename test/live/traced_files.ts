/**
 * Which files a run of the packed program makes or opens for writing, it and all that it starts.
 *
 * Does NOT promise: what is written through descriptors that were open before; those are the caller's.
 */

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { PackedProgram } from "./packed.ts";
import { Process } from "./process.ts";

/** Calls that make names in the file system, or open them. */
const CALLS = [
  "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat",
  "rename,renameat,renameat2,link,linkat,symlink,symlinkat",
].join(",");
/** Devices and the kernel's own files are no files. */
const NOT_FILES = /^\/(?:dev|proc|sys)\//;

/** Starts a command under strace. */
export type Traced = (words: readonly string[], env: Readonly<Record<string, string>>) => Process;

/** Absolute paths that `work` has made; it must end all that it has started. */
export async function filesMade(
  program: PackedProgram,
  strace: string,
  work: (traced: Traced) => Promise<void>,
): Promise<string[]> {
  const log = join(program.work, "..", "strace.log");
  const options = ["-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", `trace=${CALLS}`, "-o", log];
  const started: Process[] = [];
  try {
    await work((words, env) => {
      const one = new Process([strace, ...options, ...program.command(words, env)]);
      started.push(one);
      return one;
    });
    for (const one of started) await one.ended;
  } finally {
    for (const one of started) await one.end();
  }
  const paths = readFileSync(log, "utf8").split("\n").flatMap((line) => pathsOf(line));
  return [...new Set(paths.map((path) => resolve(program.work, path)))]
    .filter((path) => !NOT_FILES.test(path));
}

/** Paths that a line of strace has made; a call that was interrupted by another's line counts as done. */
function pathsOf(line: string): string[] {
  if (/\) += -1 /.test(line)) return [];
  const call = /\b(\w+)\(/.exec(line)?.[1] ?? "";
  if (call.startsWith("open") && !/\bO_(?:WRONLY|RDWR|CREAT|TRUNC)\b/.test(line)) return [];
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? "")
    .filter((path) => path !== "");
}
