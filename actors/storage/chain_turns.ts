/**
 * Turns at the chains of one file among the tasks of this thread: who comes first has it first.
 *
 * Does NOT promise: anything about other threads and processes; for those there is the mutex.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock } from "../../transport/world.ts";

interface Waiter {
  readonly run: () => void;
}

/** Who waits for which chain. */
export class ChainTurns {
  readonly #clock: Clock;
  /** Chains that somebody has, and who waits for them. */
  readonly #queues = new Map<number, Waiter[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does a task of this thread have the chain, or wait for it? */
  has(chain: number): boolean {
    return this.#queues.has(chain);
  }

  /** Waits for a turn; `leave` must follow. Throws "timeout". */
  enter(chain: number, timeoutMs: number): Promise<void> {
    const queue = this.#queues.get(chain);
    if (queue === undefined) {
      this.#queues.set(chain, []);
      return Promise.resolve();
    }
    const late = () =>
      new CtdbxError("timeout", `Cannot lock chain ${chain}: not free in ${timeoutMs} ms`);
    if (timeoutMs <= 0) return Promise.reject(late());
    return new Promise((resolve, reject) => {
      const waiter = {
        run: () => {
          stop();
          resolve();
        },
      };
      const stop = this.#clock.after(timeoutMs, () => {
        queue.splice(queue.indexOf(waiter), 1);
        reject(late());
      });
      queue.push(waiter);
    });
  }

  /** The next one's turn. */
  leave(chain: number): void {
    const next = this.#queues.get(chain)?.shift();
    if (next === undefined) this.#queues.delete(chain);
    else next.run();
  }
}
