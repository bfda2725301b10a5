/**
 * What every operation on a TDB passes first: is the handle open, is the file still as long as it was, is the
 * chain ours, did somebody die in a commit?
 *
 *   enter(key in scratch) -> chain locked, nothing pending -> the operation -> leave(chain)
 *
 * Does NOT promise: to see a file that is shortened, by a process that ignores the locks, in the middle of a
 * turn of the event loop: see docs/ARCHITECTURE.md for what happens then.
 */
import { DB, KEY_AT } from "../../assembly/host/tdb_kernels.ts";
import type { LockKind } from "../../transport/image.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { TdbCore } from "./tdb_core.ts";
import { AT } from "./tdb_header.ts";
import { needsHealing, pending, recover } from "./tdb_recovery.ts";

/** The chain that needs no `leave`: nothing was locked. */
export const NO_CHAIN = -1;

/** The gate of one handle. */
export class TdbGuard {
  readonly #core: TdbCore;
  readonly #noSync: boolean;
  readonly #heal: () => void;
  readonly #unlocked: boolean;
  readonly #words: Uint32Array;
  readonly #endOfTurn = (): void => {
    this.#core.looked = false;
  };

  /** `heal` mends what is left after a recovery; it is called with everything and OPEN held. */
  constructor(core: TdbCore, options: { noSync: boolean }, heal: () => void) {
    this.#core = core;
    this.#heal = heal;
    this.#noSync = options.noSync;
    this.#unlocked = core.locks.kind === "none";
    this.#words = core.memory.words;
  }

  /**
   * May the handle be used? Throws "state" on a closed one and while a transaction begins or ends, "truncated"
   * when the file was shortened. Looks at the file's size once a turn.
   */
  use(): void {
    const core = this.#core;
    if (!core.looked) this.#look();
  }

  /** May it be written? Throws "read_only", "state" in a prepared transaction. */
  write(): void {
    this.use();
    const { readOnly, sealed, image } = this.#core;
    if (readOnly) {
      throw new CtdbxError("read_only", `Cannot write to ${image.path}: it is opened read-only`);
    }
    if (sealed) {
      throw new CtdbxError("state", `Cannot write to ${image.path}: its transaction is prepared`);
    }
  }

  /** Takes the lock for the key in scratch. Answers its chain, or NO_CHAIN. Throws "busy", "truncated". */
  enter(keyLen: number, kind: LockKind): number {
    // Without locks nobody else works on the file: once a turn is enough. Small, to be compiled into callers.
    if (this.#unlocked && this.#core.looked) return NO_CHAIN;
    if (this.#unlocked || !this.#core.looked) return this.#enterFirst(keyLen, kind);
    const { kernel, db, locks } = this.#core;
    const chain = kernel.tdbChain(db, KEY_AT, keyLen);
    const held = locks.enter(chain, kind);
    return held && !this.#hasArea() ? chain : this.#enterSlowly(chain, kind, held);
  }

  /** The first operation of a turn. */
  #enterFirst(keyLen: number, kind: LockKind): number {
    this.#look();
    if (!this.#unlocked) return this.enter(keyLen, kind);
    if (this.isPending()) this.recoverNow();
    return NO_CHAIN;
  }

  /** The chain was not to be had, or it was and there is a recovery area to look at. */
  #enterSlowly(chain: number, kind: LockKind, entered: boolean): number {
    const { locks } = this.#core;
    for (let held = entered;; held = locks.enter(chain, kind)) {
      if (!held) {
        const text = `Cannot use ${this.#core.image.path}: chain ${chain} is locked elsewhere`;
        throw new CtdbxError("busy", text);
      }
      if (!this.isPending()) return chain;
      locks.leave(chain);
      this.recoverNow();
    }
  }

  /** The hash of the key that was entered, i32. */
  hash(keyLen: number): number {
    if (this.#unlocked) return this.#core.kernel.tdbHash(this.#core.db, KEY_AT, keyLen);
    return this.#core.field(DB.hash) | 0;
  }

  /** The offset of the record of the key that was entered, 0 none, FAULT. */
  seek(keyLen: number): number {
    const { kernel, db } = this.#core;
    if (this.#unlocked) return kernel.tdbSeek(db, KEY_AT, keyLen) >>> 0;
    return kernel.tdbFindKept(db, KEY_AT, keyLen) >>> 0;
  }

  /** Ends what `enter` began. */
  leave(chain: number): void {
    if (chain !== NO_CHAIN) this.#core.locks.leave(chain);
  }

  /** Takes a chain for longer than one operation; false: held elsewhere. */
  tryChain(chain: number, kind: LockKind): boolean {
    this.use();
    const { locks } = this.#core;
    for (;;) {
      if (!locks.tryChain(chain, kind)) return false;
      if (!this.isPending()) return true;
      locks.unlockChain(chain);
      this.recoverNow();
    }
  }

  /** Waits for a chain. Throws "timeout". */
  async chain(chain: number, kind: LockKind): Promise<void> {
    const { locks } = this.#core;
    for (;;) {
      await locks.chain(chain, kind);
      if (!this.isPending()) return;
      locks.unlockChain(chain);
      await this.recoverLater();
    }
  }

  /** Takes everything; false: some of it is held elsewhere. */
  tryAll(kind: LockKind): boolean {
    this.use();
    if (!this.#core.locks.tryAll(kind)) return false;
    this.#core.refresh();
    if (!this.isPending()) return true;
    this.#core.locks.unlockAll();
    this.recoverNow();
    return this.tryAll(kind);
  }

  /** Waits for everything. Throws "timeout". */
  async all(kind: LockKind): Promise<void> {
    const { locks } = this.#core;
    for (;;) {
      this.use();
      await locks.lockAll(kind);
      this.#core.refresh();
      if (!this.isPending()) return;
      locks.unlockAll();
      await this.recoverLater();
    }
  }

  /** Is there a recovery area at all? Two loads; the rest only if so. */
  #hasArea(): boolean {
    const base = this.#words[(this.#core.db + DB.base) >>> 2] as number;
    return this.#words[(base + AT.recoveryStart) >>> 2] !== 0;
  }

  /**
   * Once per turn: looks at the handle and the file's size. Whoever honours the locks does not shorten a file while
   * a handle holds ACTIVE; this finds those who did, before memory behind the end is touched.
   */
  #look(): void {
    const { broken, closed, blocked, image } = this.#core;
    if (broken !== undefined) throw broken;
    const why = closed ? "it is closed" : blocked;
    if (why !== undefined) throw new CtdbxError("state", `Cannot use ${image.path}: ${why}`);
    if (!this.#core.inTransaction && this.#core.locks.idle) this.#core.refresh();
    this.#core.looked = true;
    queueMicrotask(this.#endOfTurn);
  }

  /** Is there a transaction of a dead process to be taken back? */
  isPending(): boolean {
    return !this.#core.inTransaction && pending(this.#core);
  }

  /** Takes it back at once. Throws "busy" when others are in the way, "state" under own locks. */
  recoverNow(): void {
    const { locks } = this.#core;
    const path = this.#core.image.path;
    if (!locks.idle) throw new CtdbxError("state", `Cannot recover ${path}: a lock is held`);
    const busy = (): CtdbxError => new CtdbxError("busy", `Cannot recover ${path}: it is in use`);
    if (!locks.tryAll("write")) throw busy();
    try {
      if (!locks.door.tryOpen()) throw busy();
      try {
        this.#recover();
      } finally {
        locks.door.unlockOpen();
      }
    } finally {
      locks.unlockAll();
    }
  }

  #recover(): void {
    if (!pending(this.#core)) return;
    recover(this.#core, { noSync: this.#noSync });
    this.#heal();
  }

  /**
   * At open, with OPEN held: takes a dead transaction back, and mends what it left unless somebody works on the
   * file; who does had opened it and mended it then.
   */
  arrive(): void {
    const core = this.#core;
    if (pending(core)) recover(core, { noSync: this.#noSync });
    if (!needsHealing(core) || !core.locks.tryAll("write")) return;
    try {
      core.refresh();
      if (!pending(core)) this.#heal();
    } catch (error) {
      // A file that is broken otherwise: nothing was written, check tells what is wrong.
      if (!(error instanceof CorruptError)) throw error;
    } finally {
      core.locks.unlockAll();
    }
  }

  /** Takes it back when the others are out of the way. Throws "timeout". */
  async recoverLater(): Promise<void> {
    const { locks } = this.#core;
    await locks.lockAll("write");
    try {
      await locks.door.open();
      try {
        this.#recover();
      } finally {
        locks.door.unlockOpen();
      }
    } finally {
      locks.unlockAll();
    }
  }
}
