/**
 * The locks at the door of a TDB file: who may open, commit, start a transaction, and who is there at all.
 *
 *   byte 0 OPEN: open, recovery, commit | 4 ACTIVE: a handle is open | 8 TRANSACTION: one at a time
 *
 * They lie at the same bytes in every file, and are byte ranges in mutex files, too.
 *
 * Does NOT promise: order; see tdb_locks.ts.
 * Upstream: tdb open and transaction; differs from upstream: every locking handle holds ACTIVE.
 */
import type { Image } from "../../transport/image.ts";

const OPEN = { start: 0, length: 1 };
const ACTIVE = { start: 4, length: 1 };
const TRANSACTION = { start: 8, length: 1 };

/** The door of one open file; without locking everything is granted. */
export class TdbDoor {
  readonly #image: Image;
  readonly #locking: boolean;
  readonly #timeoutMs: number;
  #transactions = 0;

  constructor(image: Image, locking: boolean, timeoutMs: number) {
    this.#image = image;
    this.#locking = locking;
    this.#timeoutMs = timeoutMs;
  }

  async transaction(): Promise<void> {
    if (this.#locking && this.#transactions === 0) {
      await this.#image.lock(TRANSACTION, "write", this.#timeoutMs);
    }
    this.#transactions++;
  }

  unlockTransaction(): void {
    if (--this.#transactions === 0 && this.#locking) this.#image.unlock(TRANSACTION);
  }

  async open(): Promise<void> {
    if (this.#locking) await this.#image.lock(OPEN, "write", this.#timeoutMs);
  }

  tryOpen(): boolean {
    return !this.#locking || this.#image.tryLock(OPEN, "write");
  }

  unlockOpen(): void {
    if (this.#locking) this.#image.unlock(OPEN);
  }

  /** Is no other handle that holds ACTIVE open? If so ACTIVE is ours for writing until `active`. */
  tryAlone(): boolean {
    return this.#locking && this.#image.tryLock(ACTIVE, "write");
  }

  /** After tryAlone: holds ACTIVE as all do, without letting it go in between. */
  joined(): void {
    if (this.#locking) this.#image.tryLock(ACTIVE, "read");
  }

  /** Holds ACTIVE for the life of the handle. */
  async active(): Promise<void> {
    if (!this.#locking) return;
    this.#image.unlock(ACTIVE);
    await this.#image.lock(ACTIVE, "read", this.#timeoutMs);
  }
}
