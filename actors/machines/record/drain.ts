/**
 * A planned stop: a node that drains is home of nothing, and each home pulls the records that it still owns.
 *
 *   flag draining ─▶ a view in which the node has no slots ─▶ homes own its records themselves, a few at a time
 *                 ─▶ nothing left at any home ─▶ a view without it: nothing is lost
 *
 * Does NOT promise: an end while clients of that node hold locks.
 */
import { isCurrent } from "./home.ts";
import { keyOf, wakeKey } from "./keys.ts";
import { request } from "./requester.ts";
import type { Entry, Life, RecordState } from "./state.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";

/** What this home knows to be at a node still; slots that are not open count as one each. */
export function leftAt(state: RecordState, pnn: Pnn): number {
  const life = state.members.get(pnn);
  let left = 0;
  for (const home of state.homes) if (home !== undefined && !home.isOpen) left += 1;
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

/** Pulls some more records from nodes that drain. */
export function pullSome(state: RecordState): void {
  let room = state.timing.drainKeys;
  for (const pnn of state.draining) {
    const life = state.members.get(pnn);
    if (life === undefined || life === state.me) continue;
    for (const entry of state.named.get(life) ?? []) {
      if (room === 0) return;
      if (entry.holder !== life || !isCurrent(state, entry)) continue;
      const ks = keyOf(state, entry.key);
      room -= 1;
      if (ks.isPulled) continue;
      ks.isPulled = true;
      request(state, ks);
      wakeKey(state, ks, ks.own?.dueMs ?? state.nowMs);
    }
  }
}
