/**
 * The long swarm of commits: `npm run test:long -- commits [N] [SEED] [--deno]`, 10 000 seeds by default. Prints the
 * seeds that fail, and a hash over all runs, which is the same on every runtime.
 *
 *   commits 1 SEED --story [WORD]     tells everything that happens in one run; with a word, the messages of that kind
 *   commits broken [N] [RULE]         breaks each rule, or one, and says which of N seeds (40) notices first, and how
 *
 * Does NOT promise: that a seed means the same in another version of the simulator.
 */
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { textHash } from "../../actors/machines/mix.ts";
import { runCommitSeed } from "../../actors/machines/sim/commits/commit_swarm.ts";
import type { CommitSeedOptions } from "../../actors/machines/sim/commits/commit_swarm.ts";
import { brokenRule, ruleNames } from "../swarm/commit_broken.ts";

const SEEDS = 10_000;
const PROGRESS = 500;
/** Seeds for each broken rule, and how long faults last in them, ms. */
const BROKEN_SEEDS = 40;
const BROKEN_MS = 30_000;
const MS_PER_HOUR = 3_600_000;
const MS_PER_MINUTE = 60_000;

function storyOf(word: string | undefined): CommitSeedOptions {
  let nowMs = 0;
  return {
    onNote: (atMs, node, text) => {
      nowMs = atMs;
      console.log(`${atMs.toFixed(1).padStart(9)} n${node} ${text}`);
    },
    onMessage: (from, to, message) => {
      if (word === undefined || message.kind !== word) return true;
      const text = JSON.stringify(message, (name, value) => {
        if (typeof value === "bigint") return `${value}`;
        if (name === "entries") return value.map(({ seq }: { seq: bigint }) => `${seq}`).join(" ");
        return value instanceof Uint8Array ? `bytes ${value.length}` : value;
      });
      console.log(`  after ${nowMs.toFixed(1)} n${from} > n${to} ${text}`);
      return true;
    },
  };
}

/** Which seed notices the want of each rule. A rule that none notices has its directed scene. */
async function broken(words: readonly string[]): Promise<number> {
  const count = Number(words.find((word) => /^\d+$/.test(word)) ?? BROKEN_SEEDS);
  const wanted = ruleNames().filter((name) => words.includes(name));
  for (const name of wanted.length > 0 ? wanted : ruleNames()) {
    const rules = brokenRule(name);
    let said = `none of ${count}`;
    for (let seed = 1; seed <= count; seed++) {
      const { faults } = runCommitSeed(seed, { rules, faultsMs: BROKEN_MS });
      await turn();
      if (faults.length === 0) continue;
      said = `seed ${seed}: ${[...new Set(faults.map(({ rule }) => rule))].join(", ")}`;
      break;
    }
    console.log(`${name.padEnd(20)} ${said}`);
  }
  return 0;
}

async function main(words: readonly string[]): Promise<number> {
  if (words[0] === "broken") return broken(words.slice(1));
  const numbers = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const [count = SEEDS, first = 1] = numbers;
  const at = words.indexOf("--story");
  const story = at < 0 ? {} : storyOf(words[at + 1]);
  let [failed, hash, messages, simulatedMs] = [0, 0, 0, 0];
  let [committed, aborted, unknown, terms] = [0, 0, 0, 0];
  const startMs = performance.now();
  for (let seed = first; seed < first + count; seed++) {
    const result = runCommitSeed(seed, story);
    // Bun collects little while a loop never ends its turn: a hundred seeds had 5 GB.
    await turn();
    hash = textHash(result.hash, hash);
    messages += result.messages;
    simulatedMs += result.simulatedMs;
    committed += result.committed;
    aborted += result.aborted;
    unknown += result.unknown;
    terms += result.terms;
    if (result.faults.length > 0) {
      failed += 1;
      console.log(`FAILED seed ${seed} (${result.classes.join(" ")})`);
      for (const { atMs, rule, text } of result.faults) {
        console.log(`  ${atMs.toFixed(1)} ${rule}: ${text}`);
      }
    }
    const done = seed - first + 1;
    if (done % PROGRESS === 0) console.log(`${done} of ${count} seeds, ${failed} failed`);
  }
  const minutes = (performance.now() - startMs) / MS_PER_MINUTE;
  const hours = simulatedMs / MS_PER_HOUR;
  console.log(`${committed} committed, ${aborted} aborted, ${unknown} unknown, ${terms} leaders`);
  console.log(
    `${count} seeds from ${first}: ${failed} failed, hash ${hash.toString(16).padStart(8, "0")}, ` +
      `${messages} messages, ${hours.toFixed(1)} cluster-hours, ` +
      `${(hours / minutes).toFixed(1)} per minute`,
  );
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
