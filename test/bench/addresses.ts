/**
 * `npm run bench -- addresses [--rounds N] [--no-peer] [--json]`: how long clients wait for a public address whose node
 * stands still or dies. Three nodes with real addresses in network namespaces; the client's view (test/netns/trial.ts).
 *
 * Beside it, in the same run, stock ctdbd: once for each fault, until a survivor says that another node has all
 * addresses of the node; its event scripts do nothing. Where it is not here its column is empty. Exit code 1 when a bar
 * is missed.
 *
 * Does NOT promise: quiet neighbours; the machine's load at the start and the end is shown.
 */
import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { readyProgram } from "../../build/ready.ts";
import { inside } from "../netns/inside.ts";
import { missingCtdbd } from "../peer/ctdb_cluster.ts";
import { LEADER_LIMIT_MS, peerAddressTrial } from "./failover/peer.ts";

/** What ctdbx must reach, ms. */
const ROWS: readonly { readonly what: string; readonly bar: number }[] = [
  { what: "SIGSTOP, follower", bar: 5000 },
  { what: "SIGSTOP, leader", bar: 6000 },
  { what: "kill -9, follower", bar: 1000 },
  { what: "kill -9, leader", bar: 1000 },
];

/** The peer's times, ms, by what was done; Infinity: not within the limit. None where it is not here. */
async function peerTimes(isWanted: boolean): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>();
  if (!isWanted || missingCtdbd() !== undefined) return times;
  await peerAddressTrial(({ what, ms }) => {
    times.set(what, ms);
    console.error(`ctdbd  ${what}  ${Math.round(ms)} ms`);
  });
  return times;
}

function peerText(ms: number | undefined): string {
  if (ms === undefined) return "-";
  return ms === Infinity ? `> ${LEADER_LIMIT_MS}` : String(Math.round(ms));
}

/** Runs the trial; its times, by what was done. Throws where it fails. */
async function trial(rounds: number): Promise<Map<string, number[]>> {
  process.env["CTDBX_PROGRAM"] ||= readyProgram();
  const { code, text } = await inside("trial.ts", [String(rounds)], (part) => {
    process.stderr.write(part);
  });
  if (code !== 0) throw new Error(`the trial has ended with ${code}`);
  const times = new Map<string, number[]>();
  for (const line of text.split("\n").filter((each) => each.startsWith("{"))) {
    const { what, ms } = JSON.parse(line) as { what: string; ms: number };
    times.set(what, [...times.get(what) ?? [], ms]);
  }
  return times;
}

async function main(words: string[]): Promise<number> {
  const { values } = parseArgs({
    args: words,
    options: {
      rounds: { type: "string", default: "3" },
      "no-peer": { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const before = loadavg()[0] as number;
  const times = await trial(Number(values.rounds));
  const peers = await peerTimes(!values["no-peer"]);
  const rows = ROWS.map(({ what, bar }) => {
    const sorted = (times.get(what) ?? []).toSorted((one, other) => one - other);
    const ms = sorted[Math.floor(sorted.length / 2)] ?? Infinity;
    return { what, ms, most: sorted.at(-1) ?? Infinity, bar, peer: peerText(peers.get(what)) };
  });
  if (values.json) console.log(JSON.stringify(rows));
  else {
    const shown = rows.map((row) => [row.what, row.ms, row.most, row.bar, row.peer].map(String));
    for (const line of [["served again, ms", "median", "most", "bar", "ctdbd"], ...shown]) {
      console.log(line.map((cell, at) => at === 0 ? cell.padEnd(20) : cell.padStart(11)).join(""));
    }
    const after = loadavg()[0] as number;
    console.log(`load of the machine: ${before.toFixed(1)} before, ${after.toFixed(1)} after`);
  }
  return rows.every(({ ms, bar }) => ms <= bar) ? 0 : 1;
}

process.exit(await main(process.argv.slice(2)));
