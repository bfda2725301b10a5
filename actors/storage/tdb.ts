/**
 * An open TDB file: records found, stored and deleted in place, in a file that other programs may be using.
 *
 * The bytes are the file's own, mapped; the work is done by the WebAssembly kernels; this class puts keys and
 * values where they look, takes the locks that every user of the format takes, and turns faults into errors.
 *
 *   fetch(key):  key -> scratch -> hash -> chain lock -> kernel walks the chain -> record in place -> unlock
 *
 * Operations are synchronous. A lock that another process holds is tried for a millisecond or so, then the
 * operation ends with code "busy" and has changed nothing; withChain() and the like wait without blocking.
 *
 * Does NOT promise: that a single store survives a power loss; transactions do. Upstream: tdb.
 */
import * as host from "../../assembly/host/tdb_kernels.ts";
import type { LockKind } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { tooLong, VALUE_MAX } from "../../transport/wire/limits.ts";
import { TdbCalls } from "./tdb_calls.ts";
import { TdbCore } from "./tdb_core.ts";
import { AT, type TdbHeader } from "./tdb_header.ts";
import type { LockClass, TdbLocks } from "./tdb_locks.ts";
import { TdbGuard } from "./tdb_guard.ts";
import { RecordView, see } from "./tdb_record.ts";
import { pending } from "./tdb_recovery.ts";
import { storedLength, type StoreMode, TdbScratch } from "./tdb_scratch.ts";
import { TdbTransaction } from "./tdb_transaction.ts";
import * as walk from "./tdb_traverse.ts";
import { repack, wipe } from "./tdb_wipe.ts";

/** One handle. Many may be open in a thread, of one file also in many processes. */
export class Tdb {
  /** What the storage room's own modules share; not for programs. */
  readonly core: TdbCore;
  readonly guard: TdbGuard;
  readonly #locks: TdbLocks;
  readonly #transaction: TdbTransaction;
  readonly #view: RecordView;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #db: number;
  readonly #kernel: host.TdbKernels;
  readonly #unlocked: boolean;
  readonly #scratch: TdbScratch;
  readonly #calls: TdbCalls;

