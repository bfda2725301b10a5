/**
 * New values of watched records that were made when the page was not valid any more: whether they count shows later.
 *
 *   wrote ─▶ page valid after it: told      not valid: kept, the newest of each key ─▶ valid again in this life: told
 *
 * Does NOT promise: a word about what a life that ended has made.
 */
import type { Key } from "../machines/record/copy.ts";
import type { At } from "../machines/record/events.ts";

/** Tells of a new value. */
export type TellWrote = (key: Key, data: Uint8Array, at: At) => void;

/** Those of one database. */
export class Untold {
  readonly #kept = new Map<Key, { readonly data: Uint8Array; readonly at: At }>();
  readonly #tell: TellWrote;

  constructor(tell: TellWrote) {
    this.#tell = tell;
  }

  /** Is anything kept? */
  get isHolding(): boolean {
    return this.#kept.size > 0;
  }

  /** A watched record has a new value; `isValid`: the page was valid after it. */
  wrote(key: Key, data: Uint8Array, at: At, isValid: boolean): void {
    this.#kept.delete(key);
    if (isValid) this.#tell(key, data, at);
    else this.#kept.set(key, { data, at });
  }

  /** The page is valid again, in this life. */
  settle(): void {
    for (const [key, { data, at }] of this.#kept) this.#tell(key, data, at);
    this.#kept.clear();
  }

  /** A new life begins. */
  clear(): void {
    this.#kept.clear();
  }
}
