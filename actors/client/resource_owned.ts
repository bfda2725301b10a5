/**
 * One ownership of a resource, as its program has it.
 *
 *   taken ─▶ owned ─▶ stopping: signal aborted, onTake and onRelease end ─▶ over
 *                  '─ the end of its lease: over, whatever goes on
 *
 * Does NOT promise: to notice its end by itself; Resources looks after that. Only `isOwned` is always right.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Clock } from "../../transport/world.ts";
import type { LockToken } from "./lock_types.ts";
import type { Ownership } from "./resource_types.ts";

/** What it is made of. */
export interface OwnedParts {
  readonly name: string;
  /** The node's number of it. */
  readonly grant: number;
  readonly clock: Clock;
  /** Gets a fencing token. */
  readonly token: (name: string) => Promise<LockToken>;
}

/** One of them. */
export class Owned implements Ownership {
  readonly parts: OwnedParts;
  /** Its end, by CLOCK_BOOTTIME, ms. */
  untilMs: number;
  /** What `onTake` does. */
  work: Promise<void> = Promise.resolve();
  /** Resolves when all that was done by it has ended. */
  ending: Promise<void> | undefined;
  readonly #abort = new AbortController();
  #isOver = false;
  #token: Promise<LockToken> | undefined;

  constructor(parts: OwnedParts, untilMs: number) {
    this.parts = parts;
    this.untilMs = untilMs;
  }

  get name(): string {
    return this.parts.name;
  }

  get leftMs(): number {
    return this.#isOver ? 0 : Math.max(0, this.untilMs - this.parts.clock.nowMs());
  }

  get isOwned(): boolean {
    return this.leftMs > 0;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  token(): Promise<LockToken> {
    if (this.#token === undefined) {
      const made = this.#makeToken();
      this.#token = made;
      // Another try may do better.
      made.catch(() => this.#token = undefined);
    }
    return this.#token;
  }

  /** One that was got while it is owned is greater than all that were got while others owned it. */
  async #makeToken(): Promise<LockToken> {
    const { name, token } = this.parts;
    const got = this.isOwned ? await token(name) : undefined;
    if (got !== undefined && this.isOwned) return got;
    throw new CtdbxError("state", `Cannot get a token of ${name}: this program owns it no more`);
  }

  /** What is done with it is to end. */
  stop(why: string): void {
    if (this.signal.aborted) return;
    this.#abort.abort(new CtdbxError("state", `The resource ${this.name} is to be let go: ${why}`));
  }

  /** It is owned no more, whatever the clock says. */
  over(): void {
    this.#isOver = true;
  }
}
