/**
 * Where work on a record is done best: move the record here, read a copy of it, or send the work.
 *
 *   each time it is here:    stay = operations done before the next takes it          long: moving pays, short: send
 *   each copy to read:       served = reads before it is revoked                      two and more: copies pay
 *   at the owner:            visits of others against own uses
 *   its number (rsn) at both ends of a stay: what clients did in the file, of which nobody tells
 *
 * Averages of the last few times, by record; of records that were not used for long nothing is known, and the first
 * guess is to move. Nothing that is decided here can make a result wrong.
 *
 * Does NOT promise: the best choice.
 */
import type { Rsn } from "../../../transport/wire/terms.ts";
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
  /** It came, with this number. */
  onMovedIn(key: Key, nowMs: number, rsn: Rsn): void;
  /** It goes, with this number. */
  onMovedOut(key: Key, nowMs: number, rsn: Rsn): void;
  /** Do clients that map the file work with it when it is here, so that it pays to leave it to them for a moment? */
  isUsedInFile(key: Key): boolean;
  /** The copy to read was taken back. Will one be asked for again at once, as after the last time? */
  onRevoked(key: Key, nowMs: number): boolean;
  /** Another may read it. */
  onDelegated(key: Key, nowMs: number): void;
  /** A copy to read was not to be had: nobody owns the record. */
  onRefused(key: Key, nowMs: number): void;
}

/** A record that much is done about. */
export interface Hot {
  readonly key: Key;
  readonly seen: Readonly<Seen>;
  readonly isSticky: boolean;
  /** What would be done about a call, or a read, where it is elsewhere. */
  readonly call: CallChoice;
  readonly read: ReadChoice;
}

/** What is known of one record. */
export interface Seen {
  /** Operations of this node since it came, or since the last copy to read came. */
  uses: number;
  visits: number;
  /** Averages, times 16: operations of a stay, and those of them that clients did in the file. */
  stay: number;
  inFile: number;
  /** The number that it came with; undefined: it did not come, or that was forgotten. */
  cameRsn: Rsn | undefined;
  /** Operations of this node and of others that were run since it came. */
  run: number;
  /** When a copy to read was wanted last, and when one was taken back. */
  readMs: number;
  revokedMs: number;
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
  /** All operations of this node since something is known of it. */
  usesInAll: number;
  /** Was it asked about since it was last thought of forgetting it? */
  isRecent: boolean;
}

/** Records that something is known of, at most. */
const SEEN_MAX = 4096;
/** Of how many one that was not asked about lately is forgotten. */
const FORGET_TRIES = 8;
/** Records that are pinned, at most. */
const PINS_MAX = 1024;
const ONE = 16;
/** A stay of so many operations is long. */
const LONG_STAY = 3 * ONE;
/** After so many calls the record is tried here again: the others may have lost interest. */
const SENT_MAX = 32;
/** More writes of one stay, or seen in it, are not told apart: what ended is soon forgotten. */
const STAY_MAX = 16;
/** Whoever asks for a copy to read so soon after one was taken back reads all the time. */
const AGAIN_MS = 10;
const SECOND_MS = 1000;

/** What it decides by. */
export interface PolicyLimits {
  readonly stickyMoves: number;
  readonly stickyForMs: number;
  /** May copies to read be asked for at all? */
  readonly mayDelegate: boolean;
  readonly mayShip: boolean;
  /** Are all calls sent, and the record moved only for those who map the file? */
  readonly shipsAll?: boolean;
}

/** The policy that is delivered. */
export class Adaptive implements Policy {
  readonly #limits: PolicyLimits;
  readonly #seen = new Map<Key, Seen>();
  /** Their keys, and where somebody was forgotten last: looking for the oldest in the map itself costs more. */
  readonly #ring: Key[] = [];
  #hand = 0;
  readonly #pins = new Map<Key, number>();

  constructor(limits: PolicyLimits) {
    this.#limits = limits;
  }

  /** What is known of a record; undefined: nothing. For those who watch. */
  look(key: Key): Readonly<Seen> | undefined {
    return this.#seen.get(key);
  }

  /** Records of which something is known, at most `max`, those with most to do first. Quick for a few. */
  hot(max: number, nowMs: number): Hot[] {
    const top: { readonly key: Key; readonly seen: Seen; readonly heat: number }[] = [];
    for (const [key, seen] of this.#seen) {
      const heat = heatOf(seen);
      if (top.length >= max && heat <= (top.at(-1)?.heat ?? Infinity)) continue;
      let at = top.length;
      while (at > 0 && (top[at - 1]?.heat ?? 0) < heat) at -= 1;
      top.splice(at, 0, { key, seen, heat });
      if (top.length > max) top.pop();
    }
    return top.map(({ key, seen }) => this.#hotOf(key, seen, nowMs));
  }

  /** The same of one record; undefined: nothing is known of it. */
  hotOf(key: Key, nowMs: number): Hot | undefined {
    const seen = this.#seen.get(key);
    return seen === undefined ? undefined : this.#hotOf(key, seen, nowMs);
  }

  #hotOf(key: Key, seen: Seen, nowMs: number): Hot {
    return {
      key,
      seen: { ...seen },
      isSticky: nowMs < seen.stickyUntilMs || this.#isPinned(key, nowMs),
      call: this.#mayShip(seen) ? "ship" : "move",
      read: this.#mayDelegate(seen, nowMs) ? "delegate" : "move",
    };
  }

