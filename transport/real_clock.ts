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
import type { Clock } from "./world.ts";

/** setTimeout() takes no more, ms; longer waits are made of several. */
const TIMER_MAX_MS = 2 ** 31 - 1;

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
    if (!(delayMs >= 0 && delayMs < Infinity)) {
      throw new RangeError(`Cannot wait: delayMs must be 0 or more and finite, is ${delayMs}`);
    }
    const dueMs = this.nowMs() + delayMs;
    let timer: ReturnType<typeof setTimeout>;
    const look = () => {
      // Runtimes count whole milliseconds and may be one early: look again then.
      const leftMs = dueMs - this.nowMs();
      if (leftMs <= 0) fire();
      else arm(leftMs);
    };
    const arm = (leftMs: number) => {
      timer = setTimeout(look, Math.min(Math.ceil(leftMs), TIMER_MAX_MS));
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  }
}
