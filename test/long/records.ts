/**
 * The long swarm of records: `npm run test:long -- records [N] [SEED] [--deno]`, 10 000 seeds by default. Prints the
 * seeds that fail, and a hash over all runs, which is the same on every runtime.
 *
 *   records 1 SEED --story [KEY]     tells everything that happens in one run, and the messages about a key
 *   records N SEED --slots=64        so many slots, instead of all: the few keys of a run share homes, empty slots cost
 *                                    nothing, and it is twice as quick. A seed is another run then.
 *
 * Does NOT promise: that a seed means the same in another version of the simulator.
 */
import process from "node:process";
import { SLOTS } from "../../transport/wire/limits.ts";
import { textHash } from "../../actors/machines/mix.ts";
import { runRecordSeed } from "../../actors/machines/sim/records/record_swarm.ts";
import type { RecordSeedOptions } from "../../actors/machines/sim/records/record_swarm.ts";

const SEEDS = 10_000;
const PROGRESS = 500;
const MS_PER_HOUR = 3_600_000;
const MS_PER_MINUTE = 60_000;

function storyOf(key: string | undefined): RecordSeedOptions {
  let nowMs = 0;
  return {
    onNote: (atMs, node, what, text) => {
      nowMs = atMs;
      console.log(`${atMs.toFixed(1).padStart(9)} n${node} ${text === "" ? what : text}`);
    },
    onRecord: (from, to, message) => {
      if (key === undefined || !("key" in message) || message.key !== key) return true;
      const text = JSON.stringify(
        message,
        (_, value) =>
          typeof value === "bigint"
            ? `${value}`
            : value instanceof Uint8Array
            ? `bytes ${value.length}`
            : value,
      );
      console.log(`  after ${nowMs.toFixed(1)} n${from} > n${to} ${text}`);
      return true;
    },
  };
}

/** --slots=N: 1 to 1024. Throws RangeError. */
function slotsOf(words: readonly string[]): number | undefined {
  const text = words.find((word) => word.startsWith("--slots="))?.slice("--slots=".length);
  if (text === undefined) return undefined;
  const slots = Number(text);
  if (Number.isInteger(slots) && slots >= 1 && slots <= SLOTS) return slots;
  throw new RangeError(`Cannot run: --slots must be 1 to ${SLOTS}, is ${text}`);
}

function main(words: readonly string[]): number {
  const [count = SEEDS, first = 1] = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const isStory = words.includes("--story");
  const slots = slotsOf(words);
  const story = isStory ? storyOf(words[words.indexOf("--story") + 1]) : {};
  const options = slots === undefined ? story : { ...story, slots };
  const startMs = performance.now();
  const totals = new Map<string, number>();
  let failed = 0;
  let simulatedMs = 0;
  let messages = 0;
  let hash = 0;
  for (let at = 0; at < count; at++) {
    const seed = (first + at) >>> 0;
    const result = runRecordSeed(seed, options);
    simulatedMs += result.simulatedMs;
    messages += result.messages;
    hash = textHash(result.hash, hash);
    for (const [name, n] of [...result.counts, ...Object.entries(result.ops)]) {
      totals.set(name, (totals.get(name) ?? 0) + n);
    }
    if (result.violations.length > 0) {
      failed += 1;
      console.log(`FAILED seed ${seed}: ${result.nodes} nodes, ${result.classes.join(" ")}`);
      for (const { atMs, rule, text } of result.violations.slice(0, 5)) {
        console.log(`  ${atMs.toFixed(1)} ${rule}: ${text}`);
      }
    }
    if ((at + 1) % PROGRESS === 0) console.log(`${at + 1} seeds, ${failed} failed`);
  }
  const minutes = (performance.now() - startMs) / MS_PER_MINUTE;
  const hours = simulatedMs / MS_PER_HOUR;
  console.log([...totals].map(([name, n]) => `${name} ${n}`).join(", "));
  console.log(
    `${count} seeds from ${first}: ${failed} failed, hash ${hash.toString(16).padStart(8, "0")}, ` +
      `${messages} messages, ${hours.toFixed(1)} cluster-hours, ` +
      `${(hours / minutes).toFixed(1)} per minute`,
  );
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
