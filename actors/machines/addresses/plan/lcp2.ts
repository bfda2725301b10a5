/**
 * The LCP2 plan: addresses of each network are spread over the nodes, and few addresses move.
 *
 *   unable owners lose theirs ─▶ free addresses, the cheapest first, to their cheapest able nodes
 *                             ─▶ while a move makes the most loaded node better: that move
 *
 * Moves go only to nodes that had no address (they are new, or were not healthy) and to those that are forced; so a
 * healthy cluster stays as it is. Sums and choices are those of assembly/lcp2.ts; here is their order.
 *
 * Does NOT promise: the best of all plans; it is greedy, as upstream's.
 *
 * Upstream: ipalloc_lcp2. Nodes of equal imbalance are tried by ascending number, as a stable sort leaves them
 * (upstream uses qsort, which in Debian's glibc is one).
 */

import { type Lcp2Sums, Lcp2Table } from "../../../../assembly/host/lcp2_table.ts";
import { type Draft, NOBODY } from "./draft.ts";
import type { PlanInput } from "./plan.ts";

/** Opens a table of costs: keys of four u32 for each address, and the number of nodes. */
export type OpenSums = (keys: Uint32Array, nodes: number) => Lcp2Sums;

/** The table in WebAssembly. */
export const openLcp2Table: OpenSums = (keys, nodes) => new Lcp2Table(keys, nodes);

/** Makes the plan. `open`: another table of the same sums, for comparison. Throws RangeError without memory. */
export function planLcp2(draft: Draft, input: PlanInput, open: OpenSums = openLcp2Table): void {
  const { forced = [], noFailback = false, noTakeover = false } = input;
  draft.dropUnable();
  if (noTakeover) return;
  const isForced = new Set<number>(forced);
  const candidates = Array.from({ length: draft.nodeCount }, (_, node) => node)
    .filter((node) => draft.countOf(node) === 0 || isForced.has(node));
  const mayMove = !noFailback && candidates.length > 0;
  // Nobody's addresses are those of firstOf(NOBODY); without one there is nothing to place.
  if (draft.firstOf(NOBODY) < 0 && !mayMove) return;
  const sums = open(draft.keys(), draft.nodeCount);
  try {
    begin(draft, sums);
    place(draft, sums);
    if (!mayMove) return;
    sums.setCandidates(candidates);
    balance(draft, sums);
  } finally {
    sums.close();
  }
}

function begin(draft: Draft, sums: Lcp2Sums): void {
  for (let index = 0; index < draft.length; index++) {
    for (const node of draft.ableOf(index)) sums.setAble(index, node);
    const owner = draft.ownerOf(index);
    if (owner !== NOBODY) sums.put(index, owner);
  }
}

function place(draft: Draft, sums: Lcp2Sums): void {
  sums.rank();
  for (let next = sums.nextPlace(); next !== undefined; next = sums.nextPlace()) {
    sums.place(next);
    draft.give(next.address, next.node, "placed", next.cost);
  }
}

function balance(draft: Draft, sums: Lcp2Sums): void {
  for (let next = sums.nextMove(); next !== undefined; next = sums.nextMove()) {
    sums.move(next);
    draft.give(next.address, next.node, "moved", next.cost);
  }
}
