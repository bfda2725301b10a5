/**
 * Reading where the record is not: an owner lets others read, and tells them before it writes or gives it away.
 *
 *   reader ── RO_ASK{rid} ─▶ owner: readers[reader] = rid, then RO{rid, copy} ─▶ reader: reads at no cost
 *   owner, before a write:  REVOKE{rid} to each ─▶ reader: reads no longer ─▶ REVOKED{rid} ─▶ readers without it
 *
 * Of a reader the highest rid counts: it names the copy that may be in use. A REVOKE makes the question under way void,
 * too, so an RO that overtakes or is overtaken does no harm.
 *
 * Does NOT promise: that a reader has the copy; only that whoever has it is among the readers.
 */
import type { Revoke, Revoked, Ro, RoAsk, RoNo } from "../../../transport/wire/messages/record.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { copyOf, FLAG_READERS, FLAG_RO, isNewer, isOwner, isReader, standOf } from "./copy.ts";
import type { Stored } from "./copy.ts";
import { queryNow } from "./backlog.ts";
import type { Reason } from "./events.ts";
import { isOnlyHeld } from "./held.ts";
import { homeFor } from "./home.ts";
import {
  askLater,
  count,
  defer,
  forgetGranter,
  homeLife,
  isIn,
  isServing,
  keyOf,
  lifeOf,
  locked,
  mark,
  newAsking,
  putStored,
  send,
  stopReading,
  tidy,
  wakeKey,
} from "./keys.ts";
import { endWaiter } from "./ops.ts";
import { tryPut } from "./space.ts";
import type { KeyState, Life, RecordState } from "./state.ts";
import { compareTid, TID_NONE } from "./tid.ts";
import { isVisitor } from "./visitors.ts";
import { isReading, workAsReader } from "./work.ts";

/** Where the key probably is: what an answer said, or whom the own copy was given to. */
export function hintOf(state: RecordState, ks: KeyState): Life | undefined {
  const { hint } = ks;
  if (hint !== undefined && isIn(state, hint) && hint !== state.me) return hint;
  const stored = state.store.head(ks.key);
  const life = stored === undefined ? undefined : state.members.get(stored.dmaster);
  return life === state.me ? undefined : life;
}

/** Asks for a copy to read, unless that is under way. */
export function askToRead(state: RecordState, ks: KeyState): void {
  if (ks.ro !== undefined) return;
  state.rid += 1;
  const asking = newAsking(state, state.timing.retryMs);
  ks.ro = { ...asking, sinceMs: state.nowMs, rid: state.rid, minTid: TID_NONE, tries: 0 };
  sendRoAsk(state, ks);
}

function sendRoAsk(state: RecordState, ks: KeyState): void {
  const { ro, key } = ks;
  const { me } = state;
  const slotGen = state.slots[ks.slot]?.slotGen;
  if (ro === undefined || me === undefined) return;
  wakeKey(state, ks, ro.dueMs);
  const hint = ro.tries < state.timing.hintTries ? hintOf(state, ks) : undefined;
  ro.tries += 1;
  const to = hint ?? homeLife(state, ks.slot);
  if (to === undefined || slotGen === undefined) return;
  const path = hint === undefined ? "home" : "hint";
  send(state, to, { kind: "ro_ask", key, slotGen, rid: ro.rid, origin: me, path });
}

/** The question is due again, or nobody waits for the answer. */
export function onRoDue(state: RecordState, ks: KeyState): void {
  const { ro } = ks;
  if (ro === undefined) return;
  if (ro.dueMs > state.nowMs) return wakeKey(state, ks, ro.dueMs);
  if (ks.queue.length === 0) {
    ks.ro = undefined;
    return;
  }
  askLater(state, ro, state.timing.retryMaxMs);
  sendRoAsk(state, ks);
}

/** A home passes the question on to the holder; an owner answers it. */
export function onRoAsk(state: RecordState, from: Life, message: RoAsk): void {
  const { key, rid, path, slotGen } = message;
  const origin = lifeOf(state, message.origin);
  if (origin === undefined) return;
  if (path !== "home") return answerRoAsk(state, from, origin, message);
  const home = homeFor(state, key, slotGen);
  if (home === undefined) return;
  const entry = home.table.get(key);
  if (entry === undefined || isOnlyHeld(entry)) {
    return send(state, origin, { kind: "ro_no", key, rid, why: "absent" });
  }
  queryNow(state, entry);
  if (entry.holder === undefined || entry.phase === "query" || entry.phase === "purge2") return;
  send(state, entry.holder, { ...message, path: "passed" });
}

