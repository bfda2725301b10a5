/**
 * The record locks of one simulated file, as the kernel keeps them for open file descriptions.
 *
 *   owner A   |--read--|        |--write--|        what an owner sets replaces what it had there:
 *   owner B        |--read--|                      upgrade, downgrade, unlock split
 *
 * Waiters are served in the order in which they came, each as soon as nobody else's lock is in its
 * way.
 *
 * Does NOT promise: detection of deadlocks (the kernel does not either).
 */

import type { LockKind, LockRange } from "../image.ts";

/** A held lock, [start, end). `length` 0 of a range is end Infinity. */
interface HeldLock {
  readonly owner: object;
  readonly start: number;
  readonly end: number;
  readonly kind: LockKind;
}

interface Waiter {
  readonly owner: object;
  readonly range: LockRange;
  readonly kind: LockKind;
  granted(): void;
  dropped(): void;
}

/** Locks and waiters of one file; owners are compared by identity. */
export class RangeLocks {
  #held: HeldLock[] = [];
  readonly #waiters: Waiter[] = [];

  /** Sets `kind` on the range for this owner, if no other owner's lock conflicts. */
  tryLock(owner: object, range: LockRange, kind: LockKind): boolean {
    const [start, end] = span(range);
    const conflict = this.#held.some((lock) =>
      lock.owner !== owner && lock.start < end && start < lock.end &&
      (lock.kind === "write" || kind === "write")
    );
    if (conflict) return false;
    const lost = this.#cut(owner, start, end);
    this.#held.push({ owner, start, end, kind });
    if (lost && kind === "read") this.#serve(); // a downgrade lets readers in
    return true;
  }

  unlock(owner: object, range: LockRange): void {
    const [start, end] = span(range);
    if (this.#cut(owner, start, end)) this.#serve();
  }

  /** Queues; returns how to leave the queue. */
  wait(waiter: Waiter): () => void {
    this.#waiters.push(waiter);
    return () => {
      const index = this.#waiters.indexOf(waiter);
      if (index >= 0) this.#waiters.splice(index, 1);
    };
  }

  /** The owner is gone: its waits are dropped, its locks given back. */
  dropOwner(owner: object): void {
    this.dropWaits(owner);
    this.unlock(owner, { start: 0, length: 0 });
  }

  /** Drops what the owner waits for. */
  dropWaits(owner: object): void {
    for (const waiter of this.#waiters.filter((one) => one.owner === owner)) {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.dropped();
    }
  }

  /** Takes [start, end) out of what the owner holds; tells whether anything was there. */
  #cut(owner: object, start: number, end: number): boolean {
    const kept: HeldLock[] = [];
    let found = false;
    for (const lock of this.#held) {
      if (lock.owner !== owner || lock.end <= start || end <= lock.start) {
        kept.push(lock);
        continue;
      }
      found = true;
      if (lock.start < start) kept.push({ ...lock, end: start });
      if (end < lock.end) kept.push({ ...lock, start: end });
    }
    this.#held = kept;
    return found;
  }

  #serve(): void {
    for (const waiter of this.#waiters.slice()) {
      const index = this.#waiters.indexOf(waiter);
      if (index < 0) continue; // served or dropped by a nested call
      this.#waiters.splice(index, 1);
      if (this.tryLock(waiter.owner, waiter.range, waiter.kind)) waiter.granted();
      else this.#waiters.splice(index, 0, waiter);
    }
  }
}

function span(range: LockRange): [start: number, end: number] {
  return [range.start, range.length === 0 ? Infinity : range.start + range.length];
}
