/**
 * The cluster machine of one node: voter, candidate, leader and member in one, as protocol sections 1 to 6 have them.
 *
 *   event ─▶ the part it concerns ─▶ messages to itself ─▶ what is due by the clock ─▶ effects, wakeMs
 *
 * Pure: no clock, no dice, no disk, no bus. The same events give the same effects.
 *
 * Does NOT promise: to be fed in time. It must be called at wakeMs at the latest; late is slow, never wrong.
 */
import type { Incarnation, NodeId } from "../../../transport/wire/terms.ts";
import { assert } from "./asserts.ts";
import { onCommand, onLeaderAnswer, onLeaderAsk } from "./command.ts";
import { onDead } from "./dead.ts";
import type { ClusterEffect, ClusterEvent, ClusterMessage, Durable } from "./events.ts";
import { onForce } from "./force.ts";
import { onHeartbeat } from "./grant.ts";
import { onAccepted, onLeadDue, onNack, onPromise } from "./leader.ts";
import { onBeatDue, onDigest, onFenced, onView, onViewAsk, startLife } from "./member.ts";
import { onLost, onStop, onStopDue } from "./farewell.ts";
import { onLeft } from "./left.ts";
import { formatOf, goneOf } from "./document.ts";
import { onLock, onRegisterDue } from "./register.ts";
import { onProbeAck, onStandDue, suspectAtMs } from "./stand.ts";
import type { ClusterConfig, ClusterState } from "./state.ts";
import { findPnn, maySpeak, NEVER, newState, tell } from "./state.ts";
import { onPersisted, writeNext } from "./store.ts";
import { tokenOfVersion } from "./token.ts";
import { onAccept, onPrepare, onProbe } from "./voter.ts";

/** The machine. */
export class ClusterMachine {
  /** For commands that show it, and for checkers; nobody else changes it. */
  readonly state: ClusterState;
  /** When it wants to be called next, by the node's clock; Infinity: when something happens. */
  wakeMs: number = NEVER;

  constructor(config: ClusterConfig) {
    this.state = newState(config);
  }

  /** Takes an event at `nowMs` of the node's clock, which never goes back. Answers what is to be done, in order. */
  step(event: ClusterEvent, nowMs: number): ClusterEffect[] {
    const { state } = this;
    if (state.stopped !== undefined) return [];
    noteTime(state, nowMs, event.kind === "start");
    onEvent(state, event);
    settle(state);
    this.wakeMs = wakeMsOf(state);
    const { effects } = state;
    state.effects = [];
    return effects;
  }
}

/** A gap says that this node was stopped: what it did not hear meanwhile proves nothing. */
function noteTime(state: ClusterState, nowMs: number, isStart: boolean): void {
  const gapMs = nowMs - state.nowMs;
  state.nowMs = Math.max(state.nowMs, nowMs);
  if (!isStart && gapMs >= state.timing.stallMs) state.wokeMs = nowMs + state.timing.graceMs;
}

function onEvent(state: ClusterState, event: ClusterEvent): void {
  switch (event.kind) {
    case "start":
      return onStart(state, event.durable);
    case "message":
      return onMessage(state, event.from, event.message, event.protocol ?? state.level);
    case "persisted":
      return onPersisted(state, event.id, event.isOk, event.why ?? "the write failed");
    case "fenced":
      return onFenced(state, event.incarnation);
    case "lock":
      return onLock(state, event.id, event.result);
    case "bus":
      state.isBusUp = event.isUp;
      if (event.isUp) state.wokeMs = state.nowMs + state.timing.graceMs;
      return;
    case "health":
      state.ownHealth = event.health;
      return;
    case "command":
      return onCommand(state, event.verbId, event.command);
    case "force":
      return onForce(state, event);
    case "noted":
      return tell(state, { what: event.what, why: event.why });
    case "left":
      return onLeft(state, event.left);
    case "lost":
      return onLost(state, event.why);
    case "stop":
      return onStop(state);
    case "wake":
      return;
  }
}

