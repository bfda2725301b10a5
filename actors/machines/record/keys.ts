/**
 * The small steps that all parts take: find a key's state, store a copy, try its mutex, send, answer, complain.
 *
 *   locked(state, ks, run)   had: run under the chain mutex, at once      busy: the key is looked at again soon
 *
 * The daemon never waits for a mutex. A writer that died in it may have left a value with the number of the one before:
 * the copy gets a new number, so that no two states of a record look alike.
 *
 * Does NOT promise: that a busy mutex is free the next time.
 */
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import type { Tid } from "../../../transport/wire/messages/record_parts.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { slotOf } from "../cluster/slots.ts";
import { FLAG_RO, isOwner, isReader, nextRsn } from "./copy.ts";
import type { Key, Stored } from "./copy.ts";
import type { RecordEffect } from "./events.ts";
import { isOnItsWay } from "./long.ts";
import type { Asking, Entry, KeyState, Life, RecordState } from "./state.ts";
import { NEVER } from "./state.ts";
import { compareTid } from "./tid.ts";

/** What is put off at one key, at most; more is dropped, since all of it is repeated. */
const DEFERRED_MAX = 64;

/** The state of a key; made when there is none. */
export function keyOf(state: RecordState, key: Key): KeyState {
  const known = state.keys.get(key);
  if (known !== undefined) return known;
  const made: KeyState = {
    sort: "key",
    wakeMs: NEVER,
    key,
    slot: slotOf(state.config.hashOf(key)),
    queue: [],
    held: undefined,
    watch: undefined,
    told: new Map(),
    own: undefined,
    ro: undefined,
    calls: [],
    roAsks: new Map(),
    readers: new Map(),
    revoke: undefined,
    recall: undefined,
    holdUntilMs: 0,
    granter: undefined,
    roRid: 0,
    mustStop: false,
    release: undefined,
    deferred: [],
    mutex: undefined,
    busyMs: 0,
    hint: undefined,
    isPulled: false,
    isDirty: false,
  };
  state.keys.set(key, made);
  return made;
}

/** Has the key nothing but its copy? Then its state is forgotten. */
export function tidy(state: RecordState, ks: KeyState): void {
  const isActive = ks.queue.length > 0 || ks.held !== undefined || ks.own !== undefined ||
    ks.ro !== undefined || ks.calls.length > 0 || ks.recall !== undefined ||
    ks.release !== undefined || ks.roAsks.size > 0 || ks.isPulled || ks.isDirty;
  if (isActive) {
    state.active.add(ks);
    return;
  }
  state.active.delete(ks);
  const isBusy = ks.told.size > 0 || ks.readers.size > 0 || ks.granter !== undefined ||
    ks.mustStop || ks.deferred.length > 0 || ks.mutex !== undefined || ks.watch !== undefined ||
    ks.holdUntilMs > state.nowMs;
  if (isBusy) return;
  if (state.keys.get(ks.key) === ks) state.keys.delete(ks.key);
  state.timers.set(ks, NEVER);
}

/** The key is worked at before the step ends. */
export function mark(state: RecordState, ks: KeyState): void {
  if (ks.isDirty) return;
  ks.isDirty = true;
  state.active.add(ks);
  state.dirty.push(ks);
}

/** The slot of a key. */
export function slotOfKey(state: RecordState, key: Key): number {
  return state.keys.get(key)?.slot ?? slotOf(state.config.hashOf(key));
}

/** The member that is home of a slot. */
export function homeLife(state: RecordState, slot: number): Life | undefined {
  const home = state.slots[slot]?.home;
  return home === undefined ? undefined : lifeOf(state, home);
}

/** The member that this is; undefined: it is none. */
export function lifeOf(state: RecordState, { pnn, incarnation }: Member): Life | undefined {
  const life = state.members.get(pnn);
  if (life === undefined) return undefined;
  if (life.incarnation === incarnation) return life;
  return state.rules.isHeard(false, true) ? life : undefined;
}

/** Is this life a member? */
export function isIn(state: RecordState, life: Life): boolean {
  const now = state.members.get(life.pnn);
  return !state.rules.isGone(now === life, now !== undefined);
}

/** May results leave this node now? */
export function isServing(state: RecordState): boolean {
  return state.me !== undefined && state.nowMs < state.leaseEndMs;
}

/** Stores a copy, and keeps the index of its slot. */
export function putStored(state: RecordState, ks: KeyState, stored: Stored): void {
  state.store.put(ks.key, stored);
  const set = state.copies.get(ks.slot);
  if (set === undefined) state.copies.set(ks.slot, new Set([ks.key]));
  else set.add(ks.key);
  if (ks.granter !== undefined && !isReader(stored)) forgetGranter(state, ks);
  if (stored.data.length === 0 && isOwner(stored, state.pnn as Pnn)) noteEmpty(state, ks.key);
}

/** Forgets a copy. */
export function dropStored(state: RecordState, ks: KeyState): void {
  state.store.drop(ks.key);
  const set = state.copies.get(ks.slot);
  if (set?.delete(ks.key) === true && set.size === 0) state.copies.delete(ks.slot);
  forgetGranter(state, ks);
}

