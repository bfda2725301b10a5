/**
 * The primary: the one copy that makes entries, while the document says so and every in-sync copy agrees.
 *
 *   starting ── own start entry committed ──▶ serving ◀──▶ readonly     too few in-sync copies answer
 *      └──────────── another document, or a copy that heard a higher term ──▶ gone
 *
 *   intake: requests ▶ entries      copies: entries ▶ other copies      advance: what all of them have is committed
 *
 * Nothing is promised before it is committed: on the disk of every in-sync copy, and of those that were asked in.
 *
 * Does NOT promise: to notice at once that it is one no more; then nothing that it makes is committed.
 */
import { type Entry, versionAt } from "../../../transport/wire/commit/entry.ts";
import type { AbortCode, CommitMessage, Submit } from "../../../transport/wire/messages/commit.ts";
import type { TxnAsk } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { Pnn, Version } from "../../../transport/wire/terms.ts";
import { pumpApply } from "./applying.ts";
import { type CommitConfig, isInSync, lower, sidOf } from "./config.ts";
import { type Peer, pumpPeers, syncPeers, tellCommit } from "./copies.ts";
import { type InSyncWish, settleWishes } from "./insync.ts";
import { makeEntries } from "./group.ts";
import { pumpIntake } from "./intake.ts";
import { onRoundAnswer, type ReadRound } from "./read_rounds.ts";
import type { Replica } from "./replica.ts";
import { Sessions } from "./sessions.ts";
import { shipAll } from "./shipping.ts";
import { breach, type CommitState, send } from "./state.ts";

/** What is told to whom when an entry is committed. */
export interface Waiter {
  readonly to: Pnn;
  readonly message: CommitMessage;
}

/** What waits for the next group. */
export type Request =
  | { readonly kind: "submit"; readonly from: Member; readonly message: Submit }
  | { readonly kind: "open"; readonly from: Member; readonly number: number }
  | { readonly kind: "close"; readonly from: Member | undefined; readonly sid: bigint }
  | { readonly kind: "txn_ask"; readonly from: Member; readonly message: TxnAsk };

/** A change that is not applied. */
export interface Change {
  readonly version: bigint;
  readonly seq: bigint;
}

/** Why a transaction is not executed. */
export interface Refusal {
  readonly code: AbortCode;
  readonly why: string;
  /** On which key it failed, if it is one. */
  readonly key?: string;
}

/** What a session was refused in this term. */
export interface Refused {
  doneUpTo: number;
  readonly ns: Map<number, Refusal>;
}

/** The primary. */
export interface Primary {
  readonly term: Version;
  readonly startSeq: bigint;
  commit: bigint;
  /** Up to the last entry of the log. */
  readonly sessions: Sessions;
  /** What the log changes behind the file. */
  readonly dirty: Map<string, Change>;
  readonly refused: Map<bigint, Refused>;
  readonly queue: Request[];
  queuedMs: number;
  readonly waiters: Map<bigint, Waiter[]>;
  /** Bytes committed and not applied. */
  backlog: number;
  readonly peers: Map<Pnn, Peer>;
  /** Asked in, and not decided: they count already. */
  readonly pendingAdd: Map<Pnn, { readonly id: string; readonly reqNo: number }>;
  wish: InSyncWish | undefined;
  nextReqNo: number;
  readNo: number;
  readonly rounds: ReadRound[];
  /** When the owner of a session was missed first. */
  readonly missedMs: Map<string, number>;
  /** When sessions are looked at. */
  expiryMs: number;
}

/** The document says who the primary is: this node, now or no more. */
export function settlePrimary(state: CommitState): void {
  const { config, me, replica, primary, rules } = state;
  if (config === undefined || me === undefined || !replica.isOpen) return;
  const isMine = config.primary === me.pnn && config.lineage === replica.lineage &&
    rules.isPrimaryLife(
      config.primaryInc === me.incarnation,
      isInSync(config, me.pnn, replica.id),
    );
  if (primary !== undefined && (!isMine || config.term !== primary.term)) stopPrimary(state);
  if (isMine && state.primary === undefined && replica.catching === undefined) startPrimary(state);
  if (state.primary === undefined) return;
  settleWishes(state, state.primary, config);
  syncPeers(state, state.primary);
  advance(state);
  // Who counts now may have answered a read already.
  onRoundAnswer(state, state.primary);
}

