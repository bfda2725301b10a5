/**
 * Records of a real cluster under faults drawn by chance: `npm run test:long -- data [ROUNDS] [SEED] [--deno]`, 10
 * rounds by default, each with a cluster of its own and some ten faults, judged at its end.
 *
 *   round: 3 to 5 nodes, 2 programs each ─▶ fault ─▶ until all is well ─▶ fault ... ─▶ judge
 *
 * Does NOT promise: the same run for the same seed: only the faults are drawn from it, not the times.
 */

import process from "node:process";
import { askOnce } from "../../cli/commands/asking.ts";
import { Dice } from "../live/dice.ts";
import { type Run, withOwnRun } from "../live/history/run.ts";

const FAULTS = 10;
const LEASE_MS = 2500;
/** Of a fault that lasts: from a tenth of a lease to four leases, ms. */
const LASTS_MS = [250, 1200, 2400, 3500, 5000, 10_000] as const;

type Fault = (run: Run, node: number, ms: number) => Promise<void>;

async function linked(run: Run, ms: number, cut: () => void, node: number): Promise<void> {
  cut();
  await run.work(ms);
  run.proxies[node]?.heal();
}

const KINDS: Readonly<Record<string, Fault>> = {
  "kill": (run, node) => run.kill(node),
  "kill two": async (run, node) => {
    await Promise.all([run.kill(node), run.kill((node + 1) % run.dev.nodes)]);
  },
  "kill a program": (run, node) => run.killProgram(node),
  "kill the data thread": async (run, node) => {
    await askOnce(run.dev.paths(node), "chaos data");
  },
  "stop": (run, node, ms) => run.stop(node, ms),
  "cut": (run, node, ms) => linked(run, ms, () => run.proxies[node]?.cut(), node),
  "hang": (run, node, ms) => linked(run, ms, () => run.proxies[node]?.hang(), node),
  "deaf": (run, node, ms) => linked(run, ms, () => run.proxies[node]?.hang("in"), node),
  "mute": (run, node, ms) => linked(run, ms, () => run.proxies[node]?.hang("out"), node),
  "restart of the server": (run) => run.restartServer(),
  "restart in order": (run, node) => run.restart(node),
};

async function round(seed: number): Promise<void> {
  // Its seeds come in pairs.
  const dice = new Dice(2 * seed + 1);
  const nodes = 3 + dice.roll(3);
  const told: string[] = [];
  try {
    const wish = { nodes, perNode: 2, keys: 12, pauseMs: 5, proxies: true };
    const result = await withOwnRun(wish, async (run) => {
      for (let fault = 0; fault < FAULTS; fault++) {
        await run.work(dice.roll(LEASE_MS));
        const kind = dice.pick(Object.keys(KINDS));
        const any = dice.roll(nodes);
        // After the last fault there may be none just now.
        const node = dice.roll(2) === 0 ? await run.dev.leader(any).catch(() => any) : any;
        const ms = dice.pick(LASTS_MS);
        told.push(`${kind} n${node} ${ms}`);
        await KINDS[kind]?.(run, node, ms);
        // Sometimes the next one comes into the middle of this one's end.
        if (dice.roll(3) > 0 || kind.startsWith("restart")) await run.well();
      }
    });
    const { failedElsewhere: _, ...counts } = result;
    console.log(`seed ${seed}: ${nodes} nodes, ${JSON.stringify(counts)}`);
  } catch (error) {
    console.log(`FAILED seed ${seed}: ${nodes} nodes, ${told.join(", ")}`);
    throw error;
  }
}

async function main(words: readonly string[]): Promise<void> {
  const [rounds = 10, first = 1] = words.map(Number);
  for (let at = 0; at < rounds; at++) await round(first + at);
  console.log(`${rounds} rounds from ${first}: all that was told fits`);
}

await main(process.argv.slice(2));
process.exit(0);
