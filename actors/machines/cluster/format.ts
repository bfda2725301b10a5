/**
 * Formats of documents and files: a newer one is written only when every node can read it.
 *
 *   format 1 ── all nodes run a version that knows 2 ── finalize ──▶ format 2, for ever
 *
 * Does NOT promise: a way back. A node of the older version that starts later finds files that it refuses.
 */
import { LEVEL } from "../../../transport/wire/level.ts";
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import { FORMAT_2_VERBS } from "../../../transport/wire/messages/leader.ts";
import { formatOf, withFormat } from "./document.ts";
import type { ClusterState } from "./state.ts";

/** What to do where a command needs a newer format. */
export const NEEDS_FORMAT_2 =
  "this needs format 2: `ctdbx cluster upgrade --finalize` when all nodes run this version";

/** The format that a command needs; those that end in a newer document need it. */
export function formatFor(command: LeaderCommand): number {
  const isNewFlag = command.verb === "flags" &&
    [...command.set, ...command.clear].includes("disabled");
  return isNewFlag || FORMAT_2_VERBS.includes(command.verb) ? 2 : 1;
}

/** The protocol that who is to do a command must know. */
export function levelFor(command: LeaderCommand): number {
  return command.verb === "finalize" ? 2 : formatFor(command);
}

/** The newest format that a node is known to read; undefined: it was not heard lately. */
export function formatKnown(state: ClusterState, { nodeId }: DocumentNode): number | undefined {
  if (nodeId === state.me) return state.level;
  const peer = state.peers.get(nodeId);
  const isHeard = peer !== undefined && state.nowMs - peer.recvMs <= state.timing.deadMs;
  return isHeard ? peer.protocol : undefined;
}

/** Why a format cannot be made the one in force. */
export function finalizeRefusal(
  state: ClusterState,
  doc: Document,
  format: number,
): string | undefined {
  if (formatOf(doc) >= format) return undefined;
  if (format > LEVEL) return `this version knows formats up to ${LEVEL}`;
  const old: string[] = [];
  const silent: string[] = [];
  for (const node of doc.nodes) {
    const known = formatKnown(state, node);
    if (known === undefined) silent.push(node.name);
    else if (known < format) old.push(node.name);
  }
  const faults = [
    ...(old.length === 0 ? [] : [`${old.join(", ")} must be upgraded first`]),
    ...(silent.length === 0 ? [] : [`not heard: ${silent.join(", ")}; start or remove them`]),
  ];
  return faults.length === 0 ? undefined : faults.join("; ");
}

/** The document in a newer format. */
export function withFinalized(doc: Document, format: number): Document {
  return formatOf(doc) >= format ? doc : withFormat(doc, format);
}
