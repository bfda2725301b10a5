/**
 * Long work on connections in pieces, between which others have their turns: a lease does not wait for a look.
 *
 *   2048 keys ──▶ others ──▶ 2048 keys ──▶ others ──▶ ...        some ms each
 *
 * Does NOT promise: that what was looked at before a turn is still so after it.
 */
import type { Clock } from "../../../transport/world.ts";

/** After so many keys it is others' turn. */
export const KEYS_A_TURN = 2048;

/** Counts what was done. */
export class Turns {
  readonly #clock: Pick<Clock, "after">;
  #done = 0;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  /** So many keys, 0 or more, were read, compared or made; not undefined: to be waited for before there are more. */
  did(keys: number): Promise<void> | undefined {
    this.#done += keys;
    if (this.#done < KEYS_A_TURN) return undefined;
    this.#done = 0;
    return new Promise((resolve) => void this.#clock.after(0, resolve));
  }
}
