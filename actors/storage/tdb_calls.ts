/**
 * Calls of the kernels that find, store and remove, made again where the file had grown behind our mapping.
 *
 *   the key is in scratch, its chain is locked -> kernel -> done | fault -> remapped? again : the error
 *
 * A kernel that traps (a bug in it, or a file changed underneath by somebody who holds no lock) leaves its work half
 * done: the handle is broken from then on, and what it holds of the free list is given back.
 *
 * Does NOT promise: locks; the guard takes them.
 */
import * as host from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { TdbCore } from "./tdb_core.ts";
import type { TdbGuard } from "./tdb_guard.ts";

/** A kernel call is repeated this often when the file turns out to have grown. */
const RETRY_MAX = 4;

/** The kernel calls of one handle. */
export class TdbCalls {
  readonly #core: TdbCore;
  readonly #guard: TdbGuard;
  readonly #db: number;
  readonly #kernel: host.TdbKernels;
  readonly #spoil: (error: CtdbxError) => void;

  /** `spoil` is told of an operation that failed inside a transaction. */
  constructor(core: TdbCore, guard: TdbGuard, spoil: (error: CtdbxError) => void) {
    this.#core = core;
    this.#guard = guard;
    this.#db = core.db;
    this.#kernel = core.kernel;
    this.#spoil = spoil;
  }

  /** Offset of the record of the key, 0 without one. `action`: what an error says cannot be done. */
  seek(keyLen: number, action: string): number {
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      const off = this.#guard.seek(keyLen);
      if (off !== host.FAULT) return off;
      this.#again(action);
    }
    this.#core.fail(action);
  }

  /** Stores `length` bytes at `at`. `mode`: one of host.MODE. Throws "exists", "not_found" and the faults. */
  store(keyLen: number, at: number, length: number, mode: number): void {
    const hash = this.#guard.hash(keyLen);
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      const answer = this.#store(keyLen, hash, at, length, mode);
      if (answer === host.ANSWER.done) return;
      const { path } = this.#core.image;
      if (answer === host.ANSWER.exists) {
        throw new CtdbxError("exists", `Cannot insert in ${path}: the key is there`);
      }
      if (answer === host.ANSWER.notFound) {
        throw new CtdbxError("not_found", `Cannot modify in ${path}: the key is not there`);
      }
      this.#again("store");
    }
    this.#core.fail("store");
  }

  #store(keyLen: number, hash: number, at: number, length: number, mode: number): number {
    try {
      return this.#kernel.tdbStore(this.#db, host.KEY_AT, keyLen, hash, at, length, mode);
    } catch (error) {
      this.#trapped("store", error);
    }
  }

  /** Removes the record of the key; false: it was not there. */
  remove(keyLen: number): boolean {
    const hash = this.#guard.hash(keyLen);
    for (let retry = 0; retry < RETRY_MAX; retry++) {
      const answer = this.#remove(keyLen, hash);
      if (answer === host.ANSWER.done) return true;
      if (answer === host.ANSWER.notFound) return false;
      this.#again("delete");
    }
    this.#core.fail("delete");
  }

  #remove(keyLen: number, hash: number): number {
    try {
      return this.#kernel.tdbRemove(this.#db, host.KEY_AT, keyLen, hash);
    } catch (error) {
      this.#trapped("delete", error);
    }
  }

  /** Throws the fault, unless the call is worth another try. */
  #again(action: string): void {
    const error = this.#core.fault(action);
    if (error === undefined) return;
    if (this.#core.inTransaction) this.#spoil(error);
    throw error;
  }

  #trapped(action: string, cause: unknown): never {
    const core = this.#core;
    const text = `Cannot ${action} in ${core.image.path}: the kernel stopped half-way`;
    const error = new CtdbxError("io", text, { cause });
    core.break(error);
    core.locks.dropFree();
    if (core.inTransaction) this.#spoil(error);
    throw error;
  }
}
