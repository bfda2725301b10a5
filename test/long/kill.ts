/**
 * One writer of ours, killed at random moments of plain stores: npm run test:long -- kill [KILLS]
 * [SEED] [--deno]
 *
 * A plain store has no recovery area. What must hold: everything acknowledged is there. What is
 * reported: files that a check then complains about, values torn in place. Exit code 1 when there
 * was a complaint.
 *
 * Does NOT promise: none; the window between two words of the free list is nanoseconds wide, but
 * it is there.
 */

import { join } from "node:path";
import process from "node:process";
import { inFolder } from "../live/files.ts";
import { thisRuntime } from "../live/peer.ts";
import { runKillLoop } from "../live/writers.ts";

async function main(words: string[]): Promise<number> {
  const [kills = 500, seed = 1] = words.map(Number);
  let complaints = 0;
  for (const mutex of [false, true]) {
    const report = await inFolder((folder) =>
      runKillLoop(join(folder, "kill.tdb"), kills, seed, mutex, thisRuntime())
    );
    complaints += report.wrong.length;
    console.log(
      `kill, ${mutex ? "mutexes" : "byte ranges"}, seed ${seed}: ${report.kills} kills, ` +
        `${report.acknowledged} acknowledged, none lost, ${report.torn} torn in place, ` +
        `${report.wrong.length} files with complaints`,
    );
    for (const line of report.wrong) console.log(`  ${line}`);
  }
  return complaints === 0 ? 0 : 1;
}

process.exit(await main(process.argv.slice(2)));
