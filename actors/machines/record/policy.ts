/**
 * Where work on a record is done best: move the record here, read a copy of it, or send the work.
 *
 *   each time it is here:    stay = operations done before the next takes it          long: moving pays, short: send
 *   each copy to read:       served = reads before it is revoked                      two and more: copies pay
 *   at the owner:            visits of others against own uses
 *
 * Averages of the last few times, by record; of records that were not used for long nothing is known, and the first
 * guess is to move. Nothing that is decided here can make a result wrong.
 *
 * Does NOT promise: the best choice.
 */
import type { Key } from "./copy.ts";

/** What is wanted of a record that is elsewhere. */
export type ReadChoice = "move" | "delegate";
/** What is done about a call for a record that is elsewhere. */
export type CallChoice = "move" | "ship";

/** Decides by what was seen. The machine tells it what happens. */
export interface Policy {
  onRead(key: Key, nowMs: number): ReadChoice;
  onCall(key: Key, nowMs: number): CallChoice;
  isSticky(key: Key, nowMs: number): boolean;
  /** An operation of this node was done here. */
  onUsed(key: Key, nowMs: number): void;
  /** A call of another node was taken. */
  onVisit(key: Key, nowMs: number): void;
  onMovedIn(key: Key, nowMs: number): void;
  onMovedOut(key: Key, nowMs: number): void;
  /** Another may read it. */
  onDelegated(key: Key, nowMs: number): void;
  /** A copy to read was not to be had: nobody owns the record. */
  onRefused(key: Key, nowMs: number): void;
}

/** What is known of one record. */
export interface Seen {
  /** Operations of this node since it came, or since the last copy to read came. */
  uses: number;
  visits: number;
  /** Averages, times 16: operations of a stay. */
  stay: number;
  movesIn: number;
  movesOut: number;
  delegated: number;
  /** Moves in the second that began at secondMs. */
  moves: number;
  secondMs: number;
  stickyUntilMs: number;
  /** Until then no copies to read are asked for. */
  noReadUntilMs: number;
  /** Calls that were sent since the record was last here. */
  sent: number;
}

/** Records that something is known of, at most. */
const SEEN_MAX = 4096;
const ONE = 16;
/** A stay of so many operations is long. */
const LONG_STAY = 3 * ONE;
/** After so many calls the record is tried here again: the others may have lost interest. */
const SENT_MAX = 32;
const SECOND_MS = 1000;

/** What it decides by. */
export interface PolicyLimits {
  readonly stickyMoves: number;
  readonly stickyForMs: number;
  /** May copies to read be asked for at all? */
  readonly mayDelegate: boolean;
  readonly mayShip: boolean;
}

/** The policy that is delivered. */
export class Adaptive implements Policy {
  readonly #limits: PolicyLimits;
  readonly #seen = new Map<Key, Seen>();

  constructor(limits: PolicyLimits) {
    this.#limits = limits;
  }

  /** What is known of a record; undefined: nothing. For those who watch. */
  look(key: Key): Readonly<Seen> | undefined {
    return this.#seen.get(key);
  }

  onRead(key: Key, nowMs: number): ReadChoice {
    const seen = this.#of(key);
    return this.#limits.mayDelegate && nowMs >= seen.noReadUntilMs ? "delegate" : "move";
  }

  onCall(key: Key): CallChoice {
    const seen = this.#of(key);
    if (!this.#limits.mayShip || seen.movesOut === 0 || seen.stay >= LONG_STAY) return "move";
    seen.sent += 1;
    if (seen.sent <= SENT_MAX) return "ship";
    seen.sent = 0;
    return "move";
  }

  isSticky(key: Key, nowMs: number): boolean {
    return nowMs < this.#of(key).stickyUntilMs;
  }

  onUsed(key: Key): void {
    this.#of(key).uses += 1;
  }

  onVisit(key: Key): void {
    this.#of(key).visits += 1;
  }

  onMovedIn(key: Key, nowMs: number): void {
    const seen = this.#of(key);
    seen.movesIn += 1;
    seen.uses = 0;
    seen.sent = 0;
    if (nowMs >= seen.secondMs + SECOND_MS) {
      seen.secondMs = nowMs;
      seen.moves = 0;
    }
    seen.moves += 1;
    if (seen.moves >= this.#limits.stickyMoves) {
      seen.stickyUntilMs = nowMs + this.#limits.stickyForMs;
    }
  }

  onMovedOut(key: Key): void {
    const seen = this.#of(key);
    seen.movesOut += 1;
    seen.stay = Math.floor((3 * seen.stay + ONE * seen.uses) / 4);
    seen.uses = 0;
  }

  onDelegated(key: Key): void {
    this.#of(key).delegated += 1;
  }

  onRefused(key: Key, nowMs: number): void {
    this.#of(key).noReadUntilMs = nowMs + SECOND_MS;
  }

  #of(key: Key): Seen {
    const known = this.#seen.get(key);
    if (known !== undefined) return known;
    if (this.#seen.size >= SEEN_MAX) {
      const oldest = this.#seen.keys().next().value;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    const made: Seen = {
      uses: 0,
      visits: 0,
      stay: 0,
      movesIn: 0,
      movesOut: 0,
      delegated: 0,
      moves: 0,
      secondMs: -SECOND_MS,
      stickyUntilMs: 0,
      noReadUntilMs: 0,
      sent: 0,
    };
    this.#seen.set(key, made);
    return made;
  }
}
