/**
 * What is done at a key, in the order of coming, as far as the node may now.
 *
 *   owner    operations, one after another ─▶ a recall: those that were there before it, for the minimum hold; then it
 *            goes, when nobody reads it
 *   reader   reads
 *   neither  what they need is asked for: the record, a copy to read, or the work is sent
 *
 * A write, and giving the record away, wait until all readers have stopped. Nothing is done for clients while the lease
 * is over or the node is frozen.
 *
 * Does NOT promise: that an operation has its turn before its deadline.
 */
import type { Pnn } from "../../../transport/wire/terms.ts";
import { askToRead, clearReadersFlag, revoke } from "./delegate.ts";
import { mayShip, ship } from "./calls.ts";
import { FLAG_LOCKED, isOwner, isReader } from "./copy.ts";
import { giveAway } from "./holder.ts";
import { isServing, locked, putStored, tidy, wakeKey } from "./keys.ts";
import { answer, finishUnlock, runLocal } from "./ops.ts";
import { request } from "./requester.ts";
import type { KeyState, RecordState, Waiter } from "./state.ts";
import { isVisitor, refuseVisitors, runVisitor } from "./visitors.ts";

/** Does what can be done at a key. */
export function work(state: RecordState, ks: KeyState): void {
  if (state.me === undefined) return;
  const hasWork = ks.queue.length > 0 || ks.recall !== undefined || ks.held?.unlock !== undefined;
  if (hasWork) {
    const stored = state.store.get(ks.key);
    if (isOwner(stored, state.pnn as Pnn)) {
      if (locked(state, ks, () => workAsOwner(state, ks))) after(state, ks);
    } else {
      if (isReader(stored) && isServing(state) && !ks.mustStop && ks.queue.length > 0) {
        locked(state, ks, () => workAsReader(state, ks));
      }
      after(state, ks);
    }
  }
  tidy(state, ks);
}

/** What is left in the queue of a key that is not owned needs something from elsewhere. */
function after(state: RecordState, ks: KeyState): void {
  if (ks.queue.length === 0) return;
  if (isOwner(state.store.get(ks.key), state.pnn as Pnn)) return;
  refuseVisitors(state, ks);
  ask(state, ks);
}

function workAsOwner(state: RecordState, ks: KeyState): void {
  if (ks.held !== undefined && !finishUnlock(state, ks)) return;
  if (!isOwner(state.store.get(ks.key), state.pnn as Pnn)) return;
  const isBlocked = runQueue(state, ks);
  if (isBlocked || ks.recall === undefined) return;
  settle(state, ks);
}

/** Runs who has a turn. Answers whether somebody must be waited for before the record may go. */
function runQueue(state: RecordState, ks: KeyState): boolean {
  while (ks.queue.length > 0 && isServing(state)) {
    const { recall } = ks;
    if (recall !== undefined && (recall.before <= 0 || state.nowMs >= ks.holdUntilMs)) return false;
    const place = ks.queue[0];
    if (place === undefined) return false;
    const isRead = !isVisitor(place) && (place.op.wish.what === "read" ||
      (place.op.wish.what === "ready" && place.op.wish.mode === "read"));
    if (!isRead && ks.readers.size > 0 && state.rules.revokesBeforeWrite()) {
      revoke(state, ks);
      return true;
    }
    if (!isRead) clearReadersFlag(state, ks);
    ks.queue.shift();
    if (recall !== undefined) recall.before -= 1;
    if (isVisitor(place)) runVisitor(state, ks, place);
    else if (serve(state, ks, place)) return true;
  }
  return false;
}

