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
import { onPulled } from "./drain.ts";
import { isOwner, isReleased, nextRsn } from "./copy.ts";
import type { Stored } from "./copy.ts";
import { withHeld } from "./held.ts";
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
import type { Reason } from "./events.ts";
import { endWaiter } from "./ops.ts";
import { tryPut } from "./space.ts";
import type { KeyState, Life, Own, RecordState } from "./state.ts";
import { compareTid, isSameTid, TID_NONE, tidText } from "./tid.ts";
import { isVisitor } from "./visitors.ts";
import { tellWrote, watchedFlags } from "./watch.ts";

/** Messages that the way of a record took: to the home, to the holder, to who wants it. */
const HOPS = ["hops 0", "hops 1", "hops 2", "hops 3"] as const;

/** Asks for ownership, unless that is under way. */
export function request(state: RecordState, ks: KeyState): void {
  if (ks.own !== undefined) return;
  state.rid += 1;
  const asking = newAsking(state, state.timing.retryMs);
  ks.own = { ...asking, sinceMs: state.nowMs, rid: state.rid, minTid: TID_NONE };
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
  if (!locked(state, ks, () => take(state, ks, from, message))) defer(ks, from, message);
  tidy(state, ks);
}

function take(state: RecordState, ks: KeyState, from: Life, message: Grant): void {
  const { key, tid, rid } = message;
  const stored = state.store.get(key);
  const isHere = isOwner(stored, state.pnn as Pnn);
  const isMine = stored !== undefined && (isHere || isReleased(stored));
  if (isMine && isSameTid(stored.tid, tid)) return reply(state, ks, message, "ack", stored);
  const { own } = ks;
  const isAsked = own !== undefined &&
    (own.rid === rid || !state.rules.takesOncePerRid()) && compareTid(tid, own.minTid) >= 0;
  if (isAsked) {
    return takeNew(state, ks, own, from, message, stored);
  }
  const retags = isHere ? state.rules.retags() : state.rules.retagsReleased();
  // Where what comes is newer the record went on without the own copy, which must not come back.
  const isLater = isMine && (!state.rules.retagsOnlyLater() ||
    compareTid(stored.tid, message.copy.tid) >= 0);
  if (isLater && compareTid(stored.tid, tid) < 0 && retags) {
    count(state, "retagged");
    const tagged = { ...stored, tid };
    putStored(state, ks, tagged);
    return reply(state, ks, message, "ack", tagged);
  }
  reply(state, ks, message, "nack", stored);
}

/** How long it took, over how many nodes, and from whom it came. */
function noteTaken(state: RecordState, ks: KeyState, own: Own, from: Life, { copy }: Grant): void {
  const { me, nowMs } = state;
  const home = homeLife(state, ks.slot);
  const hops = Number(home !== me) + Number(home !== from) + Number(from !== me);
  count(state, HOPS[hops] ?? "hops");
  count(state, "moved in");
  state.waits.move.note(nowMs - own.sinceMs);
  state.moves.note(nowMs, "in", ks.key, from, copy.rsn);
}

function takeNew(
  state: RecordState,
  ks: KeyState,
  own: Own,
  from: Life,
  message: Grant,
  before: Stored | undefined,
): void {
  const { copy, tid, held } = message;
  if (before !== undefined && compareTid(tid, before.tid) <= 0) {
    breach(state, "I1", `takes ${tidText(tid)} over ${tidText(before.tid)}`);
  }
  if (before !== undefined && isSameTid(before.birth, copy.birth) && copy.rsn < before.rsn) {
    breach(state, "I5", `rsn falls from ${before.rsn} to ${copy.rsn}`);
  }
  const rsn: Rsn = state.rules.countsTaking() ? nextRsn(copy.rsn) : copy.rsn;
  const stored: Stored = {
    ...copy,
    data: withHeld(state, copy.data, tid, held),
    tid,
    rsn,
    dmaster: state.pnn as Pnn,
    flags: watchedFlags(state, ks.key),
  };
  const reason = tryPut(state, ks, stored);
  if (reason !== undefined) {
    leaveThere(state, ks, own, reason);
    return reply(state, ks, message, "nack", before);
  }
  noteTaken(state, ks, own, from, message);
  ks.own = undefined;
  ks.ro = undefined;
  ks.release = undefined;
  if (ks.isPulled) onPulled(state, ks);
  ks.hint = undefined;
  // Whoever had it may not have known that it is watched.
  tellWrote(state, ks, stored);
  const { policy } = state.config;
  policy.onMovedIn(ks.key, state.nowMs, rsn);
  const isSticky = state.config.isSticky === true || policy.isSticky(ks.key, state.nowMs);
  ks.holdUntilMs = state.nowMs + (isSticky ? state.timing.stickyHoldMs : state.timing.minHoldMs);
  wakeKey(state, ks, ks.holdUntilMs);
  reply(state, ks, message, "ack", stored);
  mark(state, ks);
}

/** There is no room for it: it stays with its holder, and who wants it here is told. */
function leaveThere(state: RecordState, ks: KeyState, own: Own, reason: Reason): void {
  ks.own = undefined;
  for (let at = 0; at < ks.queue.length;) {
    const place = ks.queue[at];
    if (place === undefined || isVisitor(place)) at += 1;
    else {
      ks.queue.splice(at, 1);
      endWaiter(state, place, reason);
    }
  }
  if (!ks.isPulled) return;
  // Somebody has to have it: it is asked for again, under another number, and not at once.
  state.rid += 1;
  ks.own = {
    ...newAsking(state, state.timing.retryMaxMs),
    sinceMs: own.sinceMs,
    rid: state.rid,
    minTid: own.minTid,
  };
  wakeKey(state, ks, ks.own.dueMs);
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
