/**
 * `npm test`: sets the machine up, then the gate, then the tests that need real tools and real
 * processes.
 *
 *   setup -> ok -> live (real tools, real clusters) -> swarm, torture (short) -> N passed, N failed
 *
 * Does NOT promise: the long runs; those are `npm run test:long -- NAME`.
 */

import process from "node:process";
import { okSteps } from "./ok.ts";
import { setUpHere } from "./setup.ts";
import { conclude, runSteps, testSteps } from "./steps.ts";

/** Live tests wait for processes most of the time: some parts run side by side. */
const LIVE_PARTS = 3;

const startMs = performance.now();
setUpHere();
// One list: while a runtime still works at the last of one kind, the other lane starts the next.
const kinds = [
  ...testSteps("live", LIVE_PARTS),
  ...["swarm", "torture"].flatMap((kind) => testSteps(kind)),
];
const outcomes = await runSteps([...okSteps(), ...kinds]);
process.exitCode = conclude(outcomes, startMs);
