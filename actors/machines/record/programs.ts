/**
 * Procedures of programs: the record is held while a program runs, which may take a while and may never end.
 *
 *   its turn ─▶ held (FLAG_LOCKED), `run` ─▶ `ran` ─▶ value, number and proof are stored in one step, as in visitors.ts
 *                                        ─▶ too late, or the program is gone: refused
 *                                        ─▶ nobody wants it any more: dropped, nothing is changed
 *
 * Nothing is done before `ran` is here and the lease is valid: what is dropped before was certainly not executed.
 *
 * Does NOT promise: that the program is stopped; what it says later is not heard.
 */
import type { Pnn } from "../../../transport/wire/terms.ts";
import { FLAG_LOCKED, isOwner, nextRsn, NO_DATA } from "./copy.ts";
import type { Stored } from "./copy.ts";
import type { Reason, RecordEvent } from "./events.ts";
import { count, effect, isIn, isServing, mark, putStored, send, wakeKey } from "./keys.ts";
import { applyLocal, endWaiter, TOO_LATE } from "./ops.ts";
import { fitting, runProcedure } from "./procedures.ts";
import type { Ran } from "./procedures.ts";
import type { HeldRun, KeyState, Place, RecordState } from "./state.ts";
import { applyVisitor, isVisitor } from "./visitors.ts";

/** What a program has to do. */
interface Work {
  readonly procedure: string;
  readonly args: Uint8Array;
}

/** Under the mutex: holds the record, and has a program run. */
export function startProgram(
  state: RecordState,
  ks: KeyState,
  place: Place,
  stored: Stored,
  { procedure, args }: Work,
): void {
  state.runId += 1;
  const id = state.runId;
  const limitMs = state.nowMs + state.timing.procedureMs;
  const untilMs = isVisitor(place) ? limitMs : Math.min(limitMs, place.op.deadlineMs);
  putStored(state, ks, { ...stored, flags: stored.flags | FLAG_LOCKED });
  ks.held = { kind: "run", id, untilMs, place, ran: undefined };
  state.programs.set(id, ks);
  wakeKey(state, ks, untilMs);
  count(state, "programs run");
  effect(state, { kind: "run", id, key: ks.key, procedure, data: stored.data, args, untilMs });
}

/** A program has run. What comes too late, or was for another life, is not heard. */
export function onRan(
  state: RecordState,
  event: Extract<RecordEvent, { readonly kind: "ran" }>,
): void {
  const ks = state.programs.get(event.id);
  if (ks === undefined) return;
  state.programs.delete(event.id);
  const { held } = ks;
  if (held?.kind !== "run" || held.id !== event.id) return;
  if (event.ok) {
    // The record is held: what the program was given is what it says still.
    const data = event.data ?? state.store.get(ks.key)?.data ?? NO_DATA;
    held.ran = fitting({ ok: true, data, result: event.result ?? NO_DATA });
  } else held.ran = { ok: false, why: event.why };
  mark(state, ks);
}

/** The program's time is over: that is a refusal; and a client that has no time left is told so. */
export function onProgramDue(state: RecordState, ks: KeyState): void {
  const { held } = ks;
  if (held?.kind !== "run" || held.place === undefined) return;
  const { place } = held;
  if (!isVisitor(place) && place.op.deadlineMs <= state.nowMs) {
    return dropProgram(state, ks, held, TOO_LATE);
  }
  if (held.ran === undefined && held.untilMs <= state.nowMs) {
    forgetRun(state, held);
    held.ran = { ok: false, why: "the program did not end in time" };
    count(state, "programs late");
    mark(state, ks);
  }
  const dueMs = held.ran === undefined ? held.untilMs : Infinity;
  wakeKey(state, ks, isVisitor(place) ? dueMs : Math.min(dueMs, place.op.deadlineMs));
}

/** Nobody wants it any more. It was not executed; what was sent before may be, elsewhere. */
export function dropProgram(
  state: RecordState,
  ks: KeyState,
  held: HeldRun,
  reason: Reason,
): void {
  const { place } = held;
  held.place = undefined;
  held.ran = { ok: false, why: reason.why };
  forgetRun(state, held);
  if (place !== undefined && !isVisitor(place)) endWaiter(state, place, reason);
  mark(state, ks);
}

function forgetRun(state: RecordState, { id }: HeldRun): void {
  if (state.programs.delete(id)) effect(state, { kind: "run_over", id });
}

/** Under the mutex: what a program made is stored, as soon as it may be. Answers whether the record is free. */
export function finishProgram(state: RecordState, ks: KeyState, held: HeldRun): boolean {
  const { ran, place } = held;
  if (ran === undefined) return false;
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn)) {
    ks.held = undefined;
    loseProgram(state, place);
    return true;
  }
  // Frozen, or without a lease: whether it counts shows later.
  if (place !== undefined && !isServing(state)) return false;
  ks.held = undefined;
  const free = { ...stored, flags: stored.flags & ~FLAG_LOCKED };
  putStored(state, ks, free);
  if (place === undefined) return true;
  if (isVisitor(place)) applyVisitor(state, ks, place, free, ran);
  else applyLocal(state, ks, place, free, ran);
  return true;
}

function loseProgram(state: RecordState, place: Place | undefined): void {
  if (place === undefined) return;
  if (!isVisitor(place)) {
    return endWaiter(state, place, { code: "state", why: "the record was lost" });
  }
  if (!isIn(state, place.origin)) return;
  const { key, seq } = place.call;
  send(state, place.origin, { kind: "call_no", key, seq, why: "unowned" });
}

/** The call of a program that waits for its end, if it is one of a node's or of a client's that `isOf` knows. */
export function heldPlace(ks: KeyState): Place | undefined {
  return ks.held?.kind === "run" ? ks.held.place : ks.held?.waiter;
}

/** Can whoever has the record give it back now? */
export function isHeldDone({ held }: KeyState): boolean {
  if (held === undefined) return false;
  return held.kind === "lock" ? held.unlock !== undefined : held.ran !== undefined;
}

/** What a procedure did, where it is the daemon's own; undefined: a program runs it, and holds the record. */
export function runNow(
  state: RecordState,
  ks: KeyState,
  place: Place,
  stored: Stored,
  work: Work,
): Ran | "held" | undefined {
  const run = state.config.procedures.get(work.procedure);
  if (run === undefined) return undefined;
  if (run !== "external") {
    const at = { tid: stored.tid, rsn: nextRsn(stored.rsn) };
    return runProcedure(run, stored.data, work.args, at);
  }
  startProgram(state, ks, place, stored, work);
  return "held";
}
