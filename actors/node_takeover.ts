/**
 * What moves between nodes by takeover, and hears the same of its node: public addresses, and resources of programs.
 *
 * Does NOT promise: that a node has both; one of an older level has neither.
 */
import type { AddressMessage } from "../transport/wire/messages/address.ts";
import type { Document } from "../transport/wire/messages/document.ts";
import type { Message, ResourceMessage } from "../transport/wire/messages/registry.ts";
import type { NodeId } from "../transport/wire/terms.ts";
import { startAddresses, tellAddresses } from "./addresses/wiring.ts";
import type { Happening, Page } from "./machines/cluster/events.ts";
import type { NodeParts } from "./node_parts.ts";
import { startResources, tellResources } from "./resources/wiring.ts";

/** A node that ends has so long to hand over, ms; leases are no longer. */
const HAND_OVER_MS = 2500;

/** Begins both. Answers how to end them. */
export function start(node: NodeParts): () => void {
  const ends = [startAddresses(node), startResources(node)];
  return () => ends.forEach((end) => end());
}

/** A document is in force here. */
export function adopted({ addresses, resources }: NodeParts, doc: Document): void {
  addresses?.adopted(doc);
  resources?.adopted(doc);
}

/** The page of this life, with its lease. */
export function page({ addresses, resources, state }: NodeParts, page: Page): void {
  addresses?.page(page, state.promised);
  resources?.page(page, state.promised);
}

/** A message; true: it was of these. */
export function hears(
  { addresses, resources }: NodeParts,
  from: NodeId,
  message: Message,
): boolean {
  if (message.kind.startsWith("address_")) addresses?.hear(from, message as AddressMessage);
  else if (message.kind.startsWith("resource_")) resources?.hear(from, message as ResourceMessage);
  else return false;
  return true;
}

/** Something happened in the cluster machine. */
export function happened(node: NodeParts, happening: Happening): void {
  tellAddresses(node, happening);
  tellResources(node, happening);
}

/**
 * The node is about to end: what it has goes elsewhere. Resolves when its programs have handed over, as they are to do
 * it while they own what they hand over, and when event scripts have been told of its addresses.
 */
export async function leave({ addresses, resources }: NodeParts): Promise<void> {
  await Promise.all([addresses?.leave(HAND_OVER_MS), resources?.leave(HAND_OVER_MS)]);
}
