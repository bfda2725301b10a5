/**
 * The candidate: when a node may try to lead (rules L4 to L9 of section 2).
 *
 *   no sign for 1.2 s, or the holder is known not to lead
 *     ─ rank x 60 ms ─▶ PROBE to the voters ─ a majority says so, too ─▶ acquire the lock ─ ok ─▶ chosen
 *                          └ again every 120 ms                       └ no register for 5 s (L9): chosen without it
 *
 * PROBE is needed in every case: one who cannot hear the leader would otherwise take the lock again and again.
 *
 * Does NOT promise: one candidate; two may be chosen, and the voters decide.
 */
import type { ProbeAck } from "../../../transport/wire/messages/cluster.ts";
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { NodeId, Token } from "../../../transport/wire/terms.ts";
import { allVotersOf, hasMajority, isActive, lifeOf, nodeById, voterOf } from "./document.ts";
import type { LockRecord } from "../../../transport/leader_lock.ts";
import { onChosen } from "./leader.ts";
import { acquire, isReadable, registerToken } from "./register.ts";
import type { ClusterState, Peer } from "./state.ts";
import { diskTrouble, maySpeak, nextNonce, ownVoterId, sendAll, tell } from "./state.ts";
import { isCandidate, preferenceOf } from "./yield.ts";

/** What a candidate waits for. */
export interface Stand {
  readonly sinceMs: number;
  readonly why: string;
  nonce: number;
  probeAtMs: number;
  rounds: number;
  readonly acks: Map<NodeId, { readonly ageMs: number; readonly token: Token }>;
  /** The next time at which something may change by itself. */
  dueMs: number;
}

/** One who asks in the moment in which it becomes suspicious agrees with itself. */
const ROUNDING_MS = 1;
/** After so many rounds PROBE is repeated more slowly, up to SLOWEST times as slowly. */
const FAST_ROUNDS = 8;
const SLOWEST = 4;

/** When silence is suspicious: 1.2 s after the last sign; a node that was stopped listens for a while first. */
export function suspectAtMs({ sign, wokeMs, timing }: ClusterState): number {
  return Math.max(sign.atMs + timing.suspectMs, wokeMs);
}

/** L4b: the holder in the register is known not to lead, and no sign of a later leader came here. */
function isHolderGone(state: ClusterState): boolean {
  const { record } = state.register;
  return record !== undefined && record.token >= state.sign.token && isOver(state, record);
}

function isOver(state: ClusterState, { holder, incarnation }: LockRecord): boolean {
  if (holder === undefined || holder === state.me) return true;
  return state.rules.isDead(state.deadInc.get(holder), incarnation);
}

/** L6: how many stand before this node. */
export function rankOf(state: ClusterState, doc: Document): number {
  const holder = state.register.record?.holder ?? state.sign.from;
  const own = nodeById(doc, state.me);
  if (own === undefined) return 0;
  let rank = 0;
  for (const { nodeId } of allVotersOf(doc)) {
    if (nodeId === state.me || nodeId === holder || !isCandidate(doc, nodeId)) continue;
    const node = nodeById(doc, nodeId);
    if (node !== undefined && standsBefore(state, doc, node, own)) rank += 1;
  }
  return rank;
}

function isWellPeer(peer: Peer | undefined): boolean {
  return peer === undefined || (peer.health.healthy && peer.health.runstate !== "shutdown");
}

/** A total order: healthy, wanted, in the view, longest in it, highest pnn. */
function standsBefore(
  state: ClusterState,
  doc: Document,
  one: DocumentNode,
  other: DocumentNode,
): boolean {
  const isWell = (node: DocumentNode) =>
    node.nodeId === state.me
      ? state.ownHealth.healthy && diskTrouble(state) === undefined
      : isWellPeer(state.peers.get(node.nodeId));
  if (isWell(one) !== isWell(other)) return isWell(one);
  const wanted = preferenceOf(doc, one.nodeId) - preferenceOf(doc, other.nodeId);
  if (wanted !== 0) return wanted > 0;
  // By its present life: one that has just restarted is not in, whatever its former life was.
  const isIn = ({ pnn, nodeId }: DocumentNode) => {
    const life = lifeOf(doc.view.members, pnn);
    const present = nodeId === state.me
      ? state.incarnation
      : state.peers.get(nodeId)?.incarnation ?? life;
    return life !== undefined && life === present;
  };
  if (isIn(one) !== isIn(other)) return isIn(one);
  if (one.since !== other.since) return one.since < other.since;
  return one.pnn > other.pnn;
}

