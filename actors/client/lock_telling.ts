/**
 * Locks that were taken in the mapped file and are held so long that the daemon must know of them.
 *
 *   taken ─▶ given up soon: nobody is told        held for TELL_MS to 2 TELL_MS ─▶ told, once
 *
 * One timer looks after all of them: one for each lock would cost as much as the lock.
 *
 * Does NOT promise: that the daemon hears it; what tells it sees to that.
 */
import type { Clock } from "../../transport/world.ts";
import type { HeldLock } from "./lock_held.ts";

/** A lock that is held so long is told to the daemon, which announces it in recoveries, ms. */
export const TELL_MS = 20;

/** Those of one program; `About` is what is told of each. */
export class LockTelling<About> {
  readonly #clock: Clock;
  readonly #tell: (held: HeldLock, about: About) => void;
  readonly #untold = new Map<HeldLock, { readonly about: About; readonly sinceMs: number }>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock, tell: (held: HeldLock, about: About) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** It was taken in the file, at `sinceMs`. */
  add(held: HeldLock, about: About, sinceMs: number): void {
    this.#untold.set(held, { about, sinceMs });
    this.#stop ??= this.#clock.after(TELL_MS, () => this.#look());
  }

  /** It is over, or told. */
  drop(held: HeldLock): void {
    this.#untold.delete(held);
  }

  #look(): void {
    this.#stop = undefined;
    const untilMs = this.#clock.nowMs() - TELL_MS;
    for (const [held, { about, sinceMs }] of this.#untold) {
      if (!held.isOver && sinceMs > untilMs) continue;
      this.#untold.delete(held);
      if (!held.isOver && !held.isTold) this.#tell(held, about);
    }
    if (this.#untold.size > 0) this.#stop = this.#clock.after(TELL_MS, () => this.#look());
  }

  /** Nobody is told any more. */
  end(): void {
    this.#stop?.();
    this.#untold.clear();
  }
}