function answerRoAsk(state: RecordState, from: Life, origin: Life, message: RoAsk): void {
  const { key, rid, path } = message;
  const ks = keyOf(state, key);
  const isDone = locked(state, ks, () => {
    const stored = state.store.get(key);
    if (!isOwner(stored, state.pnn as Pnn) || origin === state.me) {
      const why = path === "passed" ? "unowned" : "moved";
      return send(state, origin, { kind: "ro_no", key, rid, why });
    }
    if (mayDelegate(ks)) delegate(state, ks, stored, origin, rid);
    else {
      const asked = ks.roAsks.get(origin);
      if (asked === undefined || asked.rid < rid) ks.roAsks.set(origin, message);
    }
  });
  if (!isDone) defer(ks, from, message);
  tidy(state, ks);
}

/** Whoever writes comes first: otherwise those who read again and again would keep it from its turn for ever. */
function mayDelegate({ recall, revoke, held, told, queue }: KeyState): boolean {
  if (recall !== undefined || revoke !== undefined || held !== undefined) return false;
  for (const { op } of told.values()) if (!isReading(op.wish)) return false;
  return queue.every((place) => !isVisitor(place) && isReading(place.op.wish));
}

function delegate(
  state: RecordState,
  ks: KeyState,
  stored: Stored,
  origin: Life,
  rid: number,
): void {
  const { key } = ks;
  const known = ks.readers.get(origin);
  if (known !== undefined && known > rid && state.rules.keepsHighestRid()) return;
  noteReader(state, ks, origin, rid);
  putStored(state, ks, { ...stored, flags: stored.flags | FLAG_READERS });
  state.config.policy.onDelegated(key, state.nowMs);
  count(state, "delegated");
  state.moves.note(state.nowMs, "read out", key, origin, stored.rsn);
  send(state, origin, { kind: "ro", key, rid, copy: copyOf(stored) });
}

/** Under the mutex, at the owner: who asked meanwhile may read now. */
export function answerRoAsks(state: RecordState, ks: KeyState): void {
  for (const [origin, { rid }] of ks.roAsks) {
    const stored = state.store.get(ks.key);
    if (!isOwner(stored, state.pnn as Pnn) || !mayDelegate(ks)) return;
    ks.roAsks.delete(origin);
    if (isIn(state, origin)) delegate(state, ks, stored, origin, rid);
  }
}

/** The record is another's: who asked for a copy asks there. */
export function refuseRoAsks(state: RecordState, ks: KeyState): void {
  for (const [origin, { key, rid, path }] of ks.roAsks) {
    const why = path === "passed" ? "unowned" : "moved";
    if (isIn(state, origin)) send(state, origin, { kind: "ro_no", key, rid, why });
  }
  ks.roAsks.clear();
}

function noteReader(state: RecordState, ks: KeyState, reader: Life, rid: number): void {
  ks.readers.set(reader, rid);
  const keys = state.reading.get(reader);
  if (keys === undefined) state.reading.set(reader, new Set([ks]));
  else keys.add(ks);
}

/** A reader reads no longer. */
export function dropReader(state: RecordState, ks: KeyState, reader: Life): void {
  ks.readers.delete(reader);
  state.reading.get(reader)?.delete(ks);
  if (ks.readers.size > 0) return;
  ks.revoke = undefined;
  mark(state, ks);
}

/** The copy to read has come. */
export function onRo(state: RecordState, from: Life, message: Ro): void {
  const { key, rid, copy } = message;
  const ks = keyOf(state, key);
  const isDone = locked(state, ks, () => {
    const { ro } = ks;
    if (ro === undefined || (ro.rid !== rid && state.rules.dropsLateAnswers())) return;
    const stored = state.store.get(key);
    if (isOwner(stored, state.pnn as Pnn)) return;
    const isOlder = compareTid(copy.tid, ro.minTid) < 0 || (stored !== undefined &&
      isNewer(standOf(stored, false), standOf(asReader(copy, from), false), state.rules));
    // Asked again under another number: the owner is to know which answer counts.
    if (isOlder) return renewRo(state, ks);
    const reason = tryPut(state, ks, asReader(copy, from));
    if (reason !== undefined) return endReads(state, ks, reason);
    count(state, "reads in");
    state.waits.read.note(state.nowMs - ro.sinceMs);
    state.moves.note(state.nowMs, "read in", key, from, copy.rsn);
    ks.ro = undefined;
    forgetGranter(state, ks);
    ks.granter = from;
    ks.roRid = rid;
    ks.mustStop = false;
    ks.hint = from;
    const keys = state.granted.get(from);
    if (keys === undefined) state.granted.set(from, new Set([ks]));
    else keys.add(ks);
    // At once: a REVOKE may follow in the same step, and who waits has been let read.
    if (isServing(state)) workAsReader(state, ks);
    mark(state, ks);
  });
  if (!isDone) defer(ks, from, message);
  tidy(state, ks);
}

