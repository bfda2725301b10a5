/**
 * The test runner: one process per runtime, the same files on both.
 *
 *   bun test/run.ts [--only KIND,...] [--part I/N] [--name TEXT] [--shared] [--times] [--totals FILE] [PATHS...]
 *   deno run -A test/run.ts ...
 *
 * KIND: unit (all but the next ones), live, swarm, torture. --name: text in path, suite or test name.
 * --part 1/3: of the files chosen every third, from the first. --totals: writes the sums, what failed and the files'
 * times as JSON.
 * Processes that live tests start are of a program made ready (build/ready.ts), unless CTDBX_PROGRAM names another one.
 * --shared: another runtime runs the same files; what `test.either` and `share` name is divided between the two, and
 * whole files that depend on no runtime (test/division.ts).
 * --times: names the tests that took longer than a second.
 * The last line is `N passed, N failed`; exit code 1 when anything failed or nothing ran.
 *
 * Does NOT promise: separation of files; they share one process, so that the pinned Memory is
 * shared, too.
 */

import { globSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { readyProgram } from "../build/ready.ts";
import { forgetOpenFiles } from "../transport/sim/file.ts";
import type { Case, FileRecord, RunResult, Totals, Watch } from "./ledger.ts";
import { countCases, LEDGER, Ledger, sum, totalsLine } from "./ledger.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Folders of test/ that are a kind of their own; everything else is "unit". */
const KINDS = ["live", "swarm", "torture", "long"];

/** Files, and folders of them, that start many processes: each costs as much as this one has grown. */
const STARTING = [
  "test/build/",
  "test/cli/dev_job.test.ts",
  "test/cli/glock.test.ts",
  "test/cli/lock_run.test.ts",
];

/** After them those that fill the Memory, or take all handles, of which others leave some taken. */
const FILLING = ["test/transport/", "test/actors/storage/tdb_handles.test.ts"];

/** What --times names took longer, ms. */
const LONG_MS = 1000;

interface Arguments {
  only: string[];
  /** Which of how many parts, from 0. */
  part: { readonly index: number; readonly of: number };
  name: string | undefined;
  isShared: boolean;
  tellsTimes: boolean;
  totals: string | undefined;
  paths: string[];
}

/** uvu's own globals: its queue, and the switch that keeps it from running by itself. */
interface UvuGlobals {
  UVU_DEFER?: number;
  UVU_QUEUE?: unknown[][];
  [LEDGER]?: Ledger;
}

async function main(): Promise<number> {
  const args = parse(process.argv.slice(2));
  const { index, of } = args.part;
  const chosen = choose(args).filter((_file, at) => at % of === index);
  // Their nodes are many, and start sooner so.
  if (chosen.some((path) => kindOf(path) === "live")) {
    process.env["CTDBX_PROGRAM"] ||= readyProgram();
  }
  const worker = new Worker(new URL("./watchdog_worker.ts", import.meta.url));
  worker.unref();
  const turn = "Deno" in globalThis ? 1 : 0;
  const ledger = new Ledger(watchThrough(worker), args.name, args.isShared ? turn : undefined);
  const uvuGlobals = globalThis as UvuGlobals;
  uvuGlobals[LEDGER] = ledger;
  uvuGlobals.UVU_DEFER = 1;
  process.on("unhandledRejection", (cause: unknown) => ledger.stray(cause));
  process.on("uncaughtException", (cause: unknown) => ledger.stray(cause));
  let finished = false;
  process.on("exit", () => {
    if (finished) return;
    console.error("The process ended before all tests were done");
    process.exitCode = 1;
  });

  const times = new Map<string, number>();
  const files = chosen.filter((path) => ledger.hasFile(path));
  const others = chosen.length - files.length;
  if (others > 0) console.log(`of the other runtime: ${others} files`);
  for (const path of files) {
    const startMs = performance.now();
    const cpu = process.cpuUsage();
    const record = await runFile(ledger, path);
    const ms = performance.now() - startMs;
    times.set(path, ms);
    // With a name filter, files without a match say nothing.
    if (record.cases.length + record.elsewhere > 0) report(record, ms, process.cpuUsage(cpu));
    if (args.tellsTimes) tellTimes(record);
  }
  await ledger.end();
  const totals = sum(ledger.files.map((file) => countCases(file.cases)));
  if (totals.passed + totals.failed + totals.skipped === 0) {
    console.log("No test matches");
    totals.failed = 1;
  }
  finished = true;
  if (args.totals !== undefined) {
    writeFileSync(args.totals, JSON.stringify(result(ledger, totals, times)));
  }
  console.log(totalsLine(totals));
  return totals.failed === 0 ? 0 : 1;
}

function parse(words: string[]): Arguments {
  const args: Arguments = {
    only: [],
    part: { index: 0, of: 1 },
    name: undefined,
    isShared: false,
    tellsTimes: false,
    totals: undefined,
    paths: [],
  };
  const rest = [...words];
  const value = (option: string): string => {
    const next = rest.shift();
    if (next === undefined) throw new TypeError(`${option} needs a value`);
    return next;
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--only") args.only.push(...value(word).split(","));
    else if (word === "--part") args.part = parsePart(value(word));
    else if (word === "--name") args.name = value(word);
    else if (word === "--shared") args.isShared = true;
    else if (word === "--times") args.tellsTimes = true;
    else if (word === "--totals") args.totals = value(word);
    else if (word.startsWith("--")) throw new TypeError(`Unknown option ${word}`);
    else args.paths.push(word);
  }
  const unknown = args.only.find((kind) => kind !== "unit" && !KINDS.includes(kind));
  if (unknown !== undefined) throw new TypeError(`Unknown kind ${unknown}`);
  return args;
}

function parsePart(text: string): Arguments["part"] {
  const [index = 0, of = 0] = text.split("/").map(Number);
  if (Number.isInteger(index) && Number.isInteger(of) && index >= 1 && index <= of) {
    return { index: index - 1, of };
  }
  throw new TypeError(`--part must be I/N with I from 1 to N, is ${text}`);
}

/** The files to run, relative to the checkout; explicit files may lie anywhere below it. */
function choose({ only, paths }: Arguments): string[] {
  const isIn = (list: readonly string[], path: string) =>
    list.some((start) => path.startsWith(start));
  const first = (path: string): number => isIn(STARTING, path) ? 0 : isIn(FILLING, path) ? 1 : 2;
  const all = globSync("test/**/*.test.ts", { cwd: ROOT })
    .sort((one, other) => first(one) - first(other) || (one < other ? -1 : 1));
  const wanted = all.filter((path) => only.length === 0 || only.includes(kindOf(path)));
  if (paths.length === 0) return wanted;
  const chosen: string[] = [];
  for (const path of paths) {
    const inside = relative(ROOT, resolve(path));
    const below = wanted.filter((file) => file.startsWith(`${inside}/`));
    if (below.length > 0) chosen.push(...below);
    else chosen.push(inside);
  }
  return chosen;
}

function kindOf(path: string): string {
  const folder = path.split("/")[1] ?? "";
  return KINDS.includes(folder) ? folder : "unit";
}

async function runFile(ledger: Ledger, path: string): Promise<FileRecord> {
  const record = ledger.file(path);
  (globalThis as UvuGlobals).UVU_QUEUE = [[null]];
  const write = process.stdout.write;
  try {
    // Not at the top: uvu looks at UVU_DEFER when it is loaded.
    const { exec } = await import("./uvu.mjs");
    await import(pathToFileURL(join(ROOT, path)).href);
    if (record.declared === 0) throw new Error("the file declares no test");
    // uvu's own marks; console.log of a test is not affected.
    process.stdout.write = () => true;
    await exec();
  } catch (error) {
    ledger.fail("", "the file could not be run", error);
  } finally {
    process.stdout.write = write;
    // Simulated nodes are mostly left as they are; their files are megabytes of this process's Memory each.
    forgetOpenFiles();
  }
  ledger.close(record);
  return record;
}

/** One line about a file, and more about what failed; the CPU is this process's alone. */
function report(record: FileRecord, ms: number, cpu: NodeJS.CpuUsage): void {
  const counts = countCases(record.cases);
  const mark = counts.failed === 0 ? "ok  " : "FAIL";
  const times = `${(ms / 1000).toFixed(2)} s, CPU ${((cpu.user + cpu.system) / 1e6).toFixed(2)} s`;
  const others = record.elsewhere === 0 ? "" : `, ${record.elsewhere} of the other runtime`;
  console.log(`${mark} ${record.path}  ${totalsLine(counts)}${others}  ${times}`);
  for (const entry of record.cases) {
    if (entry.outcome === "failed") console.log(indent(`FAILED ${title(entry)}\n${entry.text}`));
    if (entry.outcome === "skipped") console.log(`     skipped ${title(entry)}: ${entry.text}`);
  }
}

/** The tests that took longest, in their order. */
function tellTimes(record: FileRecord): void {
  for (const entry of record.cases) {
    const { ms = 0 } = entry;
    if (ms > LONG_MS) console.log(`     ${(ms / 1000).toFixed(1).padStart(5)} s  ${title(entry)}`);
  }
}

function title(entry: Case): string {
  return entry.suite === "" ? entry.name : `${entry.suite}: ${entry.name}`;
}

function indent(text: string): string {
  return text.trimEnd().split("\n").map((line) => `     ${line}`).join("\n");
}

/** What --totals writes. */
function result(ledger: Ledger, totals: Totals, times: ReadonlyMap<string, number>): RunResult {
  const of = (outcome: Case["outcome"]) =>
    ledger.files.flatMap((file) =>
      file.cases.filter((entry) => entry.outcome === outcome)
        .map((entry) => ({ file: file.path, name: title(entry), text: entry.text ?? "" }))
    );
  const seconds = [...times].map(([path, ms]) => [path, Math.round(ms / 100) / 10]);
  return {
    ...totals,
    skips: of("skipped"),
    failures: of("failed"),
    seconds: Object.fromEntries(seconds),
  };
}

function watchThrough(worker: Worker): Watch {
  return {
    begin: (name, limitMs) => worker.postMessage({ name, limitMs }),
    end: () => worker.postMessage(null),
  };
}

const code = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
// Not exitCode: a test that hangs may still hold the event loop.
process.exit(code);
