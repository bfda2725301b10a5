/**
 * Requests about sessions, at the primary: their begin, their end, and what became of their transactions.
 *
 *   open ──▶ entry, or the session that is known      close ──▶ entry      txn_ask ──▶ the table; finalize ──▶ entry
 *
 * Does NOT promise: to remember what a session's node has the answers of.
 */
import type { CommitMessage, TxnAsk } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import { sidOf } from "./config.ts";
import type { Group } from "./group.ts";
import type { Primary, Request } from "./primary.ts";
import { type CommitState, send } from "./state.ts";

/** Tells somebody when an entry is committed. */
export function waitFor(
  { waiters }: Primary,
  seq: bigint,
  { pnn: to }: Member,
  message: CommitMessage,
): void {
  const list = waiters.get(seq);
  if (list === undefined) waiters.set(seq, [{ to, message }]);
  else list.push({ to, message });
}

/** A node wants a session. */
export function onOpen(
  state: CommitState,
  primary: Primary,
  group: Group,
  { from, number }: Extract<Request, { kind: "open" }>,
  mayWrite: boolean,
): void {
  const { term, sessions } = primary;
  const { incarnation, pnn } = from;
  const nodeId = nodeIdOf(pnn);
  const known = sessions.sidBy(nodeId, incarnation, number);
  if (known === undefined && (!mayWrite || sessions.size >= state.timing.sessionsMax)) return;
  const seq = known === undefined
    ? group.put({ kind: "open", open: { nodeId, incarnation, number } }).seq
    : seqOf(known);
  const sid = known ?? sidOf(state.replica.lineage, seq);
  const message = { kind: "opened", term, asker: incarnation, number, sid } as const;
  if (seq <= primary.commit) send(state, from.pnn, message);
  else waitFor(primary, seq, from, message);
}

/** The entry that opened a session. */
function seqOf(sid: bigint): bigint {
  return sid & ((1n << 44n) - 1n);
}

/** Sessions name nodes by 32 hex digits. A pnn is never given twice. */
function nodeIdOf(pnn: number): string {
  return pnn.toString(16).padStart(32, "0");
}

/** Of which node is a session? */
export function pnnOf(nodeId: string): number {
  return parseInt(nodeId, 16);
}

/** A session ends: its node says so, or it has expired. */
export function onClose(
  state: CommitState,
  primary: Primary,
  group: Group,
  { from, sid }: Extract<Request, { kind: "close" }>,
  mayWrite: boolean,
): void {
  const isKnown = primary.sessions.get(sid) !== undefined;
  if (isKnown && !mayWrite) return;
  const why = from === undefined ? "expired" : "closed";
  const seq = isKnown ? group.put({ kind: "close", close: { sid, why } }).seq : 0n;
  primary.refused.delete(sid);
  if (from === undefined) return;
  const message = { kind: "closed", term: primary.term, sid } as const;
  // Closed before, perhaps by an entry that is not committed: the last one tells.
  const last = isKnown ? seq : group.seq - 1n;
  if (last <= primary.commit) send(state, from.pnn, message);
  else waitFor(primary, last, from, message);
}

/** Somebody wants to know what became of a transaction, or that it never happens. */
export function onTxnAsk(
  state: CommitState,
  primary: Primary,
  group: Group,
  { from, message }: { readonly from: Member; readonly message: TxnAsk },
  mayWrite: boolean,
): void {
  const { sid, n } = message;
  const base = { kind: "txn_state", term: primary.term, sid, n } as const;
  const session = primary.sessions.get(sid);
  if (session === undefined) return send(state, from.pnn, { ...base, state: "session_expired" });
  const done = session.done.get(n);
  if (done === undefined && n <= session.doneUpTo) {
    return send(state, from.pnn, { ...base, state: "forgotten" });
  }
  if (done !== undefined && done.seq > primary.commit) {
    return send(state, from.pnn, { ...base, state: "in_progress" });
  }
  if (done !== undefined) {
    const { seq, dbseq } = done;
    if (dbseq === 0n) return send(state, from.pnn, { ...base, state: "aborted" });
    return send(state, from.pnn, { ...base, state: "committed", seq, dbseq });
  }
  if (!message.finalize) return send(state, from.pnn, { ...base, state: "not_executed" });
  if (!state.rules.logsFinal()) return send(state, from.pnn, { ...base, state: "aborted" });
  if (!mayWrite) return send(state, from.pnn, { ...base, state: "in_progress" });
  const { seq } = group.put({ kind: "abort", abort: { sid, n } });
  waitFor(primary, seq, from, { ...base, state: "aborted" });
}
