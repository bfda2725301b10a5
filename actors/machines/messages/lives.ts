/**
 * Lives of nodes: between two of them run the streams, and with one of them they end.
 *
 *   peers by the cluster's word ─┐
 *   a message of a newer life ───┴─▶ all lives before have ended: programs are told, queues go
 *   a life of our own ─────────────▶ all streams from others end; programs and their srvids stay
 *
 * Does NOT promise: that both sides see a new life at the same time; all that is said belongs to two lives.
 */
import type { Incarnation, NodeId } from "../../../transport/wire/terms.ts";
import type { MessageEvent, PeerNode } from "./events.ts";
import { settleRegistering } from "./interest.ts";
import { endOutbound } from "./outbound.ts";
import { handAll } from "./programs.ts";
import type { Core, Peer } from "./state.ts";

/** Nodes that are none any more that are remembered. */
const ENDED_MAX = 4096;

type Of<Type extends MessageEvent["type"]> = Extract<MessageEvent, { type: Type }>;

/** This node has begun a life. */
export function onLife(core: Core, { pnn, incarnation }: Of<"life">): void {
  const { own } = core;
  if (own !== undefined && own.incarnation >= incarnation) return;
  core.own = { pnn, incarnation, isMember: own?.isMember ?? false };
  core.senders.clear();
  if (own === undefined) return;
  for (const peer of [...core.peers.values()]) {
    endOutbound(peer);
    core.peers.set(peer.nodeId, newPeer(peer));
  }
  settleRegistering(core);
  handAll(core, { type: "life", nodeId: core.self, pnn, before: incarnation });
}

/** Which nodes there are. */
export function onPeers(core: Core, { peers }: Of<"peers">): void {
  const there = new Set<NodeId>();
  for (const peer of peers) {
    there.add(peer.nodeId);
    if (peer.nodeId === core.self) setMember(core, peer.isMember);
    else onPeer(core, peer);
  }
  if (!there.has(core.self)) setMember(core, false);
  for (const peer of [...core.peers.values()]) {
    if (there.has(peer.nodeId)) continue;
    core.peers.delete(peer.nodeId);
    bury(core, peer);
    endOutbound(peer);
    tellBefore(core, peer, (peer.incarnation + 1n) as Incarnation);
  }
  settleRegistering(core);
}

/** Remembers that the life of a node that is none any more has been told as ended. */
function bury({ ended }: Core, { nodeId, incarnation }: Peer): void {
  const [oldest] = ended.keys();
  if (ended.size >= ENDED_MAX && oldest !== undefined) ended.delete(oldest);
  ended.set(nodeId, incarnation);
}

function setMember(core: Core, isMember: boolean): void {
  if (core.own !== undefined) core.own = { ...core.own, isMember };
}

function onPeer(core: Core, node: PeerNode): void {
  const known = core.peers.get(node.nodeId);
  if (known === undefined) {
    if (node.incarnation <= (core.ended.get(node.nodeId) ?? 0n)) return;
    core.peers.set(node.nodeId, newPeer(node));
    // It may have had a life that was never heard of here, and have sent in it.
    tellBefore(core, node, node.incarnation);
  } else if (node.incarnation > known.incarnation) replace(core, known, node);
  // What was heard of it may be newer.
  else known.isMember = node.isMember && node.incarnation === known.incarnation;
}

/**
 * The peer that a message with this life is from: begins the life when it is news. Undefined: of nobody known, or of a
 * life that is over.
 */
export function beginLife(core: Core, nodeId: NodeId, incarnation: Incarnation): Peer | undefined {
  const known = core.peers.get(nodeId);
  if (known === undefined || known.incarnation > incarnation) return undefined;
  if (known.incarnation === incarnation) return known;
  return replace(core, known, { ...known, incarnation, isMember: false });
}

function replace(core: Core, known: Peer, node: PeerNode): Peer {
  const { nodeId, pnn, incarnation, isMember } = node;
  const made = newPeer({ nodeId, pnn, incarnation, isMember });
  core.peers.set(nodeId, made);
  endOutbound(known);
  tellBefore(core, node, incarnation);
  settleRegistering(core);
  return made;
}

function newPeer({ nodeId, pnn, incarnation, isMember }: PeerNode): Peer {
  const nothing = { outbound: undefined, inbound: undefined, interest: undefined, told: undefined };
  return { nodeId, pnn, incarnation, isMember, ...nothing };
}

function tellBefore(
  core: Core,
  { nodeId, pnn }: Pick<PeerNode, "nodeId" | "pnn">,
  before: Incarnation,
): void {
  handAll(core, { type: "life", nodeId, pnn, before });
}
