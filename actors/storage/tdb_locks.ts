/**
 * The locks of one open TDB file, as every other user of the format takes them.
 *
 *   tdb_door.ts: 0 OPEN, 4 ACTIVE, 8 TRANSACTION; here: 164 free list | 168 + 4c chain c | [168, end) everything
 *   in mutex files chain c and the free list are robust mutexes in the file, the other bytes stay locks
 *
 * Locks nest by counting. Order, which nobody checks for us: TRANSACTION, everything or one chain, free list;
 * everything before OPEN. A try is repeated SPIN_MAX times (under a millisecond) before it is refused.
 *
 * Does NOT promise: deadlock detection. Time limits end a wait.
 * Upstream: tdb lock and mutex; differs from upstream: open-file-description locks, waiting does not block.
 */
import type { Image, LockKind } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { TdbDoor } from "./tdb_door.ts";
import { TdbMutexes } from "./tdb_mutexes.ts";
import { TdbRecordLocks } from "./tdb_record_locks.ts";

/** How others are excluded: byte ranges, the mutexes in the file, or not at all. */
export type LockClass = "fcntl" | "mutex" | "none";

const FREE_LIST = { start: 164, length: 1 };
const FIRST_CHAIN = 168;
/** How often a try is repeated before it is refused. */
const SPIN_MAX = 1000;
/** The same for the free list: others hold it for a millisecond when theirs is long. */
const FREE_SPIN_MAX = 10_000;
/** Pieces of the range of all chains that are waited for in one go, bytes: one chain. */
const PIECE = 4;

/** No chain; and the name of everything among them. */
const NONE = -1;
const EVERYTHING = -2;

/** What is held on one chain. */
interface Held {
  kind: LockKind;
  count: number;
}

/** What one handle holds. */
export class TdbLocks {
  readonly door: TdbDoor;
  readonly records: TdbRecordLocks;
  /** Do changes go into a transaction's blocks? Then reading locks are enough for writing. */
  staged = false;
  readonly #image: Image;
  readonly #kind: LockClass;
  readonly #hashSize: number;
  readonly #timeoutMs: number;
  readonly #chains = new Map<number, Held>();
  readonly #range = { start: 0, length: 1 };
  readonly #mutexes: TdbMutexes;
  /** Waits under way, by chain; EVERYTHING for all of them. */
  readonly #waits = new Map<number, Promise<void>>();
  /** The chain of the operation that is running, unless it is in the map. */
  #entered = NONE;
  #enteredKind: LockKind = "read";
  #all: LockKind | undefined;
  #allCount = 0;
  #free = 0;

  constructor(image: Image, kind: LockClass, hashSize: number, timeoutMs: number) {
    this.#image = image;
    this.#kind = kind;
    this.#hashSize = hashSize;
    this.#timeoutMs = timeoutMs;
    this.door = new TdbDoor(image, kind !== "none", timeoutMs);
    this.records = new TdbRecordLocks(image, kind !== "none");
    this.#mutexes = new TdbMutexes(image, hashSize, timeoutMs, SPIN_MAX);
  }

  get kind(): LockClass {
    return this.#kind;
  }

  /** What is held on everything. */
  get all(): LockKind | undefined {
    return this.#all;
  }

  /** Is nothing of the data held? Only then may the file have changed underneath. */
  get idle(): boolean {
    return this.#all === undefined && this.#chains.size === 0 && this.#entered === NONE;
  }

  // --- chains

