/**
 * The vacuum: records that are empty for a while go back to their homes, which purge them. In small slices.
 *
 *   walk over the copies, a slice a tick ─▶ empty and owned: noted, with the time
 *   noted for vacuumAge, and nobody wants it ─▶ released under the mutex ─▶ RELEASE to the home, again each tick
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
  owns,
  putStored,
  send,
  tidy,
  wakeKey,
} from "./keys.ts";
import type { KeyState, RecordState } from "./state.ts";

/** A slice of the vacuum's work. */
export function onVacuumDue(state: RecordState): void {
  const { vacuum, timing, nowMs } = state;
  state.timers.set(vacuum, nowMs + timing.vacuumMs);
  if (state.me === undefined) return;
  walk(state);
  let left = timing.vacuumKeys;
  for (const [key, sinceMs] of state.empties) {
    if (left === 0) break;
    left -= 1;
    if (nowMs < sinceMs + timing.vacuumAgeMs) continue;
    lookAtEmpty(state, key);
  }
}

/** Notes empty records among the next few copies: clients that map the file do not tell of all. */
function walk(state: RecordState): void {
  const { vacuum, timing } = state;
  for (let left = timing.vacuumKeys; left > 0; left--) {
    vacuum.walk ??= copiesOf(state);
    const step = vacuum.walk.next();
    if (step.done === true) {
      vacuum.walk = undefined;
      return;
    }
    const stored = state.store.get(step.value);
    if (isOwner(stored, state.pnn as Pnn) && stored.data.length === 0) noteEmpty(state, step.value);
  }
}

function* copiesOf(state: RecordState): Iterator<Key> {
  for (const keys of state.copies.values()) yield* keys;
}

function lookAtEmpty(state: RecordState, key: Key): void {
  const ks = keyOf(state, key);
  if (ks.readers.size > 0 && owns(state, ks)) return revoke(state, ks);
  const isBusy = ks.queue.length > 0 || ks.held !== undefined || ks.told.size > 0 ||
    ks.own !== undefined || ks.readers.size > 0 || ks.recall !== undefined;
  // One that is wanted is looked at again by the walk.
  if (isBusy || locked(state, ks, () => release(state, ks))) state.empties.delete(key);
  tidy(state, ks);
}

function release(state: RecordState, ks: KeyState): void {
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn) || stored.data.length > 0) return;
  const flags = stored.flags & ~FLAG_READERS | FLAG_RELEASED;
  putStored(state, ks, { ...stored, flags });
  ks.release = newAsking(state, state.timing.vacuumMs);
  sendRelease(state, ks);
}

function sendRelease(state: RecordState, ks: KeyState): void {
  const stored = state.store.get(ks.key);
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
  if (!isReleased(state.store.get(ks.key))) {
    ks.release = undefined;
    return;
  }
  asking.dueMs = state.nowMs + state.timing.vacuumMs;
  sendRelease(state, ks);
}
