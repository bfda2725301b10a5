/**
 * `npm test`: sets the machine up, then the gate, then the tests that need real tools and real
 * processes.
 *
 *   setup -+-> live: real tools, real clusters, three lanes; it mostly waits -----------+-> N passed, N failed
 *          '-> unit, swarm, torture, checks: they compute, one lane of less priority ---'
 *
 * What depends on no runtime is divided between the two (docs/TESTING.md); `npm test -- --both` runs all on both.
 *
 * Does NOT promise: the long runs; those are `npm run test:long -- NAME`.
 */

import { globSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runAgain } from "./again.ts";
import { okSteps } from "./ok.ts";
import { folderProgram } from "./folder.ts";
import { binaryProgram } from "./ready.ts";
import { setUpHere } from "./setup.ts";
import { conclude, OUT, runSteps, type Step, testSteps } from "./steps.ts";

/** Processes of live tests for each runtime: many, so that the last ones end together. */
const LIVE_PARTS = 9;

const startMs = performance.now();
const isWhole = process.argv.includes("--both");
// Of a run with other parts.
for (const path of globSync("{live,swarm,torture}-*.json", { cwd: OUT })) rmSync(join(OUT, path));
setUpHere();
// Before the lanes, each of which would make them.
binaryProgram();
folderProgram();
// What tsc checks, Deno checks in `npm run ok` and before a release: a second checker costs as much as the first.
const gate = okSteps({ isWhole, denoChecks: isWhole ? "all" : "nothing" });
const isLong = ({ totals }: Step): boolean => totals !== undefined;
// What computes beside them is so ordered that all lanes end together.
const outcomes = await runSteps(testSteps("live", { parts: LIVE_PARTS, isWhole }), [
  // Whole ones first: unit tests are in parts.
  ...["swarm", "torture"].flatMap((kind) => testSteps(kind, { isWhole })),
  ...gate.filter(isLong),
  ...gate.filter((step) => !isLong(step)),
]);
process.exitCode = conclude(await runAgain(outcomes), startMs);
