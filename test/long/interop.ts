/**
 * Random operations by ours and libtdb for as long as wanted: npm run test:long -- interop [SEEDS]
 * [FIRST SEED] [--deno]
 *
 * Each seed runs every kind of file on two files, in turns and mixed (test/live/random_runs.ts),
 * ten times as long as in npm test. Prints a line for each seed; ends with the first failure,
 * which names kind and seed.
 *
 * Does NOT promise: a time; about 20 s for a seed on 2 cores.
 */

import process from "node:process";
import { RealImageStore } from "../../transport/real_image.ts";
import { inFolder } from "../live/files.ts";
import { inTurns, KINDS, mixed, twoFiles } from "../live/random_runs.ts";

async function main(words: string[]): Promise<void> {
  const [seeds = 10, first = 2000] = words.map(Number);
  for (let seed = first; seed < first + seeds; seed++) {
    const startMs = performance.now();
    for (const kind of KINDS) {
      await inFolder((folder) => twoFiles(new RealImageStore(), folder, kind, seed, 7000));
      await inFolder((folder) => inTurns(new RealImageStore(), folder, kind, seed, 60, 120));
      await inFolder((folder) => mixed(new RealImageStore(), folder, kind, seed, 9000));
    }
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(`interop seed ${seed}: ${KINDS.length} kinds, 3 ways each, fine  ${seconds} s`);
  }
}

await main(process.argv.slice(2));
process.exit(0);
