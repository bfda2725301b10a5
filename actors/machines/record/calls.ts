/**
 * Shipped calls, at their origin: the work goes to the record.
 *
 *   CALL{seq, birth} ─▶ by a hint, or by the home ─▶ CALL_DONE{result, copy}: the copy is kept first, then it is told
 *                                                 ─▶ CALL_NO  moved    ask the home
 *                                                             birth    call with that birth, once; else unknown
 *                                                             absent, unowned, noproc: own the record, run it here
 *
 * Birth zero is never executed, so such a call may be made again freely. With a birth it may have been executed as soon
 * as it is sent; the proof is part of the record, under the number of the call.
 *
 * Does NOT promise: that an unknown outcome becomes known.
 */
import type { CallDone, CallNo } from "../../../transport/wire/messages/record.ts";
import type { Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { copyOf, isNewer, isOwner, proofOf, standOf } from "./copy.ts";
import type { Stored } from "./copy.ts";
import type { Reason } from "./events.ts";
import { hintOf } from "./delegate.ts";
import {
  askLater,
  count,
  defer,
  homeLife,
  isServing,
  keyOf,
  locked,
  mark,
  newAsking,
  send,
  tidy,
  wakeKey,
} from "./keys.ts";
import { answer, answerNot, TOO_LATE } from "./ops.ts";
import { heldPlace } from "./programs.ts";
import { reasonIn, tryPut } from "./space.ts";
import type { CallOut, KeyState, Life, Place, RecordState, Waiter } from "./state.ts";
import { compareTid, isSameTid, TID_NONE } from "./tid.ts";
import { isVisitor } from "./visitors.ts";

/** A call that was sent, as it waits for the record. */
export interface LocalCall {
  readonly seq: number;
  readonly birth: Tid;
  readonly isSent: boolean;
  /** What it gave, as its owner said; whether that counts is for the record to say. */
  readonly result?: Uint8Array;
}

/** Calls that are under way at once where the rule against it is broken. */
const UNRULY_CALLS = 4;

/**
 * May another call be sent for this key? Not while one is under way, nor while one that was sent waits to be run here:
 * the proof of a later call would stand for it.
 */
export function mayShip(state: RecordState, ks: KeyState): boolean {
  if (!state.rules.oneCallPerKey()) return ks.calls.length < UNRULY_CALLS;
  const waitsHere = (place: Place | undefined) =>
    place !== undefined && !isVisitor(place) && place.local !== undefined;
  return ks.calls.length === 0 && !waitsHere(heldPlace(ks)) && !ks.queue.some(waitsHere);
}

/** Sends the work of a waiter, which leaves the queue. */
export function ship(state: RecordState, ks: KeyState, waiter: Waiter): void {
  state.callSeq += 1;
  const stored = state.store.head(ks.key);
  // What is empty may be purged any moment, and has another birth then: nobody is to be told "unknown" for that.
  const birth = stored !== undefined && stored.data.length > 0 ? stored.birth : TID_NONE;
  const call: CallOut = {
    ...newAsking(state, state.timing.retryMs),
    sinceMs: state.nowMs,
    seq: state.callSeq,
    waiter,
    birth,
    isSent: false,
    minTid: TID_NONE,
    tries: 0,
    done: undefined,
  };
  ks.calls.push(call);
  count(state, "shipped");
  sendCall(state, ks, call);
}

function sendCall(state: RecordState, ks: KeyState, call: CallOut): void {
  const { me } = state;
  const { key } = ks;
  const { seq, birth, waiter: { op: { wish, deadlineMs } } } = call;
  const slotGen = state.slots[ks.slot]?.slotGen;
  wakeKey(state, ks, Math.min(call.dueMs, deadlineMs));
  const hint = call.tries < state.timing.hintTries ? hintOf(state, ks) : undefined;
  call.tries += 1;
  const to = hint ?? homeLife(state, ks.slot);
  if (me === undefined || to === undefined || slotGen === undefined || wish.what !== "call") return;
  const path = hint === undefined ? "home" : "hint";
  if (!isSameTid(birth, TID_NONE)) call.isSent = true;
  const { procedure, args } = wish;
  send(state, to, { kind: "call", key, slotGen, seq, birth, procedure, args, origin: me, path });
}

/** Calls are due again, or their time is over. */
export function onCallsDue(state: RecordState, ks: KeyState): void {
  for (const call of [...ks.calls]) {
    const { deadlineMs } = call.waiter.op;
    if (deadlineMs <= state.nowMs) {
      endCall(ks, call);
      answerNot(state, call.waiter.op, call.isSent, TOO_LATE);
      mark(state, ks);
      continue;
    }
    if (call.done !== undefined) wakeKey(state, ks, deadlineMs);
    else if (call.dueMs <= state.nowMs) {
      askLater(state, call, state.timing.retryMaxMs);
      sendCall(state, ks, call);
    } else wakeKey(state, ks, Math.min(call.dueMs, deadlineMs));
  }
}

/** The call is no longer under way. */
export function endCall(ks: KeyState, call: CallOut): void {
  const at = ks.calls.indexOf(call);
  if (at >= 0) ks.calls.splice(at, 1);
}

/** It was executed. */
export function onCallDone(state: RecordState, from: Life, message: CallDone): void {
  const { key, seq } = message;
  const ks = keyOf(state, key);
  const call = ks.calls.find((other) => other.seq === seq);
  if (call === undefined || call.done !== undefined) return tidy(state, ks);
  let kept: boolean | Reason = !state.rules.keepsCallCopy();
  const isSeen = kept || locked(state, ks, () => {
    kept = keepCopy(state, ks, call, message, from);
  });
  // The result may be told only when its copy is kept; where the mutex is busy both wait.
  if (!isSeen) return defer(ks, from, message);
  endDone(state, ks, call, message, kept);
  state.waits.call.note(state.nowMs - call.sinceMs);
  ks.hint = from;
  mark(state, ks);
}

function endDone(
  state: RecordState,
  ks: KeyState,
  call: CallOut,
  message: CallDone,
  kept: boolean | Reason,
): void {
  if (kept === true) call.done = message;
  else if (kept !== false) {
    // It was executed; but with its owner it would be lost, and that must not happen to what is told as done.
    endCall(ks, call);
    const why = `it was executed, and its copy cannot be kept here: ${kept.why}`;
    answerNot(state, call.waiter.op, true, { code: kept.code, why });
  } else {
    // A query or purge of its home has overtaken it. The record itself knows whether it was executed.
    count(state, "copies overtaken");
    endCall(ks, call);
    bringHere(ks, call, message.result);
  }
}

/** The call waits for the record, to be run under its number, or to find there that it was. */
function bringHere(ks: KeyState, { waiter, seq, birth, isSent }: CallOut, result?: Uint8Array) {
  const known = result === undefined ? {} : { result };
  waiter.local = { seq, birth, isSent, ...known };
  ks.queue.unshift(waiter);
  if (ks.recall !== undefined && ks.recall.before > 0) ks.recall.before += 1;
}

/** Tells of calls that were executed. Frozen, or without a lease: whether it counts shows later. */
export function tellDone(state: RecordState, ks: KeyState): void {
  for (const call of [...ks.calls]) {
    const { done, waiter: { op } } = call;
    if (done === undefined) continue;
    const { ok, result, copy: { tid, rsn } } = done;
    if (ok && !isServing(state)) continue;
    endCall(ks, call);
    const given = result === undefined ? {} : { result };
    const { leaseEndMs } = state;
    if (ok) answer(state, op, { ...given, at: { tid, rsn }, leaseEndMs });
    else answerNot(state, op, false, reasonIn(result));
  }
}

/** Under the mutex: keeps the copy. Answers whether one with what the call did is here now; or why there is no room. */
function keepCopy(
  state: RecordState,
  ks: KeyState,
  call: CallOut,
  { copy }: CallDone,
  from: Life,
): boolean | Reason {
  const stored = state.store.get(ks.key);
  const made: Stored = { ...copyOf(copy), dmaster: from.pnn, flags: 0 };
  const isOld = stored !== undefined && (isOwner(stored, state.pnn as Pnn) ||
    !isNewer(standOf(made, false), standOf(stored, false), state.rules));
  if (!isOld && compareTid(copy.tid, call.minTid) >= 0) {
    return tryPut(state, ks, made) ?? true;
  }
  const { me } = state;
  const proof = stored === undefined || me === undefined ? undefined : proofOf(stored.calls, me);
  return proof !== undefined && proof.seq >= call.seq;
}

/** It was not executed by that message. */
export function onCallNo(state: RecordState, message: CallNo): void {
  const { key, seq, why, birth } = message;
  const ks = state.keys.get(key);
  const call = ks?.calls.find((other) => other.seq === seq);
  if (ks === undefined || call === undefined || call.done !== undefined) return;
  ks.hint = undefined;
  if (why === "moved") {
    call.tries = state.timing.hintTries;
    return sendCall(state, ks, call);
  }
  if (why === "birth" && birth !== undefined) {
    if (isSameTid(call.birth, birth)) return;
    if (call.isSent && state.rules.unknownAfterBirth()) {
      endCall(ks, call);
      const said = "the record was deleted and made again meanwhile";
      answerNot(state, call.waiter.op, true, { code: "state", why: said });
      return mark(state, ks);
    }
    call.birth = birth;
    return sendCall(state, ks, call);
  }
  endCall(ks, call);
  if (why === "absent" && call.isSent) {
    answerNot(state, call.waiter.op, true, { code: "state", why: "the record is gone" });
  } else {
    bringHere(ks, call);
  }
  mark(state, ks);
}
