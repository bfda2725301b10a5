/**
 * What a node shows of itself and of its cluster: plain data, made from the machine's state and nothing else.
 *
 *   nodeView: this node    clusterView: the document, and what is heard of each node    leaderView, lockView, slotView
 *
 * u64 are bigint here; the socket makes digits of them.
 *
 * Does NOT promise: that another node knows the same; each shows what it knows, and says since when.
 */
import type { Document, DocumentNode } from "../transport/wire/messages/document.ts";
import type { NodeId, Pnn } from "../transport/wire/terms.ts";
import { tagOf } from "../transport/wire/terms.ts";
import { nodeById } from "./machines/cluster/document.ts";
import type { Happening } from "./machines/cluster/events.ts";
import { happeningText } from "./machines/cluster/history.ts";
import { runstateOf } from "./machines/cluster/runstate.ts";
import type { ClusterState, Peer } from "./machines/cluster/state.ts";
import { rankOf } from "./machines/cluster/stand.ts";
import { counterOf, tokenText } from "./machines/cluster/token.ts";
import { isCandidate } from "./machines/cluster/yield.ts";

/** How a node is, in one word. Upstream: the flags of `ctdb status`. */
export type NodeCondition =
  | "ok"
  | "unhealthy"
  | "disconnected"
  | "banned"
  | "stopped"
  | "draining"
  | "disabled"
  | "joining"
  | "unknown";

/** One node as another one, or it itself, sees it. */
export interface NodeRow {
  readonly pnn: Pnn;
  readonly name: string;
  readonly nodeId: NodeId;
  readonly tag: string;
  readonly addr: string;
  readonly condition: NodeCondition;
  readonly isMember: boolean;
  readonly isLeader: boolean;
  readonly isVoter: boolean;
  readonly isThis: boolean;
  readonly zone: string | undefined;
  /** Of its life in the view; undefined: it is not in it. */
  readonly incarnation: bigint | undefined;
  readonly runstate: string | undefined;
  /** Time since its last heartbeat came here, ms; undefined: this node gets none of its. */
  readonly heardMsAgo: number | undefined;
  readonly why: string | undefined;
}

/** The document that counts here: the one in force, else the one that was accepted. */
function standing(state: ClusterState): Document | undefined {
  return state.adopted ?? state.accepted;
}

/** Who leads, as far as this node knows: itself, or who gave a sign lately. */
export function leaderOf(state: ClusterState): NodeId | undefined {
  if (state.lead?.effective !== undefined) return state.me;
  const { sign, timing, nowMs } = state;
  if (sign.from === undefined || nowMs - sign.atMs > timing.suspectMs) return undefined;
  return sign.from;
}

/** May this node serve volatile records now? */
export function isServing(state: ClusterState, nowMs: number): boolean {
  const { page, adopted, accepted } = state;
  return page !== undefined && page.leaseEndMs > nowMs && adopted !== undefined &&
    accepted?.generation === adopted.generation;
}

/** This node. `hasRecords`: are its databases at the view in force, so that its page shows the lease? */
export function nodeView(
  state: ClusterState,
  nowMs: number,
  hasRecords = true,
): Record<string, unknown> {
  const doc = standing(state);
  const own = doc === undefined ? undefined : nodeById(doc, state.me);
  const leader = leaderOf(state);
  return {
    pnn: state.pnn,
    name: own?.name,
    nodeId: state.me,
    tag: tagOf(state.me),
    runstate: runstateOf(state),
    condition: own === undefined || doc === undefined
      ? "unknown"
      : conditionOf(state, doc, own, nowMs),
    incarnation: state.incarnation,
    leader: leader === undefined ? undefined : nameOf(doc, leader),
    isLeader: leader === state.me,
    serving: hasRecords && isServing(state, nowMs),
    leaseMsLeft: Math.max(0, Math.round((state.page?.leaseEndMs ?? 0) - nowMs)),
    generation: state.adopted?.generation,
    version: state.adopted?.version,
    promised: tokenText(state.promised),
    bus: state.isBusUp ? "connected" : "disconnected",
    disk: state.diskFault ?? "ok",
    healthy: state.ownHealth.healthy,
    why: state.ownHealth.why,
  };
}

