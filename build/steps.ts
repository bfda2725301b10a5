/**
 * Runs the steps of a gate, some at a time, and prints one line for each: what the gate is made of
 * is in build/ok.ts and build/all.ts.
 *
 *   ok    fmt            0.4 s
 *   FAIL  unit on deno   3.1 s   101 passed, 1 failed
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
import type { Totals } from "../test/ledger.ts";

/** The checkout. */
export const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));
/** Where steps leave their files; ignored by git. */
export const OUT: string = join(ROOT, "build/out");
/** The gate itself runs on Bun. */
export const BUN: string = process.execPath;
/** build/first.mjs sees to it that it is there. */
export const DENO: string = join(ROOT, "node_modules/deno/deno");
/** A step that runs longer is killed and counts as failed. */
const STEP_LIMIT_MS = 480_000;
/** Steps at a time: one for each of two cores, and one more, since live tests mostly wait. */
const LANES = 3;

/** One program to run. */
export interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** Which lines of a failure are worth seeing; all when absent. */
  readonly show?: RegExp;
  /** File that the program leaves its counts in, if it keeps any. */
  readonly totals?: string;
}

/** What came of a step. */
export interface Outcome {
  readonly step: Step;
  readonly totals: Totals;
  /** Why tests were skipped, one line each. */
  readonly skipped: readonly string[];
}

/** A kind of tests on both runtimes, each in so many parts; no step when there is no such file. */
export function testSteps(kind: string, parts = 1): Step[] {
  if (kind !== "unit" && globSync(`test/${kind}/**/*.test.ts`, { cwd: ROOT }).length === 0) {
    return [];
  }
  const runtimes: [string, string[]][] = [["bun", [BUN]], ["deno", [DENO, "run", "-A"]]];
  const numbers = Array.from({ length: parts }, (_, index) => index + 1);
  return numbers.flatMap((number) =>
    runtimes.map(([runtime, start]) => {
      const [part, words] = parts === 1
        ? ["", []]
        : [` ${number}`, ["--part", `${number}/${parts}`]];
      const totals = join(OUT, `${kind}-${runtime}${part.replace(" ", "-")}.json`);
      const command = [...start, "test/run.ts", "--only", kind, ...words, "--totals", totals];
      return { name: `${kind}${part} on ${runtime}`, command, totals };
    })
  );
}

/** Runs steps in order, LANES at a time; prints a line for each. */
export async function runSteps(steps: readonly Step[]): Promise<Outcome[]> {
  mkdirSync(OUT, { recursive: true });
  const waiting = [...steps];
  const outcomes: Outcome[] = [];
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      outcomes.push(await runStep(step));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return outcomes;
}

/** Prints what was skipped and the sum as the last line. Returns the exit code. */
export function conclude(outcomes: readonly Outcome[], startMs: number): number {
  const skipped = new Set(outcomes.flatMap((outcome) => outcome.skipped));
  for (const line of skipped) console.log(`skipped  ${line}`);
  const failed = outcomes.filter((outcome) => outcome.totals.failed > 0);
  if (failed.length > 0) console.log(`failed: ${failed.map(({ step }) => step.name).join(", ")}`);
  console.log(`${((performance.now() - startMs) / 1000).toFixed(1)} s in all`);
  const totals = sum(outcomes.map((outcome) => outcome.totals));
  console.log(totalsLine(totals));
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

async function runStep(step: Step): Promise<Outcome> {
  const startMs = performance.now();
  if (step.totals !== undefined) rmSync(step.totals, { force: true });
  const { code, output } = await runCommand(step.command);
  const { totals, skipped } = count(step, code);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
  const counts = step.totals === undefined ? "" : `   ${totalsLine(totals)}`;
  const mark = totals.failed === 0 ? "ok  " : "FAIL";
  console.log(`${mark}  ${step.name.padEnd(18)}${seconds} s${counts}`);
  if (totals.failed > 0) {
    const lines = output.trimEnd().split("\n");
    console.log(lines.filter((line) => step.show?.test(line) ?? true).join("\n"));
  }
  return { step, totals, skipped };
}

function count(step: Step, code: number): { totals: Totals; skipped: string[] } {
  if (step.totals !== undefined && existsSync(step.totals)) {
    const { reasons, ...totals } = JSON.parse(readFileSync(step.totals, "utf8"));
    // A process that fails after it has counted has still failed.
    if (code !== 0 && totals.failed === 0) totals.failed = 1;
    return { totals, skipped: reasons.map(skipLine) };
  }
  const failed = code === 0 && step.totals === undefined ? 0 : 1;
  return { totals: { passed: 1 - failed, failed, skipped: 0 }, skipped: [] };
}

function skipLine(entry: { file: string; name: string; reason: string }): string {
  return `${entry.file}  ${entry.name}: ${entry.reason}`;
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
