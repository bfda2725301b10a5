/**
 * `npm run ok`: the gate that every commit passes, in a minute or three. Formatting, lint, types by
 * two checkers, house rules, kernels as their sources give them, unit tests on both runtimes.
 *
 * Does NOT promise: that ctdbx works together with libtdb; that is `npm test`.
 */

import { globSync } from "node:fs";
import process from "node:process";
import { BUN, conclude, DENO, ROOT, runSteps, testSteps } from "./steps.ts";
import type { Step } from "./steps.ts";

/** Folders with TypeScript; assembly/ itself is AssemblyScript, which asc checks. */
const CHECKED = [
  "assembly/host",
  "transport",
  "actors",
  "cli",
  "test",
  "build",
  "docs/examples",
];

/** What may differ between the gate and `npm test`. */
export interface OkPlan {
  /** Each runtime runs all unit tests, also those that depend on neither. */
  readonly isWhole?: boolean;
  /**
   * Whose types Deno checks, too, which tsc has checked: `npm run ok` is for before a commit. Absent: all but tests.
   */
  readonly denoChecks?: "all" | "nothing";
}

/** The steps, longest first so that the lanes end together. */
export function okSteps({ isWhole = false, denoChecks }: OkPlan = {}): Step[] {
  const folders = CHECKED.filter((folder) =>
    (folder !== "test" || denoChecks === "all") &&
    globSync(`${folder}/**/*.ts`, { cwd: ROOT }).length > 0
  );
  const check = { name: "deno check", command: [DENO, "check", "--quiet", ...folders] };
  return [
    // In parts, so that all lanes end together.
    ...testSteps("unit", { isWhole, parts: 2 }),
    // The compiler costs Deno half of what it costs Bun.
    { name: "kernels", command: [DENO, "run", "-A", "build/wasm.ts", "--check"] },
    ...denoChecks === "nothing" ? [] : [check],
    // Several threads take half as much again of the processors, and other steps run beside it.
    { name: "tsc", command: ["node_modules/.bin/tsc", "--noEmit", "--singleThreaded"] },
    { name: "floors", command: [BUN, "build/floors.ts"] },
    { name: "deno lint", command: [DENO, "lint", "--quiet"] },
    { name: "deno fmt", command: [DENO, "fmt", "--check"], show: /^from |^error/ },
  ];
}

if (import.meta.main) {
  const startMs = performance.now();
  process.exitCode = conclude(await runSteps(okSteps()), startMs);
}
