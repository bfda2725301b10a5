/**
 * The deterministic plan: each address has a home, and is there whenever its home can host it.
 *
 *   n-th address of the list ─▶ node n mod nodeCount, or its home by the file of homes
 *   its home cannot host it ─▶ the able node with the fewest addresses
 *
 * Does NOT promise: few moves; nor balance when nodes have different addresses. It takes no notice of noFailback.
 *
 * Upstream: ipalloc_deterministic; homes are those of newer releases.
 */

import { type Draft, NOBODY } from "./draft.ts";
import type { PlanInput } from "./plan.ts";

/** Makes the plan. */
export function planDeterministic(draft: Draft, input: PlanInput): void {
  const { homes, noTakeover = false } = input;
  for (let index = 0; index < draft.length; index++) {
    const home = homes?.get(draft.addressAt(index)) ?? index % draft.nodeCount;
    if (draft.isAble(index, home)) draft.give(index, home, "home");
    else draft.give(index, NOBODY, "unable");
  }
  if (!noTakeover) draft.placeLeastLoaded();
}
