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
import type { Pnn } from "../../../transport/wire/terms.ts";
import { copyOf, isNewer, isOwner, standOf } from "./copy.ts";
import type { Stored } from "./copy.ts";
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
  putStored,
  send,
  tidy,
  wakeKey,
} from "./keys.ts";
import { answer } from "./ops.ts";
import type { CallOut, KeyState, Life, RecordState, Waiter } from "./state.ts";
import { compareTid, isSameTid, TID_NONE } from "./tid.ts";
import { isVisitor } from "./visitors.ts";

/** Calls that are under way at once where the rule against it is broken. */
const UNRULY_CALLS = 4;

/**
 * May another call be sent for this key? Not while one is under way, nor while one that was sent waits to be run here:
 * the proof of a later call would stand for it.
 */
export function mayShip(state: RecordState, ks: KeyState): boolean {
  if (!state.rules.oneCallPerKey()) return ks.calls.length < UNRULY_CALLS;
  return ks.calls.length === 0 &&
    !ks.queue.some((place) => !isVisitor(place) && place.local !== undefined);
}

/** Sends the work of a waiter, which leaves the queue. */
export function ship(state: RecordState, ks: KeyState, waiter: Waiter): void {
  state.callSeq += 1;
  const birth = state.store.get(ks.key)?.birth ?? TID_NONE;
  const call: CallOut = {
    ...newAsking(state, state.timing.retryMs),
    seq: state.callSeq,
    waiter,
    birth,
    isSent: false,
    minTid: TID_NONE,
    tries: 0,
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
      endUnsure(state, call.waiter, call.isSent, "its time is over");
      mark(state, ks);
      continue;
    }
    if (call.dueMs <= state.nowMs) {
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

/** An end without an answer: unknown if it may have been executed. */
export function endUnsure(
  state: RecordState,
  waiter: Waiter,
  isSent: boolean,
  why: string,
): void {
  answer(state, waiter.op, isSent ? "unknown" : "failed", { why });
}

/** It was executed. */
export function onCallDone(state: RecordState, from: Life, message: CallDone): void {
  const { key, seq, ok, result } = message;
  const ks = keyOf(state, key);
  const call = ks.calls.find((other) => other.seq === seq);
  if (call === undefined) return tidy(state, ks);
  const isKept = !state.rules.keepsCallCopy() || locked(state, ks, () => {
    keepCopy(state, ks, call, message, from);
  });
  // The result may be told only when its copy is kept; where the mutex is busy both wait.
  if (!isKept) return defer(ks, from, message);
  endCall(ks, call);
  ks.hint = from;
  const { tid, rsn } = message.copy;
  if (!isServing(state)) answer(state, call.waiter.op, "unknown", { why: "the lease is over" });
  else if (ok) {
    const given = result === undefined ? {} : { result };
    const { leaseEndMs } = state;
    answer(state, call.waiter.op, "ok", { ...given, at: { tid, rsn }, leaseEndMs });
  } else answer(state, call.waiter.op, "failed", { why: "the procedure refused" });
  mark(state, ks);
}

function keepCopy(
  state: RecordState,
  ks: KeyState,
  call: CallOut,
  { copy }: CallDone,
  from: Life,
): void {
  const stored = state.store.get(ks.key);
  if (isOwner(stored, state.pnn as Pnn) || compareTid(copy.tid, call.minTid) < 0) return;
  const made: Stored = { ...copyOf(copy), dmaster: from.pnn, flags: 0 };
  const isOld = stored !== undefined &&
    !isNewer(standOf(made, false), standOf(stored, false), state.rules);
  if (!isOld) putStored(state, ks, made);
}

/** It was not executed by that message. */
export function onCallNo(state: RecordState, message: CallNo): void {
  const { key, seq, why, birth } = message;
  const ks = state.keys.get(key);
  const call = ks?.calls.find((other) => other.seq === seq);
  if (ks === undefined || call === undefined) return;
  ks.hint = undefined;
  if (why === "moved") {
    call.tries = state.timing.hintTries;
    return sendCall(state, ks, call);
  }
  if (why === "birth" && birth !== undefined) {
    if (isSameTid(call.birth, birth)) return;
    if (call.isSent && state.rules.unknownAfterBirth()) {
      endCall(ks, call);
      endUnsure(state, call.waiter, true, "the record was deleted and made again meanwhile");
      return mark(state, ks);
    }
    call.birth = birth;
    return sendCall(state, ks, call);
  }
  endCall(ks, call);
  if (why === "absent" && call.isSent) {
    endUnsure(state, call.waiter, true, "the record is gone");
  } else {
    call.waiter.local = { seq, birth: call.birth, isSent: call.isSent };
    ks.queue.unshift(call.waiter);
    if (ks.recall !== undefined && ks.recall.before > 0) ks.recall.before += 1;
  }
  mark(state, ks);
}
