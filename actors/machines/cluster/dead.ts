/**
 * Certain death (section 6): a supervisor says that a life is over and fenced. It is a fact about one life, so it may
 * come late, twice or never.
 *
 * Does NOT promise: a vote. DEAD stands for the silence of a member, never for its yes.
 */
import type { Dead } from "../../../transport/wire/messages/cluster.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { blame } from "./ban.ts";
import { nodeByPnn } from "./document.ts";
import type { ClusterState } from "./state.ts";
import { noteDead, tell } from "./state.ts";

/** A certificate; only a node's own supervisor may send one. */
export function onDead(state: ClusterState, from: NodeId, { pnn, incarnation, tMs }: Dead): void {
  const doc = state.adopted ?? state.accepted;
  if (doc === undefined || nodeByPnn(doc, pnn)?.nodeId !== from) return;
  const known = state.certificates.get(from);
  if (known !== undefined && known.incarnation >= incarnation) return;
  state.certificates.set(from, { incarnation, tMs });
  const peer = state.peers.get(from);
  if (peer?.incarnation === incarnation && peer.tMs > tMs) {
    onBreach(state, from, "V16: certified dead before its last heartbeat");
  }
  if (!noteDead(state, from, incarnation)) return;
  tell(state, { what: "certain death", nodeId: from, incarnation });
  if (state.lead !== undefined) state.lead.isDirty = true;
}

/** Somebody broke the protocol: the leader takes it out when the others can do without. */
export function onBreach(state: ClusterState, nodeId: NodeId, why: string): void {
  tell(state, { what: "breach", nodeId, why });
  blame(state, nodeId, state.timing.banCredits, why);
}
