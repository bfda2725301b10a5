/**
 * Timers of the runtime on a clock of one's own: what setTimeout() counts is only when to look again.
 *
 * Does NOT promise: to fire on time after the machine has slept; timers of the runtimes run on the clock that stops.
 */

/** setTimeout() takes no more, ms; longer waits are made of several. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** `after` of the Clock port, on `nowMs`. Throws RangeError on a delay that is negative or not finite. */
export function startTimer(nowMs: () => number, delayMs: number, fire: () => void): () => void {
  if (!(delayMs >= 0 && delayMs < Infinity)) {
    throw new RangeError(`Cannot wait: delayMs must be 0 or more and finite, is ${delayMs}`);
  }
  const dueMs = nowMs() + delayMs;
  let timer: ReturnType<typeof setTimeout>;
  const look = () => {
    // Runtimes count whole milliseconds and may be one early: look again then.
    const leftMs = dueMs - nowMs();
    if (leftMs <= 0) fire();
    else arm(leftMs);
  };
  const arm = (leftMs: number) => {
    timer = setTimeout(look, Math.min(Math.ceil(leftMs), TIMER_MAX_MS));
  };
  arm(delayMs);
  return () => clearTimeout(timer);
}
