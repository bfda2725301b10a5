/**
 * Bans: a node that makes trouble again and again is left out of the view for a time, each time longer.
 *
 *   blame +n ─▶ credits reach banCredits ─▶ banned, unless that left no majority ─▶ time over ─▶ back, the reason kept
 *
 * The time counts from when the present leader first saw the ban, by its own clock. Upstream: ctdb ban credits.
 *
 * Does NOT promise: that a new leader remembers credits; it remembers bans, they are in the document.
 */
import type { Ban, Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { NodeId, Version } from "../../../transport/wire/terms.ts";
import { isStaying, majorityOf } from "./document.ts";
import type { Lead } from "./lead.ts";
import type { ClusterState } from "./state.ts";
import { tell } from "./state.ts";

/** What is held against a node. */
export interface Credit {
  count: number;
  lastMs: number;
  why: string;
}

/** Credits on the account of a node; only the leader's count. */
export function blame(state: ClusterState, nodeId: NodeId, credits: number, why: string): void {
  const { lead, nowMs, timing } = state;
  if (lead === undefined) return;
  const known = state.credits.get(nodeId);
  const isOld = known === undefined || nowMs - known.lastMs > timing.banGraceMs;
  const count = (isOld ? 0 : known.count) + credits;
  state.credits.set(nodeId, { count, lastMs: nowMs, why });
  tell(state, { what: "blamed", nodeId, why });
  if (count >= timing.banCredits) lead.isDirty = true;
}

/** Would a majority be left without this node: of the voters, and of all nodes? */
export function mayLose(doc: Document, { nodeId }: DocumentNode): boolean {
  const nodes = doc.nodes.filter((node) => node.nodeId !== nodeId && isStaying(node));
  const left = new Set(nodes.map((node) => node.nodeId));
  const voters = doc.voters.filter((voter) => left.has(voter.nodeId));
  return voters.length >= majorityOf(doc.voters.length) &&
    nodes.length >= majorityOf(doc.nodes.length);
}

/** The document with a node banned. */
export function withBan(doc: Document, node: DocumentNode, ban: Ban): Document {
  const adminFlags = [...node.adminFlags.filter((flag) => flag !== "banned"), "banned" as const];
  return withNode(doc, { ...node, adminFlags, ban });
}

/** The document with a ban ended; its reason and count stay, so that the next one is longer. */
export function withoutBan(doc: Document, node: DocumentNode): Document {
  return withNode(doc, {
    ...node,
    adminFlags: node.adminFlags.filter((flag) => flag !== "banned"),
  });
}

/** The document with one node's entry replaced. */
export function withNode(doc: Document, node: DocumentNode): Document {
  return { ...doc, nodes: doc.nodes.map((known) => known.pnn === node.pnn ? node : known) };
}

/**
 * Bans those whose credits are full, and ends bans whose time is over. One that comes with this version is not over,
 * however short: it would never have been, and its command would be asked for without end.
 */
export function withBans(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  version: Version,
): Document {
  let draft = doc;
  for (const node of doc.nodes) {
    if (node.adminFlags.includes("banned")) {
      if (node.ban?.version !== version && isBanOver(state, lead, node)) {
        draft = withoutBan(draft, node);
      }
      continue;
    }
    const credit = state.credits.get(node.nodeId);
    if (credit === undefined || credit.count < state.timing.banCredits) continue;
    state.credits.delete(node.nodeId);
    if (node.nodeId === state.me || !mayLose(draft, node)) continue;
    const count = (node.ban?.count ?? 0) + 1;
    const { banForMs, banForMaxMs } = state.timing;
    const banMs = Math.min(banForMs * 2 ** Math.min(count - 1, 20), banForMaxMs);
    draft = withBan(draft, node, { why: credit.why, banMs, count, version });
  }
  return draft;
}

function isBanOver(state: ClusterState, lead: Lead, { nodeId, ban }: DocumentNode): boolean {
  if (ban === undefined) return true;
  let seen = lead.banSeen.get(nodeId);
  if (seen === undefined || seen.version !== ban.version) {
    seen = { version: ban.version, atMs: state.nowMs };
    lead.banSeen.set(nodeId, seen);
  }
  const endMs = seen.atMs + ban.banMs;
  if (state.nowMs >= endMs) return true;
  lead.lookAtMs = Math.min(lead.lookAtMs, endMs);
  return false;
}
