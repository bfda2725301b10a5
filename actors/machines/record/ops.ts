/**
 * Operations of the clients of this node: how they come, end, and are done where the record is.
 *
 *   op ─▶ queue of its key ─▶ answer: ok, failed or unknown, exactly once
 *   lock ─▶ locked ─▶ unlock, with a value or without ─▶ answer
 *
 * What has not been executed ends as failed. Unknown is only what may have been sent to another node.
 *
 * Does NOT promise: that a client is told; it may be dead.
 */
import { VALUE_MAX } from "../../../transport/wire/limits.ts";
import { PROCEDURE_NAME } from "../../../transport/wire/messages/record_parts.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { endCall } from "./calls.ts";
import { FLAG_LOCKED, isOwner, newProof, nextRsn, proofOf, withProof } from "./copy.ts";
import type { Stored } from "./copy.ts";
import type { At, Op, Reason } from "./events.ts";
import { effect, isServing, keyOf, lifeOf, mark, putStored, wakeKey } from "./keys.ts";
import type { Ran } from "./procedures.ts";
import { dropProgram, finishProgram, heldPlace, runNow } from "./programs.ts";
import { reasonBytes, reasonIn, reasonOf, tryPut } from "./space.ts";
import type { HeldLock, KeyState, RecordState, Waiter } from "./state.ts";
import { isSameTid } from "./tid.ts";
import { isVisitor } from "./visitors.ts";
import { isToClose, tellWrote } from "./watch.ts";

/** What an answer may have beside its outcome. */
interface Said {
  readonly result?: Uint8Array;
  readonly at?: At;
  readonly leaseEndMs?: number;
}

/** Its time ended. */
export const TOO_LATE: Reason = { code: "timeout", why: "its time is over" };
const TAKEN_BACK: Reason = { code: "cancelled", why: "it was taken back" };
const TOO_LONG: Reason = { code: "limit", why: `a value has ${VALUE_MAX} bytes at most` };
const NO_PROCEDURE = "no such procedure";
const PROCEDURE = new RegExp(PROCEDURE_NAME);

/** Ends an operation that was done. */
export function answer(state: RecordState, op: Op, said: Said): void {
  state.opKeys.delete(op.id);
  effect(state, { kind: "answer", id: op.id, outcome: "ok", ...said });
}

/** Ends one that was not; `isUnsure`: it may have been, elsewhere. */
export function answerNot(state: RecordState, op: Op, isUnsure: boolean, reason: Reason): void {
  state.opKeys.delete(op.id);
  const outcome = isUnsure ? "unknown" : "failed";
  effect(state, { kind: "answer", id: op.id, outcome, ...reason });
}

/** The same for one that waited here. */
export function endWaiter(state: RecordState, { op, local }: Waiter, reason: Reason): void {
  answerNot(state, op, local?.isSent === true, reason);
}

/** A client wants something. */
export function onOp(state: RecordState, op: Op): void {
  if (op.deadlineMs <= state.nowMs) {
    return answerNot(state, op, false, { code: "timeout", why: "it came too late" });
  }
  const { trouble } = state.store;
  const reason = reasonAgainst(op) ?? (trouble === undefined ? undefined : reasonOf(trouble));
  if (reason !== undefined) return answerNot(state, op, false, reason);
  const ks = keyOf(state, op.key);
  state.opKeys.set(op.id, ks);
  ks.queue.push({ op, local: undefined });
  wakeKey(state, ks, op.deadlineMs);
  mark(state, ks);
}

/** Why a call can be made nowhere: no message may carry it. */
function reasonAgainst({ wish }: Op): Reason | undefined {
  if (wish.what !== "call") return undefined;
  if (!PROCEDURE.test(wish.procedure)) return { code: "unsupported", why: NO_PROCEDURE };
  const why = `arguments have ${VALUE_MAX} bytes at most`;
  return wish.args.length > VALUE_MAX ? { code: "limit", why } : undefined;
}

