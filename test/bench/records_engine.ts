/**
 * Our side of `npm run bench -- records`: a client program's cycle on records that live on its node, and the daemon's
 * store. A program of its own, so that each measurement starts with a cold runtime; runs on Bun and on Deno.
 *
 *   bun test/bench/records_engine.ts file=/dev/shm/a.tdb records=10000 hash=10007 ops=100000 work=cycle
 *
 *   cycle   LocalRecords.update: chain mutex, page, header, read, write with rsn + 1, page again, mutex back
 *   read    LocalRecords.read: the same without writing
 *   put     the daemon: mutex tried, copy read, copy stored, mutex back; not compared
 *
 * Same words, order of steps and bytes as test/bench/records_peer.c, which runs libtdb. The file that is left behind
 * has the name that was asked for; the state page lies beside it and is removed.
 *
 * Does NOT promise: to clean up the real file; the driver does, after it has checked it.
 */

import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { LocalNode } from "../../actors/storage/local_node.ts";
import { LocalRecords } from "../../actors/storage/local_records.ts";
import { FileRecordStore } from "../../actors/storage/record_store.ts";
import { StatePage } from "../../actors/storage/state_page.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { RecordView } from "../../actors/storage/tdb_record.ts";
import { RealClock } from "../../transport/real_clock.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../transport/wire/terms.ts";
import { ContentHash, Dice, fillValue, KEY_BYTES, KeyStream } from "./tdb/stream.ts";

const COLD_OPS = 1000;
const WARM_RECORDS = 2000;
const WARM_HASH_MAX = 10_007;
const FIRST_SALT = 1000;
const VALUE_BYTES = 100;
const PNN = 3 as Pnn;
const NAME = "bench.tdb";
/** The lease outlasts the run. */
const LEASE_NS = 3_600_000_000_000n;

const IMAGES = new RealImageStore();
const CLOCK = new RealClock();

/** A node with one database, and what its loops need. */
class Node {
  readonly store: FileRecordStore;
  readonly records: LocalRecords;
  readonly #home: string;
  readonly #node: LocalNode;
  readonly key = new Uint8Array(KEY_BYTES);
  readonly keyWords = new Uint32Array(this.key.buffer);
  readonly value = new Uint8Array(VALUE_BYTES);
  readonly valueWords = new Uint32Array(this.value.buffer);
  salt = 0;
  sum = 0;

  private constructor(
    home: string,
    store: FileRecordStore,
    node: LocalNode,
    records: LocalRecords,
  ) {
    this.#home = home;
    this.store = store;
    this.#node = node;
    this.records = records;
    fillValue(this.value);
  }

  static async make(home: string, hashSize: number): Promise<Node> {
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    const pagePath = `${home}/state`;
    const folder = `${home}/volatile`;
    StatePage.make(IMAGES, pagePath, {
      incarnation: 1n as Incarnation,
      generation: 1n as Generation,
      leaseEndNs: BigInt(Math.floor(CLOCK.nowMs() * 1e6)) + LEASE_NS,
      pnn: PNN,
      frozen: false,
      pid: process.pid,
    });
    const disk = {
      list: (path: string) => readdirSync(path),
      makeFolder: (path: string) => void mkdirSync(path, { recursive: true }),
    };
    const store = new FileRecordStore({
      images: IMAGES,
      disk,
      folder,
      name: NAME,
      pnn: PNN,
      hashSize,
    });
    store.renew(1n as Incarnation);
    const node = LocalNode.open({ images: IMAGES, clock: CLOCK, pagePath, folder });
    return new Node(home, store, node, await LocalRecords.open(node, NAME));
  }

  /** The record of a counter, as the daemon stores it when it takes it. */
  fill(stream: KeyStream, records: number): void {
    stream.inOrder(records);
    const tid = { gen: 1n as Generation, seq: 1 };
    for (let index = 0; index < records; index++) {
      const key = this.take(stream, index);
      this.fresh(index, 0);
      const copy = { tid, rsn: 1n as Rsn, birth: tid, data: this.value, calls: [] };
      this.store.put(String.fromCharCode(...key), { ...copy, dmaster: PNN, flags: 0 });
    }
  }

  take({ words }: KeyStream, index: number): Uint8Array {
    const { keyWords } = this;
    const at = index * 4;
    keyWords[0] = words[at] ?? 0;
    keyWords[1] = words[at + 1] ?? 0;
    keyWords[2] = words[at + 2] ?? 0;
    keyWords[3] = words[at + 3] ?? 0;
    return this.key;
  }

  fresh(low: number, high: number): Uint8Array {
    this.valueWords[0] = low;
    this.valueWords[1] = high;
    return this.value;
  }

