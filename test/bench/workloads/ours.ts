/**
 * A database of ctdbx as the record workloads use it: through the library, as any program would.
 *
 *   in place if the record is here (updateNow, readNow) ─ no ─▶ update, read, increment: as the library does it
 *
 * Does NOT promise: more than one connection; each client has its own.
 */

import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import type { Cluster, Database, Listener, RecordView } from "../../../actors/client/types.ts";
import { KEEP } from "../../../actors/client/types.ts";
import { connect } from "../../../actors/mod.ts";
import { RealImageStore } from "../../../transport/real_image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { adding } from "./counter.ts";
import type { Change, Maybe, RecordClient, RecordTable } from "./world.ts";

/** Benchmarks wait long where something is slow, so that it is seen how slow, ms. */
const TIMEOUT_MS = 60_000;
const EMPTY = new Uint8Array(0);

/** One database at one node. */
export class OurTable implements RecordTable {
  readonly db: Database;
  readonly #tdb: Tdb | undefined;
  readonly #addOne = adding(1);
  #change: Change = this.#addOne;

  constructor(db: Database, tdb: Tdb | undefined) {
    this.db = db;
    this.#tdb = tdb;
  }

  readonly #inPlace = (view: RecordView): Uint8Array | undefined => this.#change(valueIn(view));

  update(key: Uint8Array, change: Change): Maybe<void> {
    this.#change = change;
    if (this.db.updateNow(key, this.#inPlace)) return undefined;
    return this.#update(key.slice(), change);
  }

  async #update(key: Uint8Array, change: Change): Promise<void> {
    await this.db.update(key, (value) => change(value) ?? KEEP);
  }

  add(key: Uint8Array, amount: number): Maybe<void> {
    this.#change = amount === 1 ? this.#addOne : adding(amount);
    if (this.db.updateNow(key, this.#inPlace)) return undefined;
    return this.db.increment(key.slice(), amount).then(() => {});
  }

  read(key: Uint8Array): Maybe<Uint8Array | undefined> {
    let found: Uint8Array | undefined;
    const isHere = this.db.readNow(key, (view) => {
      found = view.valueLength === 0 ? undefined : view.value();
    });
    return isHere ? found : this.db.read(key.slice());
  }

  delete(key: Uint8Array): Maybe<void> {
    if (this.db.updateNow(key, () => EMPTY)) return undefined;
    return this.db.delete(key.slice());
  }

  async traverse(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<number> {
    let count = 0;
    for await (const { key, value } of this.db.traverse({ timeoutMs: TIMEOUT_MS })) {
      visit(key, value);
      count += 1;
    }
    return count;
  }

  isKept(key: Uint8Array): boolean {
    try {
      return this.#tdb?.exists(key) === true;
    } catch (error) {
      // Its chain is in use: not known, and looked at again.
      if (error instanceof CtdbxError && error.code === "busy") return true;
      throw error;
    }
  }

  close(): void {
    this.#tdb?.close();
  }
}

/** How `nativeLoop` runs. */
export interface NativeLoopOptions {
  /** Of each value. */
  readonly bytes: number;
  /** Operations that are timed together. */
  readonly batch: number;
  readonly onLater: () => void;
}

/**
 * The cycle as the library offers it to hot loops: the counter is read in the node's file, the new value is an array
 * that is used again. Values are as `fill` makes them: zero behind the counter. Where a record cannot be had at once
 * (the node's view changes, the daemon has its chain) the library waits, and `onLater` is told. ns of each batch.
 */
export async function nativeLoop(
  home: string,
  name: string,
  keys: Uint8Array,
  { bytes, batch, onLater }: NativeLoopOptions,
): Promise<Float64Array> {
  const program = await OurProgram.connect(home);
  try {
    const db = await program.cluster.attach(name);
    const next = new Uint8Array(bytes);
    const words = new Uint32Array(next.buffer);
    const change = ({ bytes, valueOffset }: RecordView): Uint8Array => {
      words[0] = 1 + ((bytes[valueOffset] as number) | (bytes[valueOffset + 1] as number) << 8 |
        (bytes[valueOffset + 2] as number) << 16 | (bytes[valueOffset + 3] as number) << 24);
      return next;
    };
    const add = adding(1, bytes);
    const addOne = (value: Uint8Array | undefined): Uint8Array => add(value)?.slice() ?? EMPTY;
    const order = new Uint32Array(keys.buffer, keys.byteOffset, keys.length / 4);
    const keyWords = new Uint32Array(4);
    const key = new Uint8Array(keyWords.buffer);
    const ns = new Float64Array(Math.ceil(order.length / 4 / batch));
    for (let at = 0, index = 0; at < order.length; index++) {
      const beforeMs = performance.now();
      const end = Math.min(order.length, at + 4 * batch);
      for (; at < end; at += 4) {
        keyWords[0] = order[at] as number;
        keyWords[1] = order[at + 1] as number;
        keyWords[2] = order[at + 2] as number;
        keyWords[3] = order[at + 3] as number;
        if (db.updateNow(key, change)) continue;
        onLater();
        await db.update(key.slice(), addOne);
      }
      ns[index] = 1e6 * (performance.now() - beforeMs);
    }
    return ns;
  } finally {
    program.close();
  }
}

/** The value in place; undefined: there is none. */
function valueIn({ bytes, valueOffset, valueLength }: RecordView): Uint8Array | undefined {
  return valueLength === 0 ? undefined : bytes.subarray(valueOffset, valueOffset + valueLength);
}

/** A program at one node. */
export class OurProgram implements RecordClient {
  readonly cluster: Cluster;
  readonly #tables: OurTable[] = [];

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Connects to the node with this home. */
  static async connect(home: string): Promise<OurProgram> {
    return new OurProgram(await connect({ home, timeoutMs: TIMEOUT_MS }));
  }

  get pnn(): number {
    return this.cluster.pnn;
  }

  async attach(name: string): Promise<RecordTable> {
    const db = await this.cluster.attach(name);
    const { path } = await db.stats();
    // The node's own file, where what is deleted can be seen.
    const tdb = typeof path === "string"
      ? await openTdb(new RealImageStore(), path, { readOnly: true, locking: "mutex" })
      : undefined;
    const table = new OurTable(db, tdb);
    this.#tables.push(table);
    return table;
  }

  async listen(srvid: bigint, onMessage: (data: Uint8Array) => void): Promise<void> {
    const listener = await this.cluster.listen(srvid);
    void this.#hear(listener, onMessage);
  }

  async #hear(listener: Listener, onMessage: (data: Uint8Array) => void): Promise<void> {
    try {
      for await (const item of listener) {
        if (item.type === "message") onMessage(item.data);
      }
    } catch (error) {
      // With the connection; a workload that misses messages says so itself.
      if (!(error instanceof CtdbxError)) throw error;
    }
  }

  send(pnn: number, srvid: bigint, data: Uint8Array): void {
    this.cluster.post(pnn, srvid, data);
  }

  close(): void {
    for (const table of this.#tables.splice(0)) table.close();
    void this.cluster.close();
  }
}
