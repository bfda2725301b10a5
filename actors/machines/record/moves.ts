/**
 * What became of records lately, and how long it took: for those who ask where a record is and why.
 *
 *   ring of the last moves, overwritten in place        waits: how many took how long, by what was waited for
 *
 * Does NOT promise: all of a key's moves; a busy database forgets within a second.
 */
import type { Rsn } from "../../../transport/wire/terms.ts";
import type { Key } from "./copy.ts";
import type { Life } from "./state.ts";

/** What became of a record at this node. The last two are seen by its home. */
export type MoveKind = "in" | "out" | "read in" | "read out" | "released" | "purged" | "recovered";

/** A move. */
export interface Move {
  readonly atMs: number;
  readonly what: MoveKind;
  readonly key: Key;
  /** The other node: whom it came from, or went to, or who holds it. */
  readonly peer: Life | undefined;
  readonly rsn: Rsn | undefined;
}

type Kept = { -readonly [Name in keyof Move]: Move[Name] };

const MOVES_MAX = 1024;

/** The last moves. */
export class Moves {
  readonly #ring: Kept[] = [];
  #at = 0;

  /** Notes one. */
  note(atMs: number, what: MoveKind, key: Key, peer: Life | undefined, rsn?: Rsn): void {
    const kept = this.#ring[this.#at];
    if (kept === undefined) this.#ring.push({ atMs, what, key, peer, rsn });
    else {
      kept.atMs = atMs;
      kept.what = what;
      kept.key = key;
      kept.peer = peer;
      kept.rsn = rsn;
    }
    this.#at = (this.#at + 1) % MOVES_MAX;
  }

  /** The last ones, at most `max`, the oldest first; of one key, or of all. */
  last(max: number, key?: Key): Move[] {
    const found: Move[] = [];
    const { length } = this.#ring;
    for (let back = 1; back <= length && found.length < max; back++) {
      const kept = this.#ring[(this.#at - back + length) % length];
      if (kept !== undefined && (key === undefined || kept.key === key)) found.push({ ...kept });
    }
    return found.reverse();
  }
}

/** Upper bounds of the classes of waits, milliseconds; the last one has none. */
export const WAIT_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;

/** What is waited for: the record, a copy to read, a call that was sent. */
export type WaitKind = "move" | "read" | "call";

/** How long something took, in classes. */
export interface WaitLook {
  /** How many took less than each of WAIT_BOUNDS_MS, and not less than the one before; then the rest. */
  readonly counts: readonly number[];
  readonly sumMs: number;
  readonly mostMs: number;
}

/** How long things took. */
export class Waits {
  readonly #counts = WAIT_BOUNDS_MS.map(() => 0).concat(0);
  #sumMs = 0;
  #mostMs = 0;

  /** One took so long. */
  note(ms: number): void {
    let at = 0;
    while (at < WAIT_BOUNDS_MS.length && ms >= (WAIT_BOUNDS_MS[at] as number)) at += 1;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sumMs += ms;
    this.#mostMs = Math.max(this.#mostMs, ms);
  }

  look(): WaitLook {
    return { counts: [...this.#counts], sumMs: this.#sumMs, mostMs: this.#mostMs };
  }
}