/** Operations whose time is over leave the queue. */
export function onQueueDue(state: RecordState, ks: KeyState): void {
  for (let at = 0; at < ks.queue.length;) {
    const place = ks.queue[at];
    if (place === undefined) break;
    if (isVisitor(place) || place.op.deadlineMs > state.nowMs) {
      if (!isVisitor(place)) wakeKey(state, ks, place.op.deadlineMs);
      at += 1;
      continue;
    }
    leave(state, ks, at, place, TOO_LATE);
  }
  for (const [id, { untilMs }] of ks.told) {
    if (untilMs <= state.nowMs) {
      ks.told.delete(id);
      state.opKeys.delete(id);
    } else wakeKey(state, ks, untilMs);
  }
  if (isToClose(ks)) mark(state, ks);
}

function leave(state: RecordState, ks: KeyState, at: number, waiter: Waiter, reason: Reason): void {
  ks.queue.splice(at, 1);
  if (ks.recall !== undefined && at < ks.recall.before) ks.recall.before -= 1;
  endWaiter(state, waiter, reason);
}

/** A client takes an operation back, or is dead. What was sent for it may be executed all the same. */
export function onCancel(state: RecordState, id: number): void {
  const ks = state.opKeys.get(id);
  if (ks === undefined) return;
  const at = ks.queue.findIndex((place) => !isVisitor(place) && place.op.id === id);
  const place = ks.queue[at];
  if (place !== undefined && !isVisitor(place)) leave(state, ks, at, place, TAKEN_BACK);
  const call = ks.calls.find(({ waiter }) => waiter.op.id === id);
  if (call !== undefined) {
    endCall(ks, call);
    answerNot(state, call.waiter.op, call.isSent, TAKEN_BACK);
  }
  const { held } = ks;
  if (heldOp(ks)?.id === id) {
    if (held?.kind === "run") dropProgram(state, ks, held, TAKEN_BACK);
    else if (held !== undefined) held.unlock ??= { data: undefined };
  }
  onDone(state, id);
  mark(state, ks);
}

/** The operation of a client of this node that has the record for itself. */
function heldOp(ks: KeyState): Op | undefined {
  const place = heldPlace(ks);
  return place === undefined || isVisitor(place) ? undefined : place.op;
}

/** A client that maps the file is done with what it was told. */
export function onDone(state: RecordState, id: number): void {
  const ks = state.opKeys.get(id);
  if (ks === undefined || !ks.told.delete(id)) return;
  state.opKeys.delete(id);
  mark(state, ks);
}

/** All operations of a client end. Each key is looked at once: thousands may wait at one. */
export function onClientDied(state: RecordState, client: number): void {
  const its = new Set<number>();
  const look = (op: Op | undefined) => {
    if (op?.client === client) its.add(op.id);
  };
  for (const ks of new Set(state.opKeys.values())) {
    for (const place of ks.queue) if (!isVisitor(place)) look(place.op);
    for (const { waiter } of ks.calls) look(waiter.op);
    for (const { op } of ks.told.values()) look(op);
    look(heldOp(ks));
  }
  for (const id of [...state.opKeys.keys()]) if (its.has(id)) onCancel(state, id);
}

/** A client gives its lock back. */
export function onUnlock(state: RecordState, id: number, data: Uint8Array | undefined): void {
  const ks = state.opKeys.get(id);
  if (ks?.held?.kind !== "lock" || ks.held.waiter.op.id !== id) return;
  const isTooLong = data !== undefined && data.length > VALUE_MAX;
  ks.held.unlock ??= isTooLong ? { data: undefined, refusal: TOO_LONG } : { data };
  mark(state, ks);
}

/** Under the mutex: whoever has the record gives it back, as soon as it may. Answers whether it is free. */
export function finishHeld(state: RecordState, ks: KeyState): boolean {
  const { held } = ks;
  if (held === undefined) return true;
  return held.kind === "run" ? finishProgram(state, ks, held) : finishUnlock(state, ks, held);
}

