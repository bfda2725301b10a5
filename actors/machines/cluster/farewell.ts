/**
 * The planned end of a node: it hands over first, so that nobody waits for it.
 *
 *   told to stop ─▶ heartbeats say so ─▶ its slots move away ─▶ [leads: yields] ─▶ its records do ─▶ out ─▶ stopped
 *                                        the lead of databases, its place in their in-sync sets ──────▶
 *                   └── all of it within handOverMs (with databases: drainMs), or it stops without ──┘
 *
 * The view says of members only that they stop: it holds for this life, and the next one has its slots back.
 *
 * Does NOT promise: that anybody takes over; where nobody can, it stops at once.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { Incarnation, Pnn } from "../../../transport/wire/terms.ts";
import { hasVolatile } from "./databases.ts";
import { drainingOf, hasSlots, isMember, lifeOf, nodeByPnn } from "./document.ts";
import { hasCommits, heldForStop } from "./held.ts";
import { recordsAt } from "./left.ts";
import { startLife } from "./member.ts";
import type { ClusterState, Peer } from "./state.ts";
import { maySpeak, stop } from "./state.ts";
import { hasSuccessor, yieldLead } from "./yield.ts";

/** The level since when a node hands over. */
const HANDS_OVER = 2;

/** The node is told to stop. */
export function onStop(state: ClusterState): void {
  if (state.leaving) return;
  state.leaving = true;
  state.stopAtMs = state.nowMs;
  state.handOverAtMs = state.nowMs;
  const leader = state.lead === undefined ? state.sign.protocol : state.level;
  if (state.level < HANDS_OVER || leader < HANDS_OVER || !maySpeak(state)) return;
  const { handOverMs, drainMs } = state.timing;
  const { adopted } = state;
  const hasRecords = adopted !== undefined && (hasVolatile(adopted) || hasCommits(adopted));
  state.handOverAtMs = state.nowMs + handOverMs;
  state.stopAtMs = state.nowMs + (hasRecords ? Math.max(drainMs, handOverMs) : handOverMs);
  // Now, not with the next one.
  state.beatAtMs = state.nowMs;
  if (state.lead === undefined) return;
  state.lead.isDirty = true;
  state.lead.areSlotsDirty = true;
}

/** What the databases here knew is lost: for others it is as if the node had died, and came back empty. */
export function onLost(state: ClusterState, why: string): void {
  // Nothing is left to be handed over.
  if (state.leaving) return stop(state, "told to stop", false);
  startLife(state, 0n as Incarnation, why);
}

/** Is there anything left to hand over, and somebody to take it? Otherwise it stops. */
export function onStopDue(state: ClusterState): void {
  if (!state.leaving || state.stopped !== undefined) return;
  const { lead } = state;
  if (mayWait(state) && isMemberNow(state) && isSomebodyStaying(state)) {
    if (lead === undefined) return;
    if (hasSuccessor(state, lead)) {
      const { effective, open, phase } = lead;
      const isReady = phase === "leading" && open === undefined && effective !== undefined &&
        !lead.isDirty && !hasOwn(state, effective);
      if (isReady) yieldLead(state, lead, "stops");
      return;
    }
  }
  if (lead !== undefined && hasSuccessor(state, lead)) yieldLead(state, lead, "stops");
  stop(state, "told to stop", false);
}

/** Records take their time, as long as somebody leads who sees to it. */
function mayWait({ nowMs, handOverAtMs, stopAtMs, lead, sign, timing }: ClusterState): boolean {
  if (nowMs < handOverAtMs) return true;
  return nowMs < stopAtMs && (lead !== undefined || nowMs < sign.atMs + timing.suspectMs);
}

/** Is there a member that is not known to stop, or to be dead? Otherwise all stop, and nobody takes anything over. */
function isSomebodyStaying(state: ClusterState): boolean {
  const { adopted, peers, deadInc, me, rules } = state;
  if (adopted === undefined) return false;
  return adopted.view.members.some(({ pnn, incarnation }) => {
    const nodeId = nodeByPnn(adopted, pnn)?.nodeId;
    if (nodeId === undefined || nodeId === me) return false;
    if (rules.isDead(deadInc.get(nodeId), incarnation)) return false;
    const peer = peers.get(nodeId);
    return peer === undefined || peer.incarnation > incarnation || !isStopping(state, peer);
  });
}

function isMemberNow({ adopted, pnn, incarnation }: ClusterState): boolean {
  return adopted !== undefined && pnn !== undefined && isMember(adopted.view, pnn, incarnation);
}

/** Has the leader itself slots, or databases that another one can take? */
function hasOwn(state: ClusterState, doc: Document): boolean {
  const { pnn } = state;
  return pnn !== undefined && (hasSlots(doc.view, pnn) || holdsDatabases(state, doc, pnn));
}

function holdsDatabases(state: ClusterState, doc: Document, pnn: Pnn): boolean {
  const out = stoppingNow(state, doc);
  return heldForStop(doc, pnn, (other) => out.has(other));
}

/** Does a node's present life say that it stops? */
export function isStopping(state: ClusterState, peer: Peer | undefined): boolean {
  if (state.level < HANDS_OVER || peer === undefined) return false;
  return peer.nodeId === state.me ? state.leaving : peer.health.runstate === "shutdown";
}

/** Who gets no slots now: those that the document has so, and those that stop. */
export function shunned(state: ClusterState, doc: Document): Set<Pnn> {
  return new Set([...drainingOf(doc), ...stoppingNow(state, doc)]);
}

/** Who stops. */
function stoppingNow(state: ClusterState, { nodes }: Document): Set<Pnn> {
  const stopping = nodes.filter(({ nodeId }) => isStopping(state, state.peers.get(nodeId)));
  return new Set(stopping.map(({ pnn }) => pnn));
}

/**
 * May a member that stops go now? When it is the home of nothing and has no records, or nobody stays who could be. Not
 * the leader itself: it yields first.
 */
export function mayGo(state: ClusterState, doc: Document, { pnn, nodeId }: Going): boolean {
  const peer = state.peers.get(nodeId);
  if (nodeId === state.me || peer === undefined || !isStopping(state, peer)) return false;
  if (lifeOf(doc.view.members, pnn) !== peer.incarnation) return false;
  if (!hasSlots(doc.view, pnn)) {
    const left = state.rules.isHandedOver(recordsAt(state, doc, { pnn }));
    return left && !holdsDatabases(state, doc, pnn);
  }
  const out = shunned(state, doc);
  return doc.view.members.every((member) => out.has(member.pnn));
}

type Going = Document["nodes"][number];