  /** Takes a chain; false: held elsewhere. Throws "state" when it would upgrade what cannot be upgraded. */
  tryChain(chain: number, kind: LockKind): boolean {
    if (this.#all !== undefined) return this.#underAll(kind);
    if (this.#kind === "none") return true;
    this.#noteEntered();
    const held = this.#chains.get(chain);
    if (held !== undefined) return this.#again(chain, held, kind);
    if (!this.#grab(chain, kind) && !this.#spin(chain, kind)) return false;
    this.#chains.set(chain, { kind, count: 1 });
    return true;
  }

  /**
   * tryChain for one operation, without a note of it in the map: `leave` must follow in the same turn. An
   * operation inside another's callback finds the outer one's chain and moves it to the map.
   */
  enter(chain: number, kind: LockKind): boolean {
    if (
      this.#all === undefined && this.#entered === NONE && this.#chains.size === 0 &&
      this.#kind !== "none"
    ) {
      if (!this.#grab(chain, kind) && !this.#spin(chain, kind)) return false;
      this.#entered = chain;
      this.#enteredKind = kind;
      return true;
    }
    return this.tryChain(chain, kind);
  }

  #spin(chain: number, kind: LockKind): boolean {
    for (let spin = 1; spin < SPIN_MAX; spin++) if (this.#grab(chain, kind)) return true;
    return false;
  }

  /** Ends what `enter` began. */
  leave(chain: number): void {
    if (this.#entered === chain) {
      this.#entered = NONE;
      this.#release(chain);
    } else this.unlockChain(chain);
  }

  #noteEntered(): void {
    if (this.#entered === NONE) return;
    this.#chains.set(this.#entered, { kind: this.#enteredKind, count: 1 });
    this.#entered = NONE;
  }

  /** Waits for a chain. Waiters of one handle share it: the second comes in with the first. */
  async chain(chain: number, kind: LockKind): Promise<void> {
    for (;;) {
      if (this.tryChain(chain, kind)) return;
      const other = this.#waits.get(chain);
      if (other === undefined) break;
      await other.catch(() => {});
    }
    await this.#share(
      chain,
      () =>
        this.#kind === "mutex"
          ? this.#mutexes.chain(chain, kind)
          : this.#image.lock(this.#chainRange(chain), kind, this.#timeoutMs),
    );
    const held = this.#chains.get(chain);
    if (held === undefined) this.#chains.set(chain, { kind, count: 1 });
    else if (!this.#again(chain, held, kind)) {
      throw new CtdbxError("busy", `Cannot lock chain ${chain} for writing: it is read elsewhere`);
    }
  }

  /** Runs a wait that others of this handle can wait for. */
  async #share(what: number, work: () => Promise<void>): Promise<void> {
    const wait = work();
    this.#waits.set(what, wait);
    try {
      await wait;
    } finally {
      this.#waits.delete(what);
    }
  }

  unlockChain(chain: number): void {
    if (this.#all !== undefined || this.#kind === "none") return;
    const held = this.#chains.get(chain);
    if (held === undefined) {
      throw new CtdbxError("state", `Cannot unlock chain ${chain}: not locked`);
    }
    if (--held.count > 0) return;
    this.#chains.delete(chain);
    this.#release(chain);
  }

  /** Takes `count` neighbouring chains for reading with one call; false: not at once, or not in this class. */
  tryRun(first: number, count: number): boolean {
    if (this.#kind !== "fcntl" || !this.idle) return false;
    return this.#image.tryLock({ start: FIRST_CHAIN + 4 * first, length: 4 * count - 3 }, "read");
  }

  /** Gives back what tryRun took. */
  unlockRun(first: number, count: number): void {
    this.#image.unlock({ start: FIRST_CHAIN + 4 * first, length: 4 * count - 3 });
  }

  #underAll(kind: LockKind): boolean {
    if (this.#all === "write" || kind === "read" || this.staged) return true;
    throw new CtdbxError("state", "Cannot write: everything is locked for reading");
  }

  #again(chain: number, held: Held, kind: LockKind): boolean {
    if (kind === "write" && held.kind === "read") {
      // Mutexes exclude whatever their kind; a range lock is upgraded in place.
      if (this.#kind === "fcntl" && !this.#image.tryLock(this.#chainRange(chain), kind)) {
        return false;
      }
      held.kind = "write";
    }
    held.count++;
    return true;
  }

  #chainRange(chain: number): { start: number; length: number } {
    return { start: FIRST_CHAIN + 4 * chain, length: 1 };
  }

  #grab(chain: number, kind: LockKind): boolean {
    if (this.#kind === "fcntl") {
      this.#range.start = FIRST_CHAIN + 4 * chain;
      return this.#image.tryLock(this.#range, kind);
    }
    return this.#mutexes.tryChain(chain, kind);
  }

  #release(chain: number): void {
    if (this.#kind === "fcntl") {
      this.#range.start = FIRST_CHAIN + 4 * chain;
      this.#image.unlock(this.#range);
    } else this.#mutexes.unlockChain(chain);
  }

  // --- everything

