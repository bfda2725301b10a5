/**
 * Writes to records that somebody watches are told by their owner.
 *
 *   the daemon writes                  `wrote`, at once
 *   a client that maps the file does   the record has the flag of readers, so the client asks; then it is open to it,
 *                                      and when it is done, or its time is over, what it wrote is found by the number
 *   somebody begins to watch           what is owned here is told as it is, and gets the flag
 *   the record comes here              it is told as it is: whoever had it may not have known that it is watched
 *
 * Who has written twice meanwhile is told once, with the newest value. A record is open for some milliseconds at most,
 * but for a client that is stopped in the mutex.
 *
 * Does NOT promise: a word when a record falls back to an older value: who watches reads anew when a member was lost.
 */
import type { Pnn, Rsn } from "../../../transport/wire/terms.ts";
import { FLAG_READERS, isOwner } from "./copy.ts";
import type { Key, Stored } from "./copy.ts";
import { count, effect, keyOf, mark, putStored } from "./keys.ts";
import type { KeyState, RecordState } from "./state.ts";
import type { Waker } from "./timers.ts";

/** A record that is open to writers who map the file, although it is watched. */
export interface Watching {
  /** What was told last; undefined: it is to be told as it is. */
  rsn: Rsn | undefined;
}

/** Looks for copies that somebody began to watch. */
export interface WatchWalk extends Waker {
  readonly sort: "watch";
  readonly walks: { readonly prefix: Key; readonly keys: Iterator<Key> }[];
}

/** Does anybody watch it? */
export function isWatched(state: RecordState, key: Key): boolean {
  return state.config.isWatched?.(key) === true;
}

/** The flags of a record that comes here: clients that map the file ask before they write one that is watched. */
export function watchedFlags(state: RecordState, key: Key): number {
  return isWatched(state, key) ? FLAG_READERS : 0;
}

/** The daemon has stored a new value. */
export function tellWrote(state: RecordState, ks: KeyState, { data, tid, rsn }: Stored): void {
  if (ks.watch !== undefined) ks.watch.rsn = rsn;
  if (!isWatched(state, ks.key)) return;
  count(state, "writes told");
  const { leaseEndMs } = state;
  effect(state, { kind: "wrote", key: ks.key, data, at: { tid, rsn }, leaseEndMs });
}

/** Under the mutex: a client that maps the file may write now. Answers for how long at least, ms. */
export function openToWriter(state: RecordState, ks: KeyState, { rsn }: Stored): number {
  if (!isWatched(state, ks.key)) return 0;
  ks.watch ??= { rsn };
  return state.timing.watchOpenMs;
}

/** Is it open to nobody any more, but not closed yet? */
export function isToClose(ks: KeyState): boolean {
  return ks.watch !== undefined && !hasWriter(ks);
}

function hasWriter(ks: KeyState): boolean {
  for (const { op: { wish } } of ks.told.values()) {
    if (wish.what === "ready" && wish.mode === "write") return true;
  }
  return false;
}

/** Under the mutex: what clients wrote is told, and from now on they ask again. */
export function closeToWriters(state: RecordState, ks: KeyState): void {
  const { watch } = ks;
  if (watch === undefined) return;
  const stored = state.store.get(ks.key);
  if (!isOwner(stored, state.pnn as Pnn)) {
    ks.watch = undefined;
    return;
  }
  if (stored.rsn !== watch.rsn) tellWrote(state, ks, stored);
  ks.watch = undefined;
  if (!isWatched(state, ks.key) || (stored.flags & FLAG_READERS) !== 0) return;
  putStored(state, ks, { ...stored, flags: stored.flags | FLAG_READERS });
}

/** Somebody begins to watch a key. */
export function onWatching(state: RecordState, key: Key): void {
  if (state.me === undefined) return;
  const ks = keyOf(state, key);
  ks.watch = { rsn: undefined };
  mark(state, ks);
}

/** Somebody begins to watch all keys that begin so: they are looked for in slices. */
export function onWatchingAll(state: RecordState, prefix: Key): void {
  const { watchWalk } = state;
  watchWalk.walks.push({ prefix, keys: copiesOf(state) });
  state.timers.set(watchWalk, state.nowMs);
}

/** The next slice. */
export function onWatchDue(state: RecordState): void {
  const { watchWalk, timing } = state;
  for (let left = timing.watchKeys; left > 0; left--) {
    const walk = watchWalk.walks[0];
    if (walk === undefined) return;
    const step = walk.keys.next();
    if (step.done === true) watchWalk.walks.shift();
    else if (step.value.startsWith(walk.prefix)) onWatching(state, step.value);
  }
  if (watchWalk.walks.length > 0) state.timers.set(watchWalk, state.nowMs + timing.watchMs);
}

/** All copies. One that comes meanwhile comes with the flag. */
export function* copiesOf(state: RecordState): Iterator<Key> {
  for (const keys of state.copies.values()) yield* keys;
}
