/**
 * Two writers of ours and two of libtdb on one file, killed in a loop: npm run test:long --
 * writers [SECONDS] [SEED]
 *
 * Both kinds of locks, SECONDS each (60). What is written and compared: test/live/writers.ts. Our
 * writers run on Bun and on Deno, whichever runtime runs this.
 *
 * Does NOT promise: the same schedule for the same seed.
 */

import { join } from "node:path";
import process from "node:process";
import { inFolder } from "../live/files.ts";
import { runWriters } from "../live/writers.ts";

async function main(words: string[]): Promise<void> {
  const [seconds = 60, seed = 1] = words.map(Number);
  for (const mutex of [false, true]) {
    const report = await inFolder((folder) =>
      runWriters(join(folder, "writers.tdb"), seconds * 1000, seed, mutex)
    );
    const { kills, acknowledged, torn, complaint } = report;
    console.log(
      `writers, ${mutex ? "mutexes" : "byte ranges"}, ${seconds} s, seed ${seed}: ` +
        `${kills} kills, ${acknowledged} acknowledged, none lost, ${torn} torn in place; ` +
        (complaint === "" ? "both checks pass" : `repack mended: ${complaint}`),
    );
  }
}

await main(process.argv.slice(2));
process.exit(0);
