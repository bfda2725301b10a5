/**
 * The record machine of one database on one node: home of some slots, holder of some records, and all that its clients
 * want of others.
 *
 *   event ─▶ the part it concerns ─▶ messages to itself ─▶ what is due by the clock ─▶ work at keys ─▶ effects, wakeMs
 *
 * Pure but for its storage, which is a port: no clock, no dice, no bus. The same events over the same storage give the
 * same effects. Messages of a step to one peer go together.
 *
 * Does NOT promise: to be fed in time. It must be called at wakeMs at the latest; late is slow, never wrong.
 */
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import type { Generation, Pnn } from "../../../transport/wire/terms.ts";
import { askAboutKept } from "./answering.ts";
import { onBacklogDue } from "./backlog.ts";
import type { Key } from "./copy.ts";
import { leftAt, pullSome } from "./drain.ts";
import { onCallsDue } from "./calls.ts";
import { onRevokeDue, onRoDue } from "./delegate.ts";
import type { RecordEffect, RecordEvent } from "./events.ts";
import { exchangeViews } from "./exchange.ts";
import { onEntryDue } from "./home.ts";
import { breach, lifeOf, mark, noteEmpty, tidy, wakeKey } from "./keys.ts";
import { startRecordLife } from "./life.ts";
import { look, lookAtKey } from "./look.ts";
import type { KeyLook, RecordLook } from "./look.ts";
import { onRecordMessage } from "./messages.ts";
import type { Move } from "./moves.ts";
import { onOpeningDue, sendWishes } from "./opening.ts";
import { onCancel, onClientDied, onDone, onOp, onQueueDue, onUnlock } from "./ops.ts";
import { isHeldDone, onProgramDue, onRan } from "./programs.ts";
import { onOwnDue } from "./requester.ts";
import type { KeyState, Life, Part, RecordConfig, RecordState } from "./state.ts";
import { newRecordState } from "./state.ts";
import { onMore, onRunDue, onTraverse, sendListWishes, stopRun } from "./traverse.ts";
import { hurryVacuum, onReleaseDue, onVacuumDue } from "./vacuum.ts";
import { adopt } from "./view.ts";
import { isToClose, onWatchDue, onWatching, onWatchingAll } from "./watch.ts";
import { work } from "./work.ts";

/** Rounds of a step. A few are the rule. */
const ROUNDS_MAX = 1000;
const NOTHING: readonly never[] = [];

/** The machine. */
export class RecordMachine {
  /** For commands that show it, and for checkers; nobody else changes it. */
  readonly state: RecordState;
  /** When it wants to be called next, by the node's clock; Infinity: when something happens. */
  wakeMs: number = Infinity;

  constructor(config: RecordConfig) {
    this.state = newRecordState(config);
  }

  /** Takes an event at `nowMs` of the node's clock, which never goes back. Answers what is to be done, in order. */
  step(event: RecordEvent, nowMs: number): RecordEffect[] {
    const { state } = this;
    state.nowMs = Math.max(state.nowMs, nowMs);
    state.room = state.timing.sliceKeys;
    onEvent(state, event);
    settle(state);
    flush(state);
    const hasRest = state.inbox.length > 0 || state.dirty.length > 0;
    this.wakeMs = hasRest ? state.nowMs + 1 : state.timers.nextMs;
    const { effects } = state;
    state.effects = [];
    return effects;
  }

  /** The whole, for commands and statistics. */
  look(): RecordLook {
    return look(this.state);
  }

  /** One record, as this node sees it. */
  lookAt(key: Key): KeyLook {
    return lookAtKey(this.state, key);
  }

  /** The last moves of records that this node saw, at most `max`, the oldest first. */
  moves(max: number): Move[] {
    return this.state.moves.last(max);
  }

  /** What this node, as home, knows to be at another still; 0: that one may be stopped, as far as this node knows. */
  leftAt(pnn: Pnn): number {
    return leftAt(this.state, pnn);
  }
}

function onEvent(state: RecordState, event: RecordEvent): void {
  switch (event.kind) {
    case "life":
      return startRecordLife(state, event.incarnation);
    case "adopted":
      return adopt(state, event.doc);
    case "page":
      return onPage(state, event.leaseEndMs);
    case "messages":
      // What was for another life of this node is not for this one: its numbers begin anew.
      if (event.to.incarnation !== state.incarnation) return;
      return onMessages(state, event.from, event.generation, event.messages);
    case "op":
      return onOp(state, event.op);
    case "unlock":
      return onUnlock(state, event.id, event.data);
    case "ran":
      return onRan(state, event);
    case "done":
      return onDone(state, event.id);
    case "cancel":
      if (state.runs.has(event.id)) stopRun(state, event.id);
      return onCancel(state, event.id);
    case "client_died":
      for (const run of [...state.runs.values()]) {
        if (run.client === event.client) stopRun(state, run.id);
      }
      return onClientDied(state, event.client);
    case "emptied":
      return noteEmpty(state, event.key);
    case "traverse":
      return onTraverse(state, event);
    case "more":
      return onMore(state, event.id, event.credit);
    case "vacuum":
      return hurryVacuum(state);
    case "watching":
      return "key" in event ? onWatching(state, event.key) : onWatchingAll(state, event.prefix);
    case "wake":
      return;
  }
}

