/**
 * Allocation beside stock CTDB's own program: `npm run test:long -- allocation [N] [SEED] [--nodes=N] [--addresses=N]`,
 * 3000 cases from seed 1 by default. Prints the seeds whose plans differ, with both plans.
 *
 * Does NOT promise: home nodes; Debian's CTDB 4.17 does not know them.
 */

import process from "node:process";
import { randomCase } from "../actors/machines/addresses/plan/cases.ts";
import { peerPlanOf } from "../actors/machines/addresses/plan/peer_plan.ts";
import { missingTakeoverHelper, TakeoverPeer } from "../peer/ctdb_takeover.ts";

const CASES = 3000;
const PROGRESS = 500;

function sizeOf(words: readonly string[], name: string, byDefault: number): number {
  const text = words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  if (text === undefined) return byDefault;
  const size = Number(text);
  if (Number.isInteger(size) && size >= 1 && size <= 4096) return size;
  throw new RangeError(`Cannot run: --${name} must be 1 to 4096, is ${text}`);
}

async function main(words: readonly string[]): Promise<number> {
  const [count = CASES, first = 1] = words.filter((word) => /^\d+$/.test(word)).map(Number);
  const sizes = { nodes: sizeOf(words, "nodes", 7), addresses: sizeOf(words, "addresses", 40) };
  const missing = missingTakeoverHelper();
  if (missing !== undefined) {
    console.error(`Cannot compare: ${missing}`);
    return 2;
  }
  const peer = new TakeoverPeer();
  await peer.open();
  let compared = 0;
  const different: number[] = [];
  try {
    for (let seed = first; seed < first + count; seed++) {
      const both = await peerPlanOf(peer, randomCase(seed, sizes));
      if (both === undefined) continue;
      compared += 1;
      const lines = both.ours.map((line, index) => [line, both.theirs[index] as string] as const);
      if (lines.some(([ours, theirs]) => ours !== theirs)) {
        different.push(seed);
        console.log(`seed ${seed}, ours and theirs`);
        for (const [ours, theirs] of lines) console.log(`  ${ours.padEnd(44)} ${theirs}`);
      }
      if (compared % PROGRESS === 0) console.log(`${compared} compared`);
    }
  } finally {
    await peer.close();
  }
  console.log(`${compared} plans compared with stock CTDB's, ${different.length} differ`);
  if (different.length > 0) console.log(`seeds ${different.join(" ")}`);
  return different.length === 0 && compared > 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
