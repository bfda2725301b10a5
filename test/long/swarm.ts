/**
 * The long swarm: `npm run test:long -- swarm [N] [SEED] [--deno]`, 10 000 seeds by default, and as many tenths of
 * layouts. Prints the seeds that fail, and a hash over all runs, which is the same on every runtime.
 *
 *   swarm 1 SEED --story      tells everything that happens in one run
 *
 * Does NOT promise: that a seed means the same in another version of the simulator.
 */
import process from "node:process";
import { runLayout } from "../../actors/machines/sim/layouts.ts";
import { runSeed } from "../../actors/machines/sim/swarm.ts";
import type { SeedResult } from "../../actors/machines/sim/swarm.ts";
import { textHash } from "../../actors/machines/mix.ts";

const SEEDS = 10_000;
const PROGRESS = 1_000;
const MS_PER_HOUR = 3_600_000;
const MS_PER_MINUTE = 60_000;

function main(words: readonly string[]): number {
  const [count = SEEDS, first = 1] = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const isStory = words.includes("--story");
  const startMs = performance.now();
  let failed = 0;
  let simulatedMs = 0;
  let hash = 0;
  const take = (kind: string, result: SeedResult) => {
    simulatedMs += result.simulatedMs;
    hash = textHash(result.hash, hash);
    if (result.violations.length === 0) return;
    failed += 1;
    console.log(
      `FAILED ${kind} ${result.seed}: ${result.nodes} nodes, ${result.classes.join(" ")}`,
    );
    for (const { atMs, rule, text } of result.violations.slice(0, 5)) {
      console.log(`  ${atMs.toFixed(1)} ${rule}: ${text}`);
    }
  };
  const story = (atMs: number, node: number, what: string, text: string) =>
    console.log(`${atMs.toFixed(1).padStart(9)} n${node} ${text === "" ? what : text}`);
  for (let at = 0; at < count; at++) {
    const seed = (first + at) >>> 0;
    take("seed", runSeed(seed, isStory ? { onNote: story } : {}));
    if (at % 10 === 0 && !isStory) take("layout", runLayout(seed));
    if ((at + 1) % PROGRESS === 0) console.log(`${at + 1} seeds, ${failed} failed`);
  }
  const minutes = (performance.now() - startMs) / MS_PER_MINUTE;
  const hours = simulatedMs / MS_PER_HOUR;
  console.log(
    `${count} seeds from ${first}: ${failed} failed, hash ${hash.toString(16).padStart(8, "0")}, ` +
      `${hours.toFixed(1)} cluster-hours, ${(hours / minutes).toFixed(0)} per minute`,
  );
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
