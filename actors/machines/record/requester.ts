/**
 * The requester: asks the home for a record, once per key whoever waits, and takes what is granted.
 *
 *   request ─▶ REQ, again until it is here or nobody waits ─▶ GRANT ─▶ stored, owner ─▶ ACK ─▶ who waits has its turn
 *
 *   GRANT of a rid that is not asked for any more: NACK, a promise never to take that tid. But an owner whose ACK the
 *   home lost takes the new tid for its record as it is: the copy in that GRANT is older than what it has.
 *
 * Does NOT promise: that what it took stays; the next may have asked already.
 */
import type { Grant } from "../../../transport/wire/messages/record.ts";
import type { Pnn, Rsn } from "../../../transport/wire/terms.ts";
import { isOwner, isReleased, nextRsn } from "./copy.ts";
import type { Stored } from "./copy.ts";
import {
  askLater,
  breach,
  count,
  defer,
  homeLife,
  keyOf,
  locked,
  mark,
  newAsking,
  putStored,
  send,
  tidy,
  wakeKey,
} from "./keys.ts";
import type { KeyState, Life, RecordState } from "./state.ts";
import { compareTid, isSameTid, TID_NONE, tidText } from "./tid.ts";

/** Asks for ownership, unless that is under way. */
export function request(state: RecordState, ks: KeyState): void {
  if (ks.own !== undefined) return;
  state.rid += 1;
  ks.own = { ...newAsking(state, state.timing.retryMs), rid: state.rid, minTid: TID_NONE };
  count(state, "requests");
  sendReq(state, ks);
}

/** REQ to the home of now. */
export function sendReq(state: RecordState, ks: KeyState): void {
  const { own, key } = ks;
  const home = homeLife(state, ks.slot);
  const slotGen = state.slots[ks.slot]?.slotGen;
  if (own === undefined) return;
  wakeKey(state, ks, own.dueMs);
  if (home === undefined || slotGen === undefined) return;
  send(state, home, { kind: "req", key, slotGen, rid: own.rid });
}

/** The request is due again, or nobody waits any more. */
export function onOwnDue(state: RecordState, ks: KeyState): void {
  const { own } = ks;
  if (own === undefined) return;
  if (own.dueMs > state.nowMs) return wakeKey(state, ks, own.dueMs);
  if (ks.queue.length === 0 && !ks.isPulled) {
    ks.own = undefined;
    return;
  }
  askLater(state, own, state.timing.retryMaxMs);
  sendReq(state, ks);
}

/** It is given. */
export function onGrant(state: RecordState, from: Life, message: Grant): void {
  const ks = keyOf(state, message.key);
  if (!locked(state, ks, () => take(state, ks, message))) defer(ks, from, message);
  tidy(state, ks);
}

function take(state: RecordState, ks: KeyState, message: Grant): void {
  const { key, tid, rid } = message;
  const stored = state.store.get(key);
  const isHere = isOwner(stored, state.pnn as Pnn);
  const isMine = stored !== undefined && (isHere || isReleased(stored));
  if (isMine && isSameTid(stored.tid, tid)) return reply(state, ks, message, "ack", stored);
  const { own } = ks;
  const isAsked = own !== undefined &&
    (own.rid === rid || !state.rules.takesOncePerRid()) && compareTid(tid, own.minTid) >= 0;
  if (isAsked) return takeNew(state, ks, message, stored);
  const retags = isHere ? state.rules.retags() : state.rules.retagsReleased();
  if (isMine && compareTid(stored.tid, tid) < 0 && retags) {
    count(state, "retagged");
    const tagged = { ...stored, tid };
    putStored(state, ks, tagged);
    return reply(state, ks, message, "ack", tagged);
  }
  reply(state, ks, message, "nack", stored);
}

function takeNew(
  state: RecordState,
  ks: KeyState,
  message: Grant,
  before: Stored | undefined,
): void {
  const { copy, tid } = message;
  if (before !== undefined && compareTid(tid, before.tid) <= 0) {
    breach(state, "I1", `takes ${tidText(tid)} over ${tidText(before.tid)}`);
  }
  if (before !== undefined && isSameTid(before.birth, copy.birth) && copy.rsn < before.rsn) {
    breach(state, "I5", `rsn falls from ${before.rsn} to ${copy.rsn}`);
  }
  const rsn: Rsn = state.rules.countsTaking() ? nextRsn(copy.rsn) : copy.rsn;
  const stored: Stored = { ...copy, tid, rsn, dmaster: state.pnn as Pnn, flags: 0 };
  ks.own = undefined;
  ks.ro = undefined;
  ks.release = undefined;
  ks.isPulled = false;
  ks.hint = undefined;
  putStored(state, ks, stored);
  const { policy } = state.config;
  policy.onMovedIn(ks.key, state.nowMs);
  const isSticky = state.config.isSticky === true || policy.isSticky(ks.key, state.nowMs);
  ks.holdUntilMs = state.nowMs + (isSticky ? state.timing.stickyHoldMs : state.timing.minHoldMs);
  wakeKey(state, ks, ks.holdUntilMs);
  reply(state, ks, message, "ack", stored);
  mark(state, ks);
}

function reply(
  state: RecordState,
  ks: KeyState,
  { key, slotGen, tid }: Grant,
  kind: "ack" | "nack",
  stored: Stored | undefined,
): void {
  const home = homeLife(state, ks.slot);
  if (home === undefined) return;
  send(state, home, { kind, key, slotGen, tid, have: stored?.tid ?? TID_NONE });
}
