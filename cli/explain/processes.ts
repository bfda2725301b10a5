/**
 * Processes as /proc shows them, for `explain`: how one is, which one a node's files name, who listens on a port.
 *
 * Does NOT promise: an answer where /proc is hidden or the process is another user's; then less is known, no more.
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import type { ProcessFact, ProcessState } from "../../actors/explain/facts.ts";

/** Ticks of /proc/PID/stat in a second; the kernel shows 100 to all programs. */
const TICKS_PER_S = 100;
/** Processes whose open files are looked through, to find who listens. */
const OWNERS_MAX = 64;

/** Letters of /proc/PID/stat. */
const STATES: Readonly<Record<string, ProcessState>> = {
  T: "stopped",
  t: "stopped",
  D: "waiting",
  Z: "zombie",
  X: "gone",
};

/** A file of /proc, or of a run folder; undefined: it is not there, or not for us. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** How a process is. `words`: all must be on its command line, or its id is another program's by now. */
export function processFact(pid: number, words: readonly string[]): ProcessFact {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return { pid, state: "gone" };
  // The name in brackets may hold anything; the rest follows the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = STATES[fields[0] ?? ""] ?? "running";
  if (state === "zombie" || state === "gone") return { pid, state };
  const line = (readText(`/proc/${pid}/cmdline`) ?? "").split("\0");
  if (!words.every((word) => line.includes(word))) return { pid, state: "gone" };
  const upMs = 1000 * Number((readText("/proc/uptime") ?? "").split(" ")[0]);
  // The 22nd of all fields, of which two stand before the bracket's end.
  const ageMs = upMs - 1000 * Number(fields[19]) / TICKS_PER_S;
  return { pid, state, ...Number.isFinite(ageMs) ? { ageMs: Math.max(0, Math.round(ageMs)) } : {} };
}

/** The process that a pid file names; undefined: there is no such file. */
export function processOfFile(path: string, words: readonly string[]): ProcessFact | undefined {
  const pid = Number(readText(path)?.trim() || NaN);
  return Number.isInteger(pid) && pid > 0 ? processFact(pid, words) : undefined;
}

/** The child of a process with these words on its command line. */
export function childOf(pid: number, words: readonly string[]): ProcessFact | undefined {
  const children = readText(`/proc/${pid}/task/${pid}/children`) ?? "";
  for (const word of children.split(" ").filter((each) => each !== "")) {
    const child = processFact(Number(word), words);
    if (child.state !== "gone") return child;
  }
  return undefined;
}

/** The process of this machine that listens on a TCP port; `name`: a part of its program's name. */
export function listenerOn(port: number, name: string): ProcessFact | undefined {
  const inodes = new Set(["tcp", "tcp6"].flatMap((table) => listeningInodes(table, port)));
  if (inodes.size === 0) return undefined;
  const pids = entries("/proc").filter((entry) => /^\d+$/.test(entry) && isNamed(entry, name));
  for (const pid of pids.slice(0, OWNERS_MAX)) {
    if (entries(`/proc/${pid}/fd`).some((fd) => inodes.has(socketInode(`/proc/${pid}/fd/${fd}`)))) {
      return processFact(Number(pid), []);
    }
  }
  return undefined;
}

function isNamed(pid: string, name: string): boolean {
  const [program = ""] = (readText(`/proc/${pid}/cmdline`) ?? "").split("\0");
  return basename(program).includes(name);
}

/** Inodes of the sockets that listen on a port, by a table of /proc/net. */
function listeningInodes(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return (readText(`/proc/net/${table}`) ?? "").split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    return state === "0A" && local.endsWith(`:${hex}`) ? [inode] : [];
  });
}

function socketInode(path: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1] ?? "";
  } catch {
    return "";
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