  #mayDelegate({ noReadUntilMs }: Seen, nowMs: number): boolean {
    return this.#limits.mayDelegate && nowMs >= noReadUntilMs;
  }

  #mayShip({ movesOut, stay }: Seen): boolean {
    return this.#limits.mayShip && movesOut > 0 && stay < LONG_STAY;
  }

  onRead(key: Key, nowMs: number): ReadChoice {
    const seen = this.#of(key);
    seen.readMs = nowMs;
    return this.#mayDelegate(seen, nowMs) ? "delegate" : "move";
  }

  onRevoked(key: Key, nowMs: number): boolean {
    const seen = this.#of(key);
    const { readMs, revokedMs } = seen;
    seen.revokedMs = nowMs;
    return readMs >= revokedMs && readMs < revokedMs + AGAIN_MS && this.#mayDelegate(seen, nowMs);
  }

  isUsedInFile(key: Key): boolean {
    return (this.#seen.get(key)?.inFile ?? 0) >= LONG_STAY;
  }

  onCall(key: Key): CallChoice {
    const seen = this.#of(key);
    if (this.#limits.shipsAll === true) return "ship";
    if (!this.#mayShip(seen)) return "move";
    seen.sent += 1;
    if (seen.sent <= SENT_MAX) return "ship";
    seen.sent = 0;
    return "move";
  }

  isSticky(key: Key, nowMs: number): boolean {
    return this.#isPinned(key, nowMs) || nowMs < this.#of(key).stickyUntilMs;
  }

  /** Makes a record sticky until then, by the node's clock; 0: no longer. False: too many are. */
  pin(key: Key, untilMs: number): boolean {
    if (untilMs === 0) this.#pins.delete(key);
    else if (this.#pins.size >= PINS_MAX && !this.#pins.has(key)) return false;
    else this.#pins.set(key, untilMs);
    return true;
  }

  #isPinned(key: Key, nowMs: number): boolean {
    const untilMs = this.#pins.size === 0 ? undefined : this.#pins.get(key);
    if (untilMs === undefined) return false;
    if (nowMs >= untilMs) this.#pins.delete(key);
    return nowMs < untilMs;
  }

  onUsed(key: Key): void {
    const seen = this.#of(key);
    seen.uses += 1;
    seen.run += 1;
    seen.usesInAll += 1;
  }

  onVisit(key: Key): void {
    const seen = this.#of(key);
    seen.visits += 1;
    seen.run += 1;
  }

  onMovedIn(key: Key, nowMs: number, rsn: Rsn): void {
    const seen = this.#of(key);
    seen.movesIn += 1;
    seen.cameRsn = rsn;
    seen.uses = 0;
    seen.run = 0;
    seen.sent = 0;
    if (nowMs >= seen.secondMs + SECOND_MS) {
      seen.secondMs = nowMs;
      seen.moves = 0;
    }
    seen.moves += 1;
    // One that clients use in the file has its turn by that already; in long ones others would wait for nothing.
    if (seen.moves >= this.#limits.stickyMoves && seen.inFile < LONG_STAY) {
      seen.stickyUntilMs = nowMs + this.#limits.stickyForMs;
    }
  }

  onMovedOut(key: Key, _nowMs: number, rsn: Rsn): void {
    const seen = this.#of(key);
    const { cameRsn, run, uses } = seen;
    const writes = cameRsn === undefined || rsn < cameRsn ? 0 : Number(rsn - cameRsn);
    const inFile = Math.min(STAY_MAX, Math.max(0, writes - run));
    seen.movesOut += 1;
    seen.stay = Math.floor((3 * seen.stay + ONE * (uses + inFile)) / 4);
    seen.inFile = Math.floor((3 * seen.inFile + ONE * inFile) / 4);
    seen.cameRsn = undefined;
    seen.uses = 0;
    seen.run = 0;
  }

  onDelegated(key: Key): void {
    this.#of(key).delegated += 1;
  }

  onRefused(key: Key, nowMs: number): void {
    this.#of(key).noReadUntilMs = nowMs + SECOND_MS;
  }

  #of(key: Key): Seen {
    const known = this.#seen.get(key);
    if (known !== undefined) {
      known.isRecent = true;
      return known;
    }
    const made: Seen = {
      uses: 0,
      visits: 0,
      stay: 0,
      inFile: 0,
      cameRsn: undefined,
      run: 0,
      readMs: -Infinity,
      revokedMs: -Infinity,
      movesIn: 0,
      movesOut: 0,
      delegated: 0,
      moves: 0,
      secondMs: -SECOND_MS,
      stickyUntilMs: 0,
      noReadUntilMs: 0,
      sent: 0,
      usesInAll: 0,
      isRecent: false,
    };
    this.#remember(key);
    this.#seen.set(key, made);
    return made;
  }

  /** Gives a key a place in the ring; a full one loses the next key that was not asked about lately. */
  #remember(key: Key): void {
    const ring = this.#ring;
    if (ring.length < SEEN_MAX) return void ring.push(key);
    for (let tries = FORGET_TRIES;; tries--) {
      this.#hand = (this.#hand + 1) % SEEN_MAX;
      const old = ring[this.#hand] as Key;
      const seen = this.#seen.get(old);
      if (seen?.isRecent === true && tries > 1) seen.isRecent = false;
      else {
        this.#seen.delete(old);
        ring[this.#hand] = key;
        return;
      }
    }
  }
}

function heatOf({ usesInAll, visits, movesIn, movesOut, delegated, sent }: Seen): number {
  return usesInAll + visits + movesIn + movesOut + delegated + sent;
}