/** The vacuum is to look at a key that is empty. */
export function noteEmpty(state: RecordState, key: Key): void {
  if (!state.empties.has(key)) state.empties.set(key, state.nowMs);
}

/** This node reads no longer by anybody. */
export function forgetGranter(state: RecordState, ks: KeyState): void {
  if (ks.granter === undefined) return;
  state.granted.get(ks.granter)?.delete(ks);
  ks.granter = undefined;
  ks.mustStop = false;
}

/** Does this node own the key, as its file says now? Outside of the mutex that is a guess. */
export function owns(state: RecordState, ks: KeyState): boolean {
  return isOwner(state.store.head(ks.key), state.pnn as Pnn);
}

/** Runs something under the key's mutex, or has the key looked at again soon. Answers whether it ran. */
export function locked(state: RecordState, ks: KeyState, run: () => void): boolean {
  if (!state.rules.takesMutex()) {
    run();
    return true;
  }
  const got = state.store.tryLock(ks.key);
  if (got === "busy") {
    if (ks.mutex === undefined) {
      const { mutexMs, mutexMaxMs } = state.timing;
      ks.busyMs = ks.busyMs === 0 ? mutexMs : Math.min(2 * ks.busyMs, mutexMaxMs);
      ks.mutex = { dueMs: state.nowMs + ks.busyMs };
    }
    wakeKey(state, ks, ks.mutex.dueMs);
    return false;
  }
  ks.busyMs = 0;
  if (got === "died") onDeadWriter(state, ks);
  run();
  state.store.unlock(ks.key);
  return true;
}

/** Whoever had the mutex died in it: what it left is a state of its own. */
function onDeadWriter(state: RecordState, ks: KeyState): void {
  count(state, "died in the mutex");
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn) || !state.rules.countsDeadWriter()) return;
  putStored(state, ks, { ...stored, rsn: nextRsn(stored.rsn) });
}

/** Puts a message off until the mutex of its key is had. */
export function defer(ks: KeyState, from: Life, message: RecordMessage): void {
  // Of one sender and kind the newest is enough: all are repeated, and carry what tells them apart.
  const at = ks.deferred.findIndex((other) =>
    other.from === from && other.message.kind === message.kind
  );
  if (at >= 0) ks.deferred[at] = { from, message };
  else if (ks.deferred.length < DEFERRED_MAX) ks.deferred.push({ from, message });
}

/** Has a key looked at by a time. */
export function wakeKey(state: RecordState, ks: KeyState, atMs: number): void {
  if (atMs < ks.wakeMs) state.timers.set(ks, atMs);
}

/** Has an entry looked at by a time. */
export function wakeEntry(state: RecordState, entry: Entry, atMs: number): void {
  if (atMs < entry.wakeMs) state.timers.set(entry, atMs);
}

/** Something is asked for the first time. */
export function newAsking(state: RecordState, waitMs: number): Asking {
  return { dueMs: state.nowMs + waitMs, waitMs };
}

/** It is asked again: the next time after twice as long. */
export function askLater(state: RecordState, asking: Asking, maxMs: number): void {
  asking.waitMs = Math.min(2 * asking.waitMs, maxMs);
  asking.dueMs = state.nowMs + asking.waitMs;
}

/** Sends to a member; to itself within this step. */
export function send(state: RecordState, to: Life, message: RecordMessage): void {
  if (to === state.me) {
    state.inbox.push(message);
    return;
  }
  if (isOnItsWay(state, to, message)) return;
  const waiting = state.outbox.get(to);
  if (waiting === undefined) state.outbox.set(to, [message]);
  else waiting.push(message);
}

/** Does an effect. */
export function effect(state: RecordState, made: RecordEffect): void {
  state.effects.push(made);
}

/** Counts something for those who watch. */
export function count(state: RecordState, what: string): void {
  state.counts.set(what, (state.counts.get(what) ?? 0) + 1);
}

/** An assert of section 15 that fails is told; with a life, that life broke the protocol. */
export function breach(state: RecordState, number: string, why: string, life?: Life): void {
  count(state, `breach ${number}`);
  effect(state, { kind: "breach", number, why, ...(life === undefined ? {} : { life }) });
}

/** What was asked before `tid` comes too late for a key, as far as it carries an older copy. */
export function barrier(state: RecordState, ks: KeyState, tid: Tid): void {
  for (const asked of [ks.own, ks.ro, ...ks.calls]) {
    if (asked !== undefined && compareTid(asked.minTid, tid) < 0) asked.minTid = tid;
  }
  const { recall } = ks;
  if (recall !== undefined && compareTid(recall.message.tid, tid) < 0) {
    if (state.rules.dropsRecalls()) ks.recall = undefined;
  }
}

/** This node may read the key no longer. Under the mutex. */
export function stopReading(state: RecordState, ks: KeyState): void {
  const stored = state.store.get(ks.key);
  if (isReader(stored)) putStored(state, ks, { ...stored, flags: stored.flags & ~FLAG_RO });
  forgetGranter(state, ks);
  ks.mustStop = false;
}
