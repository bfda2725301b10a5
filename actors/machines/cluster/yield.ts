/**
 * A leader that goes on purpose: a last digest, the register released, and it does not stand again for a while.
 *
 * Does NOT promise: who comes next; the rank decides. Until then nobody is disturbed: the leases last.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { hasCap, isActive, nodeById, voterOf } from "./document.ts";
import { sendDigests } from "./grant.ts";
import type { Lead } from "./lead.ts";
import { stepDown } from "./leader.ts";
import { release } from "./register.ts";
import type { ClusterState } from "./state.ts";

/** May this node lead by this document? */
export function mayLead(state: ClusterState, doc: Document): boolean {
  return isCandidate(doc, state.me);
}

/** Is a node a voter that is active? */
export function isCandidate(doc: Document, nodeId: NodeId): boolean {
  const node = nodeById(doc, nodeId);
  return node !== undefined && isActive(node) && voterOf(doc, nodeId) !== undefined;
}

/** Nobody is wanted more. */
export const PREFERRED = 2;

/**
 * How much a node is wanted as leader: 2 as any; 1 when it should not lead; 0 when it is on its way out. One that is
 * wanted less leads only while nobody else can: a cluster without a leader would be worse.
 */
export function preferenceOf(doc: Document, nodeId: NodeId): number {
  const node = nodeById(doc, nodeId);
  if (node === undefined || node.leaving !== undefined) return 0;
  return hasCap(doc, node, "leader") ? PREFERRED : 1;
}

/** Leads no longer. */
export function yieldLead(state: ClusterState, lead: Lead, why: string): void {
  sendDigests(state, lead, true);
  if (state.lead !== lead) return;
  release(state, lead);
  state.holdOffMs = state.nowMs + state.timing.holdOffMs;
  stepDown(state, `yields: ${why}`);
}

/** Is there another node that may lead, is wanted that much, and answers? */
export function hasSuccessor(state: ClusterState, lead: Lead, leastPreference = 0): boolean {
  const doc = lead.effective;
  if (doc === undefined) return false;
  return doc.voters.some(({ nodeId, diskId }) => {
    const peer = state.peers.get(nodeId);
    // One with another disk has no vote to stand with: it would be waited for in vain.
    const hasVote = diskId === undefined || diskId === peer?.diskId;
    return nodeId !== state.me && peer !== undefined && hasVote && isCandidate(doc, nodeId) &&
      preferenceOf(doc, nodeId) >= leastPreference &&
      peer.health.healthy && peer.health.runstate !== "shutdown" && peer.dsToken === lead.token &&
      state.nowMs - peer.recvMs <= state.timing.deadMs;
  });
}
