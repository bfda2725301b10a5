/**
 * Commands of operators: passed on to the leader, done by it in the document, answered when effective.
 *
 *   node ── command ─▶ leader: queued ─▶ in the next document ─▶ effective ─▶ done
 *                                  └─ refused, with the reason
 *
 * Whether a command is done is read off the effective document; so a repeated one is harmless, and a new leader
 * finishes what the old one began when it is asked again.
 *
 * Does NOT promise: an answer when the leader goes meanwhile: ask again.
 */
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type {
  LeaderAnswer,
  LeaderAsk,
  LeaderCommand,
  Outcome,
} from "../../../transport/wire/messages/leader.ts";
import { fitText } from "../../../transport/wire/limits.ts";
import type { NodeId, Version } from "../../../transport/wire/terms.ts";
import { blame } from "./ban.ts";
import { isDone, refusalOf, resultOf } from "./command_effects.ts";
import { databaseRefusal, databaseResult, isAboutDatabases } from "./databases.ts";
import { isDatabaseDone } from "./databases.ts";
import { isUnsure, lookAgain } from "./departure.ts";
import { nodeByPnn } from "./document.ts";
import { levelFor } from "./format.ts";
import { isKnown } from "./grant.ts";
import type { Lead } from "./lead.ts";
import type { ClusterState } from "./state.ts";
import { sendTo } from "./state.ts";
import { hasSuccessor, yieldLead } from "./yield.ts";

/** Commands that wait at once; more are refused. */
export const ASKS_MAX = 64;
/** One that was passed on is forgotten after so long. */
const PASSED_ON_MS = 10_000;

/** A command that waits for its end. */
export interface OpenAsk {
  readonly verbId: string;
  /** Who asked; undefined: an operator at this node. */
  readonly from: NodeId | undefined;
  readonly command: LeaderCommand;
  readonly atMs: number;
  /** Passed on to the leader: its answer is awaited. */
  readonly isPassedOn: boolean;
}

/** An operator at this node wants something. */
export function onCommand(state: ClusterState, verbId: string, command: LeaderCommand): void {
  if (state.lead !== undefined) return queue(state, undefined, verbId, command);
  const leader = state.sign.from;
  const isKnown = leader !== undefined && leader !== state.me &&
    state.nowMs - state.sign.atMs < state.timing.suspectMs;
  if (!isKnown) return answerTo(state, undefined, verbId, "not_leader", "no leader is known");
  if (state.sign.protocol < levelFor(command)) {
    const text = "the leader runs an older version: upgrade it, or let another node lead";
    return answerTo(state, undefined, verbId, "refused", text);
  }
  if (!add(state, undefined, verbId, command, true)) return;
  sendTo(state, leader, { kind: "leader_ask", verbId, command });
}

/** Another node passes a command on. */
export function onLeaderAsk(state: ClusterState, from: NodeId, message: LeaderAsk): void {
  const { verbId, command } = message;
  // Who is only invited has its place on the bus already, and no say.
  if (!isKnown(state, from)) {
    return answerTo(state, from, verbId, "not_leader", "who asks is no node of this cluster");
  }
  if (state.lead === undefined) {
    return answerTo(state, from, verbId, "not_leader", "this node does not lead");
  }
  queue(state, from, verbId, command);
}

/** The leader has answered what was passed on. */
export function onLeaderAnswer(state: ClusterState, message: LeaderAnswer): void {
  const { verbId, outcome, text } = message;
  const at = state.asks.findIndex((ask) => ask.isPassedOn && ask.verbId === verbId);
  if (at < 0) return;
  state.asks.splice(at, 1);
  state.effects.push({ kind: "answer", verbId, outcome, text });
}

function queue(
  state: ClusterState,
  from: NodeId | undefined,
  verbId: string,
  command: LeaderCommand,
): void {
  if (!add(state, from, verbId, command, false)) return;
  if (state.lead !== undefined) state.lead.isDirty = true;
}

