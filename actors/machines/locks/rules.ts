/**
 * What may be done to a lock: pure functions of its value, run where its record is, under the record's lock.
 *
 *   take    free, or shared by all ─▶ holder, with the token of this write     else ─▶ end of the queue, or "busy"
 *   leave   its places go ─▶ whoever is first in the queue holds it, and is to be told
 *   settle  the dead go, too
 *
 * The queue is fair, by node in turns: while others wait, the programs of the node whose turn it is may go before them
 * for TURN_MS, so that a lock that all want stays in one file for a while instead of going round for each use. Who
 * leaves "lazily" lets it lie free in his turn for a moment, and settles it then.
 *
 * Does NOT promise: that those who get it hear of it; whoever did this tells them.
 */
import type { At } from "../record/events.ts";
import type { LifeOf, LockValue, Owner, Place, Token, Turn } from "./value.ts";
import { HOLDERS_MAX, isOf, isSameLife, WAITERS_MAX } from "./value.ts";

/** How long a node may keep a lock that others wait for, ms. */
export const TURN_MS = 10;
/** How many get it in one step: they are named in the answer. Others follow in the next. */
export const GRANTS_MAX = 24;

/** What came of it for who asked. */
export type Status = "granted" | "waiting" | "busy" | "full" | "left";

/** What came of a step. */
export interface Said {
  readonly status: Status;
  /** Of the grant, if it was granted. */
  readonly token: Token | undefined;
  /** Who has got it by this step, all with the token of its write. */
  readonly granted: readonly Owner[];
  /** More could get it: settle again. */
  readonly isMore: boolean;
  /** It is free, and others wait: settle it soon. */
  readonly isLazy: boolean;
}

/** Who does something, and when by his node's clock. */
export interface By {
  readonly life: LifeOf;
  readonly nowMs: number;
}

interface Draft {
  turn: Turn;
  holders: Place[];
  waiters: Place[];
  readonly granted: Owner[];
  isMore: boolean;
  readonly token: Token;
}

function draftOf({ turn, holders, waiters }: LockValue, { tid, rsn }: At): Draft {
  const token = { ...tid, rsn };
  return { turn, holders: [...holders], waiters: [...waiters], granted: [], isMore: false, token };
}

function valueOf({ turn, holders, waiters }: Draft, { tid }: At): LockValue {
  return { tid, turn, holders, waiters };
}

function fits({ holders }: Draft, { isExclusive }: Place): boolean {
  if (holders.length === 0) return true;
  return !isExclusive && holders.length < HOLDERS_MAX &&
    holders.every((holder) => !holder.isExclusive);
}

function hasTurn({ turn }: Draft, { life, nowMs }: By): boolean {
  return isSameLife(turn, life) && (turn.endMs === 0 || nowMs < turn.endMs);
}

/** The turn of a node begins when it first does something while others wait; without others there is none. */
function noteTurn(draft: Draft, { life, nowMs }: By): void {
  const { holders, waiters, turn } = draft;
  const first = holders[0];
  const who = first ?? turn;
  if (waiters.every((place) => isSameLife(place, who))) {
    draft.turn = { pnn: who.pnn, incarnation: who.incarnation, endMs: 0 };
    return;
  }
  if (first !== undefined && !isSameLife(turn, first)) {
    draft.turn = { pnn: first.pnn, incarnation: first.incarnation, endMs: 0 };
  }
  if (draft.turn.endMs === 0 && isSameLife(draft.turn, life)) {
    draft.turn = { ...draft.turn, endMs: nowMs + TURN_MS };
  }
}

/** Gives it to those who wait, in order; within the turn of a node to its own first. */
function pump(draft: Draft, by: By, isLazy: boolean): boolean {
  const inTurn = hasTurn(draft, by);
  for (;;) {
    const own = inTurn ? draft.waiters.findIndex((place) => isSameLife(place, by.life)) : -1;
    const at = Math.max(0, own);
    const next = draft.waiters[at];
    if (next === undefined || !fits(draft, next)) return false;
    if (own < 0 && inTurn && isLazy && draft.holders.length === 0) return true;
    if (draft.granted.length >= GRANTS_MAX) {
      draft.isMore = true;
      return false;
    }
    draft.waiters.splice(at, 1);
    draft.holders.push({ ...next, token: draft.token });
    const { pnn, incarnation, client, id } = next;
    draft.granted.push({ pnn, incarnation, client, id });
  }
}

/** Takes it, or waits for it. Who has it already, or waits already, is told so: it may be asked again. */
export function take(
  value: LockValue,
  place: Place,
  isTry: boolean,
  by: By,
  at: At,
): { readonly value: LockValue; readonly said: Said } {
  const draft = draftOf(value, at);
  const end = (status: Status, token?: Token) => {
    noteTurn(draft, by);
    const { granted, isMore } = draft;
    return { value: valueOf(draft, at), said: { status, token, granted, isMore, isLazy: false } };
  };
  const known = draft.holders.find((holder) => isOf(holder, place));
  if (known !== undefined) return end("granted", known.token);
  if (!draft.waiters.some((waiter) => isOf(waiter, place))) {
    const mayGo = hasTurn(draft, by)
      ? !draft.waiters.some((waiter) => isSameLife(waiter, by.life))
      : draft.waiters.length === 0;
    if (mayGo && fits(draft, place)) {
      draft.holders.push({ ...place, token: draft.token });
      return end("granted", draft.token);
    }
    if (isTry) return end("busy");
    if (draft.waiters.length >= WAITERS_MAX) return end("full");
    draft.waiters.push(place);
  }
  pump(draft, by, false);
  // Told by the answer, and not as one of those who are to be told.
  const own = draft.granted.findIndex((owner) => isOf(owner, place));
  if (own < 0) return end("waiting");
  draft.granted.splice(own, 1);
  return end("granted", draft.token);
}

/** Gives up all places of an owner (id 0: of a program), and those of lives that are dead. */
export function leave(
  value: LockValue,
  owner: Owner | undefined,
  dead: readonly LifeOf[],
  isLazy: boolean,
  by: By,
  at: At,
): { readonly value: LockValue; readonly said: Said } {
  const draft = draftOf(value, at);
  const stays = (place: Place) =>
    !(owner !== undefined && isOf(place, owner)) && !dead.some((life) => isSameLife(life, place));
  draft.holders = draft.holders.filter(stays);
  draft.waiters = draft.waiters.filter(stays);
  const isLeft = pump(draft, by, isLazy);
  noteTurn(draft, by);
  const { granted, isMore } = draft;
  const said: Said = { status: "left", token: undefined, granted, isMore, isLazy: isLeft };
  return { value: valueOf(draft, at), said };
}

/** Both together: what is announced again of one lock by several, or beside what its record says. */
export function united(one: LockValue, other: LockValue): LockValue {
  const holders = [...one.holders];
  for (const place of other.holders) {
    if (holders.length < HOLDERS_MAX && !holders.some((known) => isOf(known, place))) {
      holders.push(place);
    }
  }
  const waiters = one.waiters.filter((place) => !holders.some((known) => isOf(known, place)));
  return { ...one, holders, waiters };
}

/** Without those that `isIn` does not know. */
export function living(value: LockValue, isIn: (life: LifeOf) => boolean): LockValue {
  return { ...value, holders: value.holders.filter(isIn), waiters: value.waiters.filter(isIn) };
}
