/**
 * The clients of this node: a session for each, and their transactions on the way to the primary.
 *
 *   transaction ──▶ open? ──▶ submit (again and again, to the primary of the term) ──▶ result ──▶ held back ──▶ answer
 *                                                        deadline: sent once ──▶ unknown     never sent ──▶ aborted
 *
 * `committed` is told when the own copy has it, so a client reads what it wrote. After an unknown outcome the client's
 * next transaction opens a session of its own: what is open in the old one stays answerable by its name.
 *
 * What is asked for again by its name may have been sent before by another node, or another life, in a later term than
 * this node knows; a former primary, which hears of nothing, may still refuse it. So a refusal of it is told only when
 * the log has it:
 *
 *   again ──▶ submit ──▶ aborted ──▶ txn_ask, finalize ──▶ in the log: aborted      it was done: submit, for its place
 *
 * Does NOT promise: that an unknown one did not happen; `status` with finalize decides it for good.
 */
import type { Opened, Result, TxnState } from "../../../transport/wire/messages/commit.ts";
import type { CommitConfig } from "./config.ts";
import type { CommitEvent, Txid, TxnOutcome, Wish } from "./events.ts";
import { SEQNUM_KEY } from "./group.ts";
import { onCommitTold } from "./replica.ts";
import { type CommitState, NEVER, send } from "./state.ts";

/** A session, as its node sees it. */
interface NodeSession {
  readonly number: number;
  readonly client: number;
  sid: bigint | undefined;
  nextN: number;
  doneUpTo: number;
  readonly done: Set<number>;
  /** Transactions that wait for it or are under way. */
  open: number;
  isGone: boolean;
  isAsked: boolean;
  sentMs: number;
}

/** A transaction on its way. */
interface Asked {
  readonly id: number;
  readonly session: NodeSession | undefined;
  readonly wish: Wish;
  readonly deadlineMs: number;
  /** The history that it was made in. */
  readonly lineage: bigint;
  txid: Txid | undefined;
  /** Term of the latest SUBMIT. */
  askedTerm: bigint | undefined;
  sentMs: number;
  held: { readonly lineage: bigint; readonly seq: bigint; readonly dbseq: bigint } | undefined;
  /** It was refused, and that is not in the log yet. */
  refusal: Extract<TxnOutcome, { outcome: "aborted" }> | undefined;
}

/** All of them. */
export interface Asking {
  readonly sessions: Map<number, NodeSession>;
  readonly current: Map<number, NodeSession>;
  readonly asked: Map<number, Asked>;
  /** Sessions to be closed, with the time of the last CLOSE. */
  readonly closing: Map<bigint, number>;
  nextNumber: number;
}

/** Nobody yet. */
export function newAsking(): Asking {
  return {
    sessions: new Map(),
    current: new Map(),
    asked: new Map(),
    closing: new Map(),
    nextNumber: 1,
  };
}

/** A client wants a transaction. */
export function onTransaction(
  state: CommitState,
  event: Extract<CommitEvent, { kind: "transaction" }>,
): void {
  const { asking, replica } = state;
  const { id, client, wish, deadlineMs, again, lineage = replica.lineage } = event;
  const session = again === undefined ? sessionOf(state, client) : undefined;
  if (session !== undefined) session.open += 1;
  asking.asked.set(id, {
    id,
    session,
    wish,
    deadlineMs,
    lineage,
    txid: again,
    askedTerm: undefined,
    sentMs: -Infinity,
    held: undefined,
    refusal: undefined,
  });
}

function sessionOf({ asking }: CommitState, client: number): NodeSession {
  const known = asking.current.get(client);
  if (known !== undefined) return known;
  const number = asking.nextNumber++;
  const session: NodeSession = {
    number,
    client,
    sid: undefined,
    nextN: 1,
    doneUpTo: 0,
    done: new Set(),
    open: 0,
    isGone: false,
    isAsked: false,
    sentMs: -Infinity,
  };
  asking.sessions.set(number, session);
  asking.current.set(client, session);
  return session;
}

/** A client is no more: its sessions end when nothing of them is under way. */
export function onClientGone({ asking }: CommitState, client: number): void {
  asking.current.delete(client);
  for (const session of asking.sessions.values()) {
    if (session.client !== client) continue;
    session.isGone = true;
    closeIfOver(asking, session);
  }
}

