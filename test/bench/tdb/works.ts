/**
 * The works of the TDB benchmark on our engine: each a plain loop over the public API, as a program would
 * write it, with one reused key array and one reused value array. test/bench/tdb_peer.c has the same for libtdb.
 *
 * Does NOT promise: anything about time; whoever calls looks at the clock.
 */

import type { RecordView } from "../../../actors/storage/tdb_record.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import { Dice, fillValue, KEY_BYTES, KeyStream } from "./stream.ts";

/** Stores of one "batch" transaction. */
export const BATCH = 100;
const WINDOW_COUNT = 10;

/** An open file with what its works need. */
export class Bench {
  readonly tdb: Tdb;
  /** Records in the file, with counters 0 .. records-1. */
  readonly records: number;
  readonly dice: Dice;
  readonly stream: KeyStream;
  readonly key: Uint8Array = new Uint8Array(KEY_BYTES);
  readonly keyWords: Uint32Array = new Uint32Array(this.key.buffer);
  readonly value: Uint8Array;
  readonly valueWords: Uint32Array;
  /** One view per length: the caller has values of different lengths at hand, too. */
  readonly values: Uint8Array[] = [];
  /** High word of the counter in a value: makes each work's values new. */
  salt = 0;
  /** Sum of first bytes: results are used. */
  sum = 0;
  /** ns of each tenth of the last "vary". */
  windows: number[] = [];
  readonly #valueBytes: number;

  constructor(
    tdb: Tdb,
    records: number,
    valueBytes: number,
    shared: { dice: Dice; stream: KeyStream },
  ) {
    this.tdb = tdb;
    this.records = records;
    this.dice = shared.dice;
    this.stream = shared.stream;
    const all = new Uint8Array(Math.ceil(3 * valueBytes / 4) * 4);
    fillValue(all);
    this.value = all.subarray(0, valueBytes);
    this.valueWords = new Uint32Array(all.buffer);
    for (let extra = 0; extra <= 2 * valueBytes; extra++) {
      this.values.push(all.subarray(0, valueBytes + extra));
    }
    this.#valueBytes = valueBytes;
  }

  /** Lays the keys of `ops` operations out. Walks need none. */
  layOut(work: string, ops: number): void {
    if (isWalk(work)) return;
    const first = work === "miss" ? this.records : 0;
    const vary = work === "vary" ? this.#valueBytes : 0;
    const count = work === "batch" ? ops * BATCH : ops;
    this.stream.drawn(this.dice, count, first, this.records, vary);
  }
}

/** Copies key number `index` of the stream into the reused key. */
function take(bench: Bench, index: number): Uint8Array {
  const { keyWords, stream: { words } } = bench;
  const at = index * 4;
  keyWords[0] = words[at] ?? 0;
  keyWords[1] = words[at + 1] ?? 0;
  keyWords[2] = words[at + 2] ?? 0;
  keyWords[3] = words[at + 3] ?? 0;
  return bench.key;
}

/** The value with a new counter. */
function fresh(bench: Bench, low: number, high: number): Uint8Array {
  bench.valueWords[0] = low;
  bench.valueWords[1] = high;
  return bench.value;
}

const firstByte = (record: RecordView): number => record.bytes[record.valueOffset] ?? 0;

/** Loads records 0 .. records-1; the stream must be in order. */
export function fill(bench: Bench): void {
  for (let index = 0; index < bench.records; index++) {
    bench.tdb.store(take(bench, index), fresh(bench, index, 0));
  }
}

function parse(bench: Bench, ops: number): void {
  for (let index = 0; index < ops; index++) {
    const first = bench.tdb.parse(take(bench, index), firstByte);
    if (first === undefined) throw new Error("Cannot parse: the record is not there");
    bench.sum = (bench.sum + first) | 0;
  }
}

function miss(bench: Bench, ops: number): void {
  for (let index = 0; index < ops; index++) {
    const first = bench.tdb.parse(take(bench, index), firstByte);
    if (first !== undefined) throw new Error("Cannot miss: the record is there");
    bench.sum = (bench.sum + 1) | 0;
  }
}

function fetch(bench: Bench, ops: number): void {
  for (let index = 0; index < ops; index++) {
    const value = bench.tdb.fetch(take(bench, index));
    if (value === undefined) throw new Error("Cannot fetch: the record is not there");
    bench.sum = (bench.sum + (value[0] ?? 0)) | 0;
  }
}

function same(bench: Bench, ops: number): void {
  for (let index = 0; index < ops; index++) {
    const key = take(bench, index);
    bench.tdb.store(key, fresh(bench, bench.keyWords[0] ?? 0, 0));
  }
}

function store(bench: Bench, ops: number): void {
  for (let index = 0; index < ops; index++) {
    bench.tdb.store(take(bench, index), fresh(bench, index, bench.salt));
  }
}

function cycle(bench: Bench, ops: number): void {
  for (let index = 0; index < ops; index++) {
    const key = take(bench, index);
    if (!bench.tdb.delete(key)) throw new Error("Cannot delete: the record is not there");
    bench.tdb.store(key, fresh(bench, index, bench.salt));
  }
}

function vary(bench: Bench, ops: number): void {
  const window = Math.max(1, Math.floor(ops / WINDOW_COUNT));
  const least = bench.value.length;
  bench.windows = [];
  let startMs = performance.now();
  for (let index = 0; index < ops; index++) {
    const key = take(bench, index);
    fresh(bench, index, bench.salt);
    const value = bench.values[(bench.stream.lengths[index] ?? 0) - least];
    if (value === undefined) throw new RangeError("Cannot store: no value has this length");
    bench.tdb.store(key, value);
    if ((index + 1) % window === 0 && bench.windows.length < WINDOW_COUNT) {
      const endMs = performance.now();
      bench.windows.push(Math.round((endMs - startMs) * 1e6));
      startMs = endMs;
    }
  }
}

async function transactions(bench: Bench, ops: number, batch: number): Promise<void> {
  for (let op = 0; op < ops; op++) {
    await bench.tdb.begin();
    for (let index = op * batch; index < (op + 1) * batch; index++) {
      bench.tdb.store(take(bench, index), fresh(bench, index, bench.salt));
    }
    await bench.tdb.commit();
  }
}

async function traverse(bench: Bench): Promise<void> {
  let sum = 0;
  await bench.tdb.traverse((record) => {
    sum += record.bytes[record.valueOffset] ?? 0;
  });
  bench.sum = (bench.sum + sum) | 0;
}

async function checkAll(bench: Bench): Promise<void> {
  const report = await check(bench.tdb);
  if (!report.ok) throw new Error(`Cannot go on: ${report.problems[0]?.text}`);
}

/** The works by name. */
export const WORKS: Record<string, (bench: Bench, ops: number) => void | Promise<void>> = {
  parse,
  miss,
  fetch,
  same,
  store,
  cycle,
  vary,
  transaction: (bench, ops) => transactions(bench, ops, 1),
  batch: (bench, ops) => transactions(bench, ops, BATCH),
  traverse,
  check: checkAll,
};

/** Works that go over the whole file once, whatever `ops` says. */
export function isWalk(work: string): boolean {
  return work === "traverse" || work === "check";
}

/** How many operations a figure is divided by. */
export function operationCount(bench: Bench, work: string, ops: number): number {
  return isWalk(work) ? bench.records : ops;
}
