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
import type { Pnn } from "../../../transport/wire/terms.ts";
import { endCall } from "./calls.ts";
import { FLAG_LOCKED, isOwner, newProof, nextRsn, NO_DATA, proofOf, withProof } from "./copy.ts";
import type { Stored } from "./copy.ts";
import type { At, Op, OpOutcome } from "./events.ts";
import { effect, isServing, keyOf, lifeOf, mark, putStored, wakeKey } from "./keys.ts";
import type { KeyState, RecordState, Waiter } from "./state.ts";
import { isSameTid } from "./tid.ts";
import { isVisitor } from "./visitors.ts";

/** What an answer may have beside its outcome. */
interface Said {
  readonly why?: string;
  readonly result?: Uint8Array;
  readonly at?: At;
  readonly leaseEndMs?: number;
}

/** Ends an operation. */
export function answer(state: RecordState, op: Op, outcome: OpOutcome, said: Said): void {
  state.opKeys.delete(op.id);
  effect(state, { kind: "answer", id: op.id, outcome, ...said });
}

/** A client wants something. */
export function onOp(state: RecordState, op: Op): void {
  if (op.deadlineMs <= state.nowMs) return answer(state, op, "failed", { why: "it came too late" });
  const ks = keyOf(state, op.key);
  state.opKeys.set(op.id, ks);
  ks.queue.push({ op, local: undefined });
  wakeKey(state, ks, op.deadlineMs);
  mark(state, ks);
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
    leave(state, ks, at, place, "its time is over");
  }
  for (const [id, { untilMs }] of ks.told) {
    if (untilMs <= state.nowMs) {
      ks.told.delete(id);
      state.opKeys.delete(id);
    } else wakeKey(state, ks, untilMs);
  }
}

function leave(state: RecordState, ks: KeyState, at: number, waiter: Waiter, why: string): void {
  ks.queue.splice(at, 1);
  if (ks.recall !== undefined && at < ks.recall.before) ks.recall.before -= 1;
  answer(state, waiter.op, waiter.local?.isSent === true ? "unknown" : "failed", { why });
}

/** A client takes an operation back, or is dead. What was sent for it may be executed all the same. */
export function onCancel(state: RecordState, id: number): void {
  const ks = state.opKeys.get(id);
  if (ks === undefined) return;
  const at = ks.queue.findIndex((place) => !isVisitor(place) && place.op.id === id);
  const place = ks.queue[at];
  if (place !== undefined && !isVisitor(place)) leave(state, ks, at, place, "it was taken back");
  const call = ks.calls.find(({ waiter }) => waiter.op.id === id);
  if (call !== undefined) {
    endCall(ks, call);
    answer(state, call.waiter.op, call.isSent ? "unknown" : "failed", { why: "it was taken back" });
  }
  if (ks.held?.waiter.op.id === id) ks.held.unlock ??= { data: undefined };
  onDone(state, id);
  mark(state, ks);
}

/** A client that maps the file is done with what it was told. */
export function onDone(state: RecordState, id: number): void {
  const ks = state.opKeys.get(id);
  if (ks === undefined || !ks.told.delete(id)) return;
  state.opKeys.delete(id);
  mark(state, ks);
}

/** All operations of a client end. */
export function onClientDied(state: RecordState, client: number): void {
  const ids: number[] = [];
  for (const [id, ks] of state.opKeys) {
    const isOf = (op: Op) => op.id === id && op.client === client;
    const told = ks.told.get(id);
    const isIts = ks.queue.some((place) => !isVisitor(place) && isOf(place.op)) ||
      ks.calls.some(({ waiter }) => isOf(waiter.op)) ||
      (ks.held !== undefined && isOf(ks.held.waiter.op)) || (told !== undefined && isOf(told.op));
    if (isIts) ids.push(id);
  }
  for (const id of ids) onCancel(state, id);
}

/** A client gives its lock back. */
export function onUnlock(state: RecordState, id: number, data: Uint8Array | undefined): void {
  const ks = state.opKeys.get(id);
  if (ks?.held === undefined || ks.held.waiter.op.id !== id) return;
  ks.held.unlock ??= { data };
  mark(state, ks);
}

/** Under the mutex: a lock is given back, as soon as its value may be written. Answers whether it is free. */
export function finishUnlock(state: RecordState, ks: KeyState): boolean {
  const { held } = ks;
  if (held === undefined) return true;
  const { unlock, waiter: { op } } = held;
  if (unlock === undefined) return false;
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn)) {
    ks.held = undefined;
    answer(state, op, "failed", { why: "the lock was lost" });
    return true;
  }
  const { data } = unlock;
  const flags = stored.flags & ~FLAG_LOCKED;
  // Frozen, or without a lease: whether the value may be written shows later.
  if (data !== undefined && !isServing(state)) return false;
  const after: Stored = data === undefined
    ? { ...stored, flags }
    : { ...stored, flags, data, rsn: nextRsn(stored.rsn) };
  putStored(state, ks, after);
  ks.held = undefined;
  const at = { tid: after.tid, rsn: after.rsn };
  const { leaseEndMs } = state;
  answer(state, op, "ok", data === undefined ? {} : { at, leaseEndMs });
  return true;
}

/** Under the mutex: runs the call of a waiter here. */
export function runLocal(
  state: RecordState,
  ks: KeyState,
  { op, local }: Waiter,
  stored: Stored,
): void {
  const { wish } = op;
  const { me, leaseEndMs } = state;
  if (wish.what !== "call" || me === undefined) return;
  const isOther = local !== undefined && local.isSent && !isSameTid(local.birth, stored.birth);
  if (isOther) return answer(state, op, "unknown", { why: "the record was made anew meanwhile" });
  const proof = local === undefined ? undefined : proofOf(stored.calls, me);
  if (proof !== undefined && local !== undefined && proof.seq >= local.seq) {
    return answerByProof(state, op, stored, proof);
  }
  const run = state.config.procedures.get(wish.procedure);
  if (run === undefined) return answer(state, op, "failed", { why: "no such procedure" });
  const ran = run(stored.data, wish.args);
  const result = ran.ok ? ran.result : NO_DATA;
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
    putStored(state, ks, after);
  }
  const at = { tid: after.tid, rsn: after.rsn };
  if (ran.ok) answer(state, op, "ok", { result, at, leaseEndMs });
  else answer(state, op, "failed", { why: ran.why });
}

function answerByProof(
  state: RecordState,
  op: Op,
  { tid, rsn }: Stored,
  { ok, result }: { readonly ok: boolean; readonly result?: Uint8Array | undefined },
): void {
  if (!ok) return answer(state, op, "failed", { why: "the procedure refused" });
  const given = result === undefined ? {} : { result };
  const { leaseEndMs } = state;
  answer(state, op, "ok", { ...given, at: { tid, rsn }, leaseEndMs });
}
