/**
 * The planned end of a node: it hands over first, so that nobody waits for it.
 *
 *   told to stop ─▶ heartbeats say so ─▶ its slots move away ─▶ [leads: yields] ─▶ out of the view ─▶ stopped
 *                   └──────────────── all of it within handOverMs, or it stops without ────────────────┘
 *
 * Nothing of this is in the document: it holds for this life, and the next one has its slots back.
 *
 * Does NOT promise: that anybody takes over; where nobody can, it stops at once.
 */
import type { Document } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { drainingOf, hasSlots, isMember, lifeOf } from "./document.ts";
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
  const leader = state.lead === undefined ? state.sign.protocol : state.level;
  if (state.level < HANDS_OVER || leader < HANDS_OVER || !maySpeak(state)) return;
  state.stopAtMs = state.nowMs + state.timing.handOverMs;
  // Now, not with the next one.
  state.beatAtMs = state.nowMs;
  if (state.lead === undefined) return;
  state.lead.isDirty = true;
  state.lead.areSlotsDirty = true;
}

/** Is there anything left to hand over, and somebody to take it? Otherwise it stops. */
export function onStopDue(state: ClusterState): void {
  if (!state.leaving || state.stopped !== undefined) return;
  const { lead, nowMs } = state;
  if (nowMs < state.stopAtMs && isMemberNow(state)) {
    if (lead === undefined) return;
    if (hasSuccessor(state, lead)) {
      const { effective, open, phase } = lead;
      const isReady = phase === "leading" && open === undefined && effective !== undefined &&
        !lead.isDirty && !hasOwnSlots(state, effective);
      if (isReady) yieldLead(state, lead, "stops");
      return;
    }
  }
  if (lead !== undefined && hasSuccessor(state, lead)) yieldLead(state, lead, "stops");
  stop(state, "told to stop", false);
}

function isMemberNow({ adopted, pnn, incarnation }: ClusterState): boolean {
  return adopted !== undefined && pnn !== undefined && isMember(adopted.view, pnn, incarnation);
}

function hasOwnSlots({ pnn }: ClusterState, { view }: Document): boolean {
  return pnn !== undefined && hasSlots(view, pnn);
}

/** Does a node's present life say that it stops? */
export function isStopping(state: ClusterState, peer: Peer | undefined): boolean {
  if (state.level < HANDS_OVER || peer === undefined) return false;
  return peer.nodeId === state.me ? state.leaving : peer.health.runstate === "shutdown";
}

/** Who gets no slots now: those that the document has so, and those that stop. */
export function shunned(state: ClusterState, doc: Document): Set<Pnn> {
  const pnns = drainingOf(doc);
  for (const { pnn, nodeId } of doc.nodes) {
    if (isStopping(state, state.peers.get(nodeId))) pnns.add(pnn);
  }
  return pnns;
}

/**
 * May a member that stops go now? When it is the home of nothing, or nobody stays who could be. Not the leader itself:
 * it yields first.
 */
export function mayGo(state: ClusterState, doc: Document, { pnn, nodeId }: Going): boolean {
  const peer = state.peers.get(nodeId);
  if (nodeId === state.me || peer === undefined || !isStopping(state, peer)) return false;
  if (lifeOf(doc.view.members, pnn) !== peer.incarnation) return false;
  if (!hasSlots(doc.view, pnn)) return true;
  const out = shunned(state, doc);
  return doc.view.members.every((member) => out.has(member.pnn));
}

type Going = Document["nodes"][number];
