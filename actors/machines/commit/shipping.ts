/**
 * Followers: nodes that are attached and no copies by the document. They get what is committed, and never count.
 *
 *   follower ── shipped: I have up to here ──▶ primary, or a copy ── ship: these are committed ──▶ follower
 *
 * Each tells again and again where it is; who is told feeds it, and forgets it when it is silent. A follower that hears
 * nothing asks the next copy.
 *
 * Does NOT promise: to be near; a follower reads an old state, never half of one.
 */
import type { Ship, Shipped } from "../../../transport/wire/messages/commit.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { fetch, pumpApply } from "./applying.ts";
import { higher, isCopy, lower } from "./config.ts";
import { tellTooOld } from "./copies.ts";
import { diverge, write } from "./replica.ts";
import { breach, type CommitState, NEVER, send } from "./state.ts";

/** How soon a follower that got something tells so, ms. */
const SOON_MS = 20;

/** Bytes that a follower is sent at once, at least: each round waits for its disk. */
const SHIP_MIN = 64 * 1024;

/** No entry has this number. */
const NEVER_SEQ = 0xffff_ffff_ffff_ffffn;

/** Entries from the disk that are sent before the follower has told that it has them. */
const AHEAD_MAX = 64n;

/** Somebody who is fed. */
interface Follower {
  readonly pnn: Pnn;
  /** It was sent all up to here. */
  sent: bigint;
  /** It has told that it has all up to here. */
  readonly told: bigint;
  heardMs: number;
}

/** Followers of this node, and whom it follows. */
export interface Shipping {
  readonly followers: Map<Pnn, Follower>;
  toldMs: number;
  /** When something came last. */
  gotMs: number;
  /** Which of the copies is asked. */
  turn: number;
}

/** Nobody. */
export function newShipping(): Shipping {
  return { followers: new Map(), toldMs: -Infinity, gotMs: -Infinity, turn: 0 };
}

/** Is this node attached, and no copy? */
function isFollower({ config, me, replica }: CommitState): boolean {
  return config !== undefined && me !== undefined && replica.isOpen &&
    config.lineage === replica.lineage && config.lineage !== 0n && replica.catching === undefined &&
    !isCopy(config, me.pnn);
}

/** When this node tells again where it is. */
export function shippingDueMs(state: CommitState): number {
  return isFollower(state) ? state.shipping.toldMs + state.timing.shippedMs : NEVER;
}

/** Tells where it is; the next copy, when the last one was silent. */
export function onShippingDue(state: CommitState): void {
  const { config, shipping, nowMs, timing } = state;
  if (config === undefined || !isFollower(state)) return;
  if (nowMs < shipping.toldMs + timing.shippedMs) return;
  if (shipping.gotMs < shipping.toldMs) shipping.turn += 1;
  tellPlace(state);
  shipping.toldMs = nowMs;
}

function tellPlace(state: CommitState): void {
  const { config, shipping, replica } = state;
  if (config === undefined) return;
  const sources = [config.primary, ...config.isr.map(({ pnn }) => pnn)];
  const to = sources[shipping.turn % sources.length] as Pnn;
  const { lineage, log, durable, applied } = replica;
  // What is not known as committed may be another branch.
  const known = higher(applied.seq, lower(replica.commitKnown, durable));
  const { seq, chain } = log.place(known) ?? applied;
  send(state, to, { kind: "shipped", lineage, seq, chain, applied: applied.seq });
}

/** A follower tells where it is. */
export function onShipped(state: CommitState, from: Pnn, m: Shipped): void {
  const { shipping, nowMs, replica } = state;
  if (m.lineage !== replica.lineage || replica.catching !== undefined) return;
  shipping.followers.set(from, { pnn: from, sent: m.seq, told: m.seq, heardMs: nowMs });
  const own = replica.log.place(m.seq);
  const isOther = own !== undefined && m.seq <= replica.commitKnown && own.chain !== m.chain;
  // One that comes from before a fork sees by what it is sent that it has something else.
  if (isOther && m.seq > (state.config?.parent?.seq ?? 0n)) {
    return breach(state, "A2", `node ${from} has another entry ${m.seq}`);
  }
  shipTo(state, from, true);
}

