/**
 * The long fuzz: `npm run test:long -- fuzz [RUNS] [FIRST_SEED]`, 100 000 mutated files by default.
 *
 * A failure prints its seed; `fuzz 1 SEED` runs that file alone. A hang shows the seed it began with: progress is
 * printed every 1000 runs, and each seed that took over a second.
 *
 * Does NOT promise: the same order of steps when the engine's dice are thrown differently by a later version.
 */

import process from "node:process";
import { Fuzz } from "../torture/fuzz_engine.ts";

const RUNS = 100_000;
const SLOW_MS = 1000;

async function main(): Promise<number> {
  const [runs = RUNS, first = 1] = process.argv.slice(2).filter((word) => /^\d+$/.test(word))
    .map(Number);
  const fuzz = await Fuzz.make();
  const counts = new Map<string, number>();
  let failed = 0;
  const startMs = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    const beganMs = performance.now();
    if ((seed - first) % 1000 === 0) {
      const seconds = Math.round((beganMs - startMs) / 1000);
      console.log(`seed ${seed}, ${seed - first} of ${runs} done, ${failed} failed, ${seconds} s`);
    }
    try {
      for (const step of (await fuzz.run(seed)).steps) {
        counts.set(step, (counts.get(step) ?? 0) + 1);
      }
    } catch (error) {
      failed++;
      const text = error instanceof Error ? error.stack : String(error);
      console.log(`FAILED seed ${seed}: ${text}`);
    }
    const tookMs = performance.now() - beganMs;
    if (tookMs > SLOW_MS) console.log(`seed ${seed} took ${Math.round(tookMs)} ms`);
  }
  fuzz.close();
  for (const [step, count] of [...counts].sort(([, one], [, other]) => other - one)) {
    console.log(`${String(count).padStart(9)}  ${step}`);
  }
  console.log(`${runs - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
