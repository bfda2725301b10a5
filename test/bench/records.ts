/**
 * `npm run bench -- records`: what a client program does to a record that lives on its node, beside libtdb doing the
 * same from C, in one run.
 *
 *   bun test/bench/records.ts [--quick] [--rounds N]
 *
 *   libtdb   tdb_chainlock, tdb_parse_record, tdb_store, tdb_chainunlock, on a file with robust mutexes
 *   ours     LocalRecords.update: the same mutexes in a file of the same format; before and after, the node's lease
 *
 * Both read the value, store another one of 100 bytes and a header with the next rsn, on random keys. Files must be
 * valid and equal afterwards. Time is that of the processor, so that others on the machine count less.
 *
 * Does NOT promise: figures that mean something while others use the same caches; see docs/BENCHMARKS.md.
 */

import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Case } from "./tdb/cases.ts";
import { lighter } from "./tdb/cases.ts";
import type { Folders } from "./tdb/contest.ts";
import { fileSystemOf, hold, makeFolders } from "./tdb/contest.ts";
import type { Contestant } from "./tdb/peer.ts";
import { ours, peer, pinned } from "./tdb/peer.ts";
import type { Row } from "./tdb/table.ts";
import { rowsOf, table } from "./tdb/table.ts";

const HERE = dirname(fileURLToPath(import.meta.url));
/** Our side, and libtdb's. */
export const RECORDS_ENGINE: string = join(HERE, "records_engine.ts");
const PEER = join(HERE, "records_peer.c");
const ROUNDS = 8;
const QUICK_ROUNDS = 2;
const QUICK_DIVISOR = 10;

const BASE = {
  place: "memory",
  lock: "mutex",
  warm: 1_000_000,
  ops: 500_000,
  works: ["cycle"],
  sync: false,
  roundsMax: 99,
} as const;

/** Held beside libtdb. */
export const RECORD_CASES: readonly Case[] = [
  { ...BASE, name: "10k", records: 10_000, hash: 10_007, ops: 1_000_000, bars: { cycle: 1.3 } },
  { ...BASE, name: "100k", records: 100_000, hash: 100_001, bars: {} },
  { ...BASE, name: "1M", records: 1_000_000, hash: 1_000_003, bars: { cycle: 1 } },
  { ...BASE, name: "1M-10", note: "10 a chain", records: 1_000_000, hash: 100_001, bars: {} },
];

/** Ours alone. */
const OWN_CASES: readonly Case[] = [
  { ...BASE, name: "own-10k", records: 10_000, hash: 10_007, bars: {}, works: ["read", "put"] },
  {
    ...BASE,
    name: "own-1M",
    records: 1_000_000,
    hash: 1_000_003,
    bars: {},
    works: ["read", "put"],
  },
];

const WORDS: Readonly<Record<string, string>> = {
  cycle: "client: lock, read, write, unlock",
  read: "client: lock, read, unlock",
  put: "daemon: lock, get, put, unlock",
};

/** libtdb's side; a text says why there is none. */
export function recordsPeer(): Contestant | string {
  return peer(PEER);
}

/** The rows of a case, with titles. Throws when files are not valid or differ. */
export function rowsOfCase(
  one: Case,
  rounds: number,
  sides: readonly Contestant[],
  folders: Folders,
): Row[] {
  // Both sides judge the files of all, but ours that differ by what the daemon does.
  const rows = rowsOf(hold(one, rounds, sides, sides.slice(0, 2), folders));
  return rows.map((row) => ({
    ...row,
    title: (WORDS[row.name.split("/").at(-1) ?? ""] ?? row.title) +
      (one.note === undefined ? "" : `, ${one.note}`),
  }));
}

function main(words: string[]): void {
  const { values } = parseArgs({
    args: words,
    options: { quick: { type: "boolean", default: false }, rounds: { type: "string" } },
  });
  const rounds = Number(values.rounds ?? (values.quick ? QUICK_ROUNDS : ROUNDS));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new TypeError(`Cannot run: --rounds must be 1 or more, is ${values.rounds}`);
  }
  const libtdb = recordsPeer();
  if (typeof libtdb === "string") throw new Error(libtdb);
  const own = [ours("Bun", RECORDS_ENGINE), ours("Deno", RECORDS_ENGINE)];
  const folders = makeFolders();
  try {
    const rows: Row[] = [];
    for (const full of [...RECORD_CASES, ...OWN_CASES]) {
      const one = values.quick ? lighter(full, QUICK_DIVISOR) : full;
      const sides = RECORD_CASES.includes(full) ? [libtdb, ...own] : own;
      rows.push(...rowsOfCase(one, rounds, sides, folders));
      console.error(one.name);
    }
    const load = loadavg()[0]?.toFixed(2) ?? "?";
    const pin = pinned().length > 0 ? "pinned to one core" : "not pinned";
    const place = fileSystemOf(folders.memory);
    console.log(
      `${cpus().length} x ${cpus()[0]?.model}, load ${load}, ${pin}; files on ${place}\n`,
    );
    console.log(table(rows));
  } finally {
    folders.remove();
  }
}

if (import.meta.main) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
