/**
 * The long swarm of addresses: `npm run test:long -- addresses [N] [SEED] [--deno]`, 10 000 seeds by default. Prints
 * the seeds that fail, and a hash over all runs, which is the same on every runtime.
 *
 *   addresses 1 SEED --story     tells everything that happens in one run, and every message about addresses
 *
 * Does NOT promise: that a seed means the same in another version of the simulator.
 */
import process from "node:process";
import { textHash } from "../../actors/machines/mix.ts";
import { runAddressSeed } from "../../actors/machines/sim/addresses/address_swarm.ts";
import type { AddressSeedOptions } from "../../actors/machines/sim/addresses/address_swarm.ts";

const SEEDS = 10_000;
const PROGRESS = 500;
const MS_PER_HOUR = 3_600_000;
const MS_PER_MINUTE = 60_000;

function story(): AddressSeedOptions {
  let nowMs = 0;
  return {
    onNote: (atMs, node, what, text) => {
      nowMs = atMs;
      console.log(
        `${atMs.toFixed(1).padStart(9)} n${node} ${what}${text === "" ? "" : `: ${text}`}`,
      );
    },
    onAddress: (from, to, message) => {
      const text = JSON.stringify(
        message,
        (_, value) => typeof value === "bigint" ? `${value}` : value,
      );
      console.log(`  after ${nowMs.toFixed(1)} n${from} > n${to} ${text}`);
      return true;
    },
  };
}

function main(words: readonly string[]): number {
  const [count = SEEDS, first = 1] = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const options = words.includes("--story") ? story() : {};
  const startMs = performance.now();
  const totals = new Map<string, number>();
  let failed = 0;
  let simulatedMs = 0;
  let messages = 0;
  let hash = 0;
  for (let at = 0; at < count; at++) {
    const seed = (first + at) >>> 0;
    const result = runAddressSeed(seed, options);
    simulatedMs += result.simulatedMs;
    messages += result.messages;
    hash = textHash(result.hash, hash);
    for (const [name, n] of result.counts) totals.set(name, (totals.get(name) ?? 0) + n);
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
      `${messages} messages, ${hours.toFixed(1)} cluster-hours, ${
        (hours / minutes).toFixed(1)
      } per minute`,
  );
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