function nameOf(doc: Document | undefined, nodeId: NodeId): string {
  return (doc === undefined ? undefined : nodeById(doc, nodeId)?.name) ?? tagOf(nodeId);
}

/** All nodes of the document. */
export function nodeRows(state: ClusterState, nowMs: number): NodeRow[] {
  const doc = standing(state);
  if (doc === undefined) return [];
  const leader = leaderOf(state);
  const members = new Map(doc.view.members.map((member) => [member.pnn, member]));
  return doc.nodes.map((node) => {
    const member = members.get(node.pnn);
    const peer = state.peers.get(node.nodeId);
    const isThis = node.nodeId === state.me;
    return {
      pnn: node.pnn,
      name: node.name,
      nodeId: node.nodeId,
      tag: tagOf(node.nodeId),
      addr: node.addr,
      condition: conditionOf(state, doc, node, nowMs, member !== undefined),
      isMember: member !== undefined,
      isLeader: node.nodeId === leader,
      isVoter: doc.voters.some(({ nodeId }) => nodeId === node.nodeId),
      isThis,
      zone: node.zone,
      incarnation: member?.incarnation,
      runstate: isThis ? runstateOf(state) : peer?.health.runstate,
      heardMsAgo: isThis ? 0 : peer === undefined ? undefined : Math.round(nowMs - peer.recvMs),
      why: node.ban?.why ?? (isThis ? state.ownHealth.why : peer?.health.why),
    };
  });
}

function conditionOf(
  state: ClusterState,
  doc: Document,
  node: DocumentNode,
  nowMs: number,
  isMember: boolean = doc.view.members.some(({ pnn }) => pnn === node.pnn),
): NodeCondition {
  const flags = node.adminFlags;
  if (flags.includes("banned")) return "banned";
  if (flags.includes("stopped")) return "stopped";
  const isThis = node.nodeId === state.me;
  const peer = state.peers.get(node.nodeId);
  // Heartbeats go to the leader and the voters; others know of a node only whether it is in the view.
  const isHeard = isThis || (peer !== undefined && !isOver(state, peer) &&
    nowMs - peer.recvMs <= state.timing.deadMs);
  const hears = doc.voters.some(({ nodeId }) => nodeId === state.me) ||
    leaderOf(state) === state.me;
  if (hears && !isHeard) return "disconnected";
  if (!isMember) return isHeard ? "joining" : "disconnected";
  if (flags.includes("draining")) return "draining";
  if (flags.includes("disabled")) return "disabled";
  const healthy = isThis ? state.ownHealth.healthy : peer?.health.healthy ?? true;
  return healthy ? "ok" : "unhealthy";
}

/** Has the life that was heard last ended, by its own word or by a certificate? */
function isOver(state: ClusterState, { nodeId, incarnation, health }: Peer): boolean {
  const deadInc = state.deadInc.get(nodeId);
  return health.runstate === "shutdown" || (deadInc !== undefined && incarnation <= deadInc);
}

/** The cluster as a whole. */
export function clusterView(state: ClusterState, nowMs: number): Record<string, unknown> {
  const doc = standing(state);
  const rows = nodeRows(state, nowMs);
  const leader = leaderOf(state);
  return {
    clusterId: doc?.clusterId,
    version: doc?.version,
    generation: doc?.generation,
    leader: leader === undefined ? undefined : nameOf(doc, leader),
    leaderPnn: leader === undefined || doc === undefined ? undefined : nodeById(doc, leader)?.pnn,
    members: doc?.view.members.length ?? 0,
    nodes: rows,
    voters: doc?.voters.length ?? 0,
    voterChange: doc?.voterChange !== undefined,
    seenBy: state.pnn,
    serving: isServing(state, nowMs),
  };
}