/** False: it is being done already, or there is no room, which was answered. */
function add(
  state: ClusterState,
  from: NodeId | undefined,
  verbId: string,
  command: LeaderCommand,
  isPassedOn: boolean,
): boolean {
  const { asks, nowMs } = state;
  const kept = asks.filter((ask) => !ask.isPassedOn || nowMs - ask.atMs < PASSED_ON_MS);
  asks.splice(0, asks.length, ...kept);
  const at = asks.findIndex((ask) => ask.verbId === verbId);
  const known = asks[at];
  if (known !== undefined) {
    // Passed on, and no answer came: passed on again, or done here if this node leads by now.
    if (!known.isPassedOn) return false;
    asks[at] = { ...known, from, atMs: nowMs, isPassedOn };
    return true;
  }
  if (asks.length >= ASKS_MAX) {
    answerTo(state, from, verbId, "refused", `${ASKS_MAX} commands wait already`);
    return false;
  }
  asks.push({ verbId, from, command, atMs: nowMs, isPassedOn });
  return true;
}

function answerTo(
  state: ClusterState,
  from: NodeId | undefined,
  verbId: string,
  outcome: Outcome,
  said: string,
): void {
  const text = fitText(said);
  if (from === undefined) state.effects.push({ kind: "answer", verbId, outcome, text });
  else sendTo(state, from, { kind: "leader_answer", verbId, outcome, text });
}

/** The role ended: whoever waits asks the next leader. */
export function dropAsks(state: ClusterState): void {
  for (const { from, verbId } of state.asks.splice(0)) {
    answerTo(state, from, verbId, "not_leader", "this node leads no longer");
  }
}

/** Answers what the effective document has, and what it will never have. */
export function answerDone(state: ClusterState, lead: Lead, doc: Document): void {
  for (const ask of [...state.asks]) {
    if (ask.isPassedOn) continue;
    const end = endOf(state, lead, doc, ask);
    if (end === undefined) continue;
    const at = state.asks.indexOf(ask);
    if (at >= 0) state.asks.splice(at, 1);
    answerTo(state, ask.from, ask.verbId, end.outcome, end.text);
    if (ask.command.verb === "yield" && end.outcome === "done") {
      return yieldLead(state, lead, ask.command.why);
    }
  }
}

function endOf(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  { command }: OpenAsk,
): { outcome: Outcome; text: string } | undefined {
  if (command.verb === "yield") {
    if (command.to !== undefined) {
      return { outcome: "refused", text: "the rank decides who leads next; yield without a name" };
    }
    return hasSuccessor(state, lead)
      ? { outcome: "done", text: "leads no longer" }
      : { outcome: "refused", text: "no other voter is there to lead" };
  }
  if (command.verb === "blame") {
    const node: DocumentNode | undefined = nodeByPnn(doc, command.pnn);
    if (node === undefined) return { outcome: "refused", text: `there is no node ${command.pnn}` };
    blame(state, node.nodeId, command.credits, command.why);
    return { outcome: "done", text: "noted" };
  }
  const refusal = refusalOf(state, doc, command);
  if (refusal !== undefined) return { outcome: "refused", text: refusal };
  return isDone(doc, command) ? { outcome: "done", text: "it is so" } : undefined;
}

/** The document with all that is asked for, as far as one document can have it. */
export function withAsks(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  version: Version,
): Document {
  let draft = doc;
  for (const { command, isPassedOn } of state.asks) {
    if (isPassedOn || command.verb === "yield" || command.verb === "blame") continue;
    if (state.rules.isNewEpoch(command)) continue;
    if (refusalOf(state, draft, command) !== undefined) continue;
    if (isUnsure(state, draft, command)) {
      lookAgain(state, lead);
      continue;
    }
    if (command.verb === "flags" || command.verb === "caps") lead.areSlotsDirty = true;
    draft = resultOf(draft, command, version);
  }
  return draft;
}

/** The document with what needs a new generation; `isRehomed`: its slots are dealt anew, and no home has a table. */
export function withEpochs(
  { asks, rules }: ClusterState,
  doc: Document,
  version: Version,
): { readonly doc: Document; readonly isRehomed: boolean } {
  let draft = doc;
  let isRehomed = false;
  // While voters change, one thing at a time.
  if (doc.voterChange !== undefined) return { doc, isRehomed };
  for (const { command, isPassedOn } of asks) {
    if (isPassedOn || !isAboutDatabases(command) || !rules.isNewEpoch(command)) continue;
    if (databaseRefusal(draft, command) !== undefined) continue;
    draft = databaseResult(draft, command, version);
    if (command.verb === "rehome" && !isDatabaseDone(draft, command)) isRehomed = true;
  }
  return { doc: draft, isRehomed };
}