  /** Closes all; the file goes to `file`, if it is to stay. */
  end(file?: string): void {
    const { path = "" } = this.store;
    this.records.close();
    this.#node.close();
    this.store.close();
    if (file !== undefined) renameSync(path, file);
    rmSync(this.#home, { recursive: true });
  }
}

type Loop = (node: Node, stream: KeyStream, ops: number) => void;

function cycle(node: Node, stream: KeyStream, ops: number): void {
  let index = 0;
  const change = (value: RecordView): Uint8Array => {
    node.sum = (node.sum + (value.bytes[value.valueOffset] as number)) | 0;
    return node.fresh(index, node.salt);
  };
  for (; index < ops; index++) {
    const answer = node.records.update(node.take(stream, index), change);
    if (answer !== "done") throw new Error(`Cannot update: ${answer}`);
  }
}

function read(node: Node, stream: KeyStream, ops: number): void {
  const visit = (value: RecordView): void => {
    node.sum = (node.sum + (value.bytes[value.valueOffset] as number)) | 0;
  };
  for (let index = 0; index < ops; index++) {
    const answer = node.records.read(node.take(stream, index), visit);
    if (answer !== "done") throw new Error(`Cannot read: ${answer}`);
  }
}

function put(node: Node, stream: KeyStream, ops: number): void {
  for (let index = 0; index < ops; index++) {
    const key = String.fromCharCode(...node.take(stream, index));
    if (node.store.tryLock(key) !== "had") throw new Error("Cannot lock");
    const stored = node.store.get(key);
    if (stored === undefined) throw new Error("Cannot find");
    node.sum = (node.sum + (stored.data[0] ?? 0)) | 0;
    node.store.put(key, { ...stored, rsn: (stored.rsn + 1n) as Rsn, data: node.fresh(index, 9) });
    node.store.unlock(key);
  }
}

const LOOPS: Readonly<Record<string, Loop>> = { cycle, read, put };

/** Processor time of a loop, ns: what others on the machine do is not ours. All threads of the runtime count. */
function run(node: Node, loop: Loop, stream: KeyStream, dice: Dice, ops: number, records: number) {
  stream.drawn(dice, ops, 0, records);
  node.salt += 1;
  const start = process.cpuUsage();
  loop(node, stream, ops);
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1000;
}

/** Runs one work on a file of its own; prints its line. */
async function measure(set: Map<string, string>, work: string): Promise<void> {
  const number = (name: string) => Number(set.get(name) ?? 0);
  const file = set.get("file") ?? "";
  const [records, hash, ops, warm] = ["records", "hash", "ops", "warm"].map(number) as number[] as [
    number,
    number,
    number,
    number,
  ];
  const loop = LOOPS[work];
  if (loop === undefined) throw new RangeError(`Cannot run ${work}: there is no such work`);
  const stream = new KeyStream(Math.max(ops, records, COLD_OPS));
  const dice = new Dice();
  const home = `${file}.home`;
  const few = Math.min(records, WARM_RECORDS);
  const coldOps = Math.min(ops, COLD_OPS);
  const first = await Node.make(home, Math.min(hash, WARM_HASH_MAX));
  first.fill(stream, few);
  const coldNs = run(first, loop, stream, dice, coldOps, few) / coldOps;
  for (let done = 0; done < warm; done += coldOps) run(first, loop, stream, dice, coldOps, few);
  const { sum } = first;
  first.end();
  dice.reset();
  const node = await Node.make(home, hash);
  node.fill(stream, records);
  node.salt = FIRST_SALT;
  node.sum = sum;
  run(node, loop, stream, dice, Math.floor(ops / 10), records);
  const ns = run(node, loop, stream, dice, ops, records);
  const { sideBytes } = node.store.size;
  node.end(file);
  const line = { work, ops, ns, coldNs, sum: node.sum >>> 0, sideBytes };
  console.log(JSON.stringify(line));
}

/** Checks a file and prints the hash of its content. */
async function verify(file: string): Promise<void> {
  const tdb = await openTdb(IMAGES, file, { readOnly: true });
  const report = await check(tdb);
  if (!report.ok) throw new Error(`Cannot accept ${file}: ${report.problems[0]?.text}`);
  const content = new ContentHash();
  await tdb.traverse(({ bytes, keyOffset, keyLength, valueOffset, valueLength }) => {
    content.add(bytes, keyOffset, keyLength, valueOffset, valueLength);
  });
  tdb.close();
  const { records, text: hash } = content;
  console.log(JSON.stringify({ work: "content", hash, records, bytes: statSync(file).size }));
}

async function main(words: readonly string[]): Promise<void> {
  const set = new Map(words.map((word): [string, string] => {
    const at = word.indexOf("=");
    return [word.slice(0, at), word.slice(at + 1)];
  }));
  const file = set.get("file") ?? "";
  mkdirSync(dirname(file), { recursive: true });
  for (const work of (set.get("work") ?? "").split(",")) {
    if (work === "verify") await verify(file);
    else await measure(set, work);
  }
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