/** The lease changes: what waits for one may go on. */
function onPage(state: RecordState, leaseEndMs: number): void {
  const wasServing = state.nowMs < state.leaseEndMs;
  state.leaseEndMs = leaseEndMs;
  if (wasServing || state.nowMs >= leaseEndMs) return;
  for (const ks of state.active) mark(state, ks);
}

/** Rule A1: only members are heard; whoever has another view is told, or asked. */
function onMessages(
  state: RecordState,
  from: Member,
  generation: Generation,
  messages: readonly RecordMessage[],
): void {
  if (state.me === undefined) return;
  const life = lifeOf(state, from);
  if (life === undefined) return exchangeViews(state, from, generation);
  for (const message of messages) onRecordMessage(state, life, generation, message);
}

/**
 * Messages to itself, what is due, and work at keys, round after round until nothing is left to do now. What a round
 * brings about is the next one's; a step that has no end is a fault of the machine: the rest waits for the next step.
 */
function settle(state: RecordState): void {
  for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
    const inbox = takeAll(state.inbox);
    for (const message of inbox) {
      if (state.me !== undefined) onRecordMessage(state, state.me, state.generation, message);
    }
    const dirty = takeAll(state.dirty);
    for (const ks of dirty) {
      ks.isDirty = false;
      work(state, ks);
    }
    const due = state.timers.takeDue(state.nowMs);
    for (const part of due) onDue(state, part);
    if (state.wishes.size > 0 || state.reportWishes.size > 0) sendWishes(state);
    if (state.listWishes.size > 0) sendListWishes(state);
    if (state.inbox.length === 0 && state.dirty.length === 0 && due.length === 0) return;
  }
  breach(state, "settle", `${ROUNDS_MAX} rounds, and no end`);
}

function takeAll<Item>(items: Item[]): readonly Item[] {
  return items.length === 0 ? NOTHING : items.splice(0);
}

function onDue(state: RecordState, part: Part): void {
  switch (part.sort) {
    case "key":
      return onKeyDue(state, part);
    case "entry":
      return onEntryDue(state, part);
    case "home":
      return onOpeningDue(state, part);
    case "run":
      return onRunDue(state, part);
    case "watch":
      return onWatchDue(state);
    case "backlog":
      return onBacklogDue(state);
    case "vacuum":
      onVacuumDue(state);
      if (state.me === undefined) return;
      pullSome(state);
      return askAboutKept(state);
  }
}

/** All that a key may wait for. */
function onKeyDue(state: RecordState, ks: KeyState): void {
  const { mutex, deferred } = ks;
  if (mutex !== undefined && mutex.dueMs > state.nowMs) wakeKey(state, ks, mutex.dueMs);
  else if (mutex !== undefined) {
    const waiting = deferred.splice(0);
    ks.mutex = undefined;
    for (const { from, message } of waiting) {
      if (state.me === undefined) break;
      // Who sent it may have left meanwhile, and the slot may have moved.
      const life: Life | undefined = lifeOf(state, from);
      if (life !== undefined) onRecordMessage(state, life, state.generation, message);
    }
  }
  onOwnDue(state, ks);
  onRoDue(state, ks);
  onCallsDue(state, ks);
  onRevokeDue(state, ks);
  onReleaseDue(state, ks);
  onProgramDue(state, ks);
  onQueueDue(state, ks);
  if (ks.holdUntilMs > state.nowMs) wakeKey(state, ks, ks.holdUntilMs);
  if (ks.queue.length > 0 || ks.recall !== undefined || isHeldDone(ks) || isToClose(ks)) {
    mark(state, ks);
  }
  tidy(state, ks);
}

/** One publication per peer, in pieces where there is much. */
function flush(state: RecordState): void {
  if (state.outbox.size === 0) return;
  const { generation } = state;
  const max = state.timing.batchMessages;
  for (const [to, messages] of state.outbox) {
    for (let at = 0; at < messages.length; at += max) {
      const some = at === 0 && messages.length <= max ? messages : messages.slice(at, at + max);
      state.effects.push({ kind: "send", to, generation, messages: some });
    }
  }
  state.outbox.clear();
}
