/**
 * `npm run bench -- commits [NAMES] [--place disk|memory] [--seconds N] [--keys N] [--small] [--no-peer] [--json
 * FILE]`: transactions, locks, failover of ctdbx and of stock ctdbd, one after the other in one run, beside what the
 * bare disk and bare NATS do in that run. Names: persistent, replicated, large, glock, failover, catch-up, behind.
 *
 *   floors ─▶ ctdbd ─▶ ctdbx ─▶ floors again ─▶ table of bars
 *
 * `memory`: homes of nodes and databases lie in /dev/shm. `--keys`: of the peer's largest transaction, which takes time
 * with the square of them. `--bytes`: of the database that a node misses 1 % of. Exit code 1 when a workload fails or
 * a bar is missed (`--small`: only when one fails), 2 for wrong words.
 *
 * Does NOT promise: quiet neighbours; the machine's load and all floors are shown.
 */

import { existsSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { missingCtdbd } from "../peer/ctdb_cluster.ts";
import { behind } from "./commits/behind.ts";
import { catchUp, type CatchUpWay } from "./commits/catch_up.ts";
import { commitBars } from "./commits/bars.ts";
import { type DiskFloor, measureDisk } from "./commits/disk_floor.ts";
import { failover } from "./commits/failover.ts";
import { large } from "./commits/large.ts";
import { locks } from "./commits/locks.ts";
import { OurCommits } from "./commits/ours.ts";
import { PeerCommits } from "./commits/peer.ts";
import { transactions } from "./commits/transactions.ts";
import type { CommitWorld, Kind } from "./commits/world.ts";
import { lineOf } from "./peer_records.ts";
import { type FloorFound, measureFloor } from "./workloads/floor.ts";
import type { Figure, Scale } from "./workloads/measure.ts";

/** What can be measured. */
export const NAMES = [
  "persistent",
  "replicated",
  "large",
  "glock",
  "failover",
  "catch-up",
  "behind",
] as const;
type Name = typeof NAMES[number];

/** How it is measured. */
export interface CommitWish {
  readonly names: readonly Name[];
  readonly scale: Scale;
  readonly seconds: number;
  /** Keys of the largest transaction of the peer. */
  readonly peerKeys: number;
  /** Of the database of `behind`. */
  readonly bytes?: number;
  /** Hears how far long work is. */
  readonly tell?: (text: string) => void;
}

/** What one system did. */
export interface CommitFound {
  readonly figures: readonly Figure[];
  readonly failed: readonly { readonly workload: string; readonly why: string }[];
}

const MEMORY = "/dev/shm";
const CLIENTS: Readonly<Record<Scale, Readonly<Record<"ctdbx" | "ctdbd", readonly number[]>>>> = {
  full: { ctdbx: [1, 8, 32, 128], ctdbd: [1, 3] },
  small: { ctdbx: [1, 4], ctdbd: [1, 3] },
};
const KEYS: Readonly<Record<Scale, readonly number[]>> = {
  full: [1000, 10_000, 100_000],
  small: [10, 300],
};
const FLOOR_SECONDS = 2;
const WAYS = ["log", "pages"] as const;
/** Bytes of the database. */
const CATCH_UP: Readonly<Record<Scale, Readonly<Record<CatchUpWay, number>>>> = {
  full: { log: 10_000_000, pages: 2_000_000 },
  small: { log: 300_000, pages: 1_000_000 },
};
/** The same of a database on disks. */
const BEHIND: Readonly<Record<Scale, number>> = { full: 1_000_000_000, small: 2_000_000 };

type Work = (world: CommitWorld, wish: CommitWish) => readonly (() => Promise<Figure>)[];

const WORKS: Readonly<Record<Name, Work>> = {
  persistent: (world, wish) => byClients(world, wish, "persistent"),
  replicated: (world, wish) => byClients(world, wish, "replicated"),
  large: (world, { scale, peerKeys }) =>
    KEYS[scale].filter((keys) => world.name === "ctdbx" || keys <= peerKeys)
      .map((keys) => () => large(world, "persistent", keys)),
  glock: (world, { seconds }) =>
    [1, world.nodes].map((clients) => () => locks(world, clients, seconds)),
  failover: (world, { scale }) => [() => failover(world, "persistent", scale)],
  // In virtual time, and of ctdbx alone: ctdbd sends the whole database.
  "catch-up": ({ name }, { scale }) =>
    WAYS.filter(() => name === "ctdbx").map((way) => () => catchUp(way, CATCH_UP[scale][way])),
  behind: (world, { scale, bytes = BEHIND[scale], tell }) =>
    world instanceof OurCommits ? [() => behind(world.dev, bytes, tell)] : [],
};

function byClients(world: CommitWorld, { scale, seconds }: CommitWish, kind: Kind) {
  const counts = CLIENTS[scale][world.name === "ctdbx" ? "ctdbx" : "ctdbd"];
  return counts.map((clients) => () => transactions(world, { kind, clients, seconds, scale }));
}

/** Runs workloads on one of the two; starts and ends it. */
export async function runCommits(
  start: () => Promise<CommitWorld>,
  wish: CommitWish,
  onFigure: (figure: Figure) => void = () => {},
): Promise<CommitFound> {
  const world = await start();
  const figures: Figure[] = [];
  const failed: { workload: string; why: string }[] = [];
  try {
    for (const name of NAMES.filter((each) => wish.names.includes(each))) {
      for (const work of WORKS[name](world, wish)) {
        try {
          const figure = await work();
          figures.push(figure);
          onFigure(figure);
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          failed.push({ workload: `${name} of ${world.name}`, why });
        }
      }
    }
  } finally {
    await world.end();
  }
  return { figures, failed };
}

function shown(disk: DiskFloor, { roundTripUs }: FloorFound): string {
  return `disk ${disk.perSecond.toFixed(0)} syncs/s, p50 ${disk.p50Us.toFixed(0)} us, ` +
    `p99 ${disk.p99Us.toFixed(0)} us; three at once ${disk.threePerSecond.toFixed(0)} rounds/s, ` +
    `p50 ${disk.threeP50Us.toFixed(0)} us; NATS round trip p50 ${roundTripUs.toFixed(0)} us`;
}

function wordsOf(words: string[]) {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      place: { type: "string", default: "disk" },
      seconds: { type: "string" },
      keys: { type: "string", default: "10000" },
      small: { type: "boolean", default: false },
      "no-peer": { type: "boolean", default: false },
      bytes: { type: "string" },
      json: { type: "string" },
    },
  });
  const wrong = positionals.find((name) => !NAMES.some((each) => each === name));
  const scale: Scale = values.small ? "small" : "full";
  const seconds = Number(values.seconds ?? (values.small ? 1 : 10));
  const peerKeys = Number(values.keys);
  const bytes = values.bytes === undefined ? undefined : Number(values.bytes);
  const isSane = Number.isInteger(seconds) && seconds > 0 && Number.isInteger(peerKeys) &&
    (bytes === undefined || (Number.isInteger(bytes) && bytes >= 1_000_000));
  if (wrong !== undefined || !isSane || !["disk", "memory"].includes(values.place)) {
    const what = wrong === undefined
      ? "--seconds, --keys, --bytes or --place is wrong"
      : `no ${wrong}`;
    console.error(`Cannot run: ${what}; names: ${NAMES.join(" ")}`);
    return undefined;
  }
  const names = NAMES.filter((name) => positionals.length === 0 || positionals.includes(name));
  return {
    values,
    wish: { names, scale, seconds, peerKeys, ...bytes === undefined ? {} : { bytes } },
  };
}