  /** Use openTdb(). */
  constructor(core: TdbCore, options: { noSync: boolean; areaMin: number }) {
    this.core = core;
    this.#locks = core.locks;
    this.#transaction = new TdbTransaction(core, options);
    this.#view = new RecordView(core.memory.bytes);
    this.guard = new TdbGuard(core, options, () => this.#transaction.heal());
    this.#bytes = core.memory.bytes;
    this.#db = core.db;
    this.#kernel = core.kernel;
    this.#unlocked = core.locks.kind === "none";
    this.#scratch = new TdbScratch(core.memory);
    this.#calls = new TdbCalls(core, this.guard, (error) => this.#transaction.spoil(error));
  }

  get path(): string {
    return this.core.image.path;
  }

  get header(): TdbHeader {
    return this.core.header;
  }

  get readOnly(): boolean {
    return this.core.readOnly;
  }

  get locking(): LockClass {
    return this.#locks.kind;
  }

  /** Logical size, bytes: the file without its mutex area. */
  get size(): number {
    return this.core.size;
  }

  /** Logical offset of the recovery area, 0 without one. */
  get recoveryStart(): number {
    return this.core.recoveryStart;
  }

  get inTransaction(): boolean {
    return this.#transaction.open;
  }

  /** Changes so far, u32, by handles that count them. Compare for inequality only. */
  sequenceNumber(): number {
    this.guard.use();
    return this.core.word(AT.sequenceNumber);
  }

  // --- records

  /** Calls `read` with the record of a key, in place and under the chain's lock. Undefined: no such record. */
  parse<T>(key: Uint8Array, read: (record: RecordView) => T): T | undefined {
    if (this.#unlocked && this.core.looked) {
      // Nothing to lock, nothing to give back: this is the whole of it.
      const off = this.#kernel.tdbSeek(this.#db, host.KEY_AT, this.#scratch.key(key)) >>> 0;
      if (off > host.FAULT) return read(see(this.core, this.#view, off));
      if (off === 0) return undefined;
    }
    const keyLen = this.#scratch.key(key);
    const chain = this.guard.enter(keyLen, "read");
    try {
      const off = this.#calls.seek(keyLen, "read");
      if (off === 0) return undefined;
      see(this.core, this.#view, off);
      return read(this.#view);
    } finally {
      this.guard.leave(chain);
    }
  }

  /** A copy of the value of a key. Undefined: no such record. */
  fetch(key: Uint8Array): Uint8Array | undefined {
    const keyLen = this.#scratch.key(key);
    const chain = this.guard.enter(keyLen, "read");
    try {
      const off = this.#calls.seek(keyLen, "read");
      if (off === 0) return undefined;
      const view = see(this.core, this.#view, off);
      return this.#bytes.slice(view.valueOffset, view.valueOffset + view.valueLength);
    } finally {
      this.guard.leave(chain);
    }
  }

  exists(key: Uint8Array): boolean {
    const keyLen = this.#scratch.key(key);
    const chain = this.guard.enter(keyLen, "read");
    try {
      return this.#calls.seek(keyLen, "read") !== 0;
    } finally {
      this.guard.leave(chain);
    }
  }

  /** Stores a record. Throws "exists" (insert), "not_found" (modify), "limit", "no_space", "read_only". */
  store(key: Uint8Array, value: Uint8Array, mode: StoreMode = "replace"): void {
    if (this.core.readOnly || this.core.sealed) this.guard.write();
    const keyLen = this.#scratch.key(key);
    const length = storedLength(value, mode);
    if (length <= host.VALUE_ROOM) {
      this.#bytes.set(value, host.VALUE_AT);
      if (this.#unlocked && this.core.looked) {
        const answer = this.#kernel.tdbPlace(
          this.#db,
          host.KEY_AT,
          keyLen,
          host.VALUE_AT,
          length,
          host.MODE[mode],
        );
        if (answer === host.ANSWER.done) return; // else the long way says what it was
      }
      this.#change(keyLen, host.VALUE_AT, length, host.MODE[mode]);
      return;
    }
    if (length > VALUE_MAX) throw tooLong("value", length, "VALUE_MAX", VALUE_MAX);
    const at = this.#scratch.room(length);
    try {
      this.#bytes.set(value, at);
      this.#change(keyLen, at, length, host.MODE[mode]);
    } finally {
      this.core.memory.regions.give(at, length);
    }
  }

  /** Adds bytes to the end of a record's value, or stores them when there is none. */
  append(key: Uint8Array, value: Uint8Array): void {
    this.guard.write();
    const keyLen = this.#scratch.key(key);
    const chain = this.guard.enter(keyLen, "write");
    try {
      const off = this.#calls.seek(keyLen, "append");
      const oldLength = off === 0 ? 0 : see(this.core, this.#view, off).valueLength;
      const length = oldLength + value.length;
      if (length > VALUE_MAX) throw tooLong("value", length, "VALUE_MAX", VALUE_MAX);
      const at = this.#scratch.room(length + 1);
      try {
        this.#bytes.copyWithin(at, this.#view.valueOffset, this.#view.valueOffset + oldLength);
        this.#bytes.set(value, at + oldLength);
        this.#calls.store(keyLen, at, length, host.MODE.replace);
      } finally {
        this.core.memory.regions.give(at, length + 1);
      }
    } finally {
      this.guard.leave(chain);
    }
  }

  /** Deletes a record; false: it was not there. */
  delete(key: Uint8Array): boolean {
    this.guard.write();
    const keyLen = this.#scratch.key(key);
    const chain = this.guard.enter(keyLen, "write");
    try {
      return this.#calls.remove(keyLen);
    } finally {
      this.guard.leave(chain);
    }
  }

  /** A copy of some key, the first of the first chain that has one. Undefined: no records. */
  firstKey(): Uint8Array | undefined {
    this.guard.use();
    return walk.firstRecord(this);
  }

  /** The key after this one in the order of traverse; undefined: it was the last. Throws "not_found". */
  nextKey(key: Uint8Array): Uint8Array | undefined {
    this.guard.use();
    return walk.nextRecord(this, this.#scratch.key(key));
  }

  /**
   * Visits every record that is there all the while exactly once; resolves to their number. The callback may
   * store and delete; false ends it. Throws "corrupt" where the file is.
   */
  async traverse(visit: walk.Visit, options: walk.TraverseOptions = {}): Promise<number> {
    this.guard.use();
    return await walk.traverse(this, visit, options);
  }

  // --- locks

  #chainOf(key: Uint8Array): number {
    this.guard.use();
    const keyLen = this.#scratch.key(key);
    return this.#kernel.tdbChain(this.#db, host.KEY_AT, keyLen);
  }

  /** Takes the chain of a key; false: another process holds it. Locks nest. */
  tryLockChain(key: Uint8Array, kind: LockKind = "write"): boolean {
    return this.guard.tryChain(this.#chainOf(key), kind);
  }

  /** Waits for the chain of a key without blocking. Throws "timeout". */
  async lockChain(key: Uint8Array, kind: LockKind = "write"): Promise<void> {
    await this.guard.chain(this.#chainOf(key), kind);
  }

  unlockChain(key: Uint8Array): void {
    this.#locks.unlockChain(this.#chainOf(key));
  }

  /** Runs `work` with the chain of a key locked: its operations on that chain are never "busy". */
  async withChain<T>(
    key: Uint8Array,
    work: () => T | Promise<T>,
    kind: LockKind = this.readOnly ? "read" : "write",
  ): Promise<T> {
    const chain = this.#chainOf(key);
    await this.guard.chain(chain, kind);
    try {
      return await work();
    } finally {
      if (!this.core.closed) this.#locks.unlockChain(chain);
    }
  }

  /** Takes everything; false: another process holds some of it. */
  tryLockAll(kind: LockKind): boolean {
    return this.guard.tryAll(kind);
  }

  /** Waits for everything without blocking. Throws "timeout". */
  async lockAll(kind: LockKind): Promise<void> {
    await this.guard.all(kind);
  }

  unlockAll(): void {
    this.#locks.unlockAll();
  }

  // --- transactions

  /** Starts a transaction: all until commit or cancel is done together or not at all. */
  async begin(): Promise<void> {
    this.guard.write();
    // Whoever held the locks that we waited for may have died in a commit.
    for (await this.#transaction.begin(); pending(this.core); await this.#transaction.begin()) {
      this.#transaction.cancel();
      await this.guard.recoverLater();
    }
  }

  /** Makes the changes durable; commit then only has to show them. */
  async prepare(): Promise<void> {
    this.guard.use();
    await this.#transaction.prepare();
  }

  /** Ends the transaction. Resolved: it is on the disk (unless opened with noSync). */
  async commit(): Promise<void> {
    this.guard.use();
    await this.#transaction.commit();
  }

  /** Forgets the changes; without a transaction it does nothing. Also good on a handle whose file was shortened. */
  cancel(): void {
    if (this.core.closed) this.guard.use();
    this.#transaction.cancel();
  }

  /** Runs `work` in a transaction; commits when it ends, cancels when it throws. */
  async transaction<T>(work: () => T | Promise<T>): Promise<T> {
    await this.begin();
    let result: T;
    try {
      result = await work();
    } catch (error) {
      this.#transaction.giveUp();
      throw error;
    }
    await this.commit();
    return result;
  }

  /** Removes all records at once. Outside a transaction a crash may leave it half done. */
  async wipe(): Promise<void> {
    this.guard.write();
    try {
      await wipe(this);
    } catch (error) {
      if (this.inTransaction && error instanceof CtdbxError) this.#transaction.spoil(error);
      throw error;
    }
  }

  /** Lays all records out anew, in one transaction: the free space becomes one piece. */
  async repack(): Promise<void> {
    this.guard.write();
    await repack(this);
  }

  /** What openTdb does last, with OPEN held: mends what a crash left. Not for programs. */
  arrive(): void {
    this.guard.arrive();
  }

  /** Cancels an open transaction, drops all locks, unmaps. Idempotent. */
  close(): void {
    if (this.core.closed) return;
    try {
      this.#transaction.release();
    } finally {
      this.core.close();
    }
  }

  #change(keyLen: number, at: number, length: number, mode: number): void {
    const chain = this.guard.enter(keyLen, "write");
    try {
      this.#calls.store(keyLen, at, length, mode);
    } finally {
      this.guard.leave(chain);
    }
  }
}
