/**
 * Runs the steps of a gate, some at a time, and prints one line for each: what the gate is made of
 * is in build/ok.ts and build/all.ts.
 *
 *   ok    fmt            0.4 s
 *   FAIL  unit 1 on deno 3.1 s   101 passed, 1 failed
 *
 * A step that keeps counts (test/run.ts --totals) adds them; any other counts as one.
 *
 * Does NOT promise: output while a step runs; a failed step's is printed whole at its end.
 */

import { spawn } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { sum, totalsLine } from "../test/ledger.ts";
import type { RunResult, Said, Totals } from "../test/ledger.ts";
import { divide, readTestSeconds } from "./test_times.ts";

/** The checkout. */
export const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));
/** Where steps leave their files; ignored by git. */
export const OUT: string = join(ROOT, "build/out");
/** The gate itself runs on Bun. */
export const BUN: string = process.execPath;
/** build/first.mjs sees to it that it is there. */
export const DENO: string = join(ROOT, "node_modules/deno/deno");
/** A step that runs longer is killed and counts as failed. */
const STEP_LIMIT_MS = 2_400_000;
/** Steps at a time: one for each of two cores, and one more, since live tests mostly wait. */
const LANES = 3;
/** Files that use one cluster after another take no longer than this in one process, s. */
const CHAIN_S = 120;
/** How nice what computes is to those that mostly wait: it gets what they leave, and a share of the rest. */
const NICENESS = 5;

/** Lines of an error that are said again at the end. */
const ERROR_LINES = 20;
/** Lines that are said again of a step that keeps no counts. */
const LAST_LINES = 8;

/** One program to run. */
export interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** Which lines of a failure are worth seeing; all when absent. */
  readonly show?: RegExp;
  /** File that the program leaves its counts in, if it keeps any. */
  readonly totals?: string;
  /** The command that runs only these files of tests, and leaves its counts in `totals`, too. */
  readonly only?: (files: readonly string[]) => readonly string[];
}

/** What failed: a test with its file, or a program. */
export interface Failure {
  readonly file?: string;
  /** What failed and the first lines of its error. */
  readonly text: string;
}

/** What came of a step. */
export interface Outcome {
  readonly step: Step;
  readonly totals: Totals;
  /** Why tests were skipped, one line each. */
  readonly skipped: readonly string[];
  /** Said again at the very end. */
  readonly failures: readonly Failure[];
  /** What failed at first, and not when it was run again (build/again.ts): said at the end, too. */
  readonly passing?: readonly Failure[];
}

/** How a kind of tests is run. */
export interface TestPlan {
  /** Processes of each runtime, one after another or beside each other; 1 unless told. */
  readonly parts?: number;
  /** Each runtime runs all tests, also those that depend on neither. */
  readonly isWhole?: boolean;
}

/** A kind of tests on both runtimes, each in so many parts; no step when there is no such file. */
export function testSteps(kind: string, { parts = 1, isWhole = false }: TestPlan = {}): Step[] {
  const files = kind === "unit" ? [] : globSync(`test/${kind}/**/*.test.ts`, { cwd: ROOT });
  if (kind !== "unit" && files.length === 0) return [];
  const seconds = readTestSeconds();
  const runtimes: [string, string[]][] = [["bun", [BUN]], ["deno", [DENO, "run", "-A"]]];
  const lists = (runtime: string): string[][] => {
    if (parts === 1) return [[]];
    // Unit tests are so many and so short that each takes every second, or every third.
    if (kind !== "unit") return dealt(files, parts, seconds[runtime]);
    return Array.from({ length: parts }, (_, index) => ["--part", `${index + 1}/${parts}`]);
  };
  const steps = runtimes.map(([runtime, start]) =>
    lists(runtime).map((chosen, index) => {
      const part = parts === 1 ? "" : ` ${index + 1}`;
      const totals = join(OUT, `${kind}-${runtime}${part.replace(" ", "-")}.json`);
      const words = ["--only", kind, ...(isWhole ? [] : ["--shared"]), "--totals", totals];
      const only = (list: readonly string[]) => [...start, "test/run.ts", ...words, ...list];
      return { name: `${kind}${part} on ${runtime}`, command: only(chosen), totals, only };
    })
  );
  return Array.from(
    { length: parts },
    (_, index) => steps.flatMap((list) => list.slice(index, index + 1)),
  ).flat();
}

/**
 * The parts of a runtime: files that use one cluster after another (test/live/dev_rig.ts) are together in the first
 * ones, as few as take no longer than CHAIN_S each; in each those that leave the cluster to the next one, then those
 * that do not.
 */