/** May this node be a candidate at all? */
function mayStand(state: ClusterState): boolean {
  const { accepted } = state;
  return accepted !== undefined && maySpeak(state) && !state.leaving && state.isBusUp &&
    state.nowMs >= state.holdOffMs && diskTrouble(state) === undefined &&
    ownVoterId(state) !== undefined && isActiveVoter(state, accepted);
}

/**
 * Flags count when they are in force; a vote counts by the newest document, in force or not: the only voter may have
 * gone with a change that makes this node the only one, and nobody else could stand.
 */
function isActiveVoter({ adopted, me }: ClusterState, accepted: Document): boolean {
  const inForce = adopted ?? accepted;
  const newest = inForce.version > accepted.version ? inForce : accepted;
  const node = nodeById(inForce, me) ?? nodeById(accepted, me);
  return node !== undefined && isActive(node) && voterOf(newest, me) !== undefined;
}

/** Looks whether to stand, and takes the next step of it. Called at the end of every event while not leading. */
export function onStandDue(state: ClusterState): void {
  const { accepted, nowMs, timing } = state;
  const isSuspicious = nowMs >= suspectAtMs(state);
  const isCertain = isHolderGone(state);
  if (accepted === undefined || (!isSuspicious && !isCertain) || !mayStand(state)) {
    state.stand = undefined;
    return;
  }
  const isBlind = !isReadable(state);
  if (state.stand === undefined) {
    const why = isCertain ? "the holder does not lead" : "no sign of a leader";
    state.stand = newStand(nowMs, why);
    tell(state, { what: "suspect", why });
  }
  const { stand } = state;
  const stepMs = isBlind ? timing.rankNoLockMs : timing.rankMs;
  let readyMs = stand.sinceMs + rankOf(state, accepted) * stepMs;
  if (isBlind) readyMs = Math.max(readyMs, suspectAtMs(state));
  // A new holder gets time to speak.
  else if (!isCertain) readyMs = Math.max(readyMs, state.register.seenMs + timing.suspectMs);
  if (state.register.op?.op === "acquire") readyMs = Infinity;
  stand.dueMs = Math.max(readyMs, stand.probeAtMs);
  if (nowMs >= stand.dueMs) probe(state, stand, accepted);
}

function newStand(nowMs: number, why: string): Stand {
  return {
    sinceMs: nowMs,
    why,
    nonce: 0,
    probeAtMs: nowMs,
    rounds: 0,
    acks: new Map(),
    dueMs: nowMs,
  };
}

function probe(state: ClusterState, stand: Stand, doc: Document): void {
  if (!state.rules.needsProbe()) return go(state, stand);
  stand.nonce = nextNonce(state);
  stand.acks.clear();
  stand.rounds += 1;
  const slow = Math.min(1 + Math.floor(stand.rounds / FAST_ROUNDS), SLOWEST);
  stand.probeAtMs = state.nowMs + state.timing.probeMs * slow;
  stand.dueMs = stand.probeAtMs;
  const to = allVotersOf(doc).map(({ nodeId }) => nodeId);
  sendAll(state, to, { kind: "probe", nonce: stand.nonce });
}

/** A voter's answer. */
export function onProbeAck(state: ClusterState, from: NodeId, message: ProbeAck): void {
  const { stand, accepted } = state;
  if (message.promised > state.highToken) state.highToken = message.promised;
  if (stand === undefined || accepted === undefined || message.nonce !== stand.nonce) {
    return;
  }
  const { ageMs, token } = message;
  stand.acks.set(from, { ageMs, token });
  const isCertain = isHolderGone(state);
  const held = registerToken(state.register);
  const isMajority = hasMajority(accepted, ({ nodeId }) => {
    const ack = stand.acks.get(nodeId);
    if (ack === undefined) return false;
    return ack.ageMs >= state.timing.suspectMs - ROUNDING_MS || (isCertain && ack.token <= held);
  });
  if (isMajority) go(state, stand);
}

/** The voters agree that nobody leads: the lock, or without it. */
function go(state: ClusterState, stand: Stand): void {
  const voterId = ownVoterId(state);
  if (voterId === undefined) return;
  stand.nonce = 0;
  const token = state.rules.tokenFor(state, voterId);
  if (!isReadable(state)) {
    state.register.isLost = true;
    return onChosen(state, token, `${stand.why}; the register is unreadable`);
  }
  stand.probeAtMs = state.nowMs + state.timing.probeMs;
  acquire(state, token, stand.why);
}
