/**
 * `npm run bench -- tdb`: our TDB engine on Bun and on Deno beside libtdb called from C, in one run.
 *
 *   bun test/bench/tdb.ts [--quick] [--only NAME] [--rounds N] [--syscalls] [--json]
 *
 * --quick: fewer operations, two rounds; shows that it works, not how fast. --only: cases whose name starts so.
 * --syscalls: also counts system calls per operation with strace. --json: rows as one JSON document on stdout.
 * Exit code 1 when files are not valid or contents differ; a missed bar is shown, not punished.
 *
 * Does NOT promise: figures that mean something while the machine does other work; see docs/BENCHMARKS.md.
 */

import { createHash } from "node:crypto";
import { cpus, loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Case } from "./tdb/cases.ts";
import { CASES, lighter, OPEN_CASE } from "./tdb/cases.ts";
import type { Folders } from "./tdb/contest.ts";
import { fileSystemOf, hold, makeFolders } from "./tdb/contest.ts";
import type { Calls, MemoryLine } from "./tdb/extra.ts";
import { countCalls, memoryOf, openBigFile } from "./tdb/extra.ts";
import type { Contestant } from "./tdb/peer.ts";
import { ours, peer, pinned } from "./tdb/peer.ts";
import type { Row } from "./tdb/table.ts";
import { coldTable, columns, rowsOf, table, windowLines } from "./tdb/table.ts";

const ROUNDS = 6;
const QUICK_ROUNDS = 2;
/** A quick run does this part of the operations. */
const QUICK_DIVISOR = 5;
/** Rounds of opening the big file; each opens it many times. */
const OPEN_ROUNDS = 3;
const SIZE_HEAD = ["", "libtdb", "Bun", "Deno"];
const COUNTED = ["parse", "store", "cycle"];

interface Options {
  readonly isQuick: boolean;
  readonly only: string;
  readonly rounds: number;
  readonly countsCalls: boolean;
  readonly isJson: boolean;
}

/** All that a run finds. */
interface Findings {
  readonly rows: Row[];
  /** "vary" tenth by tenth. */
  readonly windows: string[];
  readonly memory: Map<Contestant["name"], MemoryLine>;
  readonly calls: Map<string, Calls>;
  /** Size of the files at the end, a line per case. */
  readonly sizes: string[][];
  /** Hash over the contents of all files: the same for the same program, however fast. */
  readonly contents: string[];
}

