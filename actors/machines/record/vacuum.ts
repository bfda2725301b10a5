/**
 * The vacuum: records that are empty for a while go back to their homes, which purge them. In small slices.
 *
 *   walk over the copies, a slice a tick ─▶ empty and owned: noted, with the time
 *   noted for vacuumAge, and nobody wants it ─▶ released under the mutex ─▶ RELEASE to the home, again each tick
 *   where many wait, a tick's share comes in PIECES small pieces: each costs all members some messages per record
 *
 * A released record is owned by nobody until the home grants or purges it: its copy stays for that long.
 *
 * Does NOT promise: when; a mutex that is busy is left for the next tick.
 */
import type { Pnn } from "../../../transport/wire/terms.ts";
import { revoke } from "./delegate.ts";
import { FLAG_READERS, FLAG_RELEASED, isOwner, isReleased } from "./copy.ts";
import type { Key } from "./copy.ts";
import {
  homeLife,
  keyOf,
  locked,
  newAsking,
  noteEmpty,
  putStored,
  send,
  tidy,
  wakeKey,
} from "./keys.ts";
import type { KeyState, RecordState } from "./state.ts";
import type { Waker } from "./timers.ts";
import { closeToWriters, copiesOf } from "./watch.ts";

/** The records of a tick are released in so many pieces, at as many times: others have their turn in between. */
const PIECES = 8;

/** The vacuum. */
export interface Vacuum extends Waker {
  readonly sort: "vacuum";
  /** Where its walk over the copies stands. */
  walk: Iterator<Key> | undefined;
  /** When it goes on. */
  walkMs: number;
  /** Somebody wants it to walk over all copies at once, and to take what is empty however short. */
  isHurried: boolean;
}

/** All that is empty goes now: without waiting for its age, slice after slice. */
export function hurryVacuum(state: RecordState): void {
  state.vacuum.isHurried = true;
  state.vacuum.walk = undefined;
  state.timers.set(state.vacuum, state.nowMs);
}

/** A slice of the vacuum's work. */
export function onVacuumDue(state: RecordState): void {
  const { vacuum, timing, nowMs } = state;
  const { isHurried } = vacuum;
  const tickMs = isHurried ? timing.sliceMs : timing.vacuumMs;
  if (state.me === undefined) return state.timers.set(vacuum, nowMs + tickMs);
  if (isHurried || nowMs >= vacuum.walkMs) {
    vacuum.walkMs = nowMs + tickMs;
    walk(state);
  }
  const hasMore = isHurried
    ? releaseSome(state, timing.vacuumKeys, 0)
    : releaseSome(state, Math.max(1, timing.vacuumKeys / PIECES), timing.vacuumAgeMs);
  const isPiece = hasMore && !isHurried;
  state.timers.set(vacuum, nowMs + (isPiece ? Math.max(1, tickMs / PIECES) : tickMs));
}

/** Releases some that are empty for so long. Answers whether more are due. */
function releaseSome(state: RecordState, max: number, ageMs: number): boolean {
  const due: Key[] = [];
  let hasMore = false;
  for (const [key, sinceMs] of state.empties) {
    // In the order of their times.
    if (state.nowMs < sinceMs + ageMs) break;
    hasMore = due.length >= max;
    if (hasMore) break;
    due.push(key);
  }
  for (const key of due) {
    const sinceMs = state.empties.get(key);
    if (sinceMs === undefined || lookAtEmpty(state, key)) continue;
    // Behind the others: some that stay busy must not keep all of a piece for themselves.
    state.empties.delete(key);
    state.empties.set(key, sinceMs);
  }
  return hasMore;
}

/** Notes empty records among the next few copies: clients that map the file do not tell of all. */
function walk(state: RecordState): void {
  const { vacuum, timing } = state;
  for (let left = timing.vacuumKeys; left > 0; left--) {
    vacuum.walk ??= copiesOf(state);
    const step = vacuum.walk.next();
    if (step.done === true) {
      vacuum.walk = undefined;
      vacuum.isHurried = false;
      return;
    }
    const stored = state.store.head(step.value);
    if (isOwner(stored, state.pnn as Pnn) && stored.data.length === 0) noteEmpty(state, step.value);
  }
}

/** Releases one if it may be; one that is wanted is looked at again by the walk. False: not now. */
function lookAtEmpty(state: RecordState, key: Key): boolean {
  const ks = keyOf(state, key);
  const stored = state.store.head(key);
  if (!isOwner(stored, state.pnn as Pnn) || stored.data.length > 0) {
    // Written or given away since it was noted: whoever reads it is to go on.
    state.empties.delete(key);
    tidy(state, ks);
    return true;
  }
  if (ks.readers.size > 0) {
    revoke(state, ks);
    return false;
  }
  const isBusy = ks.queue.length > 0 || ks.held !== undefined || ks.told.size > 0 ||
    ks.own !== undefined || ks.recall !== undefined || ks.roAsks.size > 0;
  const isDone = isBusy || locked(state, ks, () => release(state, ks));
  if (isDone) state.empties.delete(key);
  tidy(state, ks);
  return isDone;
}

function release(state: RecordState, ks: KeyState): void {
  closeToWriters(state, ks);
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn) || stored.data.length > 0) return;
  const flags = stored.flags & ~FLAG_READERS | FLAG_RELEASED;
  putStored(state, ks, { ...stored, flags });
  state.moves.note(state.nowMs, "released", ks.key, homeLife(state, ks.slot), stored.rsn);
  ks.release = newAsking(state, state.timing.vacuumMs);
  sendRelease(state, ks);
}

function sendRelease(state: RecordState, ks: KeyState): void {
  const stored = state.store.head(ks.key);
  const home = homeLife(state, ks.slot);
  const slotGen = state.slots[ks.slot]?.slotGen;
  if (ks.release === undefined) return;
  wakeKey(state, ks, ks.release.dueMs);
  if (!isReleased(stored) || home === undefined || slotGen === undefined) return;
  const { tid, rsn } = stored;
  send(state, home, { kind: "release", key: ks.key, slotGen, tid, rsn });
}

/** RELEASE is due again, as long as the record was not recalled, granted or purged. */
export function onReleaseDue(state: RecordState, ks: KeyState): void {
  const { release: asking } = ks;
  if (asking === undefined) return;
  if (asking.dueMs > state.nowMs) return wakeKey(state, ks, asking.dueMs);
  if (!isReleased(state.store.head(ks.key))) {
    ks.release = undefined;
    return;
  }
  asking.dueMs = state.nowMs + state.timing.vacuumMs;
  sendRelease(state, ks);
}
