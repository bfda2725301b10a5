/**
 * The document as people and programs may see it: everything but the secrets of invitations; and what it sums up to.
 *
 * Does NOT promise: the newest one; it is the one that this node has.
 */
import type { Document } from "../../transport/wire/messages/document.ts";
import type { Invitation } from "../../transport/wire/messages/membership.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { formatOf, nodeById, nodeByPnn } from "../machines/cluster/document.ts";

/** An invitation without its secret. */
export function invitationView(doc: Document, invitation: Invitation, wallMs: number) {
  const { name, pnn, nodeId, voter, replaces, expiresWallMs } = invitation;
  return {
    name,
    pnn,
    nodeId,
    tag: tagOf(nodeId),
    voter,
    replaces: replaces === undefined ? undefined : nameOf(doc, replaces),
    replacesPnn: replaces,
    expiresWallMs,
    leftMs: Math.max(0, Number(expiresWallMs) - wallMs),
  };
}

function nameOf(doc: Document, pnn: Pnn): string {
  return nodeByPnn(doc, pnn)?.name ?? doc.gone?.find((one) => one.pnn === pnn)?.name ?? `${pnn}`;
}

/** All of a document but its slots and secrets. */
export function documentView(doc: Document, wallMs: number): Record<string, unknown> {
  const { invitations = [], gone = [], users = [], voters, view } = doc;
  return {
    clusterId: doc.clusterId,
    version: doc.version,
    generation: doc.generation,
    coreVersion: doc.coreVersion,
    format: formatOf(doc),
    voters: voters.map(({ voterId, nodeId }) => ({
      voterId,
      nodeId,
      name: nodeById(doc, nodeId)?.name,
    })),
    voterChange: doc.voterChange,
    pnnNext: doc.pnnNext,
    voterIdNext: doc.voterIdNext,
    nodes: doc.nodes.map(({ joined, ...node }) => ({
      ...node,
      tag: tagOf(node.nodeId),
      isInvited: joined !== undefined,
    })),
    members: view.members,
    invitations: invitations.map((one) => invitationView(doc, one, wallMs)),
    gone,
    users,
    dbs: doc.dbs,
    publicIps: doc.publicIps,
  };
}

/**
 * A sum over all that a document says but its secrets, 16 hex digits: equal documents have equal ones, on every node.
 * Everybody may see it, and sums over a secret give a part of it away.
 */
export function documentHash(doc: Document): string {
  const hash = new TextHash();
  addCanonical(hash, doc);
  return hash.text();
}

/** Adds a value in one form: fields by name, missing ones left out. */
function addCanonical(hash: TextHash, value: unknown): void {
  if (Array.isArray(value)) {
    hash.add("[");
    for (const item of value) addCanonical(hash, item);
    return hash.add("]");
  }
  if (typeof value !== "object" || value === null) return hash.add(`${typeof value}:${value};`);
  hash.add("{");
  for (
    const [name, field] of Object.entries(value).sort(([one], [other]) => one < other ? -1 : 1)
  ) {
    if (field === undefined || name === "inviteId") continue;
    hash.add(`${name}=`);
    addCanonical(hash, field);
  }
  hash.add("}");
}

/** 64 bits over a text, in two halves that mix differently; against accidents, not against forgers. */
class TextHash {
  #one = 0x9e3779b9;
  #other = 0x85ebca6b;

  add(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      this.#one = Math.imul(this.#one ^ unit, 0x01000193);
      this.#other = Math.imul(this.#other ^ unit, 0x5bd1e995) ^ (this.#other >>> 13);
    }
  }

  text(): string {
    const hex = (half: number) => (half >>> 0).toString(16).padStart(8, "0");
    return hex(this.#one ^ (this.#one >>> 15)) + hex(this.#other);
  }
}