function startPrimary(state: CommitState): void {
  const { config, replica, rules } = state;
  if (config === undefined) return;
  const isNew = config.term > replica.highTerm;
  // A document that came late. A life is made primary once in a term.
  if (!isNew && !(config.term === replica.highTerm && !rules.renewsTerm())) return;
  replica.highTerm = config.term;
  const sessions = new Sessions(replica.sessions.snapshot());
  const { log, applied } = replica;
  const entries = log.slice(applied.seq + 1n, log.last, Infinity);
  const over = ambiguousSessions(config, replica, entries);
  const primary: Primary = {
    term: config.term,
    startSeq: log.last + 1n + BigInt(over.length),
    commit: replica.commitKnown,
    sessions,
    dirty: new Map(),
    refused: new Map(),
    queue: [],
    queuedMs: Infinity,
    waiters: new Map(),
    backlog: 0,
    peers: new Map(),
    pendingAdd: new Map(),
    wish: undefined,
    nextReqNo: 1,
    readNo: 0,
    rounds: [],
    missedMs: new Map(),
    expiryMs: state.nowMs,
  };
  state.primary = primary;
  for (const entry of entries) {
    sessions.apply(entry);
    noteChanges(state, primary, entry);
    if (entry.seq <= primary.commit) primary.backlog += entry.size;
  }
  syncPeers(state, primary);
  const closes = over.map((sid) => ({ kind: "close", close: { sid, why: "expired" } }) as const);
  makeEntries(state, primary, [...closes, { kind: "start" }]);
}

/**
 * Sessions that end before a new lineage starts: those of which this log alone says that they were opened. On the
 * branch that was given up another one may have been opened by an entry of the same number; whoever comes with its name
 * must not be taken for the one here. Who has the start entry of the lineage has their ends; what was opened in the
 * lineage itself has a name that no other branch has.
 */
function ambiguousSessions(
  { parent }: CommitConfig,
  { lineage, commitKnown }: Replica,
  entries: readonly Entry[],
): bigint[] {
  const found = new Set<bigint>();
  for (const entry of parent === undefined ? [] : entries) {
    if (entry.seq <= commitKnown) continue;
    if (entry.kind === "start" && entry.lineage === lineage) return [];
    if (entry.kind === "open" && entry.lineage !== lineage) {
      found.add(sidOf(entry.lineage, entry.seq));
    }
    if (entry.close !== undefined) found.delete(entry.close.sid);
  }
  return [...found];
}

/** Another is primary now, or nobody: whoever waits asks again, under the next term. */
export function stopPrimary(state: CommitState): void {
  const { primary } = state;
  if (primary === undefined) return;
  state.primary = undefined;
  for (const request of primary.queue) {
    if (request.kind === "submit") refer(state, primary.term, request.from.pnn, request.message);
  }
  for (const { to, message } of [...primary.waiters.values()].flat()) {
    if (message.kind === "result") refer(state, primary.term, to, message);
  }
}

/** Tells a node to ask elsewhere. That is no outcome. */
export function refer(
  state: CommitState,
  term: Version,
  to: Pnn,
  { sid, n }: { readonly sid: bigint; readonly n: number },
): void {
  send(state, to, { kind: "result", term, sid, n, outcome: "wrong_primary" });
}

/** What the log changes of keys, for whoever asks for their versions. */
export function noteChanges(
  state: CommitState,
  { dirty }: Primary,
  { lineage, txns, seq, dbseqFirst }: Entry,
): void {
  for (const [at, { writes }] of txns.entries()) {
    const dbseq = dbseqFirst + BigInt(at);
    for (const { key, value } of writes) {
      const old = dirty.get(key)?.version ?? state.store.versionOf(key);
      const next = state.rules.hasOwnVersions() ? versionAt(lineage, dbseq) : old + 1n;
      dirty.set(key, { version: value === undefined ? 0n : next, seq });
    }
  }
}

