/**
 * The long storm over resources of programs: `npm run test:long -- resources [N] [SEED] [--deno]`, 1000 seeds by
 * default: whole nodes with their data threads, and programs by the library. Prints the seeds that fail.
 *
 * Does NOT promise: that a seed means the same in another version of the simulator.
 */
import process from "node:process";
import { runStorm } from "../actors/resources/storm.ts";

const SEEDS = 1000;
const PROGRESS = 50;

async function main(words: readonly string[]): Promise<number> {
  const [count = SEEDS, first = 1] = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const startMs = performance.now();
  let failed = 0;
  for (let at = 0; at < count; at++) {
    try {
      await runStorm(first + at);
    } catch (error) {
      failed += 1;
      const { message, cause } = error as Error;
      console.log(`FAILED ${message}: ${cause instanceof Error ? cause.message : cause}`);
    }
    if ((at + 1) % PROGRESS === 0) console.log(`${at + 1} seeds, ${failed} failed`);
  }
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`${count} seeds from ${first}: ${failed} failed, ${seconds.toFixed(0)} s`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
