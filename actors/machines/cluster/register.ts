/**
 * What a node knows of the lock (section 2). The lock only chooses who tries to lead: it may stall, lie or be gone.
 *
 *   look    every second, and on notices; a lower revision is stale and ignored, ten in a row are believed (L8)
 *   acquire, renew, release    compare-and-set against the revision seen; unknown: look first, then try again (L2)
 *
 * One operation at a time; one without a result for a second is unknown, and its late result gives nothing (L1).
 *
 * Does NOT promise: that the register shows now what it showed here.
 */
import type { LockResult } from "./events.ts";
import type { LockRecord, LockSeen } from "../../../transport/leader_lock.ts";
import { NEVER, nextNonce, noteRegisterToken } from "./state.ts";
import type { ClusterState } from "./state.ts";
import type { Lead } from "./lead.ts";
import { onChosen, stepDown } from "./leader.ts";
import type { Token } from "../../../transport/wire/terms.ts";
import { TOKEN_NONE, tokenText } from "./token.ts";

/** After a stale read the next look comes so soon. */
const STALE_LOOK_MS = 60;

/** An operation that was sent and has no result yet. */
export interface LockOp {
  readonly id: number;
  readonly op: "look" | "acquire" | "renew" | "release";
  /** Later, its result is unknown. */
  readonly untilMs: number;
  readonly record: LockRecord | undefined;
  readonly why: string;
}

/** What is known of it. */
export interface Register {
  /** Of the newest read that was believed. */
  revision: number;
  record: LockRecord | undefined;
  /** Since when this token is seen. */
  seenMs: number;
  /** When it was last read or written. */
  readMs: number;
  staleReads: number;
  lookAtMs: number;
  opId: number;
  op: LockOp | undefined;
  /** The leader's record may not be there: write it after the next look. */
  isLost: boolean;
}

/** Nothing is known. */
export function newRegister(): Register {
  return {
    revision: 0,
    record: undefined,
    seenMs: NEVER,
    readMs: 0,
    staleReads: 0,
    lookAtMs: NEVER,
    opId: 0,
    op: undefined,
    isLost: false,
  };
}

/** The token in the register; 0: none. */
export function registerToken({ record }: Register): Token {
  return record?.token ?? TOKEN_NONE;
}

/** Was it readable lately? */
export function isReadable({ register, nowMs, timing }: ClusterState): boolean {
  return nowMs - register.readMs < timing.unreadableMs;
}

function start(
  state: ClusterState,
  op: LockOp["op"],
  record: LockRecord | undefined,
  why: string,
): void {
  const { register } = state;
  register.opId += 1;
  const untilMs = state.nowMs + state.timing.lockLimitMs;
  register.op = { id: register.opId, op, untilMs, record, why };
  const { revision } = register;
  state.effects.push({ kind: "lock", id: register.opId, op, revision, record });
}

/** Looks at the register, unless something is under way. */
export function look(state: ClusterState): void {
  if (state.register.op === undefined) start(state, "look", undefined, "");
}

function ownRecord(state: ClusterState, token: Token): LockRecord {
  const nonce = nextNonce(state);
  return { holder: state.me, incarnation: state.incarnation, token, nonce };
}

/** Tries to become the holder. Each try has a token of its own, so a late result revives nothing (L3). */
export function acquire(state: ClusterState, token: Token, why: string): void {
  // A look that is under way is not waited for; its late result is dropped.
  if (state.register.op !== undefined && state.register.op.op !== "look") return;
  if (token > state.highToken) state.highToken = token;
  start(state, "acquire", ownRecord(state, token), why);
}

/** The leader gives the register back: candidates need not wait. */
export function release(state: ClusterState, { token }: Lead): void {
  const { register } = state;
  if (registerToken(register) !== token) return;
  register.op = undefined;
  const record = {
    holder: undefined,
    incarnation: state.incarnation,
    token,
    nonce: nextNonce(state),
  };
  start(state, "release", record, "");
}

/** An operation ended, or a notice came unasked. */
export function onLock(state: ClusterState, id: number | undefined, result: LockResult): void {
  const { register } = state;
  const { op } = register;
  if (id === undefined) {
    if (result.kind === "seen") see(state, result);
    return;
  }
  if (op === undefined || op.id !== id) return;
  register.op = undefined;
  const isLate = state.nowMs >= op.untilMs;
  if (isLate && op.op !== "look") return onUnsure(state);
  if (result.kind === "seen") see(state, result);
  else if (result.kind === "ok") onWritten(state, op, result.revision);
  else if (op.op !== "look") onUnsure(state);
}

/** What a look shows is believed unless it is older than what was seen. */
function see(state: ClusterState, { revision, record }: LockSeen): void {
  const { register, nowMs } = state;
  register.readMs = nowMs;
  if (revision < register.revision) {
    register.staleReads += 1;
    // Look again soon: a stale read may be followed by a true one.
    register.lookAtMs = Math.min(register.lookAtMs, nowMs + STALE_LOOK_MS);
    if (state.rules.isStale(register.staleReads)) return;
  }
  register.staleReads = 0;
  note(state, revision, record);
  const { lead } = state;
  if (lead === undefined || lead.phase === "persisting") return;
  if (registerToken(register) > lead.token) return onHigherToken(state);
  if (register.isLost) renew(state, lead);
}

function note(state: ClusterState, revision: number, record: LockRecord | undefined): void {
  const { register, nowMs } = state;
  const isSame = register.seenMs !== NEVER &&
    (record?.token ?? TOKEN_NONE) === registerToken(register);
  register.revision = revision;
  register.record = record;
  if (!isSame) register.seenMs = nowMs;
  noteRegisterToken(state, registerToken(register));
}

/** L7: a refused renewal and a higher token. A notice alone makes the leader try. */
function onHigherToken(state: ClusterState): void {
  const { register } = state;
  if (register.isLost) {
    const token = tokenText(registerToken(register));
    return stepDown(state, `the renewal was refused, and the register shows ${token}`);
  }
  register.isLost = true;
  look(state);
}

function onWritten(state: ClusterState, { op, record, why }: LockOp, revision: number): void {
  const { register } = state;
  register.readMs = state.nowMs;
  register.staleReads = 0;
  note(state, revision, record);
  register.isLost = false;
  if (
    op === "acquire" && record !== undefined && state.lead === undefined &&
    state.stand !== undefined
  ) {
    onChosen(state, record.token, why);
  }
}

/** Refused, or nobody knows: look, then decide anew. */
function onUnsure(state: ClusterState): void {
  if (state.lead !== undefined) state.register.isLost = true;
  look(state);
}

function renew(state: ClusterState, lead: Lead): void {
  if (state.register.op !== undefined && state.register.op.op !== "look") return;
  lead.renewAtMs = state.nowMs + state.timing.renewMs;
  start(state, "renew", ownRecord(state, lead.token), "");
}

/** What is done at the register by the clock. */
export function onRegisterDue(state: ClusterState): void {
  const { register, nowMs, timing, lead } = state;
  const { op } = register;
  if (op !== undefined && nowMs >= op.untilMs) {
    register.op = undefined;
    if (op.op !== "look") onUnsure(state);
  }
  if (lead !== undefined && lead.phase !== "persisting" && nowMs >= lead.renewAtMs) {
    lead.renewAtMs = nowMs + timing.renewMs;
    if (registerToken(register) > lead.token) {
      register.isLost = true;
      look(state);
    } else renew(state, lead);
  }
  if (nowMs >= register.lookAtMs) {
    register.lookAtMs = nowMs + timing.lookMs;
    if (lead === undefined || register.isLost) look(state);
  }
}
