/**
 * The file of a volatile database in one life of a node: a TDB file with mutexes, as the daemon and client programs use
 * it, each for itself.
 *
 *   key -> scratch -> chain -> its mutex (robust; in the file) -> kernels: find, store, write -> unlock
 *
 * Unlike a Tdb's own locks, a chain that one task of this thread has is busy for all others of it.
 *
 * Does NOT promise: transactions, and what survives a power loss: a new life begins with an empty file.
 * Upstream: ctdb's volatile databases.
 */
import { KEY_AT, VALUE_AT, VALUE_ROOM } from "../../assembly/host/tdb_kernels.ts";
import type { Kernels } from "../../assembly/host/kernels.ts";
import { OFFSET_MIN, RECORD_HEADER } from "../../assembly/host/record_kernels.ts";
import type { ImageStore, MutexOutcome } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { tooLong, VALUE_MAX } from "../../transport/wire/limits.ts";
import type { Tdb } from "./tdb.ts";
import type { TdbCore } from "./tdb_core.ts";
import { TdbMutexes } from "./tdb_mutexes.ts";
import { makeTdbNow, openTdb } from "./tdb_open.ts";

/** Chains of a database whose maker says nothing else: as many as CTDB's. */
export const RECORD_HASH_SIZE = 100_001;
/** A kernel call is repeated this often when the file turns out to have grown. */
const RETRY_MAX = 4;
/** Reserved word of the header that is 1 when the file is over; the kernels know it. */
const OVER_AT = 164;
/** How often the mutex of a chain is tried before it is called busy: some microseconds. */
const SPIN_MAX = 100;
/** For waits whose caller names no limit. */
const TIMEOUT_MS = 10_000;
/** Bytes of a value that fit into the scratch area. */
export const DRAFT_ROOM: number = VALUE_ROOM - RECORD_HEADER;
/** Where the data of a draft begins. */
export const DRAFT_AT: number = VALUE_AT + RECORD_HEADER;

/** One process's (or thread's) access to the file. */
export class RecordFile {
  readonly tdb: Tdb;
  readonly core: TdbCore;
  readonly kernel: Kernels;
  /** Address of the descriptor. */
  readonly db: number;
  readonly #mutexes: TdbMutexes;
  readonly #mutexSize: number;
  /** Uses that go on over turns of the event loop. */
  #uses = 0;
  #isEnding = false;

  private constructor(tdb: Tdb) {
    this.tdb = tdb;
    this.core = tdb.core;
    this.kernel = tdb.core.kernel;
    this.db = tdb.core.db;
    const { image, header } = tdb.core;
    this.#mutexSize = header.mutexSize;
    this.#mutexes = new TdbMutexes(image, header.hashSize, TIMEOUT_MS, SPIN_MAX);
  }

  /**
   * Makes an empty file, which has its name when it is whole. Throws "exists" (a file of this very life is there),
   * "no_space", "denied", "unsupported" (no mutexes on this platform).
   */
  static make(images: ImageStore, path: string, hashSize: number = RECORD_HASH_SIZE): RecordFile {
    if (images.exists(path)) throw new CtdbxError("exists", `Cannot make ${path}: it is there`);
    const growing = `${path}.new`;
    images.remove(growing);
    const tdb = makeTdbNow(images, growing, { hashSize });
    try {
      images.rename(growing, path);
    } catch (error) {
      tdb.close();
      throw error;
    }
    return new RecordFile(tdb);
  }

  /** Opens a file that its daemon has made. Throws "not_found" and what openTdb throws. */
  static async open(images: ImageStore, path: string): Promise<RecordFile> {
    return new RecordFile(await openTdb(images, path, { locking: "mutex", noSync: true }));
  }

  /** Looks once a turn whether the file may be used. Throws "truncated", "state". */
  use(): void {
    this.tdb.guard.use();
  }

