/**
 * What a document says of nodes, as messages between programs need it.
 *
 * Does NOT promise: that a node of the list runs.
 */
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import type { PeerNode } from "../machines/messages/events.ts";

/** Format of documents from which on there are databases and messages. */
export const DATA_FORMAT = 2;

/** All nodes that have been members and are not deleted, each in the newest life that was one. */
export function peersOf(doc: Document): PeerNode[] {
  const members = new Map(doc.view.members.map(({ pnn, incarnation }) => [pnn, incarnation]));
  const newest = new Map(doc.view.maxInc.map(({ pnn, incarnation }) => [pnn, incarnation]));
  return doc.nodes.flatMap(({ pnn, nodeId, adminFlags }): PeerNode[] => {
    const incarnation = members.get(pnn) ?? newest.get(pnn);
    if (incarnation === undefined || adminFlags.includes("deleted")) return [];
    return [{ nodeId, pnn, incarnation, isMember: members.has(pnn) }];
  });
}

/** Does it have databases and messages at all? */
export function hasData(doc: Document): boolean {
  return (doc.format ?? 1) >= DATA_FORMAT;
}

/** The number of a node in it. */
export function pnnOf(doc: Document, nodeId: string): Pnn | undefined {
  return doc.nodes.find((node) => node.nodeId === nodeId)?.pnn;
}