function dealt(
  files: readonly string[],
  parts: number,
  seconds?: Readonly<Record<string, number>>,
): string[][] {
  const texts = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
  const has = (file: string, pattern: RegExp): boolean => pattern.test(texts.get(file) ?? "");
  const borrowers = files.filter((file) =>
    has(file, /\b(borrow|giveBack|withData|withRun|faultSuite)\b[(<]/)
  );
  const others = files.filter((file) => !borrowers.includes(file));
  if (borrowers.length === 0) return divide(others, parts, seconds);
  const total = borrowers.reduce((sum, file) => sum + (seconds?.[file] ?? 0), 0);
  const count = Math.min(parts - 1, Math.max(1, Math.ceil(total / CHAIN_S)));
  const rank = (file: string): number => has(file, /\b(giveBack|withData|withRun)\(/) ? 0 : 1;
  const chains = divide(borrowers, count, seconds)
    .map((chain) => chain.toSorted((one, other) => rank(one) - rank(other)));
  return [...chains, ...divide(others, parts - count, seconds)];
}

/**
 * Runs steps in order, LANES at a time; prints a line for each. What is in `background` runs beside them, one at a time
 * and with less priority, for it computes all the time; when one kind is done, its lanes take of the other.
 */
export async function runSteps(
  steps: readonly Step[],
  background: readonly Step[] = [],
): Promise<Outcome[]> {
  mkdirSync(OUT, { recursive: true });
  const [front, back] = [[...steps], [...background]];
  const outcomes: Outcome[] = [];
  const lane = async (first: Step[], then: Step[]) => {
    for (;;) {
      const step = first.shift() ?? then.shift();
      if (step === undefined) return;
      // Beside live tests only.
      const isNice = background.includes(step) && steps.length > 0;
      outcomes.push(await runStep(step, isNice ? ["nice", "-n", String(NICENESS)] : []));
    }
  };
  const lanes = Array.from({ length: LANES }, () => lane(front, back));
  await Promise.all([...lanes, ...background.length > 0 ? [lane(back, front)] : []]);
  return outcomes;
}

/** Prints what was skipped, what failed, and the sum as the last line. Returns the exit code. */
export function conclude(outcomes: readonly Outcome[], startMs: number): number {
  const skipped = new Set(outcomes.flatMap((outcome) => outcome.skipped));
  for (const line of skipped) console.log(`skipped  ${line}`);
  for (const { step, passing = [] } of outcomes) {
    for (const { text } of passing) console.log(`FLAKY   ${step.name}  ${text}`);
  }
  const failed = outcomes.filter((outcome) => outcome.totals.failed > 0);
  // Again, and last: whoever has only the end of a long output shall know what to look at.
  for (const { step, failures } of failed) {
    for (const { text } of failures) console.log(`FAILED  ${step.name}  ${text}`);
  }
  if (failed.length > 0) console.log(`failed: ${failed.map(({ step }) => step.name).join(", ")}`);
  console.log(`${((performance.now() - startMs) / 1000).toFixed(1)} s in all`);
  const totals = sum(outcomes.map((outcome) => outcome.totals));
  console.log(totalsLine(totals));
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

/** Runs one step and prints its line; `before` are words before its command. */
export async function runStep(step: Step, before: readonly string[] = []): Promise<Outcome> {
  const startMs = performance.now();
  if (step.totals !== undefined) rmSync(step.totals, { force: true });
  const { code, output } = await runCommand([...before, ...step.command]);
  const shown = output.trimEnd().split("\n").filter((line) => step.show?.test(line) ?? true);
  const outcome = outcomeOf(step, code, shown);
  const { totals } = outcome;
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
  const counts = step.totals === undefined ? "" : `   ${totalsLine(totals)}`;
  const mark = totals.failed === 0 ? "ok  " : "FAIL";
  console.log(`${mark}  ${step.name.padEnd(18)}${seconds} s${counts}`);
  if (totals.failed > 0) console.log(shown.join("\n"));
  return outcome;
}

function outcomeOf(step: Step, code: number, output: readonly string[]): Outcome {
  const last = firstLines(output.slice(-LAST_LINES).join("\n"));
  const end: Failure = { text: `its last lines\n${last}` };
  if (step.totals !== undefined && existsSync(step.totals)) {
    const { passed, failed, skipped, skips, failures } = JSON.parse(
      readFileSync(step.totals, "utf8"),
    ) as RunResult;
    const texts = failures.map(saidFailure);
    // A process that fails after it has counted has still failed.
    const isLate = code !== 0 && failed === 0;
    return {
      step,
      totals: { passed, failed: isLate ? 1 : failed, skipped },
      skipped: skips.map(({ file, name, text }) => `${file}  ${name}: ${text}`),
      failures: isLate ? [...texts, end] : texts,
    };
  }
  const failed = code === 0 && step.totals === undefined ? 0 : 1;
  const totals = { passed: 1 - failed, failed, skipped: 0 };
  return { step, totals, skipped: [], failures: failed === 0 ? [] : [end] };
}

function saidFailure({ file, name, text }: Said): Failure {
  return { file, text: `${file}  ${name}\n${firstLines(text)}` };
}

/** The first lines of a text, indented. */
function firstLines(text: string): string {
  return text.trimEnd().split("\n").slice(0, ERROR_LINES).map((line) => `      ${line}`).join("\n");
}

function runCommand(command: readonly string[]): Promise<{ code: number; output: string }> {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (text) => output += text);
    child.stderr.on("data", (text) => output += text);
    const timer = setTimeout(() => {
      output += `\nkilled after ${STEP_LIMIT_MS} ms\n`;
      child.kill("SIGKILL");
    }, STEP_LIMIT_MS);
    const end = (code: number) => {
      clearTimeout(timer);
      resolve({ code, output });
    };
    child.on("error", (error) => {
      output += error.message;
      end(1);
    });
    child.on("close", (code) => end(code ?? 1));
  });
}
