/**
 * What the TDB benchmark measures, and the bars of the figures that have one.
 *
 * A case is one process on one file: its works run one after the other in this order, on both sides alike.
 *
 * Does NOT promise: bars for every figure; most are there to be seen.
 */

/** Where a case's file lies: in memory (tmpfs), or on the disk, where a sync costs something. */
export type Place = "memory" | "disk";

/** One process on one file. */
export interface Case {
  readonly name: string;
  /** What the table says besides the work's title, records and locks. */
  readonly note?: string;
  readonly place: Place;
  readonly lock: "none" | "fcntl" | "mutex";
  readonly records: number;
  /** Hash size: number of chains. */
  readonly hash: number;
  /** Operations of each work; a walk (traverse, check) always goes over all records. */
  readonly ops: number;
  /** Operations that warm the runtime up before anything is measured, for each work. */
  readonly warm: number;
  readonly works: readonly string[];
  readonly sync: boolean;
  /** Highest ratio ours / libtdb of a work's time, on the better runtime. */
  readonly bars: Readonly<Record<string, number>>;
  /** At most this many rounds; 1: the one round counts, with no round thrown away. */
  readonly roundsMax: number;
}

const BASE = {
  place: "memory",
  lock: "none",
  // The runtimes compile in steps; the last one comes after several hundred thousand calls.
  warm: 1_000_000,
  sync: false,
  bars: {},
  roundsMax: 99,
} as const;
const SMALL = { ...BASE, records: 10_000, hash: 10_007 } as const;
const LARGE = { ...BASE, records: 1_000_000, hash: 1_000_003 } as const;
const ALL = ["insert", "parse", "fetch", "miss", "same", "store", "cycle"];
const LOCKED = ["insert", "parse", "fetch", "store", "cycle", "traverse"];
const LOCKED_BARS = { parse: 1.1, store: 1.1 };

/** All cases that are run in rounds. */
export const CASES: readonly Case[] = [
  {
    ...SMALL,
    name: "small",
    ops: 1_000_000,
    works: [...ALL, "traverse", "check", "vary"],
    bars: { parse: 0.9, store: 0.9 },
  },
  {
    ...SMALL,
    name: "small-fcntl",
    lock: "fcntl",
    warm: 100_000,
    ops: 100_000,
    works: LOCKED,
    bars: LOCKED_BARS,
  },
  { ...SMALL, name: "small-mutex", lock: "mutex", ops: 500_000, works: LOCKED, bars: LOCKED_BARS },
  {
    ...LARGE,
    name: "large",
    ops: 300_000,
    works: [...ALL, "traverse", "check"],
    bars: { parse: 0.7, store: 0.7, traverse: 0.7 },
    roundsMax: 5,
  },
  {
    ...LARGE,
    name: "large-fcntl",
    lock: "fcntl",
    warm: 100_000,
    ops: 50_000,
    works: ["insert", "parse", "fetch", "store", "cycle"],
    bars: LOCKED_BARS,
    roundsMax: 3,
  },
  {
    ...LARGE,
    name: "large-mutex",
    lock: "mutex",
    ops: 200_000,
    works: LOCKED,
    bars: LOCKED_BARS,
    roundsMax: 3,
  },
  {
    ...SMALL,
    name: "transaction-10007",
    note: "hash 10007",
    warm: 60_000,
    ops: 5000,
    works: ["transaction"],
    bars: { transaction: 0.3 },
  },
  {
    ...SMALL,
    name: "transaction-100001",
    note: "hash 100001",
    hash: 100_001,
    warm: 60_000,
    ops: 3000,
    works: ["transaction"],
    bars: { transaction: 0.3 },
  },
  { ...SMALL, name: "transaction-100-stores", warm: 1000, ops: 200, works: ["batch"] },
  {
    ...SMALL,
    name: "transaction-synced",
    note: "synced",
    place: "disk",
    sync: true,
    warm: 100,
    ops: 100,
    works: ["transaction"],
    bars: { transaction: 1 },
  },
  {
    ...LARGE,
    name: "large-vary",
    ops: 100_000,
    works: ["vary"],
    // 100 times the rate.
    bars: { vary: 0.01 },
    roundsMax: 1,
  },
];

/** The case for the one-file figures: memory of a process with 1 M records. */
export const MEMORY_CASE: Case = { ...LARGE, name: "memory", ops: 1000, works: ["insert"] };

/** A file of 1 GB: 800 000 records of 1000 bytes, every tenth deleted again. */
export const OPEN_CASE: Case = { ...LARGE, name: "open", records: 800_000, ops: 30, works: [] };
/** Bytes of a value in OPEN_CASE. */
export const OPEN_VALUE_BYTES = 1000;

/** "vary" may grow by this factor from its first three tenths to its last three and still be called flat. */
export const FLAT_MAX = 1.5;

/** The same case with fewer operations. */
export function lighter(one: Case, divisor: number): Case {
  return { ...one, ops: Math.max(20, Math.floor(one.ops / divisor)) };
}

/** All works on a few records: what the tests run. `lock` as given. */
export function tinyCase(lock: Case["lock"]): Case {
  return {
    ...BASE,
    name: `tiny-${lock}`,
    lock,
    records: 500,
    hash: 131,
    ops: 50,
    warm: 0,
    works: [...ALL, "traverse", "check", "vary", "transaction", "batch"],
  };
}

/** What the demonstration shows: some seconds in all. */
export const SHORT_CASES: readonly Case[] = [
  {
    ...SMALL,
    name: "short",
    warm: 500_000,
    ops: 60_000,
    works: ["insert", "parse", "fetch", "store", "vary"],
  },
  { ...SMALL, name: "short-transaction", warm: 300, ops: 200, works: ["transaction"] },
];

/** A work in words. */
export const TITLES: Readonly<Record<string, string>> = {
  insert: "insert from empty",
  parse: "read in place",
  fetch: "read a copy",
  miss: "read what is not there",
  same: "store equal bytes",
  store: "store changed bytes",
  cycle: "delete and insert",
  vary: "store, lengths 1 to 3 times",
  transaction: "transaction of one store",
  batch: "transaction of 100 stores",
  traverse: "traverse, per record",
  check: "check, per record",
  open: "open a file of 1 GB",
  "first-read": "first read after that",
};
