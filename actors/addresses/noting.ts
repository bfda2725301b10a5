/**
 * Writes down what may be set, until that has succeeded: a node offers nothing before.
 *
 *   note ──▶ file ──▶ done of this and of all earlier ones
 *              └── failed: in the log, once a text ──AGAIN_MS──▶ the newest is written again
 *
 * Does NOT promise: that each list is written; of two the newer one is, and that has to have what counts of the other.
 */
import type { IpAddress } from "../../transport/wire/address.ts";
import type { Clock, Log } from "../../transport/world.ts";
import type { Former } from "./former.ts";

/** A file that could not be written is written again so much later, ms. */
export const AGAIN_MS = 1000;

/** What it needs. */
export interface NotingParts {
  readonly former: Pick<Former, "write">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The file of one node. */
export class Noting {
  readonly #parts: NotingParts;
  #addresses: readonly IpAddress[] = [];
  #waiting: (() => void)[] = [];
  #trouble: string | undefined;
  #isOver = false;
  #endAgain: () => void = () => {};

  constructor(parts: NotingParts) {
    this.#parts = parts;
  }

  /** Writes them, and calls `done`, once, when they would be found. */
  note(addresses: readonly IpAddress[], done: () => void = () => {}): void {
    if (this.#isOver) return;
    this.#addresses = addresses;
    this.#waiting.push(done);
    this.#write();
  }

  /** Nothing is tried again, and nobody is called any more. */
  stop(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#endAgain();
  }

  #write(): void {
    this.#endAgain();
    const addresses = this.#addresses;
    const waiting = [...this.#waiting];
    this.#parts.former.write(addresses, (error) => {
      if (this.#isOver) return;
      if (error === undefined) return this.#onWritten(waiting);
      this.#onFailed(error.message);
      // A newer one is on its way.
      if (this.#addresses !== addresses) return;
      this.#endAgain = this.#parts.clock.after(AGAIN_MS, () => this.#write());
    });
  }

  #onWritten(waiting: readonly (() => void)[]): void {
    if (this.#trouble !== undefined) {
      this.#parts.log.write("info", "The list of addresses is noted, and offered");
    }
    this.#trouble = undefined;
    const due = waiting.filter((done) => this.#waiting.includes(done));
    this.#waiting = this.#waiting.filter((done) => !due.includes(done));
    for (const done of due) done();
  }

  #onFailed(why: string): void {
    if (this.#trouble === why) return;
    this.#trouble = why;
    this.#parts.log.write(
      "error",
      `The list of addresses cannot be noted, and what is new is not offered; it is tried again: ${why}`,
    );
  }
}
