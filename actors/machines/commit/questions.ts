/**
 * Questions of clients of this node: what became of a transaction, and reads of what is committed now.
 *
 *   status ── txn_ask ──▶ primary ── txn_state ──▶ told
 *   read ── read_index ──▶ primary ── read_at c ──▶ (applied here up to c) ──▶ readable
 *
 * Does NOT promise: an answer before the deadline; then it says so.
 */
import type { ReadAt, TxnState } from "../../../transport/wire/messages/commit.ts";
import type { CommitEvent, Txid, TxnStatus } from "./events.ts";
import { write } from "./replica.ts";
import { type CommitState, NEVER, send } from "./state.ts";

/** A question about a transaction. */
interface StatusAsk {
  readonly id: number;
  readonly txid: Txid;
  readonly finalize: boolean;
  readonly deadlineMs: number;
  term: bigint;
  sentMs: number;
}

/** A read. */
interface ReadAsk {
  readonly id: number;
  readonly deadlineMs: number;
  readonly askId: number;
  term: bigint;
  sentMs: number;
  /** Up to there, in that lineage. */
  commit: { readonly lineage: bigint; readonly seq: bigint } | undefined;
}

/** The machine's own read, of a copy that has nothing to show before. */
const OWN_READ = -1;

/** All of them. */
export interface Questions {
  readonly statuses: Map<number, StatusAsk>;
  readonly reads: Map<number, ReadAsk>;
  nextAsk: number;
}

/** None. */
export function newQuestions(): Questions {
  return { statuses: new Map(), reads: new Map(), nextAsk: 1 };
}

/** A client asks what became of a transaction. */
export function onStatus(
  { questions }: CommitState,
  { id, txid, finalize, deadlineMs }: Extract<CommitEvent, { kind: "status" }>,
): void {
  const sentMs = -Infinity;
  questions.statuses.set(id, { id, txid, finalize, deadlineMs, term: 0n, sentMs });
}

/** A client wants to read what is committed now. */
export function onRead(
  { questions }: CommitState,
  { id, deadlineMs }: Extract<CommitEvent, { kind: "read" }>,
): void {
  const askId = questions.nextAsk++ >>> 0;
  const base = { id, deadlineMs, askId, term: 0n, sentMs: -Infinity };
  questions.reads.set(id, { ...base, commit: undefined });
}

/** Another primary: everybody asks anew. */
export function questionAnew({ questions }: CommitState): void {
  for (const one of questions.statuses.values()) one.sentMs = -Infinity;
  // What an older primary has said is true, but of a lineage that may be no more.
  for (const one of questions.reads.values()) {
    Object.assign(one, { sentMs: -Infinity, commit: undefined });
  }
}

/** How a transaction stands, says the primary that was asked last. */
export function onTxnState(state: CommitState, m: TxnState): void {
  for (const one of [...state.questions.statuses.values()]) {
    const { txid, finalize } = one;
    if (txid.sid !== m.sid || txid.n !== m.n || one.term !== m.term) continue;
    const isOpen = m.state === "in_progress" || m.state === "not_executed";
    if (finalize && isOpen) continue;
    const { seq = 0n, dbseq = 0n } = m;
    const isDone = m.state === "committed";
    tell(state, one.id, isDone ? { state: "committed", seq, dbseq } : { state: m.state });
  }
}

function tell(state: CommitState, id: number, status: TxnStatus): void {
  state.questions.statuses.delete(id);
  state.effects.push({ kind: "told", id, status });
}

/** Up to where a read must see. */
export function onReadAt(state: CommitState, m: ReadAt): void {
  for (const one of state.questions.reads.values()) {
    if (one.askId !== m.id || one.term !== m.term) continue;
    one.commit ??= { lineage: m.lineage, seq: m.commit };
  }
  tellReadable(state);
}

/** Answers the reads whose state is applied here. */
export function tellReadable(state: CommitState): void {
  const { questions, replica } = state;
  for (const { id, commit } of [...questions.reads.values()]) {
    if (commit?.lineage !== replica.lineage || replica.applied.seq < commit.seq) continue;
    questions.reads.delete(id);
    if (replica.isFresh) {
      replica.isFresh = false;
      write(state, []);
    }
    if (id !== OWN_READ) state.effects.push({ kind: "readable", id, seq: replica.applied.seq });
  }
}

/**
 * A copy that begins with nothing would show less than this node has shown before: it asks what is committed, and shows
 * nothing until it has that.
 */
export function readFirst({ replica, questions }: CommitState): void {
  if (!replica.isFresh) return void questions.reads.delete(OWN_READ);
  if (questions.reads.has(OWN_READ)) return;
  const askId = questions.nextAsk++ >>> 0;
  const base = { id: OWN_READ, deadlineMs: NEVER, askId, term: 0n, sentMs: -Infinity };
  questions.reads.set(OWN_READ, { ...base, commit: undefined });
}

/** When something must be sent, or is over. */
export function questionsDueMs({ questions, timing, config }: CommitState): number {
  let due = NEVER;
  const isAsked = config !== undefined && config.lineage !== 0n;
  for (const { deadlineMs, sentMs } of questions.statuses.values()) {
    due = Math.min(due, deadlineMs, isAsked ? sentMs + timing.resubmitMs : NEVER);
  }
  for (const { deadlineMs, sentMs, commit } of questions.reads.values()) {
    const isOpen = isAsked && commit === undefined;
    due = Math.min(due, deadlineMs, isOpen ? sentMs + timing.readRepeatMs : NEVER);
  }
  return due;
}

/** Sends what is due, and ends what is over. */
export function onQuestionsDue(state: CommitState): void {
  const { questions, nowMs, timing, config } = state;
  for (const { id, deadlineMs } of [...questions.statuses.values()]) {
    if (nowMs >= deadlineMs) tell(state, id, { state: "timeout" });
  }
  for (const { id, deadlineMs } of [...questions.reads.values()]) {
    if (nowMs < deadlineMs) continue;
    questions.reads.delete(id);
    state.effects.push({ kind: "readable", id, seq: undefined });
  }
  if (config === undefined || config.lineage === 0n) return;
  const { term, primary } = config;
  for (const one of questions.statuses.values()) {
    if (nowMs < one.sentMs + timing.resubmitMs) continue;
    Object.assign(one, { sentMs: nowMs, term });
    const { sid, n } = one.txid;
    send(state, primary, { kind: "txn_ask", term, sid, n, finalize: one.finalize });
  }
  for (const one of questions.reads.values()) {
    if (one.commit !== undefined || nowMs < one.sentMs + timing.readRepeatMs) continue;
    Object.assign(one, { sentMs: nowMs, term });
    send(state, primary, { kind: "read_index", term, id: one.askId });
  }
}
