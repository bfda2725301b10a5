/**
 * One writer of ours, killed at random moments of plain stores:
 * npm run test:long -- kill [KILLS] [SEED] [--deno]
 *
 * A plain store has no recovery area. Everything acknowledged must be there, and both checks must
 * pass, at the latest after a repack. Reported: kills after which a check complained (lost space),
 * values torn in place.
 *
 * Does NOT promise: that there are none; the window between two words of the free list is there.
 */

import { join } from "node:path";
import process from "node:process";
import { inFolder } from "../live/files.ts";
import { thisRuntime } from "../live/peer.ts";
import { runKillLoop } from "../live/writers.ts";

async function main(words: string[]): Promise<void> {
  const [kills = 500, seed = 1] = words.map(Number);
  for (const mutex of [false, true]) {
    const report = await inFolder((folder) =>
      runKillLoop(join(folder, "kill.tdb"), kills, seed, mutex, thisRuntime())
    );
    console.log(
      `kill, ${mutex ? "mutexes" : "byte ranges"}, seed ${seed}: ${report.kills} kills, ` +
        `${report.acknowledged} acknowledged, none lost, ${report.torn} torn in place, ` +
        `${report.complaints.length} complaints, mended by repack`,
    );
    for (const line of report.complaints) console.log(`  ${line}`);
  }
}

await main(process.argv.slice(2));
process.exit(0);
