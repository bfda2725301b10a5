/**
 * What a commit machine knows.
 *
 *   replica   the log and what of it is on the disk, known as committed, applied      always
 *   primary   the other copies, the state behind the log, who waits for what          while the document says so
 *   asking    clients of this node: their sessions and requests
 *   questions what clients asked of transactions, and reads
 *   shipping  followers that this node feeds, and whom it follows itself
 *
 * Does NOT promise: to be looked at from outside while a step runs.
 */
import type { CommitMessage } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { NodeId, Pnn, Token } from "../../../transport/wire/terms.ts";
import type { Asking } from "./asking.ts";
import { newAsking } from "./asking.ts";
import type { CommitConfig } from "./config.ts";
import type { CommitEffect } from "./events.ts";
import type { Primary } from "./primary.ts";
import type { Questions } from "./questions.ts";
import { newQuestions } from "./questions.ts";
import type { Replica } from "./replica.ts";
import { newReplica } from "./replica.ts";
import type { CommitRules } from "./rules.ts";
import type { Shipping } from "./shipping.ts";
import { newShipping } from "./shipping.ts";
import type { CommitTiming } from "./tunables.ts";

/** Never: later than any time. */
export const NEVER = Infinity;

/** The file, as far as the machine looks into it. */
export interface CommitStore {
  /** The rsn of a record; 0: it is not there. At least all that `applied` said is in it. */
  versionOf(key: string): bigint;
}

/** What a machine is made with. */
export interface CommitOptions {
  readonly store: CommitStore;
  readonly timing: CommitTiming;
  readonly rules: CommitRules;
}

/** Everything. */
export interface CommitState {
  readonly store: CommitStore;
  readonly timing: CommitTiming;
  readonly rules: CommitRules;
  nowMs: number;
  me: { readonly pnn: Pnn; readonly incarnation: bigint; readonly nodeId: NodeId } | undefined;
  config: CommitConfig | undefined;
  leader: { readonly pnn: Pnn; readonly token: Token } | undefined;
  members: readonly Member[];
  readonly replica: Replica;
  primary: Primary | undefined;
  readonly asking: Asking;
  readonly questions: Questions;
  readonly shipping: Shipping;
  isFull: boolean;
  /** A broken assert: nothing is done any more. */
  breach: string | undefined;
  /** To itself. */
  inbox: CommitMessage[];
  effects: CommitEffect[];
}

/** A machine's state before it is opened. */
export function newCommitState(options: CommitOptions): CommitState {
  return {
    ...options,
    nowMs: 0,
    me: undefined,
    config: undefined,
    leader: undefined,
    members: [],
    replica: newReplica(),
    primary: undefined,
    asking: newAsking(),
    questions: newQuestions(),
    shipping: newShipping(),
    isFull: false,
    breach: undefined,
    inbox: [],
    effects: [],
  };
}

/** Sends a message; to itself it comes in the same step. */
export function send(state: CommitState, to: Pnn, message: CommitMessage): void {
  if (to === state.me?.pnn) state.inbox.push(message);
  else state.effects.push({ kind: "send", to, message });
}

/** An assert of section 10 failed: the machine stops. */
export function breach(state: CommitState, number: string, why: string): void {
  if (state.breach !== undefined) return;
  state.breach = `${number}: ${why}`;
  state.effects.push({ kind: "breach", number, why });
}
