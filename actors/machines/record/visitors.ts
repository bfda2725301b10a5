/**
 * Shipped calls, at the owner: each is executed at most once, whatever is repeated, and wherever the record goes.
 *
 *   CALL ─▶ proof of this number in the copy: answer again      of a higher one: too late, nothing
 *        ─▶ the owner, of this life of the record: it waits in the queue like a local operation
 *   run ─▶ value, number and proof are stored in one step ─▶ CALL_DONE
 *
 * Does NOT promise: that a repeated answer has the result, if that was long.
 */
import type { Call } from "../../../transport/wire/messages/record.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { copyOf, isOwner, newProof, nextRsn, NO_CALLS, proofOf, withProof } from "./copy.ts";
import type { Stored } from "./copy.ts";
import { queryNow } from "./backlog.ts";
import { isOnlyHeld } from "./held.ts";
import { homeFor } from "./home.ts";
import { count, isIn, isServing, keyOf, lifeOf, mark, putStored, send, tidy } from "./keys.ts";
import type { Ran } from "./procedures.ts";
import { heldPlace, runNow } from "./programs.ts";
import { reasonBytes, tryPut } from "./space.ts";
import type { KeyState, Life, Place, RecordState, Visitor } from "./state.ts";
import { isSameTid } from "./tid.ts";
import { tellWrote } from "./watch.ts";

/** A call comes: a home passes it on, an owner takes it. */
export function onCall(state: RecordState, message: Call): void {
  const { key, seq, path, slotGen } = message;
  const origin = lifeOf(state, message.origin);
  if (origin === undefined) return;
  if (path !== "home") return takeCall(state, origin, message);
  const home = homeFor(state, key, slotGen);
  if (home === undefined) return;
  const entry = home.table.get(key);
  if (entry === undefined || isOnlyHeld(entry)) {
    return send(state, origin, { kind: "call_no", key, seq, why: "absent" });
  }
  queryNow(state, entry);
  if (entry.holder === undefined || entry.phase === "query" || entry.phase === "purge2") return;
  send(state, entry.holder, { ...message, path: "passed" });
}

function takeCall(state: RecordState, origin: Life, message: Call): void {
  const { key, seq, path, procedure } = message;
  const ks = keyOf(state, key);
  const no = (why: "moved" | "unowned" | "noproc") =>
    send(state, origin, { kind: "call_no", key, seq, why });
  const stored = state.store.get(key);
  if (!isOwner(stored, state.pnn as Pnn) || ks.recall !== undefined) {
    no(path === "passed" ? "unowned" : "moved");
  } else if (state.rules.checksBirth() && !isSameTid(stored.birth, message.birth)) {
    send(state, origin, { kind: "call_no", key, seq, why: "birth", birth: stored.birth });
  } else if (state.config.procedures.get(procedure) === undefined) no("noproc");
  else {
    const proof = proofOf(stored.calls, origin);
    if (proof !== undefined && proof.seq === seq) answerAgain(state, stored, origin, message);
    else if ((proof === undefined || proof.seq < seq) && !isWaiting(ks, origin, seq)) {
      ks.queue.push({ call: message, origin });
      state.config.policy.onVisit(key, state.nowMs);
      mark(state, ks);
    }
  }
  tidy(state, ks);
}

function isWaiting(ks: KeyState, origin: Life, seq: number): boolean {
  const isIt = (place: Place | undefined) =>
    place !== undefined && isVisitor(place) && place.origin === origin && place.call.seq === seq;
  return isIt(heldPlace(ks)) || ks.queue.some(isIt);
}

/** Is it a call of another node? */
export function isVisitor(place: Place): place is Visitor {
  return "call" in place;
}

function answerAgain(state: RecordState, stored: Stored, origin: Life, { key, seq }: Call): void {
  const proof = proofOf(stored.calls, origin);
  if (proof === undefined || !isServing(state)) return;
  const { ok } = proof;
  const given = proof.result === undefined ? {} : { result: proof.result };
  send(state, origin, { kind: "call_done", key, seq, ok, ...given, copy: copyOf(stored) });
}

/**
 * Under the mutex: executes a call whose turn it is. The lease is valid now; what is sent after is still right. Answers
 * whether a program runs it, and holds the record.
 */
export function runVisitor(state: RecordState, ks: KeyState, visitor: Visitor): boolean {
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn) || !isToRun(state, visitor, stored)) return false;
  const ran = runNow(state, ks, visitor, stored, visitor.call);
  if (ran === "held") return true;
  if (ran !== undefined) applyVisitor(state, ks, visitor, stored, ran);
  return false;
}

/** May it be executed, and was not yet? */
function isToRun(state: RecordState, { call, origin }: Visitor, stored: Stored): boolean {
  if (state.rules.originMustBeIn() && !isIn(state, origin)) return false;
  if (state.rules.checksBirth() && !isSameTid(stored.birth, call.birth)) return false;
  const proof = proofOf(stored.calls, origin);
  if (proof === undefined || proof.seq < call.seq) return true;
  if (proof.seq === call.seq) answerAgain(state, stored, origin, call);
  return false;
}

/** Under the mutex: what a call of another node did is stored, with its proof, and answered. */
export function applyVisitor(
  state: RecordState,
  ks: KeyState,
  visitor: Visitor,
  stored: Stored,
  ran: Ran,
): void {
  if (!isToRun(state, visitor, stored)) return;
  const { origin, call: { seq } } = visitor;
  const { key } = ks;
  const result = ran.ok ? ran.result : reasonBytes({ code: "refused", ...ran });
  const data = ran.ok ? ran.data : stored.data;
  const proofs = ran.ok || state.rules.provesRefusal()
    ? withProof(
      stored.calls,
      newProof(origin, seq, ran.ok, result),
      (other) => lifeOf(state, other.origin) !== undefined,
    )
    : stored.calls;
  const after: Stored = { ...stored, data, rsn: nextRsn(stored.rsn), calls: proofs };
  if (!ran.ok) putStored(state, ks, after);
  else {
    const reason = tryPut(state, ks, after);
    // It is proved like any refusal: what is repeated must not be executed when there is room again.
    if (reason !== undefined) {
      return applyVisitor(state, ks, visitor, stored, { ok: false, ...reason });
    }
  }
  count(state, "visits");
  if (ran.ok) tellWrote(state, ks, after);
  const calls = state.rules.movesProofs() ? after.calls : NO_CALLS;
  const copy = { ...copyOf(after), calls };
  send(state, origin, { kind: "call_done", key, seq, ok: ran.ok, result, copy });
}

/** The record is not here any more: calls that wait are sent away. */
export function refuseVisitors(state: RecordState, ks: KeyState): void {
  for (let at = ks.queue.length - 1; at >= 0; at--) {
    const place = ks.queue[at];
    if (place === undefined || !isVisitor(place)) continue;
    ks.queue.splice(at, 1);
    const { seq, path } = place.call;
    const why = path === "passed" ? "unowned" : "moved";
    if (isIn(state, place.origin)) {
      send(state, place.origin, { kind: "call_no", key: ks.key, seq, why });
    }
  }
}