function finishUnlock(state: RecordState, ks: KeyState, held: HeldLock): boolean {
  const { unlock, waiter: { op } } = held;
  if (unlock === undefined) return false;
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn)) {
    ks.held = undefined;
    answerNot(state, op, false, { code: "state", why: "the lock was lost" });
    return true;
  }
  const { data, refusal } = unlock;
  const flags = stored.flags & ~FLAG_LOCKED;
  // Frozen, or without a lease: whether the value may be written shows later.
  if (data !== undefined && !isServing(state)) return false;
  const after: Stored = data === undefined
    ? { ...stored, flags }
    : { ...stored, flags, data, rsn: nextRsn(stored.rsn) };
  const reason = refusal ?? (data === undefined ? undefined : tryPut(state, ks, after));
  if (data === undefined || reason !== undefined) putStored(state, ks, { ...stored, flags });
  ks.held = undefined;
  if (reason !== undefined) {
    answerNot(state, op, false, reason);
    return true;
  }
  if (data !== undefined) tellWrote(state, ks, after);
  const at = { tid: after.tid, rsn: after.rsn };
  const { leaseEndMs } = state;
  answer(state, op, data === undefined ? {} : { at, leaseEndMs });
  return true;
}

/** Under the mutex: runs the call of a waiter here. Answers whether a program runs it, and holds the record. */
export function runLocal(
  state: RecordState,
  ks: KeyState,
  waiter: Waiter,
  stored: Stored,
): boolean {
  const { wish } = waiter.op;
  if (wish.what !== "call" || isEnded(state, waiter, stored)) return false;
  const ran = runNow(state, ks, waiter, stored, wish);
  if (ran === "held") return true;
  applyLocal(state, ks, waiter, stored, ran ?? { ok: false, why: NO_PROCEDURE });
  return false;
}

/** Was it executed elsewhere, or may it have been? Then it is answered. */
function isEnded(state: RecordState, { op, local }: Waiter, stored: Stored): boolean {
  const { me } = state;
  if (me === undefined) return true;
  if (local === undefined) return false;
  if (local.isSent && !isSameTid(local.birth, stored.birth)) {
    answerNot(state, op, true, { code: "state", why: "the record was made anew meanwhile" });
    return true;
  }
  const proof = proofOf(stored.calls, me);
  if (proof === undefined || proof.seq < local.seq) return false;
  // Of a long result the proof knows no more than that there was one.
  const { ok, result = local.result } = proof;
  answerByProof(state, op, stored, { ok, result });
  return true;
}

/** Under the mutex: what the call of a waiter did here is stored, and told. */
export function applyLocal(
  state: RecordState,
  ks: KeyState,
  waiter: Waiter,
  stored: Stored,
  ran: Ran,
): void {
  const { op, local } = waiter;
  const { me, leaseEndMs } = state;
  if (me === undefined || isEnded(state, waiter, stored)) return;
  const result = ran.ok ? ran.result : reasonBytes({ code: "refused", ...ran });
  // What may have been sent must not be executed after this: the number of the call goes into the record.
  const isProved = local !== undefined && local.isSent && (ran.ok || state.rules.provesRefusal());
  const calls = isProved
    ? withProof(
      stored.calls,
      newProof(me, local.seq, ran.ok, result),
      (other) => lifeOf(state, other.origin) !== undefined,
    )
    : stored.calls;
  let after = stored;
  if (ran.ok || isProved) {
    const data = ran.ok ? ran.data : stored.data;
    after = { ...stored, data, calls, rsn: nextRsn(stored.rsn) };
    if (!ran.ok) putStored(state, ks, after);
    else {
      const reason = tryPut(state, ks, after);
      if (reason !== undefined) {
        return applyLocal(state, ks, waiter, stored, { ok: false, ...reason });
      }
    }
  }
  const at = { tid: after.tid, rsn: after.rsn };
  if (!ran.ok) {
    const code = ran.why === NO_PROCEDURE ? "unsupported" : ran.code ?? "refused";
    return answerNot(state, op, false, { code, why: ran.why });
  }
  tellWrote(state, ks, after);
  answer(state, op, { result, at, leaseEndMs });
}

function answerByProof(
  state: RecordState,
  op: Op,
  { tid, rsn }: Stored,
  { ok, result }: { readonly ok: boolean; readonly result?: Uint8Array | undefined },
): void {
  if (!ok) return answerNot(state, op, false, reasonIn(result));
  const given = result === undefined ? {} : { result };
  const { leaseEndMs } = state;
  answer(state, op, { ...given, at: { tid, rsn }, leaseEndMs });
}
