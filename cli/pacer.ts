/**
 * Pauses between two looks, which end early when there is an end to the whole.
 *
 *   new Pacer([feed.ended, keys, signals])     while (!await pacer.pause(1000)) draw();
 *
 * Each promise is listened to once, however many pauses there are: a race in a loop would leave something at it each
 * time.
 *
 * Does NOT promise: a pause of exactly that length.
 */

/** Paces one loop. */
export class Pacer {
  #isOver = false;
  #error: unknown;
  #wake: () => void = () => {};

  /** The first of `ends` that settles ends it; one that rejects is thrown by `pause`. */
  constructor(ends: readonly Promise<unknown>[]) {
    const end = (error?: unknown): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#error = error;
      this.#wake();
    };
    for (const one of ends) one.then(() => end(), end);
  }

  /** Waits; true: it is over. Throws what an end rejected with. */
  async pause(delayMs: number): Promise<boolean> {
    if (!this.#isOver) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delayMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    if (this.#error !== undefined) throw this.#error;
    return this.#isOver;
  }
}
