/**
 * Our side of `npm run bench -- tdb`: runs named works on one file and prints a JSON line for each. A program
 * of its own, so that each measurement starts with a cold runtime; runs on Bun and on Deno.
 *
 *   bun test/bench/tdb_engine.ts file=/dev/shm/a.tdb records=10000 hash=10007 lock=none ops=100000 work=insert,parse
 *
 * Same words, order of steps and bytes as test/bench/tdb_peer.c, which runs libtdb:
 *
 *   warm-up file: load, each work: 1000 operations (reported as cold), `warm` more   then removed
 *   real file:    load or "insert", each work: ops/10 unmeasured, ops measured       then content hash
 *
 * Works that stand alone: verify (hash and check of a file), open, memory.
 *
 * Does NOT promise: to clean up the real file; the driver does, after it has checked it.
 */

import { readFileSync, rmSync, statSync } from "node:fs";
import process from "node:process";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import type { TdbOptions } from "../../actors/storage/tdb_open.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { RecordView } from "../../actors/storage/tdb_record.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { ContentHash, Dice, KEY_BYTES, KeyStream, putKey } from "./tdb/stream.ts";
import { BATCH, Bench, fill, isWalk, operationCount, WORKS } from "./tdb/works.ts";

const COLD_OPS = 1000;
const WARM_RECORDS = 2000;
/** A million chains would be most of the warm-up. */
const WARM_HASH_MAX = 10_007;
/** High word of the first work's values. */
const FIRST_SALT = 1000;

interface Settings {
  readonly file: string;
  readonly lock: NonNullable<TdbOptions["locking"]>;
  readonly works: readonly string[];
  readonly records: number;
  readonly hash: number;
  readonly ops: number;
  readonly warm: number;
  /** Bytes. */
  readonly value: number;
  readonly sync: boolean;
}

/** Generator and keys, shared by the files of one run. */
interface Shared {
  readonly dice: Dice;
  readonly stream: KeyStream;
}

const STORE = new RealImageStore();

function settingsOf(words: readonly string[]): Settings {
  const map = new Map(words.map((word): [string, string] => {
    const at = word.indexOf("=");
    return [word.slice(0, at), word.slice(at + 1)];
  }));
  const number = (name: string, otherwise: number) => Number(map.get(name) ?? otherwise);
  const lock = map.get("lock") ?? "none";
  if (lock !== "none" && lock !== "fcntl" && lock !== "mutex") {
    throw new TypeError(`Cannot run: lock must be none, fcntl or mutex, is ${lock}`);
  }
  return {
    file: map.get("file") ?? "",
    lock,
    works: (map.get("work") ?? "").split(","),
    records: number("records", 1000),
    hash: number("hash", 10007),
    ops: number("ops", 1000),
    warm: number("warm", 20000),
    value: number("value", 100),
    sync: number("sync", 0) !== 0,
  };
}

function open(set: Settings, file: string, create: boolean): Promise<Tdb> {
  const creation: TdbOptions = create ? { create, hashSize: set.hash, hash: "jenkins" } : {};
  return openTdb(STORE, file, { ...creation, locking: set.lock, noSync: !set.sync });
}

/** An empty file with a bench on it; its stream is in order, for fill(). */
async function createBench(
  set: Settings,
  file: string,
  records: number,
  shared: Shared,
): Promise<Bench> {
  rmSync(file, { force: true });
  const bench = new Bench(await open(set, file, true), records, set.value, shared);
  shared.stream.inOrder(records);
  return bench;
}

/** Runs one work; ns. */
async function run(bench: Bench, work: string, ops: number): Promise<number> {
  const loop = WORKS[work];
  if (loop === undefined) throw new RangeError(`Cannot run ${work}: there is no such work`);
  bench.layOut(work, ops);
  bench.salt += 1;
  const startMs = performance.now();
  const pending = loop(bench, ops);
  if (pending !== undefined) await pending;
  return Math.round((performance.now() - startMs) * 1e6);
}

/** ns per operation of the first COLD_OPS of a work, then `warm` more. On a file of its own. */
async function warmUp(set: Settings, shared: Shared, work: string): Promise<number> {
  const file = `${set.file}.warm`;
  const records = Math.min(set.records, WARM_RECORDS);
  const hash = Math.min(set.hash, WARM_HASH_MAX);
  const bench = await createBench({ ...set, hash }, file, records, shared);
  const startMs = performance.now();
  fill(bench);
  let cold = (performance.now() - startMs) * 1e6 / records;
  const ops = Math.min(set.ops, COLD_OPS);
  if (work !== "insert") {
    const count = operationCount(bench, work, ops);
    cold = await run(bench, work, ops) / count;
    for (let done = 0; done < set.warm; done += count) await run(bench, work, ops);
  }
  bench.tdb.close();
  rmSync(file);
  return cold;
}

function print(line: object): void {
  console.log(JSON.stringify(line));
}

