/**
 * Heartbeats in, digests out: how a leader knows that it is one, and lets the members serve (section 4).
 *
 *   grant rule  a majority of the voters reports a digest of my token not older than GL   -> digests carry echo
 *               it fails for 1.5 s                                                         -> step down
 *
 * Only a node that reports a digest of this token is echoed to: one that hears nothing would otherwise never be waited
 * out while its own heartbeats arrive.
 *
 * Does NOT promise: that a digest arrives; the lease that it extends counts from the heartbeat, however late it is.
 */
import type { Digest, Heartbeat } from "../../../transport/wire/messages/cluster.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";
import { assert } from "./asserts.ts";
import { onBreach } from "./dead.ts";
import { allVotersOf, FORMAT_FIRST, formatOf, GENERATION_NONE, nodeById } from "./document.ts";
import { isHoldingUp } from "./lead.ts";
import { isNews } from "./left.ts";
import type { Lead } from "./lead.ts";
import { isNewLife, noteLife, stepDown } from "./leader.ts";
import type { ClusterState, Peer } from "./state.ts";
import { sendTo } from "./state.ts";
import { TOKEN_NONE, tokenText, VERSION_NONE } from "./token.ts";

/** Those that do not belong to the cluster are told so no more often than this, all of them together. */
const STRANGER_MS = 50;

/** A node says that it lives. */
export function onHeartbeat(state: ClusterState, from: NodeId, message: Heartbeat): void {
  const peer = notePeer(state, from, message);
  if (peer === undefined) return;
  if (message.promised > state.highToken) state.highToken = message.promised;
  const { lead } = state;
  if (lead === undefined) return;
  if (message.promised > lead.token) {
    return stepDown(state, `a heartbeat says that ${tokenText(message.promised)} is promised`);
  }
  if (lead.phase !== "persisting") bringUp(state, lead, peer);
  if (peer.dsToken === lead.token && !lead.isGranting) lookAtGrant(state, lead);
  if (lead.outside.has(from)) lead.isDirty = true;
}

/** Takes over what a heartbeat says; undefined when it is older than what is known. */
function notePeer(state: ClusterState, from: NodeId, message: Heartbeat): Peer | undefined {
  const { tMs, incarnation, promised } = message;
  // First of all: nothing is kept of who does not belong to the cluster.
  if (!isKnown(state, from)) {
    tellStranger(state, from);
    return undefined;
  }
  let peer = state.peers.get(from);
  if (peer !== undefined) {
    if (incarnation < peer.incarnation) return undefined;
    if (incarnation === peer.incarnation && tMs <= peer.tMs) return undefined;
  }
  if (!isPossible(state, from, message)) return undefined;
  const isNew = peer === undefined || incarnation > peer.incarnation;
  if (isNew) noteLife(state, from, incarnation);
  const wasStopping = !isNew && peer?.health.runstate === "shutdown";
  if (peer === undefined) {
    peer = { nodeId: from, echoedMs: -Infinity } as Peer;
    state.peers.set(from, peer);
  }
  peer.incarnation = incarnation;
  peer.tMs = tMs;
  peer.recvMs = state.nowMs;
  peer.promised = promised;
  peer.dsToken = message.dsToken ?? TOKEN_NONE;
  peer.dsMs = message.dsMs ?? 0;
  peer.health = message.health;
  const wasLeft = peer.left;
  peer.left = message.left;
  peer.diskId = message.diskId;
  peer.protocol = from === state.me ? state.level : state.protocol;
  const { lead } = state;
  if (lead === undefined) return peer;
  // What one that stops is home of moves away, and back when it does not.
  const isChanged = wasStopping !== (peer.health.runstate === "shutdown");
  if (isChanged) lead.areSlotsDirty = true;
  if (isNew || isChanged || isNews(wasLeft, peer.left)) lead.isDirty = true;
  return peer;
}

/** Who does not belong to the cluster, or not any more, is shown the document: it can tell by that. */
function tellStranger(state: ClusterState, from: NodeId): void {
  const { adopted, nowMs, protocol } = state;
  if (adopted === undefined || nowMs < state.strangerAtMs) return;
  // One of an older version would take it for less than it is.
  const format = formatOf(adopted);
  if (format === FORMAT_FIRST || protocol < format) return;
  state.strangerAtMs = nowMs + STRANGER_MS;
  sendTo(state, from, { kind: "view", doc: adopted });
}