/** What is wrong with the cluster, as this node sees it: each a sentence. None: all is well. */
export function troubles(state: ClusterState, nowMs: number): string[] {
  const found: string[] = [];
  if (!state.isBusUp) found.push("this node is not connected to NATS");
  if (state.diskFault !== undefined) found.push(`this node cannot write: ${state.diskFault}`);
  if (standing(state) === undefined) found.push("this node belongs to no cluster yet");
  if (leaderOf(state) === undefined) found.push("no leader is known");
  for (const row of nodeRows(state, nowMs)) {
    if (row.condition === "ok") continue;
    found.push(`${row.name} is ${row.condition}${row.why === undefined ? "" : `: ${row.why}`}`);
  }
  if (found.length === 0 && !isServing(state, nowMs)) found.push("this node has no lease");
  return found;
}

/** The leader, and why it is that one. */
export function leaderView(state: ClusterState, nowMs: number): Record<string, unknown> {
  const doc = standing(state);
  const leader = leaderOf(state);
  const { lead, sign } = state;
  return {
    leader: leader === undefined ? undefined : nameOf(doc, leader),
    pnn: leader === undefined || doc === undefined ? undefined : nodeById(doc, leader)?.pnn,
    token: tokenText(lead?.token ?? sign.token),
    election: counterOf(lead?.token ?? sign.token),
    isThis: leader === state.me,
    phase: lead?.phase,
    isGranting: lead?.isGranting,
    sinceMs: lead === undefined ? undefined : Math.round(nowMs - lead.chosenMs),
    lastSignMsAgo: Math.round(nowMs - sign.atMs),
    chosenBecause: lead?.why,
    standing: state.stand?.why,
    rank: rankView(state),
    deferredView: lead?.deferredMs !== undefined,
  };
}

/** How many stand before this node when a leader is wanted; undefined: it leads, or may not. */
function rankView(state: ClusterState): number | undefined {
  const { accepted, lead, me } = state;
  if (accepted === undefined || lead !== undefined || !isCandidate(accepted, me)) return undefined;
  return rankOf(state, accepted);
}

/** A happening in words, with the name of the node that it is about. */
export function happeningWords(state: ClusterState, happening: Happening): string {
  const text = happeningText(happening);
  if (!("nodeId" in happening)) return text;
  return text.replace(happening.nodeId.slice(0, 8), nameOf(standing(state), happening.nodeId));
}

/** The last happenings, oldest first. */
export function historyView(state: ClusterState, nowMs: number): Record<string, unknown>[] {
  return state.history.list().map(({ atMs, happening }) => ({
    msAgo: Math.round(nowMs - atMs),
    what: happening.what,
    text: happeningWords(state, happening),
  }));
}

/** What this node knows of the lock. */
export function lockView(state: ClusterState, nowMs: number): Record<string, unknown> {
  const { register } = state;
  const { record } = register;
  return {
    holder: record?.holder === undefined ? undefined : nameOf(standing(state), record.holder),
    token: record === undefined ? undefined : tokenText(record.token),
    incarnation: record?.incarnation,
    revision: register.revision,
    readMsAgo: Math.round(nowMs - register.readMs),
    underWay: register.op?.op,
    staleReads: register.staleReads,
  };
}

/** How many slots each member is home of; and all homes by slot, as pnn. */
export function slotView(state: ClusterState): Record<string, unknown> {
  const doc = standing(state);
  const homes = doc?.view.slots.map(({ home }) => home.pnn) ?? [];
  const counts = new Map<Pnn, number>();
  for (const pnn of homes) counts.set(pnn, (counts.get(pnn) ?? 0) + 1);
  const rows = [...counts].sort(([one], [other]) => one - other);
  return {
    generation: doc?.generation,
    members: rows.map(([pnn, slots]) => ({ pnn, slots })),
    homes,
    moved: doc?.view.slots.filter(({ slotGen }) => slotGen === doc.generation).length ?? 0,
    moves:
      doc?.view.slots.flatMap(({ home, from, slotGen }, slot) =>
        slotGen === doc.generation ? [{ slot, from: from?.pnn, to: home.pnn }] : []
      ) ?? [],
  };
}