  /** The chain of the key in scratch; its hash is kept for the next call of a kernel. */
  chainOf(keyLen: number): number {
    return this.kernel.recordChain(this.db, KEY_AT, keyLen, this.#mutexSize);
  }

  // --- mutexes

  /** Takes a chain, or does not; never waits. */
  takeChain(chain: number): MutexOutcome {
    return this.#mutexes.takeChain(chain, "write");
  }

  /** The same, but one that is busy is tried for some microseconds. */
  spinChain(chain: number): MutexOutcome {
    for (let tries = 1; tries < SPIN_MAX; tries++) {
      const outcome = this.#mutexes.takeChain(chain, "write");
      if (outcome !== "busy") return outcome;
    }
    return this.#mutexes.takeChain(chain, "write");
  }

  /** Takes a chain, or finds it busy for some microseconds. */
  enterChain(chain: number): boolean {
    return this.spinChain(chain) !== "busy";
  }

  /** Waits for a chain without blocking. Throws "timeout". */
  async waitChain(chain: number, timeoutMs: number): Promise<void> {
    await this.#mutexes.chain(chain, "write", timeoutMs);
  }

  /** The thread that has a chain; 0: nobody. */
  holderOf(chain: number): number {
    return this.#mutexes.holderOf(chain);
  }

  leaveChain(chain: number): void {
    this.#mutexes.unlockChain(chain);
  }

  // --- records; the caller has the chain's mutex, and the key is in scratch

  /** Offset of the record, 0: none. */
  find(keyLen: number): number {
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      const off = this.kernel.recordFind(this.db, KEY_AT, keyLen) >>> 0;
      if (off === 0 || off >= OFFSET_MIN) return off;
      this.again("find");
    }
    this.core.fail("find");
  }

  /** Stores `length` bytes at `from`, header and data. Throws "no_space", "busy" (free list), "corrupt". */
  store(keyLen: number, from: number, length: number): void {
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      if (
        this.#run("store", () => this.kernel.recordStore(this.db, KEY_AT, keyLen, from, length))
      ) {
        return;
      }
    }
    this.core.fail("store");
  }

  /** Gives the record at `off` new data: `length` bytes at `from`, of which the first are for the header. */
  write(off: number, from: number, length: number): void {
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      let answer: number;
      try {
        answer = this.kernel.recordWrite(this.db, off, from, length, KEY_AT);
      } catch (error) {
        this.#trapped("write", error);
      }
      if (answer === 0) return;
      this.again("write");
    }
    this.core.fail("write");
  }

  /** Removes the record; false: there was none. */
  remove(keyLen: number): boolean {
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      const hash = this.kernel.tdbHash(this.db, KEY_AT, keyLen);
      let isThere = true;
      const isDone = this.#run("remove", () => {
        const answer = this.kernel.tdbRemove(this.db, KEY_AT, keyLen, hash);
        isThere = answer !== 2;
        return isThere ? answer : 0;
      });
      if (isDone) return isThere;
    }
    this.core.fail("remove");
  }

  /**
   * Puts a value where `store` and `write` take it from, its room for the header first; `run` gets its address. A long
   * one gets memory of its own for as long.
   */
  withDraft(data: Uint8Array, run: (from: number, length: number) => void): void {
    const { memory } = this.core;
    const length = data.length + RECORD_HEADER;
    if (data.length <= DRAFT_ROOM) {
      memory.bytes.set(data, DRAFT_AT);
      return run(VALUE_AT, length);
    }
    if (data.length > VALUE_MAX) throw tooLong("value", data.length, "VALUE_MAX", VALUE_MAX);
    const at = memory.regions.take(length);
    if (at === undefined) {
      throw new CtdbxError("limit", `Cannot store ${data.length} bytes: this thread has no memory`);
    }
    try {
      memory.bytes.set(data, at + RECORD_HEADER);
      run(at, length);
    } finally {
      memory.regions.give(at, length);
    }
  }

  /** Throws what a kernel's fault means, unless the call is to be made again. */
  again(action: string): void {
    const error = this.core.fault(action);
    if (error !== undefined) throw error;
  }

  #run(action: string, call: () => number): boolean {
    let answer: number;
    try {
      answer = call();
    } catch (error) {
      this.#trapped(action, error);
    }
    if (answer === 0) return true;
    this.again(action);
    return false;
  }

  /** The kernel stopped half-way: nothing of this handle can be believed any more. */
  #trapped(action: string, cause: unknown): never {
    const { core } = this;
    const text = `Cannot ${action} in ${core.image.path}: the kernel stopped half-way`;
    const error = new CtdbxError("io", text, { cause });
    core.break(error);
    core.locks.dropFree();
    throw error;
  }

  // --- its end

  /** Is this file not the database any more? */
  get isOver(): boolean {
    const { memory, base } = this.core;
    return Atomics.load(memory.words, (base + OVER_AT) >>> 2) !== 0;
  }

  /** Says in the file that it is not the database any more: programs that have it mapped find nothing in it. */
  markOver(): void {
    const { memory, base } = this.core;
    Atomics.store(memory.words, (base + OVER_AT) >>> 2, 1);
  }

  /** Whoever uses the file over turns says so: it is not closed before `unkeep`. */
  keep(): void {
    this.#uses += 1;
  }

  unkeep(): void {
    this.#uses -= 1;
    if (this.#isEnding && this.#uses === 0) this.tdb.close();
  }

  /** Closes it when the last use of it has ended. Idempotent. */
  close(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    if (this.#uses === 0) this.tdb.close();
  }
}
