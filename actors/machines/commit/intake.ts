/**
 * From requests to entries: many transactions, one entry, one sync, one round.
 *
 *   queue ──▶ is it known? is it done? was it refused? is all that it read as it was? ──▶ group ──▶ entry
 *
 * A group closes when the disk is free, or a moment after its first request; several may be under way, and their order
 * is the log.
 *
 * Does NOT promise: fairness between nodes; the order is that of coming.
 */
import { ENTRY_MIN, TXN_BYTES, WRITE_BYTES } from "../../../transport/wire/commit/entry.ts";
import type { CommitTxn } from "../../../transport/wire/commit/entry.ts";
import type { Result, Submit } from "../../../transport/wire/messages/commit.ts";
import { VALUE_MAX } from "../../../transport/wire/limits.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import { Group, SEQNUM_KEY, versionOf } from "./group.ts";
import { pumpPeers } from "./copies.ts";
import { type Primary, refer, type Refusal, type Request, statusOf } from "./primary.ts";
import { write } from "./replica.ts";
import { onClose, onOpen, onTxnAsk, waitFor } from "./session_requests.ts";
import type { Done } from "./sessions.ts";
import { type CommitState, NEVER, send } from "./state.ts";

/** Requests that wait at once; more are dropped, and come again. */
const QUEUE_MAX = 65_536;

/** A request that is for the primary of its term. */
export function onRequest(state: CommitState, from: Member | undefined, request: Request): void {
  const { primary } = state;
  if (primary === undefined || statusOf(state, primary) === "starting") {
    return referAway(state, from, request);
  }
  if (primary.queue.length >= QUEUE_MAX) return;
  if (primary.queue.length === 0) primary.queuedMs = state.nowMs;
  primary.queue.push(request);
  pumpIntake(state);
}

/** This node is not the primary of that term. */
export function referAway(
  state: CommitState,
  from: Member | undefined,
  request: Request,
): void {
  if (from === undefined) return;
  if (request.kind === "submit") refer(state, request.message.term, from.pnn, request.message);
}

/** When the next group must close. */
export function intakeDueMs({ primary, timing }: CommitState): number {
  if (primary === undefined || primary.queue.length === 0) return NEVER;
  return primary.queuedMs + timing.groupMs;
}

/** Closes a group if there is one, the disk is free or its time is over, and there is room. */
export function pumpIntake(state: CommitState): void {
  const { primary, replica, timing, nowMs } = state;
  if (primary === undefined || primary.queue.length === 0 || state.breach !== undefined) return;
  const isFree = replica.writes.length === 0;
  if (!isFree && nowMs < primary.queuedMs + timing.groupMs) return;
  if (replica.log.last - primary.commit >= BigInt(timing.groupsMax)) return;
  if (primary.backlog > timing.backlogBytes) return;
  flush(state, primary);
}

/** Makes entries of all that waits. */
function flush(state: CommitState, primary: Primary): void {
  const queue = primary.queue.splice(0);
  primary.queuedMs = NEVER;
  const group = new Group(state, primary);
  const mayWrite = statusOf(state, primary) !== "readonly";
  for (const request of queue) {
    if (request.kind === "submit") onSubmit(state, primary, group, request, mayWrite);
    else if (request.kind === "open") onOpen(state, primary, group, request, mayWrite);
    else if (request.kind === "close") onClose(state, primary, group, request, mayWrite);
    else onTxnAsk(state, primary, group, request, mayWrite);
  }
  group.close();
  if (group.made.length === 0) return;
  write(state, group.made);
  pumpPeers(state, primary);
}

