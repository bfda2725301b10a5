/**
 * How late timers are: how long the thread was busy with something else, or was not run at all.
 *
 *   due ─────▶ fires: lag = now - due        each LAG_EVERY_MS; mean and maximum since they were taken last
 *
 * Does NOT promise: to see a pause shorter than the time between two timers.
 */
import type { Clock } from "../../transport/world.ts";

/** Between two looks, ms. */
export const LAG_EVERY_MS = 200;

/** How late the timers were, ms. */
export interface Lag {
  readonly meanMs: number;
  readonly maxMs: number;
}

/** Measures it. */
export class LagMeter {
  readonly #clock: Clock;
  #dueMs = 0;
  #sumMs = 0;
  #count = 0;
  #maxMs = 0;
  #end: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    this.#dueMs = this.#clock.nowMs() + LAG_EVERY_MS;
    this.#end = this.#clock.after(LAG_EVERY_MS, () => {
      this.#note(this.#clock.nowMs() - this.#dueMs);
      this.start();
    });
  }

  stop(): void {
    this.#end();
    this.#end = () => {};
  }

  /** What was measured since the last call. */
  take(): Lag {
    // A timer that should have fired already counts now: the next call may be far.
    const lateMs = this.#clock.nowMs() - this.#dueMs;
    const maxMs = Math.max(this.#maxMs, lateMs, 0);
    const meanMs = this.#count === 0 ? maxMs : this.#sumMs / this.#count;
    this.#sumMs = 0;
    this.#count = 0;
    this.#maxMs = 0;
    return { meanMs, maxMs };
  }

  #note(lateMs: number): void {
    const lagMs = Math.max(0, lateMs);
    this.#sumMs += lagMs;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, lagMs);
  }
}
