/**
 * A volatile database of stock ctdbd as its programs use it: they open the daemon's own file and lock in it.
 *
 *   chain lock -> header says that the record lives here? -> work in place, unlock
 *                                 no -> unlock, ask the daemon to bring it here, once more
 *
 * The file is worked on by our TDB engine, which shares it with ctdbd as libtdb would; test/peer/fetch_loop.c does the
 * same with libtdb. Clients of one node in one process share the open file, as what is done under a lock ends in the
 * same turn.
 *
 * Does NOT promise: read-only copies (they need a setting); fairness between processes.
 */

import type { Tdb } from "../../actors/storage/tdb.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { adding } from "../bench/workloads/counter.ts";
import type { Change, Maybe, RecordTable } from "../bench/workloads/world.ts";
import type { CtdbClient } from "./ctdb_client.ts";
import { deletionBytes, readVisited, traverseBytes } from "./ctdb_records.ts";
import { CALL, CONTROL, LTDB_BYTES, MIGRATE, RECORD } from "./ctdb_wire.ts";

/** Where the records of a traverse are sent to; the rest of the number is the client's pid and a count. */
const TRAVERSE_SRVID = 0xaen << 56n;
/** A record that is taken away as often as this before it could be used is not there to be had. */
const TRIES_MAX = 10_000;
const EMPTY = new Uint8Array(0);

/** One database at one node. */
export class CtdbTable implements RecordTable {
  readonly #client: CtdbClient;
  readonly #dbId: number;
  readonly #tdb: Tdb;
  /** Header and value to be stored. */
  #next = new Uint8Array(4096);
  #header = new Uint8Array(LTDB_BYTES);
  #headerView = new DataView(this.#header.buffer);
  #value: Uint8Array | undefined;
  #traverses = 0;
  readonly #addOne = adding(1);

  constructor(client: CtdbClient, dbId: number, tdb: Tdb) {
    this.#client = client;
    this.#dbId = dbId;
    this.#tdb = tdb;
  }

  update(key: Uint8Array, change: Change): Maybe<void> {
    if (this.#tdb.tryLockChain(key) && this.#here(key, change)) return undefined;
    return this.#bring(key.slice(), change);
  }

  add(key: Uint8Array, amount: number): Maybe<void> {
    return this.update(key, amount === 1 ? this.#addOne : adding(amount));
  }

  read(key: Uint8Array): Maybe<Uint8Array | undefined> {
    if (this.#tdb.tryLockChain(key)) {
      try {
        if (this.#see(key)) return this.#value?.slice();
      } finally {
        this.#tdb.unlockChain(key);
      }
    }
    return this.#fetch(key.slice());
  }

  delete(key: Uint8Array): Maybe<void> {
    const kept = key.slice();
    let header = this.#header;
    const later = this.update(kept, () => {
      header = this.#header.slice();
      return EMPTY;
    });
    if (later === undefined) return this.#schedule(kept, header);
    return later.then(() => this.#schedule(kept, header));
  }

  async traverse(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<number> {
    const number = BigInt(this.#client.pnn * 65536 + ++this.#traverses);
    const srvid = TRAVERSE_SRVID | BigInt(this.#dbId) << 24n | number;
    let count = 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    await this.#client.listen(srvid, (data) => {
      try {
        const record = readVisited(data);
        if (record === undefined) resolve();
        else if (record.value !== undefined) {
          visit(record.key, record.value);
          count += 1;
        }
      } catch (error) {
        reject(error);
      }
    });
    const data = traverseBytes(this.#dbId, srvid);
    await this.#client.control(CONTROL.traverseStart, { data });
    await promise;
    await this.#client.ignore(srvid);
    return count;
  }

  isKept(key: Uint8Array): boolean {
    try {
      return this.#tdb.exists(key);
    } catch (error) {
      if (error instanceof CtdbxError && error.code === "busy") return true;
      throw error;
    }
  }

  /** Looks at the record, whose chain is locked; true: it lives here. */
  #see(key: Uint8Array): boolean {
    this.#value = undefined;
    const length = this.#tdb.parse(key, ({ bytes, valueOffset, valueLength }) => {
      const start = valueOffset + LTDB_BYTES;
      this.#header.set(bytes.subarray(valueOffset, start));
      if (valueLength > LTDB_BYTES) {
        this.#value = bytes.subarray(start, valueOffset + valueLength);
      }
      return valueLength;
    });
    if (length === undefined || length < LTDB_BYTES) return false;
    const isOwn = this.#headerView.getUint32(8, true) === this.#client.pnn;
    return isOwn && (this.#headerView.getUint32(16, true) & RECORD.haveDelegations) === 0;
  }

  /** Does the work on a record whose chain is locked, and unlocks; false: it lives elsewhere. */
  #here(key: Uint8Array, change: Change): boolean {
    try {
      if (!this.#see(key)) return false;
      const value = change(this.#value);
      if (value === undefined) return true;
      const length = LTDB_BYTES + value.length;
      if (length > this.#next.length) this.#next = new Uint8Array(2 * length);
      this.#next.set(this.#header);
      this.#next.set(value, LTDB_BYTES);
      this.#tdb.store(key, this.#next.subarray(0, length));
      return true;
    } finally {
      this.#tdb.unlockChain(key);
    }
  }

  async #bring(key: Uint8Array, change: Change): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      await this.#tdb.lockChain(key);
      if (this.#here(key, change)) return;
      await this.#client.call(this.#dbId, CALL.nothing, MIGRATE, key);
    }
    throw new Error(`Cannot lock a record: it was taken away ${TRIES_MAX} times`);
  }

  async #fetch(key: Uint8Array): Promise<Uint8Array | undefined> {
    const value = await this.#client.call(this.#dbId, CALL.fetch, 0, key);
    return value.length === 0 ? undefined : value;
  }

  /** Tells the daemon of an empty record; without that it finds it some minutes later. */
  #schedule(key: Uint8Array, header: Uint8Array): void {
    this.#client.tell(CONTROL.scheduleForDeletion, deletionBytes(this.#dbId, header, key));
  }
}
