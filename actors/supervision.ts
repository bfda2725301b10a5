/**
 * Starting again what has failed, later each time.
 *
 *   running --fails--> waiting 0.1 s, 0.2 s, 0.4 s ... 10 s --> running       a minute of health: back to 0.1 s
 *
 * Does NOT promise: that what is started again works. It goes on trying for ever; `failures` and the log say so.
 */
import type { Clock, Log } from "../transport/world.ts";

/** First wait, longest wait, and how long something must run to count as healthy, milliseconds. */
export const BACK_OFF = { firstMs: 100, mostMs: 10_000, healthyMs: 60_000 } as const;

/** What is supervised. */
export interface Supervised {
  /** For the log. */
  readonly name: string;
  /** Starts it. `onFailure` is called once when it fails later; a rejection counts as a failure, too. */
  start(onFailure: (error: unknown) => void): Promise<void>;
}

/** A failure: when, by the own clock, and of what. */
export interface Failed {
  readonly atMs: number;
  readonly why: string;
}

/** Keeps one thing running. */
export class Supervision {
  readonly #what: Supervised;
  readonly #clock: Clock;
  readonly #log: Log;
  #failures = 0;
  #lastFailure: Failed | undefined;
  #startedMs = 0;
  #delayMs: number = BACK_OFF.firstMs;
  #life = 0;
  #cancel: (() => void) | undefined;

  constructor(what: Supervised, clock: Clock, log: Log) {
    this.#what = what;
    this.#clock = clock;
    this.#log = log;
  }

  /** How often it has failed. */
  get failures(): number {
    return this.#failures;
  }

  /** The last time; undefined: it never has. */
  get lastFailure(): Failed | undefined {
    return this.#lastFailure;
  }

  /** Starts it; resolves when the first start has succeeded or failed. */
  async start(): Promise<void> {
    const life = ++this.#life;
    this.#startedMs = this.#clock.nowMs();
    try {
      await this.#what.start((error) => this.#failed(life, error));
    } catch (error) {
      this.#failed(life, error);
    }
  }

  /** No start follows any more. What runs is the caller's to end. */
  stop(): void {
    this.#life++;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #failed(life: number, error: unknown): void {
    // Each life fails once; one that was ended on purpose does not.
    if (life !== this.#life) return;
    this.#life++;
    this.#failures++;
    const why = error instanceof Error ? error.message : String(error);
    this.#lastFailure = { atMs: this.#clock.nowMs(), why };
    if (this.#clock.nowMs() - this.#startedMs >= BACK_OFF.healthyMs) {
      this.#delayMs = BACK_OFF.firstMs;
    }
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(2 * delayMs, BACK_OFF.mostMs);
    this.#log.write("error", `${this.#what.name} has failed; it is started again`, {
      error,
      delayMs,
    });
    this.#cancel = this.#clock.after(delayMs, () => void this.start());
  }
}