function optionsOf(words: string[]): Options {
  const { values } = parseArgs({
    args: words,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      rounds: { type: "string" },
      syscalls: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TypeError(`Cannot run: --rounds must be 1 or more, is ${values.rounds}`);
  }
  return {
    isQuick: values.quick,
    only: values.only,
    rounds,
    countsCalls: values.syscalls,
    isJson: values.json,
  };
}

/** Progress; stdout is for the result. */
function say(text: string): void {
  console.error(text);
}

function runCases(options: Options, sides: readonly Contestant[], folders: Folders): Findings {
  const found: Findings = {
    rows: [],
    windows: [],
    memory: new Map(),
    calls: new Map(),
    sizes: [],
    contents: [],
  };
  const [libtdb, bun] = sides;
  if (libtdb === undefined || bun === undefined) throw new RangeError("two contestants at least");
  const isWanted = (name: string) => name.startsWith(options.only);
  for (const full of CASES.filter(({ name }) => isWanted(name))) {
    const one: Case = options.isQuick ? lighter(full, QUICK_DIVISOR) : full;
    const startMs = performance.now();
    // Both sides judge every file of every contestant.
    const result = hold(one, options.rounds, sides, [libtdb, bun], folders);
    found.contents.push(`${one.name} ${result.content}`);
    found.rows.push(...rowsOf(result));
    const sizes = sides.map(({ name }) => ((result.bytes.get(name) ?? NaN) / 1e6).toFixed(2));
    found.sizes.push([one.name, ...sizes]);
    if (one.name === "large-vary") found.windows.push(...windowLines(result));
    say(
      `${one.name.padEnd(24)} ${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s`,
    );
  }
  if (isWanted("open")) {
    const { works, bytes } = openBigFile(libtdb, sides, folders.memory, OPEN_ROUNDS);
    const one = { ...OPEN_CASE, name: `open-${(bytes / 1e9).toFixed(2)}-GB` };
    found.rows.push(...rowsOf({ one, rounds: OPEN_ROUNDS, works, content: "", bytes: new Map() }));
  }
  if (isWanted("memory")) {
    for (const [name, line] of memoryOf(sides, folders.memory)) found.memory.set(name, line);
  }
  if (options.countsCalls) countAll(found, sides);
  return found;
}

function countAll(found: Findings, sides: readonly Contestant[]): void {
  for (const one of CASES.filter(({ name }) => name === "small-fcntl" || name === "small-mutex")) {
    for (const work of COUNTED) {
      for (const side of sides) {
        const calls = countCalls(side, one, work);
        if (calls !== undefined) found.calls.set(`${work}, ${one.lock}, ${side.name}`, calls);
      }
    }
  }
}

function memoryTable(memory: Findings["memory"]): string {
  const mib = (kib: number) => `${(kib / 1024).toFixed(1)} MiB`;
  const lines = [...memory].map(([name, { all, own, file, shared, before }]) => [
    name,
    mib(all),
    mib(own),
    mib(file + shared),
    before === undefined ? "" : mib(all - file - shared - (before.all - before.file)),
  ]);
  const head = ["", "resident", "own", "mapped files", "grown by, without files"];
  return columns([head, ...lines], [0]);
}

function print(found: Findings, folders: Folders, digest: string): void {
  const section = (title: string, text: string) => console.log(`${title}\n\n${text}\n`);
  const load = loadavg()[0]?.toFixed(2) ?? "?";
  const pin = pinned().length > 0 ? "pinned to one core" : "not pinned";
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? "?"}, load ${load}, ${pin}; ` +
      `files on ${fileSystemOf(folders.memory)}, synced ones on ${fileSystemOf(folders.disk)}\n`,
  );
  section("Time of one operation; ratio = ours / libtdb, median (quartiles)", table(found.rows));
  if (found.windows.length > 0) {
    section(
      "Stores of lengths 1 to 3 times on 1 M records, each tenth of them; last 3 / first 3",
      found.windows.join("\n"),
    );
  }
  const cold = found.rows.filter(({ name }) => name.startsWith("small/"));
  if (cold.length > 0) section("First 1000 operations of a process", coldTable(cold));
  if (found.sizes.length > 0) {
    section("Size of the file at the end, MB", columns([SIZE_HEAD, ...found.sizes], [0]));
  }
  if (found.memory.size > 0) {
    section("Memory of a process that has read 1 M records", memoryTable(found.memory));
  }
  if (found.calls.size > 0) {
    const lines = [...found.calls].map(([name, calls]) => [
      name,
      Object.entries(calls).map(([call, count]) => `${call} ${count}`).join(", "),
    ]);
    section("System calls per operation", columns(lines, [0, 1]));
  }
  const missed = found.rows.filter(({ met }) => met === false).length;
  const held = found.rows.filter(({ met }) => met === true).length;
  console.log(`${held} bars met, ${missed} missed; content of all files ${digest}`);
}

function main(options: Options): void {
  const libtdb = peer();
  if (typeof libtdb === "string") throw new Error(libtdb);
  const folders = makeFolders();
  try {
    const found = runCases(options, [libtdb, ours("Bun"), ours("Deno")], folders);
    const all = createHash("sha256").update(found.contents.join("\n")).digest("hex");
    const digest = all.slice(0, 16);
    if (!options.isJson) return print(found, folders, digest);
    const { rows, windows, sizes } = found;
    const memory = Object.fromEntries(found.memory);
    const calls = Object.fromEntries(found.calls);
    console.log(JSON.stringify({ rows, windows, sizes, memory, calls, digest }, null, 2));
  } finally {
    folders.remove();
  }
}

if (import.meta.main) {
  try {
    main(optionsOf(process.argv.slice(2)));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