/** Is it a node of the cluster? Nobody else is remembered. A node without a document remembers those it was told of. */
export function isKnown({ accepted, adopted, config, lead }: ClusterState, from: NodeId): boolean {
  const doc = adopted ?? accepted;
  if (doc === undefined) return config.seeds.includes(from);
  if (nodeById(doc, from) !== undefined) return true;
  // A newer document, in force or not, may need the votes of those who came with it.
  return [accepted, lead?.base].some((newer) =>
    newer !== undefined && newer.version > doc.version && nodeById(newer, from) !== undefined
  );
}

/** V16: a life that was certified dead says something later. One of the two lies: the sender is named. */
function isPossible(state: ClusterState, from: NodeId, { tMs, incarnation }: Heartbeat): boolean {
  const certificate = state.certificates.get(from);
  if (certificate === undefined || incarnation > certificate.incarnation) return true;
  if (tMs > certificate.tMs) {
    onBreach(state, from, "V16: a message of a life that is certified dead");
  }
  return false;
}

/** Repeats what a node lacks: the promise, or the effective document. */
function bringUp(state: ClusterState, lead: Lead, peer: Peer): void {
  const { nodeId } = peer;
  if (lead.phase === "promising") {
    if (isNewLife(state, nodeId, lead.promises.get(nodeId)?.incarnation)) {
      sendTo(state, nodeId, { kind: "prepare", token: lead.token });
    }
    return;
  }
  const { open, effective } = lead;
  if (effective === undefined || lead.acks.get(nodeId) === peer.incarnation) return;
  if (open !== undefined && open.to.includes(nodeId)) return;
  if (nodeById(effective, nodeId) === undefined) return;
  sendTo(state, nodeId, { kind: "accept", doc: effective });
}

/** Does the grant rule hold? At its first time the members hear of it at once. */
function lookAtGrant(state: ClusterState, lead: Lead): void {
  const doc = lead.effective ?? lead.base ?? state.accepted;
  if (doc === undefined) return;
  const wasGranting = lead.isGranting;
  lead.isGranting = state.rules.isGranted(state, lead, doc);
  if (!lead.isGranting) return;
  lead.grantMs = state.nowMs;
  if (!wasGranting && lead.effective !== undefined) lead.digestAtMs = state.nowMs;
}

/** Says to each node what is in force; with `isChange` the document, too. Steps down when the grant rule is gone. */
export function sendDigests(state: ClusterState, lead: Lead, isChange: boolean): void {
  lead.digestAtMs = state.nowMs + state.timing.beatMs;
  lookAtGrant(state, lead);
  if (state.nowMs - lead.grantMs >= state.timing.grantLossMs) {
    return stepDown(state, "no majority reports its digests");
  }
  const { effective } = lead;
  const doc = effective ?? lead.base ?? state.accepted;
  if (doc === undefined) return;
  const mayEcho = effective !== undefined && lead.isGranting;
  const plain = digestOf(state, lead, isChange ? effective : undefined);
  for (const { nodeId } of doc.nodes) sendDigest(state, lead, nodeId, plain, mayEcho);
  for (const { nodeId } of allVotersOf(doc)) {
    if (nodeById(doc, nodeId) === undefined) sendDigest(state, lead, nodeId, plain, mayEcho);
  }
}

function digestOf(state: ClusterState, lead: Lead, doc: Document | undefined): Digest {
  const { effective } = lead;
  return {
    kind: "digest",
    token: lead.token,
    version: effective?.version ?? VERSION_NONE,
    coreVersion: effective?.coreVersion ?? VERSION_NONE,
    generation: effective?.generation ?? GENERATION_NONE,
    ...(doc === undefined ? {} : { doc }),
    dsMs: state.nowMs,
  };
}

function sendDigest(
  state: ClusterState,
  lead: Lead,
  to: NodeId,
  plain: Digest,
  mayEcho: boolean,
): void {
  const peer = state.peers.get(to);
  const isHeard = peer !== undefined && peer.dsToken === lead.token &&
    state.nowMs - peer.dsMs <= state.timing.deadMs;
  if (!mayEcho || !isHeard || isHoldingUp(state, lead, peer)) return sendTo(state, to, plain);
  const holds = lead.isGranting && lead.effective !== undefined;
  if (!assert(state, holds, "V7", () => "an echo without the grant rule")) return;
  peer.echoedMs = Math.max(peer.echoedMs, peer.recvMs);
  const { tMs, incarnation } = peer;
  sendTo(state, to, { ...plain, echo: { tMs, incarnation } });
}
