/**
 * A planned stop: a node that drains is home of nothing, and each home pulls the records that it still owns.
 *
 *   flag draining ─▶ a view in which the node has no slots ─▶ homes own its records themselves, a few at a time
 *                 ─▶ nothing left at any home ─▶ a view without it: nothing is lost
 *
 * Does NOT promise: an end while clients of that node hold locks.
 */
import { lookAtBacklog } from "./backlog.ts";
import { isCurrent } from "./home.ts";
import { keyOf, wakeKey } from "./keys.ts";
import { request } from "./requester.ts";
import type { Entry, KeyState, Life, RecordState } from "./state.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";

/** What this home knows to be at a node still; slots that are not open count as one each. */
export function leftAt(state: RecordState, pnn: Pnn): number {
  const life = state.members.get(pnn);
  let left = state.closed.size + state.backlog.queries.size;
  if (life === undefined) return left;
  for (const entry of state.named.get(life) ?? []) if (isAt(state, entry, life)) left += 1;
  for (const entry of state.rounds) if (isCurrent(state, entry)) left += 1;
  return left;
}

function isAt(state: RecordState, entry: Entry, life: Life): boolean {
  if (!isCurrent(state, entry)) return false;
  const { holder, pend, queue } = entry;
  return holder === life || pend?.to === life || queue.some(({ of }) => of === life);
}

/** Pulls some more records from nodes that drain: so many are on their way at once. */
export function pullSome(state: RecordState): void {
  let room = state.timing.drainKeys - state.pulled.size;
  for (const pnn of state.draining) {
    const life = state.members.get(pnn);
    if (life === undefined || life === state.me) continue;
    for (const entry of state.named.get(life) ?? []) {
      if (room <= 0) return;
      if (entry.holder !== life || !isCurrent(state, entry)) continue;
      const ks = keyOf(state, entry.key);
      if (ks.isPulled) continue;
      room -= 1;
      ks.isPulled = true;
      state.pulled.add(ks);
      request(state, ks);
      wakeKey(state, ks, ks.own?.dueMs ?? state.nowMs);
    }
  }
}

/** A record that was pulled is here: the next ones follow when half of them are. */
export function onPulled(state: RecordState, ks: KeyState): void {
  ks.isPulled = false;
  if (!state.pulled.delete(ks)) return;
  if (state.pulled.size <= state.timing.drainKeys / 2) lookAtBacklog(state);
}

/** In another view other records are to be pulled, or none. */
export function forgetPulled(state: RecordState): void {
  for (const ks of state.pulled) ks.isPulled = false;
  state.pulled.clear();
}
