/**
 * The zone of a node: a word for what fails together with it. Copies of a database go to different zones first.
 *
 * Does NOT promise: that copies which are there already move when a zone changes.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import { withNode } from "./ban.ts";
import { nodeByPnn } from "./document.ts";

type SetZone = Extract<LeaderCommand, { verb: "zone" }>;

/** Why a zone cannot be set; undefined: it can. */
export function zoneRefusal(doc: Document, { pnn }: SetZone): string | undefined {
  return nodeByPnn(doc, pnn) === undefined ? `there is no node ${pnn}` : undefined;
}

/** The document with it; the same one when it is so already. */
export function withZone(doc: Document, { pnn, zone }: SetZone): Document {
  const node = nodeByPnn(doc, pnn);
  if (node === undefined || node.zone === zone) return doc;
  const { zone: _before, ...rest } = node;
  return withNode(doc, { ...rest, ...zone === undefined ? {} : { zone } });
}
