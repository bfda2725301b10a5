/**
 * What the primary knows of each other copy, and what it sends there.
 *
 *   match   all up to here is on its disk, and compared        next   the entry that it is sent next
 *   ──────── match ═════════ sent, not answered ═════════ next ──────── last
 *
 * Entries go out at once, to all copies, while the own disk is still busy with them. What is not answered is sent again
 * from behind `match`. A hint sets `next`; only ok, in this term and from this life and disk, moves `match`.
 *
 *   flowing ── a hint, or no answer in time ──▶ seeking: one APPEND at a time ── match comes up to `seek` ──▶ flowing
 *
 * Each APPEND behind a lost one is answered with a hint; were each of those answered with all that follows, a hundred
 * would become ten thousand. So who seeks hears only what answers its one APPEND, and what moves `match`.
 *
 * Does NOT promise: that a copy gets each entry once, or in one piece.
 */
import type { Entry } from "../../../transport/wire/commit/entry.ts";
import type { Appended } from "../../../transport/wire/messages/commit.ts";
import type { Member } from "../../../transport/wire/messages/document.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { fetch } from "./applying.ts";
import { copiesOf, higher, lower } from "./config.ts";
import { advance, type Primary, stopPrimary } from "./primary.ts";
import { onRoundAnswer } from "./read_rounds.ts";
import { breach, type CommitState, NEVER, send } from "./state.ts";

/** Longest step back of one look for where the logs agree, entries. */
const STEP_MAX = 1024n;

/** Another copy. */
export interface Peer {
  readonly pnn: Pnn;
  /** Its life that was heard last; 0: none in this term. */
  incarnation: bigint;
  /** Its disk, or life. */
  id: string;
  match: bigint;
  next: bigint;
  /** Has it said where it is? */
  isKnown: boolean;
  /** Entry before the first of the last APPEND. */
  probe: bigint;
  /** How far the next look goes back. */
  step: bigint;
  /** One APPEND at a time until `match` is here, for what was sent may still be answered. Undefined: entries flow. */
  seek: bigint | undefined;
  /** Sent and not answered: up to which entry, and how much. */
  flights: { readonly last: bigint; readonly bytes: number }[];
  readNo: number;
  ackMs: number;
  sentMs: number;
  /** When entries were sent last, or looked after. */
  flightMs: number;
  repeatMs: number;
  /** It was told of so much that is committed. */
  told: bigint;
  tellAtMs: number;
  progressMs: number;
  calmMs: number;
  /** It may not come into the set before. */
  notBeforeMs: number;
  rejoinMs: number;
}

function newPeer({ nowMs, timing, replica }: CommitState, pnn: Pnn): Peer {
  return {
    pnn,
    incarnation: 0n,
    id: "",
    match: 0n,
    next: replica.log.last + 1n,
    isKnown: false,
    probe: 0n,
    step: 1n,
    seek: undefined,
    flights: [],
    readNo: 0,
    ackMs: -Infinity,
    sentMs: -Infinity,
    flightMs: -Infinity,
    repeatMs: timing.repeatMs,
    told: 0n,
    tellAtMs: NEVER,
    progressMs: nowMs,
    calmMs: NEVER,
    notBeforeMs: -Infinity,
    rejoinMs: timing.rejoinMs,
  };
}

/** The document, or a request, names other copies. */
export function syncPeers(state: CommitState, { peers, pendingAdd }: Primary): void {
  const { config, me } = state;
  if (config === undefined) return;
  const wanted = new Set([...copiesOf(config), ...pendingAdd.keys()]);
  for (const pnn of peers.keys()) if (!wanted.has(pnn)) peers.delete(pnn);
  for (const pnn of wanted) {
    if (pnn !== me?.pnn && !peers.has(pnn)) peers.set(pnn, newPeer(state, pnn));
  }
}

/** Sends each copy what is new. */
export function pumpPeers(state: CommitState, primary: Primary): void {
  for (const peer of primary.peers.values()) pumpPeer(state, primary, peer);
}

