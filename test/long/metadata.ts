/**
 * The long swarm of metadata: `npm run test:long -- metadata [RUNS] [FIRST_SEED]`, 10 000 seeds by default.
 *
 * A failure prints its seed and what is wrong; `metadata 1 SEED` runs that seed alone.
 *
 * Does NOT promise: that a seed finds the same with a later version; a draw more of the dice is another run.
 */

import process from "node:process";
import { runSeed } from "../actors/machines/metadata/swarm.ts";

const RUNS = 10_000;

function main(): number {
  const [runs = RUNS, first = 1] = process.argv.slice(2).filter((word) => /^\d+$/.test(word))
    .map(Number);
  const sums = { writes: 0, excused: 0, rounds: 0 };
  let failed = 0;
  const startMs = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    if ((seed - first) % 500 === 0) {
      const seconds = Math.round((performance.now() - startMs) / 1000);
      console.log(`seed ${seed}, ${seed - first} of ${runs} done, ${failed} failed, ${seconds} s`);
    }
    const { faults, writes, excused, rounds } = runSeed(seed);
    sums.writes += writes;
    sums.excused += excused;
    sums.rounds += rounds;
    if (faults.length === 0) continue;
    failed++;
    console.log(`FAILED seed ${seed}:\n  ${faults.slice(0, 5).join("\n  ")}`);
  }
  const { writes, excused, rounds } = sums;
  console.log(`${writes} writes, ${excused} lost with their last copy, ${rounds} rounds`);
  console.log(`${runs - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
