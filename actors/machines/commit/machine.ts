/**
 * The commit machine of one persistent or replicated database on one node: copy, primary when the document says so, and
 * all that the node's clients want.
 *
 *   event ─▶ the part it concerns ─▶ messages to itself ─▶ what is due ─▶ effects, wakeMs
 *
 * Pure but for a look at versions in the file, which is a port: no clock, no dice, no bus, no disk. Made once for a
 * life of a node; `opened` is its first event. What is written, and what is sent after it, are effects with an event
 * between.
 *
 * Does NOT promise: to be fed in time. It must be called at wakeMs at the latest; late is slow, never wrong.
 */
import type { CommitMessage } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import { onApplied, onCheckpointed, onFetched } from "./applying.ts";
import { askAnew, askingDueMs, onAskingDue, onClientGone, onClosedSession } from "./asking.ts";
import { onOpenedSession, onRefusedState, onResult, onTransaction } from "./asking.ts";
import { catchUp, onCaughtUp, onInstalled } from "./catching.ts";
import { copiesDueMs, onAppended, onCopiesDue } from "./copies.ts";
import type { CommitEffect, CommitEvent, Hello } from "./events.ts";
import { inSyncDueMs, lookAtSet } from "./insync.ts";
import { intakeDueMs, onRequest, referAway } from "./intake.ts";
import { advance, pumpPrimary, type Request, settlePrimary, statusOf } from "./primary.ts";
import { onQuestionsDue, onRead, onReadAt, onStatus, onTxnState } from "./questions.ts";
import { questionAnew, questionsDueMs, readFirst, tellReadable } from "./questions.ts";
import { onReadIndex } from "./read_rounds.ts";
import { adoptLineage, isDamaged, onAppend, onOpened, onWritten } from "./replica.ts";
import { expireSessions, expiryDueMs } from "./expiry.ts";
import { onShip, onShipped, onShippingDue, shippingDueMs } from "./shipping.ts";
import { breach, type CommitOptions, type CommitState, newCommitState } from "./state.ts";

/** Messages of a step to itself; beyond, it is a fault of the machine. */
const ROUNDS_MAX = 10_000;

/** The machine. */
export class CommitMachine {
  /** For commands that show it, and for checkers; nobody else changes it. */
  readonly state: CommitState;
  /** When it wants to be called next, by the node's clock; Infinity: when something happens. */
  wakeMs: number = Infinity;

  constructor(options: CommitOptions) {
    this.state = newCommitState(options);
  }

  /** Takes an event at `nowMs` of the node's clock, which never goes back. Answers what is to be done, in order. */
  step(event: CommitEvent, nowMs: number): CommitEffect[] {
    const { state } = this;
    if (state.breach !== undefined) return [];
    state.nowMs = Math.max(state.nowMs, nowMs);
    onEvent(state, event);
    settle(state);
    this.wakeMs = state.breach === undefined ? dueMs(state) : Infinity;
    const { effects } = state;
    state.effects = [];
    if (state.breach === undefined) return effects;
    // What a step that broke an assert has made is not done, but for saying so.
    return effects.filter(({ kind }) => kind === "breach");
  }

  /** What it is of the database now. */
  get role(): "primary" | "copy" | "closed" {
    if (this.state.primary !== undefined) return "primary";
    return this.state.replica.isOpen ? "copy" : "closed";
  }

  /** Whether the primary serves; undefined: it is none. */
  get status(): "starting" | "serving" | "readonly" | undefined {
    const { state } = this;
    return state.primary === undefined ? undefined : statusOf(state, state.primary);
  }

  /** May clients read the file? Not while it shows less than this node has shown before. */
  get mayRead(): boolean {
    const { isOpen, isFresh } = this.state.replica;
    return isOpen && !isFresh;
  }

  /** What the node tells the leader. */
  hello(): Hello {
    const { replica, isFull, rules } = this.state;
    const { log, durable } = replica;
    // What is not on its disk yet may be gone with the power, and nobody is to go on from there.
    const told = rules.tellsDurable() ? log.place(durable) : undefined;
    const { seq, term, chain } = told ?? log.lastPlace;
    return {
      id: replica.id,
      lineage: replica.lineage,
      lastSeq: seq,
      lastTerm: term,
      lastChain: chain,
      isDamaged: isDamaged(replica),
      applied: replica.applied.seq,
      commitKnown: replica.commitKnown,
      isFull,
    };
  }
}