function pumpPeer(state: CommitState, primary: Primary, peer: Peer): void {
  const { replica, timing } = state;
  const { last } = replica.log;
  // One that has all begins to lack something now.
  if (peer.match === last) peer.progressMs = state.nowMs;
  while (peer.next <= last) {
    if (peer.seek !== undefined && peer.flights.length > 0) return;
    const flying = peer.flights.reduce((sum, { bytes }) => sum + bytes, 0);
    if (flying > timing.flightBytes) return;
    const entries = entriesFrom(state, peer);
    if (entries === undefined) return;
    const end = entries.at(-1)?.seq ?? last;
    peer.flights.push({ last: end, bytes: entries.reduce((sum, { size }) => sum + size, 0) });
    peer.flightMs = state.nowMs;
    peer.next = end + 1n;
    sendAppend(state, primary, peer, entries);
  }
}

/** Entries for a copy; undefined: they are on their way from the disk, or gone. */
function entriesFrom(state: CommitState, peer: Peer): readonly Entry[] | undefined {
  const { replica, timing } = state;
  const { log } = replica;
  if (peer.next > log.base.seq) return log.slice(peer.next, log.last, timing.appendBytes);
  const at = replica.fetched.findIndex(({ seq }) => seq === peer.next);
  if (at >= 0) return replica.fetched.slice(at);
  if (peer.next < replica.first) tellTooOld(state, peer.pnn);
  else fetch(state, peer.next);
  return undefined;
}

/** What a copy or follower needs is here no more. */
export function tellTooOld(state: CommitState, to: Pnn): void {
  const { config, replica } = state;
  if (config === undefined) return;
  const { lineage, first } = replica;
  send(state, to, { kind: "too_old", term: config.term, lineage, first });
}

function sendAppend(
  state: CommitState,
  { term, commit, readNo }: Primary,
  peer: Peer,
  entries: readonly Entry[],
): void {
  const { log, lineage } = state.replica;
  const [first] = entries;
  // While one is under way that looks for where logs agree, others ask for the same place.
  const isSeeking = peer.seek !== undefined && peer.flights.length > 0;
  const place = log.place(isSeeking ? peer.probe : lower(peer.next - 1n, log.last)) ?? log.base;
  const prevSeq = first === undefined ? place.seq : first.seq - 1n;
  const prevChain = first?.prevChain ?? place.chain;
  peer.probe = prevSeq;
  peer.sentMs = state.nowMs;
  peer.told = commit;
  peer.tellAtMs = NEVER;
  const message = { term, lineage, prevSeq, prevChain, entries: [...entries], commit, readNo };
  send(state, peer.pnn, { kind: "append", ...message });
}

/** Something more is committed: copies are told soon, with the next entries or without. */
export function tellCommit({ nowMs, timing }: CommitState, { peers }: Primary): void {
  for (const peer of peers.values()) {
    peer.tellAtMs = Math.min(peer.tellAtMs, nowMs + timing.tellMs);
  }
}

/** Asks all copies whether this is the primary still. */
export function askAll(state: CommitState, primary: Primary): void {
  for (const peer of primary.peers.values()) sendAppend(state, primary, peer, []);
}

/** A copy answers. */
export function onAppended(state: CommitState, from: Member, m: Appended): void {
  const { primary } = state;
  const peer = primary?.peers.get(from.pnn);
  if (primary === undefined || m.term !== primary.term || peer === undefined) return;
  if (from.incarnation < peer.incarnation) return;
  if (m.outcome === "reject") {
    // A higher term is there: the document that made it will come.
    return m.highTerm > primary.term ? stopPrimary(state) : undefined;
  }
  if (from.incarnation > peer.incarnation || m.id !== peer.id) {
    const { next } = peer;
    Object.assign(peer, newPeer(state, peer.pnn), {
      incarnation: from.incarnation,
      id: m.id,
      next,
    });
  }
  peer.ackMs = state.nowMs;
  if (m.outcome === "hint") onHint(state, peer, m.seq);
  else onOk(state, peer, m.seq);
  if (m.readNo > peer.readNo) {
    peer.readNo = m.readNo;
    onRoundAnswer(state, primary);
  }
  advance(state);
  if (state.primary === primary) pumpPeer(state, primary, peer);
}

