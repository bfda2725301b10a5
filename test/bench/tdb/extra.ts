/**
 * Figures of the TDB benchmark that are no loops over operations: opening a big file, memory, system calls.
 *
 * Does NOT promise: judgement; these are shown side by side and have no bars.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Case } from "./cases.ts";
import { MEMORY_CASE, OPEN_CASE, OPEN_VALUE_BYTES } from "./cases.ts";
import type { Series } from "./contest.ts";
import { argumentsOf } from "./contest.ts";
import type { Contestant, Line } from "./peer.ts";
import { pinned, start } from "./peer.ts";

/** Resident memory in KiB, as /proc/PID/status has it. */
export interface Kib {
  readonly all: number;
  /** Memory of the process alone. */
  readonly own: number;
  readonly file: number;
  /** Pages of files on tmpfs. */
  readonly shared: number;
}

/** Memory of a process that has read 1 M records. */
export interface MemoryLine extends Kib {
  /** Before it opened the file; a C program's is nothing to speak of. */
  readonly before?: Kib;
}

/** System calls that the engines make on purpose; a runtime's own threads would blur the others. */
const CALLS = [
  "fcntl",
  "lseek",
  "fstat",
  "ftruncate",
  "fallocate",
  "fdatasync",
  "fsync",
  "msync",
  "pwrite64",
];
const FEW_OPS = 1000;
const MANY_OPS = 11_000;
/** A small file, as loading it under strace is slow. */
const COUNTED_RECORDS = 1000;

/** Calls per operation by name, those that are never made left out. */
export type Calls = Readonly<Record<string, number>>;

/** Opens a file of 1 GB, made by `builder`, on each contestant; works "open" and "first-read". Also its size. */
export function openBigFile(
  builder: Contestant,
  contestants: readonly Contestant[],
  folder: string,
  rounds: number,
): { works: Map<string, Map<Contestant["name"], Series>>; bytes: number } {
  const file = join(folder, "open.tdb");
  const works = new Map<string, Map<Contestant["name"], Series>>();
  try {
    const args = argumentsOf(OPEN_CASE, file);
    start(builder, { ...args, value: OPEN_VALUE_BYTES, work: "build" });
    for (let round = 0; round < rounds; round++) {
      for (const contestant of contestants) {
        for (const line of start<Line>(contestant, { ...args, work: "open" }, pinned())) {
          const sides = works.get(line.work) ?? new Map<Contestant["name"], Series>();
          works.set(line.work, sides);
          const series: Series = sides.get(contestant.name) ?? { ns: [], coldNs: [] };
          sides.set(contestant.name, series);
          series.ns.push(line.ns / line.ops);
          series.coldNs.push(0);
        }
      }
    }
    return { works, bytes: statSync(file).size };
  } finally {
    rmSync(file, { force: true });
  }
}

/** Memory of each contestant's process with its own file of 1 M records open and read. */
export function memoryOf(
  contestants: readonly Contestant[],
  folder: string,
): Map<Contestant["name"], MemoryLine> {
  const found = new Map<Contestant["name"], MemoryLine>();
  for (const contestant of contestants) {
    const file = join(folder, "memory.tdb");
    try {
      const args = argumentsOf(MEMORY_CASE, file);
      start(contestant, args, pinned());
      const [line] = start<MemoryLine>(contestant, { ...args, work: "memory" });
      if (line !== undefined) found.set(contestant.name, line);
    } finally {
      rmSync(file, { force: true });
    }
  }
  return found;
}

/**
 * Counts system calls per operation of one work by strace: the difference of a long and a short run, so that
 * opening, loading and the runtime's start do not count. Undefined without strace.
 */
export function countCalls(contestant: Contestant, one: Case, work: string): Calls | undefined {
  if (!existsSync("/usr/bin/strace")) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "ctdbx-calls-"));
  try {
    const small = { ...one, records: COUNTED_RECORDS, warm: 0 };
    const run = (ops: number) => straced(contestant, { ...small, ops, works: [work] }, folder);
    const few = run(FEW_OPS);
    const many = run(MANY_OPS);
    // Both sides run ops/10 operations before the measured ones.
    const opsBetween = (MANY_OPS - FEW_OPS) * 1.1;
    const entries = CALLS.map((name): [string, number] => {
      const calls = (many.get(name) ?? 0) - (few.get(name) ?? 0);
      return [name, Math.round(100 * calls / opsBetween) / 100];
    });
    return Object.fromEntries(entries.filter(([, calls]) => calls !== 0));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function straced({ name, command }: Contestant, one: Case, folder: string): Map<string, number> {
  const counts = join(folder, "counts");
  const args = argumentsOf(one, join(folder, "calls.tdb"));
  const words = Object.entries(args).map(([key, value]) => `${key}=${value}`);
  rmSync(join(folder, "calls.tdb"), { force: true });
  const options = ["-f", "-qq", "-c", "-e", `trace=${CALLS.join(",")}`, "-o", counts];
  const { status, stderr } = spawnSync("/usr/bin/strace", [...options, ...command, ...words], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Cannot count calls of ${name}: ${stderr}`);
  const found = new Map<string, number>();
  for (const line of readFileSync(counts, "utf8").split("\n")) {
    // % time, seconds, usecs/call, calls, errors (may be empty), name
    const words = line.trim().split(/\s+/);
    const call = words.at(-1) ?? "";
    if (CALLS.includes(call)) found.set(call, Number(words[3]));
  }
  return found;
}
