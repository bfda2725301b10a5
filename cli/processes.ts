/**
 * Processes that a command starts and leaves running, found again by the file that holds their id.
 *
 * Does NOT promise: that an id is still that process's: who reads a pid file also looks at what it runs.
 */

import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../transport/real_host.ts";

export { isAlive };

/** How soon something is looked at again that nobody tells of, ms; each time a little later, up to the most. */
const LOOK_MS = 20;
const LOOK_MAX_MS = 200;
const LOOK_GROWTH = 1.2;

/**
 * Starts a process that lives on, in a session of its own; its output is added to a file. Answers its id. `onEnd` is
 * called when it ends before this process does: its exit code; null: a signal, or it could not be started.
 */
export function startDetached(
  command: readonly string[],
  logPath: string,
  onEnd: (code: number | null) => void = () => {},
): number {
  mkdirSync(dirname(logPath), { recursive: true, mode: 0o700 });
  const log = openSync(logPath, "a", 0o600);
  try {
    const [program = "", ...words] = command;
    const child = spawn(program, words, { detached: true, stdio: ["ignore", log, log] });
    child.on("error", () => onEnd(null));
    child.on("exit", onEnd);
    child.unref();
    return child.pid ?? 0;
  } finally {
    closeSync(log);
  }
}

/** Writes the id of this process to a file. */
export function writePid(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
}

/** The living process of a pid file whose command line has all of `words`; undefined: there is none. */
export function pidIn(path: string, words: readonly string[]): number | undefined {
  if (!existsSync(path)) return undefined;
  const pid = Number(readFileSync(path, "utf8").trim());
  if (!Number.isInteger(pid) || pid < 1 || !isAlive(pid)) return undefined;
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.every((word) => line.includes(word)) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** The living supervisor of the node with this run folder. */
export function supervisorOf(runFolder: string): number | undefined {
  return pidIn(join(runFolder, "supervisor.pid"), ["daemon", "supervise"]);
}

/** Looks until `done` says so, or the time is over; answers which. */
export async function until(
  done: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  for (let pauseMs = LOOK_MS;; pauseMs = Math.min(pauseMs * LOOK_GROWTH, LOOK_MAX_MS)) {
    if (await done()) return true;
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return false;
    await sleep(Math.min(pauseMs, leftMs));
  }
}

/** The last lines of a log file, for an error. */
export function lastLines(path: string, count: number): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-count);
}
