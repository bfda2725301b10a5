/**
 * Holds contests: each round runs a case once on every contestant, one after the other, and does not count
 * unless all files are valid and have the same content.
 *
 *   round 0 (thrown away)   libtdb  Bun  Deno
 *   round 1                 libtdb  Bun  Deno     ratio of round 1 = ours / libtdb, both of round 1
 *   ...
 *
 * Does NOT promise: a quiet machine. Medians and quartiles show how quiet it was.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../../../build/tools.ts";
import type { Case, Place } from "./cases.ts";
import type { Content, Contestant, Line } from "./peer.ts";
import { pinned, start } from "./peer.ts";

/** Known magic numbers of statfs. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x01021994: "tmpfs",
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x794c7630: "overlayfs",
};

/** One contestant's figures of one work, a value per counted round. */
export interface Series {
  /** ns per operation. */
  readonly ns: number[];
  readonly coldNs: number[];
  /** "vary" only: ns per operation of each tenth, of the last round. */
  windows?: number[];
}

/** A case's figures: by work, by contestant. */
export interface Result {
  readonly one: Case;
  readonly rounds: number;
  readonly works: Map<string, Map<Contestant["name"], Series>>;
  /** Hash of the content that all files had. */
  readonly content: string;
  /** Size of each contestant's file at the end. */
  readonly bytes: Map<Contestant["name"], number>;
}

/** Folders for the files, removed by `remove`. */
export interface Folders {
  readonly memory: string;
  readonly disk: string;
  remove(): void;
}

/** Makes the folders: /dev/shm where there is one, and the folder for temporary files. */
export function makeFolders(): Folders {
  const disk = mkdtempSync(join(tmpdir(), "ctdbx-bench-"));
  let memory = join(disk, "memory");
  try {
    memory = mkdtempSync("/dev/shm/ctdbx-bench-");
  } catch {
    mkdirSync(memory);
  }
  return {
    memory,
    disk,
    remove: () => [memory, disk].forEach((path) => rmSync(path, { recursive: true, force: true })),
  };
}

/** Name of a folder's file system, or its magic number. */
export function fileSystemOf(folder: string): string {
  const magic = statfsSync(folder).type;
  return FILE_SYSTEMS[magic] ?? `0x${magic.toString(16)}`;
}

/** The arguments that both sides understand. */
export function argumentsOf(one: Case, file: string): Record<string, string | number> {
  const { records, hash, lock, ops, warm, works, sync } = one;
  return { file, records, hash, lock, ops, warm, sync: sync ? 1 : 0, work: works.join(",") };
}

/** Asks tdbtool, if it is there, to check a file. Throws when it is not valid. */
export function checkByTool(file: string): void {
  const tdbtool = findTool({ name: "tdbtool", debian: "tdb-tools" });
  if (tdbtool !== undefined) {
    // -l: no locks, as a mutex file may only be opened so.
    const { stdout, stderr } = spawnSync(tdbtool, ["-l", file, "check"], { encoding: "utf8" });
    if (!stdout.includes("integrity is OK")) throw new Error(`tdbtool check: ${stdout}${stderr}`);
  }
}

/** Checks a file by a contestant; its content. Throws when it is not valid. */
export function verify(judge: Contestant, file: string): Content {
  const [content] = start<Content>(judge, { file, work: "verify" });
  if (content === undefined) throw new Error(`Cannot verify ${file}: ${judge.name} said nothing`);
  return content;
}

/** Runs one contestant once; its lines, and what all judges and tdbtool (if `isFirst`) found in its file. */
export function runOnce(
  contestant: Contestant,
  judges: readonly Contestant[],
  one: Case,
  folders: Readonly<Record<Place, string>>,
  isFirst: boolean,
): { lines: Line[]; content: Content } {
  const file = join(folders[one.place], `${one.name}.tdb`);
  rmSync(file, { force: true });
  try {
    const lines = start<Line>(contestant, argumentsOf(one, file), pinned());
    if (isFirst) checkByTool(file);
    const contents = judges.map((judge) => verify(judge, file));
    const [content, ...others] = contents;
    if (content === undefined) throw new RangeError("Cannot judge: there is no judge");
    const differs = others.some((other) => other.hash !== content.hash);
    if (differs) throw new Error(`${one.name}: judges differ on the file of ${contestant.name}`);
    return { lines, content };
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * Holds a case's contest. `rounds` includes the one that is thrown away. The first contestant is the one that
 * the others are compared with. All judges and tdbtool check the files of the first round, the first judge
 * those of all rounds, as a check of 1 M records takes longer than what is measured. Throws when a file is not
 * valid or contents differ.
 */
export function hold(
  one: Case,
  rounds: number,
  contestants: readonly Contestant[],
  judges: readonly Contestant[],
  folders: Readonly<Record<Place, string>>,
): Result {
  const result: Result = {
    one,
    rounds: Math.min(rounds, one.roundsMax),
    works: new Map(),
    content: "",
    bytes: new Map(),
  };
  let expected: string | undefined;
  for (let round = 0; round < result.rounds; round++) {
    for (const contestant of contestants) {
      const chosen = round === 0 ? judges : judges.slice(0, 1);
      const { lines, content } = runOnce(contestant, chosen, one, folders, round === 0);
      const seen = [content.hash, ...lines.map(({ work, sum }) => `${work} ${sum}`)].join(", ");
      expected ??= seen;
      if (seen !== expected) {
        throw new Error(`${one.name}: ${contestant.name} has ${seen}, not ${expected}`);
      }
      result.bytes.set(contestant.name, content.bytes);
      if (round > 0 || result.rounds === 1) record(result, contestant.name, lines);
    }
  }
  return { ...result, content: expected?.split(",")[0] ?? "" };
}

function record(result: Result, name: Contestant["name"], lines: readonly Line[]): void {
  for (const { work, ops, ns, coldNs, windows } of lines) {
    const sides = result.works.get(work) ?? new Map<Contestant["name"], Series>();
    result.works.set(work, sides);
    const series: Series = sides.get(name) ?? { ns: [], coldNs: [] };
    sides.set(name, series);
    series.ns.push(ns / ops);
    series.coldNs.push(coldNs);
    if (windows !== undefined) {
      series.windows = windows.map((window) => window / Math.floor(ops / windows.length));
    }
  }
}
