/**
 * A clock that is read once a turn of the event loop, for what is done many times in one: messages of programs.
 *
 * Does NOT promise: the time within a long turn; it stands until the turn's end.
 */
import type { Clock } from "../transport/world.ts";

/** Of one actor. */
export class TurnClock implements Clock {
  readonly #clock: Clock;
  #nowMs = 0;
  #isRead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    if (!this.#isRead) {
      this.#nowMs = this.#clock.nowMs();
      this.#isRead = true;
      queueMicrotask(() => this.#isRead = false);
    }
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  after(delayMs: number, fire: () => void): () => void {
    return this.#clock.after(delayMs, fire);
  }
}