  /** Takes everything; false: something is held elsewhere, and nothing was taken. */
  tryAll(kind: LockKind): boolean {
    if (this.#nestAll(kind)) return true;
    const taken = this.#kind === "mutex" ? this.#tryAllMutexes(kind) : this.#tryAllBytes(kind);
    if (taken) this.#noteAll(kind);
    return taken;
  }

  /** Waits for everything. Waiters of one handle share it. */
  async lockAll(kind: LockKind): Promise<void> {
    for (;;) {
      if (this.#nestAll(kind)) return;
      const other = this.#waits.get(EVERYTHING);
      if (other === undefined) break;
      await other.catch(() => {});
    }
    await this.#share(EVERYTHING, () => this.#waitAll(kind));
  }

  async #waitAll(kind: LockKind): Promise<void> {
    if (this.#kind === "mutex") await this.#allMutexes(kind);
    else if (this.#kind === "fcntl") await this.#allBytes(kind);
    this.#noteAll(kind);
  }

  async #allBytes(kind: LockKind): Promise<void> {
    try {
      await this.#gradually(FIRST_CHAIN, 4 * this.#hashSize, kind);
      await this.#image.lock(this.#tail(), kind, this.#timeoutMs);
    } catch (error) {
      this.#image.unlock({ start: FIRST_CHAIN, length: 0 });
      throw error;
    }
  }

  unlockAll(): void {
    if (this.#allCount === 0) throw new CtdbxError("state", "Cannot unlock everything: not locked");
    if (--this.#allCount > 0) return;
    this.#all = undefined;
    if (this.#kind === "none") return;
    this.#image.unlock({ start: FIRST_CHAIN, length: 0 });
    if (this.#kind === "mutex") this.#mutexes.unlockAll();
  }

  /** From reading everything to writing, for a commit: waits until the last reader of a chain is gone. */
  async upgradeAll(): Promise<void> {
    if (this.#all === "write" || this.#kind === "none") {
      this.#all = "write";
      return;
    }
    if (this.#kind === "mutex") {
      await this.#mutexes.upgradeAll();
      await this.#image.lock(this.#tail(), "write", this.#timeoutMs);
    } else {
      const all = { start: FIRST_CHAIN, length: 0 };
      if (!this.#image.tryLock(all, "write")) await this.#image.lock(all, "write", this.#timeoutMs);
    }
    this.#all = "write";
  }

  #nestAll(kind: LockKind): boolean {
    if (this.#chains.size > 0 || this.#entered !== NONE) {
      throw new CtdbxError("state", "Cannot lock everything: a chain is locked by this handle");
    }
    if (this.#all === undefined) return false;
    if (this.#all === "read" && kind === "write") {
      throw new CtdbxError("state", "Cannot lock everything for writing: it is locked for reading");
    }
    this.#allCount++;
    return true;
  }

  #noteAll(kind: LockKind): void {
    this.#all = kind;
    this.#allCount = 1;
  }

  #tail(): { start: number; length: number } {
    return { start: FIRST_CHAIN + 4 * this.#hashSize, length: 0 };
  }

  #tryAllBytes(kind: LockKind): boolean {
    if (this.#kind === "none") return true;
    const all = { start: FIRST_CHAIN, length: 0 };
    for (let spin = 0; spin < SPIN_MAX; spin++) if (this.#image.tryLock(all, kind)) return true;
    return false;
  }

  /** Halves the range until a piece is free or one chain: a busy file would starve who waits for all at once. */
  async #gradually(start: number, length: number, kind: LockKind): Promise<void> {
    if (this.#image.tryLock({ start, length }, kind)) return;
    if (length <= PIECE) {
      await this.#image.lock({ start, length }, kind, this.#timeoutMs);
      return;
    }
    const half = Math.max(PIECE, Math.floor(length / 2 / PIECE) * PIECE);
    await this.#gradually(start, half, kind);
    await this.#gradually(start + half, length - half, kind);
  }

  #tryAllMutexes(kind: LockKind): boolean {
    if (!this.#mutexes.tryAll(kind)) return false;
    if (this.#image.tryLock(this.#tail(), kind)) return true;
    this.#mutexes.unlockAll();
    return false;
  }

  async #allMutexes(kind: LockKind): Promise<void> {
    await this.#mutexes.all(kind);
    try {
      await this.#image.lock(this.#tail(), kind, this.#timeoutMs);
    } catch (error) {
      this.#mutexes.unlockAll();
      throw error;
    }
  }

  // --- the free list

  /** Takes the free list; false: held elsewhere. */
  tryFree(): boolean {
    if (this.#kind === "none" || this.#free > 0) {
      this.#free++;
      return true;
    }
    for (let spin = 0; spin < FREE_SPIN_MAX; spin++) {
      const taken = this.#kind === "mutex"
        ? this.#mutexes.tryFree()
        : this.#image.tryLock(FREE_LIST, "write");
      if (taken) {
        this.#free = 1;
        return true;
      }
    }
    return false;
  }

  /** Gives the free list back, however often it was taken. */
  dropFree(): void {
    if (this.#free === 0) return;
    this.#free = 1;
    this.unlockFree();
  }

  unlockFree(): void {
    if (--this.#free > 0 || this.#kind === "none") return;
    if (this.#kind === "mutex") this.#mutexes.unlockFree();
    else this.#image.unlock(FREE_LIST);
  }

  /**
   * Does nobody's traverse stand on the record at `off`? With everything held the question does not arise: a
   * traverse holds something all the time, and a commit waits until nobody holds anything.
   */
  unheld(off: number): boolean {
    return this.#kind === "none" || this.#all !== undefined || this.records.unheld(off);
  }

  /** Fresh mutexes for every chain; the caller is alone. */
  initMutexes(): void {
    this.#mutexes.init();
  }
}
