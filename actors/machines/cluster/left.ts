/**
 * What is still at nodes that go: their records move to the others first, and each home says how many it still knows.
 *
 *   record machines ─▶ left {generation, nodes} ─▶ heartbeats ─▶ the leader: nothing at n2 any more ─▶ n2 may go
 *
 * A report counts for the view that it names: by an older one a home may not know its slots yet.
 *
 * Does NOT promise: an end while programs of the node that goes hold locks; a planned stop has a limit, a leave waits.
 */
import type { Left } from "../../../transport/wire/messages/cluster.ts";
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { hasVolatile } from "./databases.ts";
import { formatOf, hasSlots, lifeOf } from "./document.ts";
import type { ClusterState } from "./state.ts";

/** Nodes whose records go elsewhere by a document, ascending. */
export function goingOf({ nodes, view }: Document): Pnn[] {
  const stopping = new Set(view.stopping);
  return nodes.filter(({ pnn, adminFlags }) =>
    (stopping.has(pnn) || adminFlags.includes("draining")) &&
    lifeOf(view.members, pnn) !== undefined
  ).map(({ pnn }) => pnn);
}

/** The own homes have looked. What is news goes out at once. */
export function onLeft(state: ClusterState, left: Left): void {
  const isToTell = isNews(state.left, left);
  state.left = left;
  if (isToTell) state.beatAtMs = state.nowMs;
}

/** Says a report that nobody waits any more for a node? */
export function isNews(before: Left | undefined, now: Left | undefined): boolean {
  if (now === undefined) return false;
  const isOther = before?.generation !== now.generation;
  return now.nodes.some(({ pnn, count }) => count === 0 && (isOther || countOf(before, pnn) !== 0));
}

function countOf(left: Left | undefined, pnn: Pnn): number | undefined {
  return left?.nodes.find((one) => one.pnn === pnn)?.count;
}

/** What the next heartbeat says of it. */
export function leftToSay({ left, adopted }: ClusterState): { left?: Left } {
  const isNow = left !== undefined && left.nodes.length > 0 && adopted !== undefined &&
    formatOf(adopted) > 1 && left.generation === adopted.generation;
  return isNow ? { left } : {};
}

/**
 * How many records are at a node still, as all homes know it, those that nobody reported yet as `undefined`; 0: none,
 * or there is nobody who could take them.
 */
export function recordsAt(
  { peers }: ClusterState,
  doc: Document,
  { pnn }: Pick<DocumentNode, "pnn">,
): number | undefined {
  if (!hasVolatile(doc) || lifeOf(doc.view.members, pnn) === undefined) return 0;
  let sum = 0;
  for (const node of doc.nodes) {
    const life = lifeOf(doc.view.members, node.pnn);
    if (node.pnn === pnn || life === undefined || !hasSlots(doc.view, node.pnn)) continue;
    const peer = peers.get(node.nodeId);
    if (peer?.incarnation !== life || peer.left?.generation !== doc.generation) return undefined;
    const count = countOf(peer.left, pnn);
    if (count === undefined) return undefined;
    sum += count;
  }
  return sum;
}
