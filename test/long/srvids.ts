/**
 * The long swarm of messages between programs: `npm run test:long -- srvids [RUNS] [FIRST_SEED]`, 2000 by default.
 *
 * A failure prints its seed and what is wrong; `srvids 1 SEED` runs that seed alone.
 *
 * Does NOT promise: that a seed finds the same with a later version; a draw more of the dice is another run.
 */

import process from "node:process";
import { runMessageSeed } from "../../actors/machines/sim/messages/swarm.ts";

const RUNS = 2000;

function main(): number {
  const [runs = RUNS, first = 1] = process.argv.slice(2).filter((word) => /^\d+$/.test(word))
    .map(Number);
  const sums = new Map<string, number>();
  let failed = 0;
  const startMs = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    if ((seed - first) % 100 === 0) {
      const seconds = Math.round((performance.now() - startMs) / 1000);
      console.log(`seed ${seed}, ${seed - first} of ${runs} done, ${failed} failed, ${seconds} s`);
    }
    const { faults, sent, refused, seen } = runMessageSeed(seed);
    for (const [name, count] of Object.entries({ sent, refused, ...seen })) {
      sums.set(name, (sums.get(name) ?? 0) + count);
    }
    if (faults.length === 0) continue;
    failed++;
    console.log(`FAILED seed ${seed}:\n  ${faults.slice(0, 5).join("\n  ")}`);
  }
  console.log([...sums].map(([name, count]) => `${count} ${name}`).join(", "));
  console.log(`${runs - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
