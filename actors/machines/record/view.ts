/**
 * A newer view is adopted: all of it in one step, before anything is sent by it.
 *
 *   reading by a granter that left      stops
 *   readers, recalls, calls of others   those of lives that left go
 *   slots that went                     their tables are kept for the new home
 *   slots that came                     are opened
 *   slots that stay                     keys whose holder or taker left are asked for; purges go on without who left
 *   requests                            go to the new homes
 *
 * What it costs follows from what it touches: all of it is found by indexes.
 *
 * Does NOT promise: that the other members have adopted it; messages say by which slotGen they were sent.
 */
import type { Document, Slot } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { isSameHome } from "../cluster/slots.ts";
import { nodeIdsOf } from "../cluster/document.ts";
import { forgetAskers, lookAtBacklog, queryLater, stopLater } from "./backlog.ts";
import { dropReader } from "./delegate.ts";
import { forgetPulled } from "./drain.ts";
import { isCurrent } from "./home.ts";
import { breach, isIn, mark, wakeKey } from "./keys.ts";
import { reviewOpening, startHome } from "./opening.ts";
import { beginViewWork, noteRecovering, onViewWorkBegun } from "./progress.ts";
import { lookAtRound } from "./query.ts";
import { sendReq } from "./requester.ts";
import type { Entry, Home, Life, RecordState } from "./state.ts";
import { NEVER } from "./state.ts";
import { dropProgram, heldPlace } from "./programs.ts";
import { isVisitor } from "./visitors.ts";
import { walkAnew } from "./traverse.ts";

const GONE = { code: "state", why: "its node left" } as const;

/** Adopts the view of a document. A node that is not in it, and was before, has a new life and forgets all. */
export function adopt(state: RecordState, doc: Document): void {
  if (doc.generation <= state.generation) {
    if (doc.generation < state.generation) breach(state, "I8", "a view before the adopted one");
    return;
  }
  const before = state.slots;
  const isKnown = state.me !== undefined;
  const membersBefore = state.members;
  const left = takeMembers(state, doc);
  state.generation = doc.generation;
  const came = [...state.members.values()].filter((life) => membersBefore.get(life.pnn) !== life);
  beginViewWork(state, came, left);
  state.slots = doc.view.slots;
  state.parted.clear();
  if (state.me === undefined) return;
  stopReadingBy(state, left);
  forgetLives(state, left);
  dropRecalls(state);
  const kept = moveSlots(state, before);
  reviewEntries(state, left);
  onViewWorkBegun(state, kept);
  forgetAskers(state);
  forgetPulled(state);
  lookAtBacklog(state);
  for (const life of left) state.named.delete(life);
  if (isKnown) resend(state);
  for (const run of state.runs.values()) walkAnew(state, run);
  for (const ks of state.active) if (ks.queue.length > 0) mark(state, ks);
}

/** Members by number, the same object for a life that stays. Answers who left. */
function takeMembers(state: RecordState, doc: Document): Life[] {
  const before = state.members;
  const now = new Map<Pnn, Life>();
  for (const member of doc.view.members) {
    const known = before.get(member.pnn);
    now.set(member.pnn, known?.incarnation === member.incarnation ? known : { ...member });
  }
  state.members = now;
  state.nodeIds = nodeIdsOf(doc);
  state.draining = new Set();
  for (const { pnn, nodeId, adminFlags } of doc.nodes) {
    if (adminFlags.includes("draining")) state.draining.add(pnn);
    if (nodeId === state.config.nodeId) state.pnn = pnn;
  }
  // Who stops by plan drains as well, for the rest of its life.
  for (const pnn of doc.view.stopping ?? []) state.draining.add(pnn);
  // Where all drain, somebody has to be home, and own what is there.
  if ([...now.keys()].every((pnn) => state.draining.has(pnn))) state.draining = new Set();
  const own = state.pnn === undefined ? undefined : now.get(state.pnn);
  state.me = own?.incarnation === state.incarnation ? own : undefined;
  return [...before.values()].filter((life) => !isIn(state, life));
}

/** Copies that a life which left let this node read: no longer, before any question of a recovery is answered. */
function stopReadingBy(state: RecordState, left: readonly Life[]): void {
  for (const life of left) {
    for (const ks of [...state.granted.get(life) ?? []]) {
      stopLater(state, ks);
    }
    state.granted.delete(life);
  }
}

