/**
 * `npm run bench -- meta`: what free metadata costs the nodes of clusters of 10 to 1000 nodes, in virtual time.
 *
 *   bun test/bench/meta.ts [--quick] [--json] [--loss N] [--seconds N]
 *
 * --quick: up to 100 nodes. --loss: messages lost in 1000, default 0. --seconds: measured for so long, default 60.
 * Exit code 1 when a change costs more than one delivery beyond those interested, or the median node's bytes differ by
 * more than 10 % between the sizes.
 *
 * Does NOT promise: the bytes of NATS and TCP around the messages.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { measure, type Traffic } from "../../actors/machines/sim/metadata/traffic.ts";

/** The median node may pay this much more, or less, in a larger cluster. */
export const FLAT_WITHIN = 0.1;
const SIZES = [10, 30, 100, 300, 1000];
const QUICK_SIZES = [10, 30, 100];

/** By how much the median node's bytes differ from the smallest cluster's, at most; 0.1: 10 %. */
export function spreadOf(found: readonly Traffic[]): number {
  const base = found[0]?.medianBytes ?? NaN;
  return Math.max(...found.map(({ medianBytes }) => Math.abs(medianBytes / base - 1)));
}

function row(traffic: Traffic): string {
  const { nodes, changes, perChange, mostBeyond, medianBytes, medianMessages } = traffic;
  const cells = [
    nodes,
    changes,
    perChange.toFixed(2),
    mostBeyond,
    medianBytes.toFixed(0),
    medianMessages.toFixed(2),
    traffic.mostBytes.toFixed(0),
    traffic.leaderBytes.toFixed(0),
    traffic.leaderMessages.toFixed(1),
    traffic.hash,
  ];
  return cells.map((cell) => String(cell).padStart(10)).join(" ");
}

const HEAD = [
  "nodes",
  "changes",
  "per change",
  "beyond",
  "B/s median",
  "msg/s med",
  "B/s most",
  "B/s leader",
  "msg/s lead",
  "hash",
].map((name) => name.padStart(10)).join(" ");

function main(words: string[]): number {
  const { values } = parseArgs({
    args: words,
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      loss: { type: "string", default: "0" },
      seconds: { type: "string", default: "60" },
    },
  });
  const found: Traffic[] = [];
  if (!values.json) console.log(HEAD);
  for (const size of values.quick ? QUICK_SIZES : SIZES) {
    const traffic = measure(size, 1000 * Number(values.seconds), Number(values.loss), 1);
    found.push(traffic);
    if (!values.json) console.log(row(traffic));
  }
  const spread = spreadOf(found);
  if (values.json) {
    console.log(JSON.stringify(found.map((one) => ({ ...one, kinds: [...one.kinds] }))));
  } else {
    const last = found.at(-1);
    console.log(`\nbytes per second and node in the largest cluster, by kind of message:`);
    for (const [kind, bytes] of last?.kinds ?? []) {
      console.log(`${kind.padStart(20)} ${bytes.toFixed(0).padStart(6)}`);
    }
    console.log(`\nthe median node's bytes differ by ${(100 * spread).toFixed(1)} % at most`);
  }
  const isDear = found.some(({ mostBeyond }) => mostBeyond > 1);
  return isDear || spread > FLAT_WITHIN ? 1 : 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