/** Does a local operation. Answers whether it holds the record now. */
function serve(state: RecordState, ks: KeyState, waiter: Waiter): boolean {
  const { op } = waiter;
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn)) return false;
  const { tid, rsn, data } = stored;
  const { leaseEndMs } = state;
  state.config.policy.onUsed(ks.key, state.nowMs);
  switch (op.wish.what) {
    case "read":
      answer(state, op, "ok", { result: data, at: { tid, rsn }, leaseEndMs });
      return false;
    case "call":
      runLocal(state, ks, waiter, stored);
      return false;
    case "lock":
      putStored(state, ks, { ...stored, flags: stored.flags | FLAG_LOCKED });
      ks.held = { waiter, unlock: undefined };
      state.effects.push({ kind: "locked", id: op.id, data, at: { tid, rsn }, leaseEndMs });
      return true;
    case "ready": {
      const untilMs = Math.max(ks.holdUntilMs, state.nowMs + state.timing.minHoldMs);
      ks.told.set(op.id, { op, untilMs });
      wakeKey(state, ks, untilMs);
      state.effects.push({ kind: "ready", id: op.id });
      return false;
    }
  }
}

/** Under the mutex, and nobody's turn any more: the record goes when nobody reads it. */
function settle(state: RecordState, ks: KeyState): void {
  const { recall } = ks;
  if (recall === undefined) return;
  const isTold = isServing(state) && state.nowMs < ks.holdUntilMs &&
    [...ks.told.values()].some(({ untilMs }) => untilMs > state.nowMs);
  if (isTold) return wakeKey(state, ks, ks.holdUntilMs);
  if (ks.readers.size > 0 && state.rules.revokesBeforeMove()) return revoke(state, ks);
  giveAway(state, ks, recall.message, recall.to);
}

function workAsReader(state: RecordState, ks: KeyState): void {
  const stored = state.store.get(ks.key);
  if (!isReader(stored)) return;
  const { tid, rsn, data } = stored;
  for (let at = 0; at < ks.queue.length;) {
    const place = ks.queue[at];
    if (place === undefined) break;
    if (isVisitor(place)) {
      at += 1;
      continue;
    }
    const { op } = place;
    if (op.wish.what === "read") {
      const { leaseEndMs } = state;
      answer(state, op, "ok", { result: data, at: { tid, rsn }, leaseEndMs });
    } else if (op.wish.what === "ready" && op.wish.mode === "read") {
      ks.told.set(op.id, { op, untilMs: state.nowMs + state.timing.minHoldMs });
      wakeKey(state, ks, state.nowMs + state.timing.minHoldMs);
      state.effects.push({ kind: "ready", id: op.id });
    } else {
      at += 1;
      continue;
    }
    ks.queue.splice(at, 1);
    state.config.policy.onUsed(ks.key, state.nowMs);
  }
}

/** Asks for what the waiting operations need. */
function ask(state: RecordState, ks: KeyState): void {
  const { policy } = state.config;
  const isDraining = state.draining.has(state.pnn as Pnn);
  let needsOwn = false;
  let needsRead = false;
  for (let at = 0; at < ks.queue.length;) {
    const place = ks.queue[at];
    if (place === undefined) break;
    at += 1;
    if (isVisitor(place)) continue;
    const { wish } = place.op;
    const isRead = wish.what === "read" || (wish.what === "ready" && wish.mode === "read");
    const mayShipIt = wish.what === "call" && place.local === undefined;
    // It may be read here, as soon as there is a lease and the mutex.
    if (isRead && isReader(state.store.get(ks.key)) && !ks.mustStop) continue;
    if (isRead && (isDraining || policy.onRead(ks.key, state.nowMs) === "delegate")) {
      needsRead = true;
    } else if (mayShipIt && (isDraining || policy.onCall(ks.key, state.nowMs) === "ship")) {
      if (!mayShip(state, ks)) continue;
      at -= 1;
      ks.queue.splice(at, 1);
      ship(state, ks, place);
    } else if (isDraining) {
      at -= 1;
      ks.queue.splice(at, 1);
      const isSent = place.local?.isSent === true;
      answer(state, place.op, isSent ? "unknown" : "failed", { why: "this node is draining" });
    } else needsOwn = true;
  }
  if (needsOwn) request(state, ks);
  else if (needsRead) askToRead(state, ks);
}