/** Sends followers what is committed now. */
export function shipAll(state: CommitState): void {
  const { shipping, timing, nowMs } = state;
  for (const { pnn, heardMs } of shipping.followers.values()) {
    if (heardMs + timing.followMs < nowMs) shipping.followers.delete(pnn);
    else shipTo(state, pnn, false);
  }
}

function shipTo(state: CommitState, pnn: Pnn, isAnswer: boolean): void {
  const { shipping, replica, timing } = state;
  const { log, lineage, commitKnown } = replica;
  const follower = shipping.followers.get(pnn);
  if (follower === undefined) return;
  const from = follower.sent + 1n;
  if (from <= log.base.seq && commitKnown >= from) {
    const at = replica.fetched.findIndex(({ seq }) => seq === from);
    if (at < 0) return from < replica.first ? tellTooOld(state, pnn) : fetch(state, from);
    const entries = replica.fetched.slice(at).filter(({ seq }) => seq <= commitKnown);
    sendShip(state, follower, entries);
    // The next ones are read meanwhile; only so many are on their way, whatever their size.
    if (follower.sent - follower.told < AHEAD_MAX) fetch(state, follower.sent + 1n);
    return;
  }
  // In one message: the order of several is not kept, and a follower drops what does not follow.
  const entries = log.slice(from, commitKnown, Math.max(timing.appendBytes, SHIP_MIN));
  if (entries.length > 0) return sendShip(state, follower, entries);
  const place = log.place(follower.sent);
  if (!isAnswer || place === undefined) return;
  const { seq: prevSeq, chain: prevChain } = place;
  send(state, pnn, { kind: "ship", lineage, prevSeq, prevChain, entries: [] });
}

function sendShip(state: CommitState, follower: Follower, entries: Ship["entries"]): void {
  const [first] = entries;
  if (first === undefined) return;
  follower.sent = entries.at(-1)?.seq ?? follower.sent;
  const { lineage } = state.replica;
  const { prevChain } = first;
  const place = { prevSeq: first.seq - 1n, prevChain };
  send(state, follower.pnn, { kind: "ship", lineage, ...place, entries: [...entries] });
}

/** Committed entries come. */
export function onShip(state: CommitState, m: Ship): void {
  const { replica, shipping, nowMs, timing } = state;
  if (m.lineage !== replica.lineage || !isFollower(state)) return;
  shipping.gotMs = nowMs;
  const { log, applied } = replica;
  let prev = m.prevChain;
  for (const [at, entry] of m.entries.entries()) {
    if (entry.prevChain !== prev) return;
    prev = entry.chain;
    const own = log.place(entry.seq);
    if (entry.seq <= applied.seq || own?.chain === entry.chain) {
      replica.commitKnown = higher(replica.commitKnown, entry.seq <= log.last ? entry.seq : 0n);
      continue;
    }
    const before = log.place(entry.seq - 1n);
    if (before === undefined) return;
    const isOther = before.chain !== entry.prevChain;
    const differs = isOther ? entry.seq - 1n : own === undefined ? NEVER_SEQ : entry.seq;
    if (differs <= replica.commitKnown) {
      return diverge(state, differs, "A2", `entry ${differs} is committed with another chain`);
    }
    if (isOther) return;
    const fresh = m.entries.slice(at);
    write(state, fresh, own === undefined ? undefined : entry.seq - 1n);
    replica.commitKnown = fresh.at(-1)?.seq ?? replica.commitKnown;
    // There may be more, which waits for this answer.
    shipping.toldMs = Math.min(shipping.toldMs, nowMs + SOON_MS - timing.shippedMs);
    break;
  }
  pumpApply(state);
}