function forgetLives(state: RecordState, left: readonly Life[]): void {
  for (const life of left) {
    for (const ks of [...state.reading.get(life) ?? []]) dropReader(state, ks, life);
    state.reading.delete(life);
  }
  if (left.length === 0) return;
  for (const ks of state.active) {
    if (!state.rules.originMustBeIn()) continue;
    const running = heldPlace(ks);
    const isLost = running !== undefined && isVisitor(running) && !isIn(state, running.origin);
    if (isLost && ks.held?.kind === "run") dropProgram(state, ks, ks.held, GONE);
    for (let at = ks.queue.length - 1; at >= 0; at--) {
      const place = ks.queue[at];
      if (place !== undefined && isVisitor(place) && !isIn(state, place.origin)) {
        ks.queue.splice(at, 1);
        if (ks.recall !== undefined && at < ks.recall.before) ks.recall.before -= 1;
      }
    }
  }
}

/** Recalls for who left, or by a home that is none any more: the new home knows better. */
function dropRecalls(state: RecordState): void {
  if (!state.rules.dropsRecalls()) return;
  for (const ks of state.active) {
    const { recall } = ks;
    if (recall === undefined) continue;
    const isOld = state.slots[ks.slot]?.slotGen !== recall.message.slotGen;
    if (!isOld && isIn(state, recall.to)) continue;
    ks.recall = undefined;
    mark(state, ks);
  }
}

/** Answers how many slots stay this node's, and open. */
function moveSlots(state: RecordState, before: readonly Slot[]): number {
  const { slots, me } = state;
  let kept = 0;
  if (me === undefined) return kept;
  for (let slot = 0; slot < slots.length; slot++) {
    const now = slots[slot] as Slot;
    const was = before[slot];
    const home = state.homes[slot];
    const isMine = isSameHome(now.home, me);
    if (home !== undefined && !(isMine && home.slotGen === now.slotGen)) freeze(state, home);
    if (isMine && state.homes[slot] === undefined) startHome(state, slot);
    else if (isMine && home?.opening !== undefined) reviewOpening(state, home);
    else if (isMine && state.homes[slot] === home) kept += 1;
    if (was !== now) dropFrozen(state, slot, now, me);
  }
  return kept;
}

/** The slot is another's now: its table is kept for that one. */
function freeze(state: RecordState, home: Home): void {
  const { slot, slotGen, isOpen: wasOpen, table } = home;
  delete state.homes[slot];
  state.closed.delete(home);
  state.timers.set(home, NEVER);
  state.frozen.set(slot, { slotGen, wasOpen, table, sinceMs: state.nowMs });
}

/** A table that nobody can ask for any more goes. */
function dropFrozen(state: RecordState, slot: number, { from }: Slot, me: Life): void {
  const frozen = state.frozen.get(slot);
  if (frozen === undefined) return;
  const isWanted = from !== undefined && isSameHome(from, me) && from.slotGen === frozen.slotGen;
  if (!isWanted) state.frozen.delete(slot);
}

function reviewEntries(state: RecordState, left: readonly Life[]): void {
  for (const entry of [...state.rounds]) {
    if (isCurrent(state, entry) && entry.home.isOpen) reviewEntry(state, entry);
    else state.rounds.delete(entry);
  }
  for (const life of left) {
    for (const entry of state.named.get(life) ?? []) {
      if (isCurrent(state, entry) && entry.home.isOpen) reviewEntry(state, entry);
    }
  }
}

function reviewEntry(state: RecordState, entry: Entry): void {
  if (!entry.queue.every(({ of }) => isIn(state, of))) {
    entry.queue = entry.queue.filter(({ of }) => isIn(state, of));
  }
  const { holder, pend, phase, round } = entry;
  if (round !== undefined && phase !== "query") {
    for (const life of [...round.need]) if (!isIn(state, life)) round.need.delete(life);
    return lookAtRound(state, entry);
  }
  const isLost = (holder !== undefined && !isIn(state, holder)) ||
    (pend !== undefined && !isIn(state, pend.to));
  if (!state.rules.queriesAfterLoss()) return;
  if (!isLost && phase !== "query") return;
  noteRecovering(state, entry);
  queryLater(state, entry);
}

/** What was asked of a home is asked of the one of now; hints to lives that left are forgotten. */
function resend(state: RecordState): void {
  // A node that drains owns nothing new: what it asked for before is not taken when it comes.
  const isDraining = state.draining.has(state.pnn as Pnn);
  for (const ks of state.active) {
    if (ks.hint !== undefined && !isIn(state, ks.hint)) ks.hint = undefined;
    if (isDraining) ks.own = undefined;
    if (ks.own !== undefined) sendReq(state, ks);
    for (const asked of [ks.ro, ks.release, ...ks.calls]) {
      if (asked !== undefined) wakeKey(state, ks, asked.dueMs);
    }
  }
}