/** What is on the disk is what was promised. Silence counts from now: the former life may have heard a leader last. */
function onStart(state: ClusterState, durable: Durable): void {
  const { nowMs } = state;
  state.durable = durable;
  state.promised = durable.promised;
  state.highToken = durable.promised;
  state.accepted = durable.accepted;
  state.incarnation = durable.incarnation;
  const token = durable.accepted === undefined ? 0n : tokenOfVersion(durable.accepted.version);
  if (!assert(state, token <= durable.promised, "V3", () => "accepted above the promise")) return;
  findPnn(state);
  state.sign.atMs = state.rules.startMs(nowMs);
  state.prevDsMs = state.rules.startMs(nowMs);
  state.register.readMs = nowMs;
  state.register.lookAtMs = nowMs;
  state.diskRetryAtMs = -NEVER;
  startLife(state, 0n as Incarnation, "start");
}

/** A message, from a node or from this one itself. `protocol`: what the sender knows. */
function onMessage(
  state: ClusterState,
  from: NodeId,
  message: ClusterMessage,
  protocol: number,
): void {
  // Until the lives before are fenced, this one is not there.
  if (!maySpeak(state)) return;
  state.protocol = protocol;
  const doc = state.accepted ?? state.adopted;
  // One that cannot read the document has no say in it; its heartbeats tell that it is there.
  if (doc !== undefined && protocol < formatOf(doc) && message.kind !== "heartbeat") return;
  // One that has gone may ask what is in force, and be told that it has gone; it has no say either.
  const isAsking = message.kind === "heartbeat" || message.kind === "view_ask";
  if (!isAsking && state.adopted !== undefined && goneOf(state.adopted, from) !== undefined) return;
  switch (message.kind) {
    case "heartbeat":
      return onHeartbeat(state, from, message);
    case "digest":
      return onDigest(state, from, message);
    case "probe":
      return onProbe(state, from, message);
    case "probe_ack":
      return onProbeAck(state, from, message);
    case "prepare":
      return onPrepare(state, from, message);
    case "promise":
      return onPromise(state, from, message);
    case "nack":
      return onNack(state, message);
    case "accept":
      return onAccept(state, from, message);
    case "accepted":
      return onAccepted(state, from, message);
    case "view_ask":
      return onViewAsk(state, from);
    case "view":
      return onView(state, from, message);
    case "dead":
      return onDead(state, from, message);
    case "leader_ask":
      return onLeaderAsk(state, from, message);
    case "leader_answer":
      return onLeaderAnswer(state, message);
  }
}

/** Messages to itself and what is due, until nothing is left to do now. */
function settle(state: ClusterState): void {
  do {
    for (let next = state.inbox.shift(); next !== undefined; next = state.inbox.shift()) {
      onMessage(state, state.me, next, state.level);
    }
    if (state.stopped !== undefined) return;
    writeNext(state);
    if (!maySpeak(state)) return onStopDue(state);
    onBeatDue(state);
    onRegisterDue(state);
    if (state.lead !== undefined) onLeadDue(state, state.lead);
    if (state.lead === undefined) onStandDue(state);
    onStopDue(state);
  } while (state.inbox.length > 0 && state.stopped === undefined);
}

function wakeMsOf(state: ClusterState): number {
  if (state.stopped !== undefined) return NEVER;
  let wakeMs = state.isDirty && state.persisting === 0 ? state.diskRetryAtMs : NEVER;
  if (state.leaving && state.nowMs < state.handOverAtMs) {
    wakeMs = Math.min(wakeMs, state.handOverAtMs);
  } else if (state.leaving) wakeMs = Math.min(wakeMs, state.stopAtMs);
  if (!maySpeak(state)) return wakeMs;
  const { register, lead, stand } = state;
  wakeMs = Math.min(wakeMs, state.beatAtMs, register.lookAtMs);
  if (register.op !== undefined) wakeMs = Math.min(wakeMs, register.op.untilMs);
  if (lead !== undefined) {
    wakeMs = Math.min(wakeMs, lead.digestAtMs, lead.lookAtMs, lead.renewAtMs);
    if (lead.phase === "promising") wakeMs = Math.min(wakeMs, lead.prepareAtMs);
    if (lead.open !== undefined) wakeMs = Math.min(wakeMs, lead.open.acceptAtMs);
  } else if (stand !== undefined) wakeMs = Math.min(wakeMs, stand.dueMs);
  else {
    const suspectMs = suspectAtMs(state);
    if (suspectMs > state.nowMs) wakeMs = Math.min(wakeMs, suspectMs);
    else if (state.holdOffMs > state.nowMs) wakeMs = Math.min(wakeMs, state.holdOffMs);
  }
  return wakeMs;
}