function closeIfOver(asking: Asking, session: NodeSession): void {
  if (!session.isGone || session.open > 0) return;
  // Asked for and not answered: it may be in the log, so the question goes on.
  if (session.sid === undefined && session.isAsked) return;
  asking.sessions.delete(session.number);
  if (session.sid !== undefined) asking.closing.set(session.sid, -Infinity);
}

/** The log has a session. */
export function onOpenedSession({ asking }: CommitState, { number, sid }: Opened): void {
  const session = asking.sessions.get(number);
  if (session === undefined) return void asking.closing.set(sid, -Infinity);
  session.sid ??= sid;
  closeIfOver(asking, session);
}

/** The log has the end of a session. */
export function onClosedSession({ asking }: CommitState, sid: bigint): void {
  asking.closing.delete(sid);
}

/** Another primary, or none: everybody asks anew. */
export function askAnew({ asking }: CommitState): void {
  for (const one of asking.asked.values()) one.sentMs = -Infinity;
  for (const session of asking.sessions.values()) session.sentMs = -Infinity;
}

/** What became of a transaction, says a primary. */
export function onResult(state: CommitState, m: Result): void {
  const { asking, rules } = state;
  for (const one of asking.asked.values()) {
    if (one.txid?.sid !== m.sid || one.txid.n !== m.n || one.held !== undefined) continue;
    const { lineage = 0n, seq, dbseq } = m;
    if (m.outcome === "committed" && seq !== undefined && dbseq !== undefined) {
      one.held = { lineage, seq, dbseq };
      onCommitTold(state, m.term, lineage, seq);
      release(state, one, !rules.holdsBack());
    } else if (m.outcome === "aborted" && rules.isAbortOfNow(one.askedTerm, m.term)) {
      refuse(state, one, m);
    } else if (m.outcome === "session_expired" && one.askedTerm === m.term) {
      finish(state, one, { outcome: "unknown", why: "its session has expired" });
    }
  }
}

/** Refused, says the primary that was asked last. */
function refuse(state: CommitState, one: Asked, m: Result): void {
  const { code = "conflict", why = "", key } = m;
  const about = key === undefined ? {} : { key };
  const refusal = { outcome: "aborted", code, why, ...about } as const;
  // Of a name that only this node has used, this is the latest term; `finalized` is what the log says.
  const isFinal = one.session !== undefined || code === "finalized";
  if (isFinal || !state.rules.finalizesAgain()) return finish(state, one, refusal);
  if (one.refusal !== undefined) return;
  one.refusal = refusal;
  one.sentMs = -Infinity;
}

/** How a transaction stands that was refused: never to happen, or done after all. */
export function onRefusedState(state: CommitState, m: TxnState): void {
  for (const one of [...state.asking.asked.values()]) {
    const { txid, refusal, askedTerm } = one;
    if (refusal === undefined || txid?.sid !== m.sid || txid.n !== m.n) continue;
    if (askedTerm !== m.term) continue;
    if (m.state === "aborted") finish(state, one, refusal);
    else if (m.state === "committed") {
      // Asked for under its name it is answered with its place, and in which lineage that is.
      one.refusal = undefined;
      one.sentMs = -Infinity;
    } else if (m.state === "session_expired") {
      finish(state, one, { outcome: "unknown", why: "its session has expired" });
    } else if (m.state === "forgotten") {
      finish(state, one, { outcome: "unknown", why: "its node had the answer; it is forgotten" });
    }
  }
}

/** More is applied: who waited for it is answered. */
export function releaseHeld(state: CommitState): void {
  for (const one of state.asking.asked.values()) {
    if (one.held !== undefined) release(state, one, false);
  }
}

function release(state: CommitState, one: Asked, isNow: boolean): void {
  const { replica, rules } = state;
  if (one.held === undefined) return;
  const { lineage, seq, dbseq } = one.held;
  const isHere = replica.lineage === lineage && replica.applied.seq >= seq;
  if (!isHere && !isNow) return;
  finish(state, one, { outcome: "committed", seq, dbseq, isBehind: !isHere && rules.holdsBack() });
}

function finish(state: CommitState, one: Asked, result: TxnOutcome): void {
  const { asking } = state;
  const { id, txid, session } = one;
  asking.asked.delete(id);
  state.effects.push({ kind: "answer", id, ...(txid === undefined ? {} : { txid }), result });
  if (session === undefined) return;
  session.open -= 1;
  if (result.outcome !== "unknown" && txid !== undefined) settle(session, txid.n);
  else if (result.outcome === "unknown" && asking.current.get(session.client) === session) {
    asking.current.delete(session.client);
  }
  closeIfOver(asking, session);
}

