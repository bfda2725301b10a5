/**
 * How a thread ends by a fault: an assert has failed, so it ends, and its owner starts another.
 *
 * Does NOT promise: that anything of the thread runs after it.
 */

/** Ends this thread with an error, out of the hands of whoever called. */
export function dieOf(error: unknown): void {
  setTimeout(() => {
    throw error;
  }, 0);
}
