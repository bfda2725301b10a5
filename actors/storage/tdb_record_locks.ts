/**
 * The locks on single records: where a traverse stands.
 *
 *   byte `off`, shared: somebody stands on the record at logical offset `off`; it may be marked dead, not taken out
 *
 * They are byte ranges in mutex files, too, at the logical offset without the mutex area.
 *
 * Does NOT promise: to hold against the own handle: a lock of it on everything, given back, takes these with it.
 * Upstream: tdb lock_record.
 */
import type { Image } from "../../transport/image.ts";

/** What one handle stands on. */
export class TdbRecordLocks {
  readonly #image: Image;
  readonly #locking: boolean;
  readonly #record = { start: 0, length: 1 };
  readonly #stands = new Set<number>();

  constructor(image: Image, locking: boolean) {
    this.#image = image;
    this.#locking = locking;
  }

  /** Stands on a record whose chain is held; false: not at once. */
  tryStand(off: number): boolean {
    if (!this.#locking) return true;
    this.#record.start = off;
    if (!this.#image.tryLock(this.#record, "read")) return false;
    this.#stands.add(off);
    return true;
  }

  /** Ends what tryStand began. */
  leave(off: number): void {
    if (!this.#stands.delete(off)) return;
    this.#record.start = off;
    this.#image.unlock(this.#record);
  }

  /** Does nobody, this handle included, stand on the record? */
  unheld(off: number): boolean {
    if (this.#stands.has(off)) return false;
    this.#record.start = off;
    if (!this.#image.tryLock(this.#record, "write")) return false;
    this.#image.unlock(this.#record);
    return true;
  }
}
