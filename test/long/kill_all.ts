/**
 * All daemons of a cluster killed at once, 100 times, under eight programs with transactions (test/live/kill_all.ts):
 * npm run test:long -- kill-all [ROUNDS] [SEED] [--deno]
 *
 * Does NOT promise: the same run for the same seed; real processes take their time.
 */

import process from "node:process";
import { readyProgram } from "../../build/ready.ts";
import { killAll, type KillReport } from "../live/kill_all.ts";

/** Rounds after which it says how far it is. */
const SAY_EVERY = 10;

async function main(words: string[]): Promise<void> {
  const [rounds = 100, seed = 1] = words.map(Number);
  process.env["CTDBX_PROGRAM"] ||= readyProgram();
  const startMs = performance.now();
  const tell = ({ rounds: round, kills, acked, unknown, executed, over }: KillReport): void => {
    if (round % SAY_EVERY !== 0 && round !== rounds) return;
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
    const megabytes = (process.memoryUsage.rss() / 2 ** 20).toFixed(0);
    console.log(
      `kill_all, seed ${seed}: ${round} rounds, all killed ${kills} times; ${acked} transactions told as ` +
        `committed, none lost, none twice; ${unknown} unknown, ${executed} of them executed; ${seconds} s, ` +
        `${megabytes} MiB; ${over.length} snapshots ended while they were read`,
    );
    for (const why of new Set(over)) console.log(`  ${why}`);
  };
  await killAll(rounds, seed, tell);
}

await main(process.argv.slice(2));
process.exit(0);
