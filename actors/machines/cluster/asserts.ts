/**
 * The asserts of section 12, by their numbers. They stay on: one that fails takes the node out, with its page ended.
 *
 * Does NOT promise: to find what a node cannot see by itself; the simulator's checkers look at all nodes at once.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { isMember, isSameDocument } from "./document.ts";
import type { ClusterState } from "./state.ts";
import { stop, tell } from "./state.ts";
import { tokenText } from "./token.ts";

/** Stops the machine when a condition does not hold. Answers whether it holds. */
export function assert(
  state: ClusterState,
  holds: boolean,
  number: string,
  text: () => string,
): boolean {
  if (!holds) stop(state, `${number}: ${text()}`, true);
  return holds;
}

/** V1: the effective version rises, and the newer document descends from the older. */
export function assertLine(state: ClusterState, doc: Document): boolean {
  const { adopted } = state;
  if (adopted === undefined) return true;
  return assert(
    state,
    doc.version > adopted.version && doc.parent >= adopted.version,
    "V1",
    () =>
      `${tokenText(doc.version)} made from ${tokenText(doc.parent)} follows ${
        tokenText(adopted.version)
      }`,
  );
}

/** V2: two documents with one version are one document. */
export function assertOne(state: ClusterState, doc: Document): boolean {
  for (const known of [state.accepted, state.adopted]) {
    if (known === undefined || known.version !== doc.version) continue;
    const isSame = isSameDocument(known, doc);
    if (!assert(state, isSame, "V2", () => `two documents ${tokenText(doc.version)}`)) return false;
  }
  return true;
}

/** V11: a document of another cluster is dropped, and whoever sent it is named. */
export function isOurs(state: ClusterState, from: NodeId, doc: Document): boolean {
  const own = (state.adopted ?? state.accepted)?.clusterId;
  if (own === undefined || own === doc.clusterId) return true;
  tell(state, { what: "breach", nodeId: from, why: `V11: a document of cluster ${doc.clusterId}` });
  return false;
}

/** V5: a page under which is served belongs to the adopted view, this life, and no other view is accepted. */
export function assertServing(state: ClusterState): boolean {
  const { accepted, adopted, pnn, incarnation } = state;
  const holds = accepted !== undefined && adopted !== undefined && pnn !== undefined &&
    accepted.generation === adopted.generation && isMember(adopted.view, pnn, incarnation);
  return assert(state, holds, "V5", () => "serving by a view that is not the accepted one");
}