/** Inserts from empty, more than once while that is short; the last file stays open. */
async function insert(
  set: Settings,
  shared: Shared,
): Promise<{ bench: Bench; ns: number; ops: number }> {
  const times = Math.max(1, Math.floor(set.ops / set.records));
  let bench: Bench | undefined;
  let ns = 0;
  for (let time = 0; time < times; time++) {
    bench?.tdb.close();
    bench = await createBench(set, set.file, set.records, shared);
    const startMs = performance.now();
    fill(bench);
    ns += (performance.now() - startMs) * 1e6;
  }
  if (bench === undefined) throw new RangeError("Cannot insert: records must be at least 1");
  return { bench, ns: Math.round(ns), ops: times * set.records };
}

async function runAll(set: Settings): Promise<void> {
  const keysPerOp = set.works.includes("batch") ? BATCH : 1;
  const stream = new KeyStream(Math.max(set.ops * keysPerOp, set.records));
  const shared = { dice: new Dice(), stream };
  const cold: number[] = [];
  for (const work of set.works) cold.push(await warmUp(set, shared, work));
  shared.dice.reset();
  let bench: Bench | undefined;
  for (const [index, work] of set.works.entries()) {
    let ns: number;
    let ops: number;
    if (work === "insert") {
      bench?.tdb.close();
      const made = await insert(set, shared);
      made.bench.sum = bench?.sum ?? 0;
      ({ bench, ns, ops } = made);
      bench.salt = FIRST_SALT;
    } else {
      if (bench === undefined) {
        bench = await createBench(set, set.file, set.records, shared);
        fill(bench);
        bench.salt = FIRST_SALT;
      }
      ops = operationCount(bench, work, set.ops);
      if (!isWalk(work)) await run(bench, work, Math.floor(set.ops / 10));
      ns = await run(bench, work, set.ops);
    }
    const windows = work === "vary" ? { windows: bench.windows } : {};
    print({ work, ops, ns, coldNs: cold[index], sum: bench.sum >>> 0, ...windows });
  }
  bench?.tdb.close();
}

/** Checks a file and prints the hash of its content. */
async function verify(set: Settings): Promise<void> {
  const tdb = await openTdb(STORE, set.file, { readOnly: true });
  const report = await check(tdb);
  if (!report.ok) throw new Error(`Cannot accept ${set.file}: ${report.problems[0]?.text}`);
  const content = new ContentHash();
  await tdb.traverse((record) => {
    const { bytes, keyOffset, keyLength, valueOffset, valueLength } = record;
    content.add(bytes, keyOffset, keyLength, valueOffset, valueLength);
  });
  tdb.close();
  const { records, text: hash } = content;
  print({ work: "content", hash, records, bytes: statSync(set.file).size });
}

const firstByte = (record: RecordView): number => record.bytes[record.valueOffset] ?? 0;

/** One reused key whose counter can be set. */
class Key {
  readonly bytes: Uint8Array = new Uint8Array(KEY_BYTES);
  readonly #words = new Uint32Array(this.bytes.buffer);

  at(counter: number): Uint8Array {
    putKey(this.#words, 0, counter);
    return this.bytes;
  }
}

function firstByteOf(tdb: Tdb, key: Uint8Array): number {
  const first = tdb.parse(key, firstByte);
  if (first === undefined) throw new Error("Cannot parse: the record is not there");
  return first;
}

/** Resident memory in KiB by kind, as the kernel counts it. */
function memory(): Record<"all" | "own" | "file" | "shared", number> {
  const text = readFileSync("/proc/self/status", "utf8");
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return {
    all: kib("VmRSS"),
    own: kib("RssAnon"),
    file: kib("RssFile"),
    shared: kib("RssShmem"),
  };
}

/** Memory of this process after it has read each record once; `before`: with nothing open yet. */
async function reportMemory(set: Settings): Promise<void> {
  const before = memory();
  const tdb = await open(set, set.file, false);
  const key = new Key();
  let sum = 0;
  for (let index = 0; index < set.records; index++) sum += firstByteOf(tdb, key.at(index));
  print({ work: "memory", sum, ...memory(), before });
  tdb.close();
}

/** Opens a file `ops` times; also the first read after each open. */
async function reportOpen(set: Settings): Promise<void> {
  const dice = new Dice();
  const key = new Key();
  let openMs = 0;
  let readMs = 0;
  let sum = 0;
  for (let index = 0; index <= set.ops; index++) {
    const bytes = key.at(1 + 10 * dice.draw(Math.floor(set.records / 10)));
    const startMs = performance.now();
    const tdb = await open(set, set.file, false);
    const openedMs = performance.now();
    sum += firstByteOf(tdb, bytes);
    // The first time stands for warming up.
    if (index > 0) {
      openMs += openedMs - startMs;
      readMs += performance.now() - openedMs;
    }
    tdb.close();
  }
  print({ work: "open", ops: set.ops, ns: Math.round(openMs * 1e6), coldNs: 0, sum });
  print({ work: "first-read", ops: set.ops, ns: Math.round(readMs * 1e6), coldNs: 0, sum });
}

async function main(set: Settings): Promise<void> {
  const [work] = set.works;
  if (work === "verify") await verify(set);
  else if (work === "memory") await reportMemory(set);
  else if (work === "open") await reportOpen(set);
  else await runAll(set);
}

if (import.meta.main) {
  try {
    await main(settingsOf(process.argv.slice(2)));
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
