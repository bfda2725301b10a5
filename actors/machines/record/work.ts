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
import { mayShip, ship, tellDone } from "./calls.ts";
import { answerRoAsks, askToRead, clearReadersFlag, refuseRoAsks, revoke } from "./delegate.ts";
import type { OpWish } from "./events.ts";
import { FLAG_LOCKED, isOwner, isReader } from "./copy.ts";
import type { Stored } from "./copy.ts";
import { giveAway } from "./holder.ts";
import { count, isServing, locked, putStored, tidy, wakeKey } from "./keys.ts";
import { answer, endWaiter, finishHeld, runLocal } from "./ops.ts";
import { isHeldDone } from "./programs.ts";
import { request } from "./requester.ts";
import type { KeyState, RecordState, Waiter } from "./state.ts";
import { isVisitor, refuseVisitors, runVisitor } from "./visitors.ts";
import { closeToWriters, isToClose, isWatched, openToWriter } from "./watch.ts";

/** Does what can be done at a key. */
export function work(state: RecordState, ks: KeyState): void {
  if (state.me === undefined) return;
  if (ks.calls.length > 0) tellDone(state, ks);
  const hasWork = ks.queue.length > 0 || ks.recall !== undefined || isHeldDone(ks) ||
    isToClose(ks) || ks.roAsks.size > 0;
  if (hasWork) {
    const stored = state.store.head(ks.key);
    if (isOwner(stored, state.pnn as Pnn)) {
      if (locked(state, ks, () => workAsOwner(state, ks))) after(state, ks);
    } else {
      ks.watch = undefined;
      refuseRoAsks(state, ks);
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
  const stored = state.store.head(ks.key);
  if (isOwner(stored, state.pnn as Pnn)) return;
  refuseVisitors(state, ks);
  ask(state, ks, stored);
}

function workAsOwner(state: RecordState, ks: KeyState): void {
  if (isToClose(ks)) closeToWriters(state, ks);
  if (ks.held !== undefined && !finishHeld(state, ks)) return;
  if (!isOwner(state.store.head(ks.key), state.pnn as Pnn)) return;
  const isBlocked = runQueue(state, ks);
  if (isBlocked) return;
  if (ks.recall !== undefined) settle(state, ks);
  else if (ks.roAsks.size > 0) answerRoAsks(state, ks);
}

/** Does it read only? */
export function isReading(wish: OpWish): boolean {
  return wish.what === "read" || (wish.what === "ready" && wish.mode === "read");
}

/** Runs who has a turn. Answers whether somebody must be waited for before the record may go. */
function runQueue(state: RecordState, ks: KeyState): boolean {
  while (ks.queue.length > 0 && isServing(state)) {
    const { recall } = ks;
    if (recall !== undefined && (recall.before <= 0 || state.nowMs >= ks.holdUntilMs)) return false;
    const place = ks.queue[0];
    if (place === undefined) return false;
    const isRead = !isVisitor(place) && isReading(place.op.wish);
    if (!isRead && ks.readers.size > 0 && state.rules.revokesBeforeWrite()) {
      revoke(state, ks);
      return true;
    }
    const isDaemons = isVisitor(place) || place.op.wish.what !== "ready";
    // Where it is watched only who asks may write; the daemon tells what it writes itself.
    if (!isRead && !(isDaemons && isWatched(state, ks.key))) clearReadersFlag(state, ks);
    ks.queue.shift();
    if (recall !== undefined) recall.before -= 1;
    const isHeld = isVisitor(place) ? runVisitor(state, ks, place) : serve(state, ks, place);
    if (isHeld) return true;
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
      count(state, "reads here");
      answer(state, op, { result: data, at: { tid, rsn }, leaseEndMs });
      return false;
    case "call":
      count(state, "calls here");
      return runLocal(state, ks, waiter, stored);
    case "lock":
      count(state, "locks");
      putStored(state, ks, { ...stored, flags: stored.flags | FLAG_LOCKED });
      ks.held = { kind: "lock", waiter, unlock: undefined };
      state.effects.push({ kind: "locked", id: op.id, data, at: { tid, rsn }, leaseEndMs });
      return true;
    case "ready": {
      const isWrite = op.wish.mode === "write";
      const openMs = isWrite ? openToWriter(state, ks, stored) : 0;
      const forMs = Math.max(state.timing.minHoldMs, openMs);
      const untilMs = Math.max(ks.holdUntilMs, state.nowMs + forMs);
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
  const isLeft = isServing(state) && state.nowMs < ks.holdUntilMs && isInUse(state, ks);
  if (isLeft) return wakeKey(state, ks, ks.holdUntilMs);
  if (ks.readers.size > 0 && state.rules.revokesBeforeMove()) return revoke(state, ks);
  giveAway(state, ks, recall.message, recall.to);
}

/** Do clients that map the file work with it now? Those that were told so, and those of whom nobody knows. */
function isInUse(state: RecordState, ks: KeyState): boolean {
  for (const { untilMs } of ks.told.values()) if (untilMs > state.nowMs) return true;
  return ks.readers.size === 0 && state.config.policy.isUsedInFile(ks.key);
}

/** Under the mutex: reads that wait are done by the copy that may be read. */
export function workAsReader(state: RecordState, ks: KeyState): void {
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
      answer(state, op, { result: data, at: { tid, rsn }, leaseEndMs });
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

/** Is a call to go to the record? Always, where its procedure is not known here: at the record it may be. */
function isToShip(state: RecordState, ks: KeyState, procedure: string): boolean {
  const { policy, procedures } = state.config;
  const choice = policy.onCall(ks.key, state.nowMs);
  return choice === "ship" || procedures.get(procedure) === undefined;
}

/** Asks for what the waiting operations need. Thousands may wait: what is so for all is looked at once. */
function ask(state: RecordState, ks: KeyState, stored: Stored | undefined): void {
  const { policy } = state.config;
  const isReadHere = isReader(stored) && !ks.mustStop;
  let isDelegated: boolean | undefined;
  const isDraining = state.draining.has(state.pnn as Pnn);
  let needsOwn = false;
  let needsRead = false;
  for (let at = 0; at < ks.queue.length;) {
    const place = ks.queue[at];
    if (place === undefined) break;
    at += 1;
    if (isVisitor(place)) continue;
    const { wish } = place.op;
    const isRead = isReading(wish);
    const mayShipIt = wish.what === "call" && place.local === undefined;
    // It may be read here, as soon as there is a lease and the mutex.
    if (isRead && isReadHere) continue;
    if (isRead) isDelegated ??= isDraining || policy.onRead(ks.key, state.nowMs) === "delegate";
    if (isRead && isDelegated === true) {
      needsRead = true;
    } else if (mayShipIt && (isDraining || isToShip(state, ks, wish.procedure))) {
      if (!mayShip(state, ks)) continue;
      at -= 1;
      ks.queue.splice(at, 1);
      ship(state, ks, place);
    } else if (isDraining) {
      at -= 1;
      ks.queue.splice(at, 1);
      endWaiter(state, place, { code: "state", why: "this node is draining" });
    } else needsOwn = true;
  }
  if (needsOwn) request(state, ks);
  else if (needsRead) askToRead(state, ks);
}
