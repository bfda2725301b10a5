/**
 * How long test files take, and how they are divided by that: build/test_seconds.json, measured by `npm test`.
 *
 *   npm test -> build/out/KIND-RUNTIME-PART.json -- bun build/test_times.ts --> build/test_seconds.json -> the next one
 *
 * It is written anew when the parts of a run no longer end together; what it does not know is taken for FRESH_S.
 *
 * Does NOT promise: these times on another machine; only that one file takes longer than another matters.
 */

import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunResult } from "../test/ledger.ts";

/** Seconds of each file, by runtime ("bun", "deno"). */
export type TestSeconds = Readonly<Record<string, Readonly<Record<string, number>>>>;

const TABLE = fileURLToPath(new URL("./test_seconds.json", import.meta.url));
const OUT = join(dirname(TABLE), "out");
/** A file that was never measured, seconds: somewhat more than the others take on average, for it comes early then. */
const FRESH_S = 15;
/** What takes less is taken for nothing, seconds: its figure would change with every run. */
const LEAST_S = 0.5;

/** The table; empty when there is none. */
export function readTestSeconds(): TestSeconds {
  return existsSync(TABLE) ? JSON.parse(readFileSync(TABLE, "utf8")) as TestSeconds : {};
}

/**
 * Divides files into parts that take about the same time, the longest part first: each file, beginning with the
 * longest, goes to the part that is the shortest so far. Each file is in exactly one part; parts may be empty.
 */
export function divide(
  files: readonly string[],
  parts: number,
  seconds: Readonly<Record<string, number>> = {},
): string[][] {
  const of = (file: string): number => seconds[file] ?? FRESH_S;
  const bins = Array.from({ length: parts }, () => ({ total: 0, files: [] as string[] }));
  const longestFirst = [...files].sort((one, other) =>
    of(other) - of(one) || (one < other ? -1 : 1)
  );
  for (const file of longestFirst) {
    const shortest = bins.reduce((least, bin) => bin.total < least.total ? bin : least);
    shortest.total += of(file);
    shortest.files.push(file);
  }
  return bins.sort((one, other) => other.total - one.total).map((bin) => bin.files);
}

/** The table of what `results` say, by the names of their files. */
export function tableOf(results: Readonly<Record<string, RunResult>>): TestSeconds {
  const table: Record<string, Record<string, number>> = {};
  for (const [name, { seconds }] of Object.entries(results)) {
    const runtime = name.split("-")[1] ?? "";
    for (const [file, took] of Object.entries(seconds)) {
      (table[runtime] ??= {})[file] = took < LEAST_S ? 0 : took;
    }
  }
  const sorted = (one: Record<string, number>) =>
    Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1));
  return Object.fromEntries(
    Object.keys(table).sort().map((runtime) => [runtime, sorted(table[runtime] ?? {})]),
  );
}

function main(): void {
  const results: Record<string, RunResult> = {};
  for (const path of globSync(join(OUT, "{live,swarm,torture}-*.json"))) {
    results[basename(path, ".json")] = JSON.parse(readFileSync(path, "utf8")) as RunResult;
  }
  const table = tableOf(results);
  writeFileSync(TABLE, `${JSON.stringify(table, undefined, 2)}\n`);
  for (const [runtime, files] of Object.entries(table)) {
    const times = Object.values(files);
    const sum = times.reduce((one, other) => one + other, 0);
    console.log(`${runtime}: ${times.length} files, ${sum.toFixed(0)} s`);
  }
}

if (import.meta.main) main();
