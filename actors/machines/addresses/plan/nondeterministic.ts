/**
 * The non-deterministic plan: addresses stay where they are, and numbers of addresses are evened out.
 *
 *   unable owners lose theirs ─▶ each free address to the least loaded able node ─▶ one by one from full to empty
 *
 * For balance: the first address of the list whose able nodes differ by two or more gives its fullest able node (the
 * lowest number of equals); of that, the first address goes to its own least loaded able node. Up to length + 5 times.
 *
 * Does NOT promise: balance of networks; nor that it ends balanced when nodes have different addresses: the address
 * that is taken need not be one that the emptier node can host.
 *
 * Upstream: ipalloc_nondeterministic.
 */

import type { Draft } from "./draft.ts";
import type { PlanInput } from "./plan.ts";

/** Moves for balance beyond the number of addresses. */
const MOVES_MORE = 5;

/** Makes the plan. */
export function planNondeterministic(draft: Draft, input: PlanInput): void {
  const { noFailback = false, noTakeover = false } = input;
  draft.dropUnable();
  if (noTakeover) return;
  draft.placeLeastLoaded();
  if (!noFailback) balance(draft);
}

function balance(draft: Draft): void {
  const sets = ableSets(draft);
  for (let move = 0; move < draft.length + MOVES_MORE; move++) {
    const fullest = firstFullest(draft, sets);
    if (fullest === undefined) return;
    const index = draft.firstOf(fullest);
    const target = draft.leastLoaded(index);
    // Nothing would change, nor the next time.
    if (target === fullest) return;
    draft.give(index, target, "moved");
  }
}

/** The different sets of able nodes, in the order of the first address that has each. */
function ableSets(draft: Draft): (readonly number[])[] {
  const sets = new Map<string, readonly number[]>();
  for (let index = 0; index < draft.length; index++) {
    const able = draft.ableOf(index);
    const name = able.join();
    if (!sets.has(name)) sets.set(name, able);
  }
  return [...sets.values()];
}

/** The fullest node of the first set whose nodes differ by two addresses or more. */
function firstFullest(draft: Draft, sets: readonly (readonly number[])[]): number | undefined {
  for (const able of sets) {
    let fullest: number | undefined;
    let fewest = Infinity;
    for (const node of able) {
      const count = draft.countOf(node);
      if (fullest === undefined || count > draft.countOf(fullest)) fullest = node;
      fewest = Math.min(fewest, count);
    }
    if (fullest !== undefined && draft.countOf(fullest) > fewest + 1) return fullest;
  }
  return undefined;
}