/** There is no room for the copy, and what is read must be here. */
function endReads(state: RecordState, ks: KeyState, reason: Reason): void {
  ks.ro = undefined;
  for (let at = ks.queue.length - 1; at >= 0; at--) {
    const place = ks.queue[at];
    if (place === undefined || isVisitor(place) || !isReading(place.op.wish)) continue;
    ks.queue.splice(at, 1);
    endWaiter(state, place, reason);
  }
  mark(state, ks);
}

function asReader(copy: Ro["copy"], from: Life): Stored {
  return { ...copyOf(copy), dmaster: from.pnn, flags: FLAG_RO };
}

function renewRo(state: RecordState, ks: KeyState): void {
  const { ro } = ks;
  if (ro === undefined) return;
  state.rid += 1;
  ro.rid = state.rid;
  ro.dueMs = state.nowMs + state.timing.retryMs;
  sendRoAsk(state, ks);
}

/** It cannot be read that way. */
export function onRoNo(state: RecordState, { key, rid, why }: RoNo): void {
  const ks = state.keys.get(key);
  const ro = ks?.ro;
  if (ks === undefined || ro === undefined || ro.rid !== rid) return;
  ks.hint = undefined;
  if (why === "moved") {
    ro.tries = state.timing.hintTries;
    return sendRoAsk(state, ks);
  }
  // A node that drains must not own it: somebody else may, later.
  if (state.draining.has(state.pnn as Pnn)) return;
  // Nobody owns it, or it is not there: the record itself is needed.
  ks.ro = undefined;
  state.config.policy.onRefused(key, state.nowMs);
  mark(state, ks);
}

/** Tells the readers to stop; again until all have. */
export function revoke(state: RecordState, ks: KeyState): void {
  if (ks.revoke !== undefined) return;
  ks.revoke = newAsking(state, state.timing.revokeMs);
  count(state, "revoked");
  sendRevokes(state, ks);
}

function sendRevokes(state: RecordState, ks: KeyState): void {
  const { key } = ks;
  if (ks.revoke === undefined) return;
  wakeKey(state, ks, ks.revoke.dueMs);
  for (const [reader, rid] of ks.readers) send(state, reader, { kind: "revoke", key, rid });
}

/** REVOKE is due again. */
export function onRevokeDue(state: RecordState, ks: KeyState): void {
  if (ks.revoke === undefined) return;
  if (ks.revoke.dueMs > state.nowMs) return wakeKey(state, ks, ks.revoke.dueMs);
  ks.revoke.dueMs = state.nowMs + state.timing.revokeMs;
  sendRevokes(state, ks);
}

/** The owner wants to write, or to give it away. */
export function onRevoke(state: RecordState, from: Life, message: Revoke): void {
  const { key, rid } = message;
  const ks = keyOf(state, key);
  const isDone = locked(state, ks, () => {
    if (ks.ro?.rid === rid && state.rules.revokeVoidsAsked()) renewRo(state, ks);
    // A reader that has asked again meanwhile holds the copy of an earlier number: that is meant, too.
    const isMeant = isReader(state.store.head(key)) && ks.granter === from && ks.roRid <= rid;
    if (isMeant) stopReading(state, ks);
    send(state, from, { kind: "revoked", key, rid });
    if (!isMeant || !state.config.policy.onRevoked(key, state.nowMs)) return;
    // Asked in the same message, it is answered as soon as what was waited for is written.
    if (ks.own === undefined) askToRead(state, ks);
  });
  if (!isDone) defer(ks, from, message);
  tidy(state, ks);
}

/** A reader has stopped. */
export function onRevoked(state: RecordState, from: Life, { key, rid }: Revoked): void {
  const ks = state.keys.get(key);
  if (ks === undefined || ks.readers.get(from) !== rid) return;
  dropReader(state, ks, from);
}

/** Nobody reads any more: under the mutex, the flag that keeps clients from writing goes. */
export function clearReadersFlag(state: RecordState, ks: KeyState): void {
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn) || (stored.flags & FLAG_READERS) === 0) return;
  if (ks.readers.size > 0) return;
  putStored(state, ks, { ...stored, flags: stored.flags & ~FLAG_READERS });
}