function settle(session: NodeSession, n: number): void {
  session.done.add(n);
  while (session.done.delete(session.doneUpTo + 1)) session.doneUpTo += 1;
}

/** When something must be sent, or is over. */
export function askingDueMs(state: CommitState): number {
  const { asking, timing, config } = state;
  let due = NEVER;
  const repeat = config === undefined ? NEVER : timing.resubmitMs;
  for (const one of asking.asked.values()) {
    due = Math.min(due, one.deadlineMs);
    if (one.held !== undefined || (one.txid === undefined && one.session?.sid === undefined)) {
      continue;
    }
    due = Math.min(due, repeatAt(one.sentMs, repeat));
  }
  for (const session of asking.sessions.values()) {
    if (session.sid === undefined) due = Math.min(due, repeatAt(session.sentMs, repeat));
  }
  for (const sentMs of asking.closing.values()) due = Math.min(due, repeatAt(sentMs, repeat));
  return due;
}

function repeatAt(sentMs: number, repeat: number): number {
  return repeat === NEVER ? NEVER : sentMs + repeat;
}

/** Sends what is due, and ends what is over. */
export function onAskingDue(state: CommitState): void {
  const { asking, nowMs, timing, config } = state;
  for (const one of [...asking.asked.values()]) {
    if (nowMs >= one.deadlineMs) end(state, one);
  }
  if (config === undefined || config.lineage === 0n) return;
  const { term, primary } = config;
  const isDue = (sentMs: number) => nowMs >= sentMs + timing.resubmitMs;
  for (const session of asking.sessions.values()) {
    if (session.sid !== undefined || !isDue(session.sentMs)) continue;
    session.sentMs = nowMs;
    session.isAsked = true;
    send(state, primary, { kind: "open", term, number: session.number });
  }
  for (const [sid, sentMs] of asking.closing) {
    if (!isDue(sentMs)) continue;
    asking.closing.set(sid, nowMs);
    send(state, primary, { kind: "close", term, sid });
  }
  for (const one of asking.asked.values()) {
    if (one.held === undefined && isDue(one.sentMs)) submit(state, one);
  }
}

function submit(state: CommitState, one: Asked): void {
  const { config, nowMs } = state;
  const { session, wish } = one;
  if (config === undefined || isOfOld(state, one, config)) return;
  const { term, primary } = config;
  if (one.txid === undefined) {
    if (session?.sid === undefined) return;
    one.txid = { sid: session.sid, n: session.nextN++ };
  }
  one.sentMs = nowMs;
  one.askedTerm = term;
  const { sid, n } = one.txid;
  if (one.refusal !== undefined) {
    return send(state, primary, { kind: "txn_ask", term, sid, n, finalize: true });
  }
  const doneUpTo = session?.sid === sid ? Math.min(session.doneUpTo, n - 1) : 0;
  const items = {
    reads: [...wish.reads],
    writes: wish.writes.map(({ key, value }) => writeOf(key, value)),
  };
  send(state, primary, { kind: "submit", term, sid, n, doneUpTo, ...items });
}

/**
 * What depends on numbers of transactions is of one history: what both branches of a fork have made above it has the
 * same numbers, and so the same versions, with other contents. What was never sent is aborted; of the rest its name
 * tells.
 */
function isOfOld(state: CommitState, one: Asked, { lineage }: CommitConfig): boolean {
  const { reads, writes } = one.wish;
  const key = writes.some((write) => write.key === SEQNUM_KEY)
    ? SEQNUM_KEY
    : reads.find(({ version }) => version > 0n)?.key;
  if (key === undefined || one.lineage === 0n || one.lineage === lineage) return false;
  one.sentMs = state.nowMs;
  if (one.txid !== undefined) return true;
  const why = "the database has gone on from an older state";
  finish(state, one, { outcome: "aborted", code: "conflict", why, key });
  return true;
}

function writeOf(key: string, value: Uint8Array | undefined) {
  return value === undefined ? { key } : { key, value };
}

/** Its time is over. */
function end(state: CommitState, one: Asked): void {
  if (one.held !== undefined) {
    const { seq, dbseq } = one.held;
    return finish(state, one, { outcome: "committed", seq, dbseq, isBehind: true });
  }
  const isSent = one.askedTerm !== undefined || one.session === undefined;
  finish(
    state,
    one,
    isSent
      ? { outcome: "unknown", why: "no primary answered in time" }
      : { outcome: "aborted", code: "timeout", why: "no primary was there in time" },
  );
}