/** Entries are in the file: their changes are seen there. */
export function onAppliedHere(state: CommitState, entries: readonly Entry[]): void {
  const { primary } = state;
  if (primary === undefined) return;
  for (const entry of entries) {
    if (entry.seq <= primary.commit) primary.backlog -= entry.size;
    for (const { writes } of entry.txns) {
      for (const { key } of writes) {
        if (primary.dirty.get(key)?.seq === entry.seq) primary.dirty.delete(key);
      }
    }
  }
  pumpIntake(state);
}

/** What a copy that an in-sync entry names has of the log, as far as it counts. */
export function matchOf(state: CommitState, { peers }: Primary, pnn: Pnn, id: string): bigint {
  const { replica, me, rules } = state;
  if (pnn === me?.pnn) return rules.countsDurable() ? replica.durable : replica.log.last;
  const peer = peers.get(pnn);
  return peer !== undefined && rules.countsDisk(peer.id === id) ? peer.match : 0n;
}

/** Copies that must have an entry: in sync by the document, or asked in. */
export function commitSet(
  state: CommitState,
  primary: Primary,
): { readonly pnn: Pnn; readonly id: string }[] {
  const { config, rules, timing } = state;
  const set = [...config?.isr ?? []];
  for (const [pnn, { id }] of rules.countsPendingAdd() ? primary.pendingAdd : []) {
    if (!set.some((one) => one.pnn === pnn && one.id === id)) set.push({ pnn, id });
  }
  if (rules.keepsSlowMember()) return set;
  const isSlow = (pnn: Pnn) =>
    (primary.peers.get(pnn)?.progressMs ?? Infinity) + timing.slowMs < state.nowMs;
  return set.filter(({ pnn }) => !isSlow(pnn));
}

/** What all of them have is committed. */
export function advance(state: CommitState): void {
  const { primary, config, replica, rules } = state;
  if (primary === undefined || config === undefined || state.breach !== undefined) return;
  if (!rules.hasEnough(config.isr.length, config.m)) return;
  let all = replica.log.last;
  for (const { pnn, id } of commitSet(state, primary)) {
    all = lower(all, matchOf(state, primary, pnn, id));
  }
  if (all <= primary.commit) return;
  if (isBroken(state, primary, config, all)) return;
  const before = primary.commit;
  primary.commit = all;
  replica.commitKnown = all;
  for (let seq = before + 1n; seq <= all; seq++) {
    primary.backlog += replica.log.entry(seq)?.size ?? 0;
    for (const { to, message } of primary.waiters.get(seq) ?? []) send(state, to, message);
    primary.waiters.delete(seq);
  }
  tellCommit(state, primary);
  pumpApply(state);
  shipAll(state);
  pumpIntake(state);
}

/** What must be so whenever something is committed; whatever led here. */
function isBroken(
  state: CommitState,
  { term }: Primary,
  config: CommitConfig,
  all: bigint,
): boolean {
  const { me, replica } = state;
  const { isr, m } = config;
  const isMine = config.term === term && config.primary === me?.pnn &&
    config.primaryInc === me.incarnation && isInSync(config, me.pnn, replica.id);
  if (!isMine) {
    breach(state, "A3", `${all} is committed by who is not primary of term ${config.term}`);
  } else if (all < replica.commitKnown) {
    breach(state, "A4", `${all} is committed, ${replica.commitKnown} was`);
  } else if (isr.length < m) {
    breach(state, "A6", `${all} is committed with ${isr.length} of ${m}`);
  }
  return state.breach !== undefined;
}

/** Whether it serves: by how many in-sync copies answered lately. */
export function statusOf(
  state: CommitState,
  primary: Primary,
): "starting" | "serving" | "readonly" {
  const { config, me, timing, nowMs, rules } = state;
  if (primary.commit < primary.startSeq && rules.waitsForStart()) return "starting";
  let heard = 0;
  for (const { pnn, id } of config?.isr ?? []) {
    const peer = primary.peers.get(pnn);
    const isHeard = peer !== undefined && peer.id === id && peer.ackMs + timing.deafMs > nowMs;
    if (pnn === me?.pnn || isHeard) heard += 1;
  }
  return heard >= (config?.m ?? 1) ? "serving" : "readonly";
}

/** Everything that the primary does when something changed: new groups, entries to copies. */
export function pumpPrimary(state: CommitState): void {
  advance(state);
  pumpIntake(state);
  if (state.primary !== undefined) pumpPeers(state, state.primary);
}