async function main(words: string[]): Promise<number> {
  const parsed = wordsOf(words);
  if (parsed === undefined) return 2;
  const { values } = parsed;
  const wish: CommitWish = { ...parsed.wish, tell: (text) => console.error(text) };
  if (values.place === "memory") {
    if (!existsSync(MEMORY)) throw new Error(`Cannot run in memory: there is no ${MEMORY}`);
    process.env["TMPDIR"] = MEMORY;
  }
  const missing = values["no-peer"] ? "not wanted" : missingCtdbd();
  const before = loadavg()[0] as number;
  const floors = async () => ({
    disk: await measureDisk(wish.scale === "full" ? FLOOR_SECONDS : 0.2),
    nats: await measureFloor(wish.scale),
  });
  const tell = (figure: Figure): void => console.log(`${figure.world.padEnd(6)} ${lineOf(figure)}`);
  const floor = await floors();
  console.log(`${values.place}: ${shown(floor.disk, floor.nats)}`);
  const peer = missing === undefined
    ? await runCommits(() => PeerCommits.start(), wish, tell)
    : undefined;
  const ours = await runCommits(() => OurCommits.start(), wish, tell);
  const after = await floors();
  const rows = commitBars(ours.figures, peer?.figures ?? []);
  console.log(rows.map(({ text }) => text).join("\n"));
  console.log(`${values.place}, before: ${shown(floor.disk, floor.nats)}`);
  console.log(`${values.place}, after:  ${shown(after.disk, after.nats)}`);
  const load = { before, after: loadavg()[0] as number };
  console.log(`load ${load.before.toFixed(1)} before, ${load.after.toFixed(1)} after`);
  if (missing !== undefined) console.log(`without stock ctdbd: ${missing}`);
  const failed = [...peer?.failed ?? [], ...ours.failed];
  for (const { workload, why } of failed) console.error(`${workload} FAILED: ${why}`);
  if (values.json !== undefined) {
    const all = { place: values.place, floor, after, load, ours, peer, rows };
    writeFileSync(values.json, `${JSON.stringify(all, null, 1)}\n`);
  }
  const isMissed = rows.some(({ isMet }) => isMet === false);
  return failed.length > 0 || (wish.scale === "full" && isMissed) ? 1 : 0;
}

if (import.meta.main) {
  process.exit(
    await main(process.argv.slice(2)).catch((error: Error) => {
      console.error(`Cannot go on: ${error.stack ?? error.message}`);
      return 1;
    }),
  );
}
