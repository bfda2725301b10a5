/**
 * Plans where the public addresses go. See plan.ts for what comes in and out.
 *
 *   lcp2 ─▶ lcp2.ts      deterministic ─▶ deterministic.ts      nondeterministic ─▶ nondeterministic.ts
 *
 * Does NOT promise: a short time; 10 000 addresses on 100 nodes take a second or two (docs/BENCHMARKS.md).
 */

import { planDeterministic } from "./deterministic.ts";
import { Draft } from "./draft.ts";
import { openLcp2Table, type OpenSums, planLcp2 } from "./lcp2.ts";
import { planNondeterministic } from "./nondeterministic.ts";
import type { Plan, PlanInput } from "./plan.ts";

/**
 * The plan for this input. `open`: how LCP2 keeps its sums. Throws RangeError on what is no input, and when LCP2 gets
 * no memory for its table.
 */
export function planAddresses(input: PlanInput, open: OpenSums = openLcp2Table): Plan {
  const draft = new Draft(input);
  switch (input.algorithm) {
    case "lcp2":
      planLcp2(draft, input, open);
      break;
    case "deterministic":
      planDeterministic(draft, input);
      break;
    case "nondeterministic":
      planNondeterministic(draft, input);
      break;
  }
  return draft.finish();
}