function onEvent(state: CommitState, event: CommitEvent): void {
  const { replica } = state;
  if ("epoch" in event && event.epoch !== replica.epoch) return;
  switch (event.kind) {
    case "opened":
      onOpened(state, event.disk);
      return onConfig(state);
    case "config":
      return onNewConfig(state, event);
    case "message":
      return replica.isOpen ? onMessage(state, event.from, event.message) : undefined;
    case "written":
      onWritten(state, event.id);
      return pumpPrimary(state);
    case "applied":
      onApplied(state, event);
      return tellReadable(state);
    case "checkpointed":
      return onCheckpointed(state, event.seq);
    case "fetched":
      return onFetched(state, event);
    case "caught_up":
      onCaughtUp(state, event);
      return onConfig(state);
    case "installed":
      onInstalled(state);
      // No apply may follow that would tell them.
      tellReadable(state);
      return onConfig(state);
    case "space":
      state.isFull = event.isFull;
      return;
    case "transaction":
      return onTransaction(state, event);
    case "status":
      return onStatus(state, event);
    case "read":
      return onRead(state, event);
    case "client_gone":
      return onClientGone(state, event.client);
    case "wake":
      return;
  }
}

function onNewConfig(
  state: CommitState,
  { config, leader, members }: Extract<CommitEvent, { kind: "config" }>,
): void {
  const before = state.config;
  state.leader = leader;
  state.members = members;
  // Documents come in the order of their versions: a term never goes back, and another primary has another one.
  const isSame = before?.primary === config.primary && before.primaryInc === config.primaryInc;
  if (
    before !== undefined && (config.term < before.term || !isSame && config.term === before.term)
  ) {
    return breach(state, "A10", `term ${config.term} of ${config.primary} after ${before.term}`);
  }
  state.config = config;
  if (before?.term !== config.term) {
    askAnew(state);
    questionAnew(state);
  }
  onConfig(state);
}

function onConfig(state: CommitState): void {
  adoptLineage(state);
  settlePrimary(state);
}

function onMessage(state: CommitState, from: Member, message: CommitMessage): void {
  switch (message.kind) {
    case "open":
      return ask(state, from, message.term, { kind: "open", from, number: message.number });
    case "close":
      return ask(state, from, message.term, { kind: "close", from, sid: message.sid });
    case "submit":
      return ask(state, from, message.term, { kind: "submit", from, message });
    case "txn_ask":
      return ask(state, from, message.term, { kind: "txn_ask", from, message });
    case "opened":
      return isAsker(state, message) ? onOpenedSession(state, message) : undefined;
    case "closed":
      return onClosedSession(state, message.sid);
    case "result":
      return onResult(state, message);
    case "txn_state":
      onRefusedState(state, message);
      return onTxnState(state, message);
    case "append":
      return onAppend(state, from.pnn, message);
    case "appended":
      return onAppended(state, from, message);
    case "too_old":
      return catchUp(state, from.pnn, message.lineage, message.first);
    case "shipped":
      return onShipped(state, from.pnn, message);
    case "ship":
      return onShip(state, message);
    case "read_index":
      return onReadIndex(state, from, message);
    case "read_at":
      return isAsker(state, message) ? onReadAt(state, message) : undefined;
    case "want_isr":
      // The leader's, which is another machine.
      return;
  }
}

/** Numbers of questions begin anew in each life. */
function isAsker({ me, rules }: CommitState, { asker }: { readonly asker: bigint }): boolean {
  return rules.isForLife(me?.incarnation ?? 0n, asker);
}

function ask(state: CommitState, from: Member, term: bigint, request: Request): void {
  const { primary, rules } = state;
  const isMine = primary !== undefined && rules.isForTerm(primary.term, term);
  return isMine ? onRequest(state, from, request) : referAway(state, from, request);
}

/** Messages to itself, and what is due, until nothing is left to do now. */
function settle(state: CommitState): void {
  for (let rounds = 0; rounds < ROUNDS_MAX && state.breach === undefined; rounds++) {
    const message = state.inbox.shift();
    if (message === undefined) {
      onDue(state);
      if (state.inbox.length === 0) return;
      continue;
    }
    const { me } = state;
    if (me === undefined) continue;
    const { pnn, incarnation } = me;
    onMessage(state, { pnn, incarnation: incarnation as Member["incarnation"] }, message);
  }
}

function onDue(state: CommitState): void {
  const { nowMs } = state;
  if (!state.replica.isOpen) return;
  readFirst(state);
  if (askingDueMs(state) <= nowMs) onAskingDue(state);
  if (questionsDueMs(state) <= nowMs) onQuestionsDue(state);
  if (intakeDueMs(state) <= nowMs) pumpPrimary(state);
  if (copiesDueMs(state) <= nowMs) onCopiesDue(state);
  if (expiryDueMs(state) <= nowMs) expireSessions(state);
  if (shippingDueMs(state) <= nowMs) onShippingDue(state);
  lookAtSet(state);
  advance(state);
}

/** When it wants to be called; never now: what is due now was done. */
function dueMs(state: CommitState): number {
  const due = Math.min(
    askingDueMs(state),
    questionsDueMs(state),
    copiesDueMs(state),
    expiryDueMs(state),
    shippingDueMs(state),
    inSyncDueMs(state),
  );
  const intake = intakeDueMs(state);
  // A group that is due and cannot be made waits for the disk or the copies, which wake it.
  return Math.min(due, intake > state.nowMs ? intake : Infinity);
}
