/**
 * The Clock port on the system: CLOCK_BOOTTIME through the C library, the wall clock, timers.
 *
 * The clock that JavaScript offers (performance.now) stands still while the machine sleeps: a node would wake up with
 * a lease that all others have waited out. So `nowMs` asks the kernel; the call costs tens of nanoseconds.
 *
 * Does NOT promise: that a timer fires on time after the machine has slept: timers of the runtimes run on the clock
 * that stops. Whoever acts when a timer fires looks at `nowMs` then.
 */
import { type Libc, openLibc } from "./ffi.ts";
import { startTimer } from "./real_timer.ts";
import type { Clock } from "./world.ts";

/** The clock of this machine. */
export class RealClock implements Clock {
  readonly #libc: Libc;

  constructor(libc: Libc = openLibc()) {
    this.#libc = libc;
  }

  nowMs(): number {
    return this.#libc.bootMs();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, fire: () => void): () => void {
    return startTimer(() => this.nowMs(), delayMs, fire);
  }
}
