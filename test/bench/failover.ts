/**
 * `npm run bench -- failover [--rounds N] [--no-peer] [--json]`: what a fault costs in time, beside stock ctdbd.
 *
 *   round: ctdbx's trials, then the peer's (about four minutes) -> median of the rounds, bar, ratio
 *
 * Exit code 1 when a bar is missed.
 *
 * Does NOT promise: quiet neighbours; the machine's load at the start and the end is shown.
 */

import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { type FailoverTime, failoverTrial } from "../../cli/failover_trial.ts";
import { hasPeer, LEADER_LIMIT_MS, peerTrial } from "./failover/peer.ts";

/** What ctdbx must reach, ms; promises.md of the project has the same. */
const BARS: Readonly<Record<string, number>> = {
  "start of all nodes until all is well": 3000,
  "start after kill -9 of all until all is well": 5000,
  "SIGSTOP of the follower -> out of the view": 4000,
  "SIGSTOP of the leader -> another leader": 2500,
  "SIGSTOP of the leader -> out of the view": 5000,
  "kill -9 of the daemon, follower -> out of the view": 1000,
  "kill -9 of the daemon, leader -> another leader": 1000,
  "kill -9 of the daemon, leader -> out of the view": 1000,
  "kill -9 of daemon and supervisor, follower -> out of the view": 5000,
  "kill -9 of daemon and supervisor, leader -> another leader": 5000,
  "kill -9 of daemon and supervisor, leader -> out of the view": 5000,
};
const NODES = 3;

type Times = Map<string, number[]>;

function note(times: Times): (time: FailoverTime) => void {
  return ({ what, ms }) => {
    times.set(what, [...times.get(what) ?? [], ms]);
    process.stderr.write(`\r\x1b[K${what}: ${shown(ms)}`);
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function shown(ms: number | undefined): string {
  if (ms === undefined) return "-";
  return ms === Infinity ? `never (${LEADER_LIMIT_MS / 1000} s)` : `${Math.round(ms)}`;
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
  const ours: Times = new Map();
  const theirs: Times = new Map();
  const withPeer = !values["no-peer"] && hasPeer();
  const before = loadavg()[0] as number;
  for (let round = 0; round < Number(values.rounds); round++) {
    await failoverTrial(NODES, note(ours));
    if (withPeer && round === 0) await peerTrial(note(theirs));
  }
  process.stderr.write("\r\x1b[K");
  const rows = Object.entries(BARS).map(([what, bar]) => {
    const found = ours.get(what) ?? [];
    return { what, ms: median(found), most: Math.max(...found), bar, peer: theirs.get(what)?.[0] };
  });
  if (values.json) {
    console.log(JSON.stringify(rows, (_key, value) => value === Infinity ? "never" : value));
  } else print(rows, withPeer, before);
  return rows.every(({ ms, bar }) => ms <= bar) ? 0 : 1;
}

interface Row {
  readonly what: string;
  readonly ms: number;
  readonly most: number;
  readonly bar: number;
  readonly peer: number | undefined;
}

function print(rows: readonly Row[], withPeer: boolean, before: number): void {
  const head = ["ms, 3 nodes", "median", "most", "bar", "ctdbd", "ratio"];
  const lines = rows.map(({ what, ms, most, bar, peer }) => [
    what,
    shown(ms),
    shown(most),
    shown(bar),
    shown(peer),
    peer === undefined ? "-" : peer === Infinity ? "0" : (ms / peer).toFixed(3),
  ]);
  const widths = head.map((title, at) =>
    Math.max(title.length, ...lines.map((line) => line[at]?.length ?? 0))
  );
  for (const line of [head, ...lines]) {
    console.log(
      line.map((cell, at) =>
        at === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[at] as number)
      ).join("  "),
    );
  }
  if (!withPeer) console.log("ctdbd is not here (Debian: apt-get install ctdb), or was not wanted");
  console.log(
    `load of the machine: ${before.toFixed(1)} before, ${loadavg()[0]?.toFixed(1)} after`,
  );
}

process.exit(await main(process.argv.slice(2)));
