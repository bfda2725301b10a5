/**
 * What the takeover machine needs to know of the cluster machine while this node leads.
 *
 * Does NOT promise: to stay true; it is asked again in each step.
 */
import type { Document } from "../../../../transport/wire/messages/document.ts";
import type { Incarnation, NodeId, Token } from "../../../../transport/wire/terms.ts";
import { FORMAT_FIRST, formatOf, hasMajority } from "../../cluster/document.ts";
import type { ClusterState } from "../../cluster/state.ts";
import type { Timing } from "../../cluster/tunables.ts";

/** A leader whose document is in force. */
export interface LeadView {
  readonly token: Token;
  readonly doc: Document;
  readonly timing: Timing;
  /** Does the grant rule hold now? */
  isGranting(nowMs: number): boolean;
  /** When each lease that a node may have is over, by the own clock; undefined: of one that nobody names any more. */
  leaseOverMs(nodeId: NodeId | undefined): number;
  /** The last life of a node that is certainly over; its addresses may be there all the same. */
  deadLife(nodeId: NodeId): Incarnation | undefined;
}

/** Looks at a cluster machine; undefined: it does not lead, or has nothing in force yet. */
export function leadViewOf(state: ClusterState): LeadView | undefined {
  const { lead, rules, timing } = state;
  const doc = lead?.effective;
  if (lead === undefined || doc === undefined || state.stopped !== undefined) return undefined;
  // Before format 2 there may be nodes that know nothing of these messages.
  if (formatOf(doc) === FORMAT_FIRST) return undefined;
  return {
    token: lead.token,
    doc,
    timing,
    isGranting: (nowMs) =>
      hasMajority(doc, ({ nodeId, diskId }) => {
        const peer = state.peers.get(nodeId);
        return peer !== undefined && peer.dsToken === lead.token &&
          peer.dsMs >= nowMs - timing.glMs && (diskId === undefined || diskId === peer.diskId);
      }),
    leaseOverMs: (nodeId) => rules.waitedOutMs(state, lead, nodeId),
    deadLife: (nodeId) => state.deadInc.get(nodeId),
  };
}
