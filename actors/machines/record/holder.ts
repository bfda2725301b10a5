/**
 * The holder: gives the record away when its home recalls it, and keeps the copy.
 *
 *   RECALL ─▶ another copy here: NOCOPY
 *          ─▶ not the owner: GRANT again, from the copy that was kept
 *          ─▶ the owner: it waits until the mutex is free, who waited before had its turn, and nobody reads any more
 *
 * Reading the copy that is sent and giving up ownership is one step under the chain mutex.
 *
 * Does NOT promise: a quick turn; a client that is stopped inside the mutex holds the record up.
 */
import type { Purge, Query, Recall } from "../../../transport/wire/messages/record.ts";
import { PNN_UNKNOWN } from "../../../transport/wire/terms.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { copyOf, isOwner, isReleased, NO_CALLS, NO_DATA, standOf } from "./copy.ts";
import { heldField, heldHere, heldOnly } from "./held.ts";
import {
  barrier,
  breach,
  count,
  defer,
  dropStored,
  homeLife,
  keyOf,
  lifeOf,
  locked,
  mark,
  putStored,
  send,
  stopReading,
  tidy,
} from "./keys.ts";
import type { KeyState, Life, RecordState } from "./state.ts";
import { compareTid, isSameTid, tidText } from "./tid.ts";
import { closeToWriters } from "./watch.ts";

/** The home wants the record for somebody. */
export function onRecall(state: RecordState, from: Life, message: Recall): void {
  const { key, tid, ft, slotGen } = message;
  const to = lifeOf(state, message.to);
  if (to === undefined) return;
  const ks = keyOf(state, key);
  const known = ks.recall;
  if (known !== undefined && compareTid(known.message.tid, tid) > 0) return;
  const isDone = locked(state, ks, () => {
    const stored = state.store.head(key);
    if (stored === undefined || !isSameTid(stored.tid, ft)) {
      if (state.rules.saysNoCopy()) send(state, from, { kind: "nocopy", key, slotGen, tid });
    } else if (isOwner(stored, state.pnn as Pnn)) {
      const before = known !== undefined && isSameTid(known.message.tid, tid)
        ? known.before
        : ks.queue.length;
      ks.recall = { message, to, before };
      mark(state, ks);
    } else giveAway(state, ks, message, to);
  });
  if (!isDone) defer(ks, from, message);
  tidy(state, ks);
}

/** Under the mutex: the record is the other's. The copy stays. */
export function giveAway(state: RecordState, ks: KeyState, recall: Recall, to: Life): void {
  const { key } = ks;
  closeToWriters(state, ks);
  const stored = state.store.get(key);
  if (stored === undefined) return;
  const { tid, rid, slotGen } = recall;
  const copy = copyOf(stored);
  const calls = state.rules.movesProofs() ? copy.calls : NO_CALLS;
  if (isOwner(stored, state.pnn as Pnn)) {
    state.config.policy.onMovedOut(key, state.nowMs, stored.rsn);
    count(state, "moved out");
    state.moves.note(state.nowMs, "out", key, to, stored.rsn);
  }
  ks.recall = undefined;
  ks.release = undefined;
  ks.hint = to;
  if (ks.roAsks.size > 0) mark(state, ks);
  // Given to itself, it is owned by nobody until it is taken.
  const dmaster = to === state.me ? PNN_UNKNOWN : to.pnn;
  if (state.rules.keepsCopies()) putStored(state, ks, { ...stored, dmaster, flags: 0 });
  else dropStored(state, ks);
  const held = heldField(recall.held);
  send(state, to, { kind: "grant", key, slotGen, tid, rid, ...held, copy: { ...copy, calls } });
}

/** A home that recovers a key asks what is here. */
export function onQuery(state: RecordState, from: Life, message: Query): void {
  const { key, slotGen, tid, generation } = message;
  const ks = keyOf(state, key);
  const isDone = locked(state, ks, () => {
    if (ks.mustStop && state.rules.stopsReadingFirst()) stopReading(state, ks);
    if (state.rules.barsAfterQuery()) barrier(state, ks, tid);
    const stored = state.store.head(key);
    const stand = stored === undefined
      ? heldOnly(state, key)
      : { ...standOf(stored, isReportedOwner(state, ks)), ...heldHere(state, key) };
    const answer = stand === undefined ? {} : { stand };
    send(state, from, { kind: "query_answer", key, slotGen, tid, generation, ...answer });
  });
  if (!isDone) defer(ks, from, message);
  tidy(state, ks);
}

/** Is this node the owner, as a recovery is told? Who gave the record back is not. */
export function isReportedOwner(state: RecordState, ks: KeyState): boolean {
  const stored = state.store.head(ks.key);
  if (isOwner(stored, state.pnn as Pnn)) return true;
  return isReleased(stored) && !state.rules.releaseEndsOwnership();
}

/** A home purges a deleted record: first it becomes a tombstone, then nothing. */
export function onPurge(state: RecordState, from: Life, message: Purge): void {
  const { key, slotGen, tid, kind } = message;
  if (kind !== "purge1" && kind !== "purge2") return;
  if (homeLife(state, keyOf(state, key).slot) !== from) return;
  const ks = keyOf(state, key);
  const isDone = locked(state, ks, () => {
    if (state.rules.barsAfterPurge()) barrier(state, ks, tid);
    if (kind === "purge1") bury(state, ks, message);
    else forget(state, ks, message);
    const done = kind === "purge1" ? "purge1_done" : "purge2_done";
    send(state, from, { kind: done, key, slotGen, tid });
  });
  if (!isDone) defer(ks, from, message);
  tidy(state, ks);
}

function bury(state: RecordState, ks: KeyState, { tid }: Purge): void {
  const stored = state.store.get(ks.key);
  if (stored === undefined || compareTid(stored.tid, tid) >= 0) return;
  const isOwned: boolean = isOwner(stored, state.pnn as Pnn);
  if (isOwned) return breach(state, "I2", `purge ${tidText(tid)} of a record that is owned`);
  if (!state.rules.leavesTombstones()) return dropStored(state, ks);
  // A life of its own: the proofs of calls that the copy had are gone.
  const birth = state.rules.tombstoneIsNewLife() ? tid : stored.birth;
  ks.release = undefined;
  const dmaster = PNN_UNKNOWN;
  putStored(state, ks, {
    ...stored,
    dmaster,
    data: NO_DATA,
    tid,
    birth,
    calls: NO_CALLS,
    flags: 0,
  });
}

function forget(state: RecordState, ks: KeyState, { tid }: Purge): void {
  const stored = state.store.get(ks.key);
  if (stored === undefined || compareTid(stored.tid, tid) > 0) return;
  const isOwned: boolean = isOwner(stored, state.pnn as Pnn);
  if (isOwned) return breach(state, "I2", `purge ${tidText(tid)} of a record that is owned`);
  ks.release = undefined;
  dropStored(state, ks);
}