function onOk(state: CommitState, peer: Peer, seq: bigint): void {
  if (seq > state.replica.log.last) {
    return breach(state, "A5", `${peer.pnn} acknowledges ${seq}, which nobody sent`);
  }
  if (!peer.isKnown || seq > peer.match) {
    peer.progressMs = state.nowMs;
    peer.repeatMs = state.timing.repeatMs;
  }
  peer.isKnown = true;
  peer.step = 1n;
  peer.match = higher(peer.match, seq);
  peer.next = higher(peer.next, peer.match + 1n);
  peer.flights = peer.flights.filter(({ last }) => last > peer.match);
  if (peer.match >= (peer.seek ?? peer.match)) peer.seek = undefined;
}

/** It lacks what comes before, or has something else there. */
function onHint(state: CommitState, peer: Peer, seq: bigint): void {
  // An answer to what was sent before the last hint, or before the last ok.
  const { probe } = peer;
  const asked = peer.seek === undefined ? higher(probe, peer.next - 1n) : probe;
  if (seq < peer.match || seq >= asked) return;
  const { first, log } = state.replica;
  // While what it is to get comes from the disk an APPEND asks for another place: it says nothing of the one looked at.
  const isKnown = peer.seek !== undefined && peer.flights.length === 0 && seq + 1n >= peer.next;
  const isOther = seq + 1n === peer.probe && !isKnown;
  const back = isOther ? peer.step - 1n : 0n;
  if (!isKnown) peer.step = isOther ? lower(peer.step * 2n, STEP_MAX) : 1n;
  const looked = seq + 1n > back ? seq + 1n - back : 1n;
  // Where its log comes up to the first entry that is here, no look goes back beyond that.
  const next = higher(isKnown ? peer.next : looked, lower(first, seq + 1n));
  seekFrom(peer, higher(peer.match + 1n, lower(next, log.last + 1n)));
  peer.isKnown = true;
  peer.repeatMs = state.timing.repeatMs;
}

/** Begins to seek, or goes on with it, at an entry. */
function seekFrom(peer: Peer, next: bigint): void {
  peer.seek = higher(peer.seek ?? 0n, peer.next - 1n);
  peer.next = next;
  peer.flights = [];
}

function dueMs(state: CommitState, primary: Primary, peer: Peer): number {
  const { timing, replica } = state;
  const isOpen = !peer.isKnown || peer.match < replica.log.last || primary.readNo > peer.readNo;
  return Math.min(peer.tellAtMs, beganMs(peer) + (isOpen ? peer.repeatMs : timing.idleMs));
}

/** Since when an answer is waited for. What is committed may be told again and again meanwhile. */
function beganMs({ flights, flightMs, sentMs }: Peer): number {
  return flights.length > 0 ? flightMs : sentMs;
}

/** When something must be sent again. */
export function copiesDueMs(state: CommitState): number {
  const { primary } = state;
  let due = NEVER;
  for (const peer of primary?.peers.values() ?? []) {
    due = Math.min(due, dueMs(state, primary as Primary, peer));
  }
  return due;
}

/** Sends again what was not answered, and what is committed to who was not told. */
export function onCopiesDue(state: CommitState): void {
  const { primary, nowMs, timing } = state;
  if (primary === undefined) return;
  for (const peer of primary.peers.values()) {
    if (dueMs(state, primary, peer) > nowMs) continue;
    const isLate = beganMs(peer) + peer.repeatMs <= nowMs;
    const sentMs = peer.sentMs;
    if (isLate) peer.flightMs = nowMs;
    if (isLate && peer.isKnown && peer.match < state.replica.log.last) {
      seekFrom(peer, againFrom(peer));
      pumpPeer(state, primary, peer);
    }
    if (isLate) peer.repeatMs = Math.min(peer.repeatMs * 2, timing.repeatMaxMs);
    if (peer.sentMs === sentMs) sendAppend(state, primary, peer, []);
  }
}

/** The first entry of what was not answered. */
function againFrom({ match, next, probe, seek, flights }: Peer): bigint {
  // Nothing was sent since it was decided where to go on: that comes from the disk.
  if (seek !== undefined && flights.length === 0) return next;
  if (match > 0n) return match + 1n;
  return seek === undefined ? next : lower(next, probe + 1n);
}