function onSubmit(
  state: CommitState,
  primary: Primary,
  group: Group,
  { from, message }: Extract<Request, { kind: "submit" }>,
  mayWrite: boolean,
): void {
  const { rules, timing } = state;
  const { sid, n, doneUpTo } = message;
  const { lineage } = state.replica;
  const result = (rest: Omit<Result, "kind" | "term" | "lineage" | "sid" | "n">): Result => ({
    kind: "result",
    term: primary.term,
    lineage,
    sid,
    n,
    ...rest,
  });
  const session = primary.sessions.get(sid);
  if (session === undefined && rules.knowsSession()) {
    return send(state, from.pnn, result({ outcome: "session_expired" }));
  }
  const done = rules.knowsExecuted() ? session?.done.get(n) : undefined;
  if (done !== undefined) {
    return tellWhenCommitted(state, primary, from, done, result(asResult(done)));
  }
  const refused = refusedOf(primary, sid);
  refused.doneUpTo = Math.max(refused.doneUpTo, doneUpTo);
  for (const old of refused.ns.keys()) if (old <= refused.doneUpTo) refused.ns.delete(old);
  // Its node has the answer. Nothing is known here any more.
  const known = Math.max(refused.doneUpTo, session?.doneUpTo ?? 0);
  if (n <= known && rules.knowsExecuted()) return;
  const old = refused.ns.get(n);
  const txn: CommitTxn = { sid, n, doneUpTo: known, writes: plainWrites(message) };
  const bytes = bytesOf(txn);
  const refusal = old ??
    (n > known + timing.windowMax
      ? { code: "limit" as const, why: `${timing.windowMax} transactions of the session are open` }
      : refusalOf(state, group, message, bytes, mayWrite));
  if (refusal !== undefined) {
    if (rules.remembersRefusals()) refused.ns.set(n, refusal);
    return send(state, from.pnn, result({ outcome: "aborted", ...refusal }));
  }
  const at = group.add(txn, bytes);
  tellWhenCommitted(state, primary, from, at, result({ outcome: "committed", ...at }));
}

function asResult(done: Done): Pick<Result, "outcome" | "seq" | "dbseq" | "code" | "why"> {
  return done.dbseq === 0n
    ? { outcome: "aborted", code: "finalized", why: "it was declared as never to happen" }
    : { outcome: "committed", ...done };
}

function tellWhenCommitted(
  state: CommitState,
  primary: Primary,
  from: Member,
  { seq }: Done,
  message: Result,
): void {
  if (seq <= primary.commit || (!state.rules.waitsForDuplicate() && primary.waiters.has(seq))) {
    return send(state, from.pnn, message);
  }
  waitFor(primary, seq, from, message);
}

function refusedOf({ refused }: Primary, sid: bigint) {
  const known = refused.get(sid) ?? { doneUpTo: 0, ns: new Map() };
  refused.set(sid, known);
  return known;
}

/** Why it is not executed now, and never under this number. */
function refusalOf(
  state: CommitState,
  group: Group,
  { reads, writes }: Submit,
  bytes: number,
  mayWrite: boolean,
): Refusal | undefined {
  const { rules, timing } = state;
  if (!mayWrite) return { code: "read_only", why: "too few in-sync copies answer" };
  if (state.isFull) return { code: "space", why: "the log has no room" };
  if (bytes > timing.txnBytes) {
    return { code: "limit", why: `it has ${bytes} bytes, ${timing.txnBytes} are the most` };
  }
  // Before an entry is made of it, which throws.
  const wide = writes.find(({ value }) => (value?.length ?? 0) > VALUE_MAX);
  if (wide !== undefined) {
    const { key } = wide;
    return { code: "limit", why: `the value of ${printable(key)} is above ${VALUE_MAX}`, key };
  }
  for (const { key, version } of rules.validatesReads() ? reads : []) {
    if (versionOf(state, group, key) !== version) {
      return { code: "conflict", why: `${printable(key)} was changed by another transaction`, key };
    }
  }
  const sequence = writes.find(({ key }) => key === SEQNUM_KEY);
  if (sequence === undefined || !rules.checksSequence()) return undefined;
  const wanted = sequence.value?.length === 8 ? u64Of(sequence.value) : 0n;
  if (wanted === group.dbseq + 1n) return undefined;
  const why = "another transaction was committed meanwhile";
  return { code: "conflict", why, key: SEQNUM_KEY };
}

function u64Of(value: Uint8Array): bigint {
  return new DataView(value.buffer, value.byteOffset, value.length).getBigUint64(0, true);
}

function printable(key: string): string {
  const text = key.replace(/[^ -~]/g, ".");
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

/** The sequence number is written by every transaction, so not by one. */
function plainWrites({ writes }: Submit): CommitTxn["writes"] {
  return writes.filter(({ key }) => key !== SEQNUM_KEY)
    .map(({ key, value }) => ({ key, value }));
}

function bytesOf({ writes }: CommitTxn): number {
  let bytes = ENTRY_MIN + TXN_BYTES;
  for (const { key, value } of writes) bytes += WRITE_BYTES + key.length + (value?.length ?? 0);
  return bytes;
}
