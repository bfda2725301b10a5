/**
 * The Clock port without the C library, for programs that hold no lease and map no file.
 *
 *   performance.now(): never back, but it stands still while the machine sleeps
 *
 * Does NOT promise: what a lease needs; nothing that decides over a lease may use it.
 */
import { startTimer } from "./real_timer.ts";
import type { Clock } from "./world.ts";

/** The runtime's own clock. */
export class RealPlainClock implements Clock {
  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, fire: () => void): () => void {
    return startTimer(() => this.nowMs(), delayMs, fire);
  }
}
