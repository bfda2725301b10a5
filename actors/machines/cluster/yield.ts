/**
 * A leader that goes on purpose: a last digest, the register released, and it does not stand again for a while.
 *
 * Does NOT promise: who comes next; the rank decides. Until then nobody is disturbed: the leases last.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { isActive, nodeById, voterOf } from "./document.ts";
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

/** Leads no longer. */
export function yieldLead(state: ClusterState, lead: Lead, why: string): void {
  sendDigests(state, lead, true);
  if (state.lead !== lead) return;
  release(state, lead);
  state.holdOffMs = state.nowMs + state.timing.holdOffMs;
  stepDown(state, `yields: ${why}`);
}

/** Is there another node that may lead and answers? */
export function hasSuccessor(state: ClusterState, lead: Lead): boolean {
  const doc = lead.effective;
  if (doc === undefined) return false;
  return doc.voters.some(({ nodeId }) => {
    const peer = state.peers.get(nodeId);
    return nodeId !== state.me && peer !== undefined && isCandidate(doc, nodeId) &&
      peer.health.healthy && peer.dsToken === lead.token &&
      state.nowMs - peer.recvMs <= state.timing.deadMs;
  });
}
