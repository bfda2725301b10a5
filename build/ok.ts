/**
 * `npm run ok`: the gate that every commit passes, in under a minute. Formatting, lint, types by
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
  /** Deno checks the types of the tests, too, which tsc has checked: a third of its time. */
  readonly checksTests?: boolean;
}

/** The steps, longest first so that the lanes end together. */
export function okSteps({ isWhole = false, checksTests = false }: OkPlan = {}): Step[] {
  const folders = CHECKED.filter((folder) =>
    (folder !== "test" || checksTests) && globSync(`${folder}/**/*.ts`, { cwd: ROOT }).length > 0
  );
  return [
    ...testSteps("unit", { isWhole }),
    { name: "kernels", command: [BUN, "build/wasm.ts", "--check"] },
    { name: "deno check", command: [DENO, "check", "--quiet", ...folders] },
    { name: "tsc", command: ["node_modules/.bin/tsc", "--noEmit"] },
    { name: "floors", command: [BUN, "build/floors.ts"] },
    { name: "deno lint", command: [DENO, "lint", "--quiet"] },
    { name: "deno fmt", command: [DENO, "fmt", "--check"], show: /^from |^error/ },
  ];
}

if (import.meta.main) {
  const startMs = performance.now();
  process.exitCode = conclude(await runSteps(okSteps()), startMs);
}
