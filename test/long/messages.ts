/**
 * Mutated messages: `npm run test:long -- messages [records | commits] [RUNS] [FIRST_SEED]`, 200 000 by default.
 *
 * With the word `records` or `commits`: batches about those, which have layouts of their own. A failure prints its
 * seed; `messages 1 SEED` runs that message alone. At the end it says how often each verdict came.
 *
 * Does NOT promise: the same messages after a change of the declarations.
 */

import process from "node:process";
import { BatchMutations } from "../transport/wire/batch_mutation.ts";
import { COMMIT_RIG } from "../transport/wire/commit_rig.ts";
import { Mutations } from "../transport/wire/mutation.ts";
import { RECORD_RIG } from "../transport/wire/record_rig.ts";

const RUNS = 200_000;
const SLOW_MS = 50;
const SHOW = 10;

function ofWhat(words: readonly string[]): Pick<Mutations, "run" | "counts"> {
  if (words.includes("commits")) return new BatchMutations(COMMIT_RIG);
  return words.includes("records") ? new BatchMutations(RECORD_RIG) : new Mutations();
}

function main(): number {
  const [runs = RUNS, first = 1] = process.argv.slice(2).filter((word) => /^\d+$/.test(word))
    .map(Number);
  const mutations = ofWhat(process.argv);
  let failed = 0;
  let slow = 0;
  const startMs = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    const beganMs = performance.now();
    if ((seed - first) % 20_000 === 0) {
      const seconds = Math.round((beganMs - startMs) / 1000);
      console.log(`seed ${seed}, ${seed - first} of ${runs} done, ${failed} failed, ${seconds} s`);
    }
    try {
      mutations.run(seed);
    } catch (error) {
      failed++;
      if (failed <= SHOW) {
        console.log(`FAILED seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
      }
    }
    const tookMs = performance.now() - beganMs;
    // To look at, not to judge by: the machine may be busy.
    if (tookMs > SLOW_MS && slow++ < SHOW) {
      console.log(`seed ${seed} took ${Math.round(tookMs)} ms`);
    }
  }
  for (const [verdict, count] of [...mutations.counts].sort(([, one], [, other]) => other - one)) {
    console.log(`${String(count).padStart(9)}  ${verdict}`);
  }
  console.log(`${runs - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
