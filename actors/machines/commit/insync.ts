/**
 * Whom the primary wants in the in-sync set, and out of it: rules R2, R3 and R6. The leader decides.
 *
 *   keeps up for a while, has everything ──▶ counts from now ──▶ want_isr add ──▶ (document) in
 *   no progress while entries wait       ──▶ want_isr del ──▶ (document) counts no more
 *
 * One request at a time, repeated until a document has its number.
 *
 * Does NOT promise: that the leader does it; it may know better.
 */
import type { WantIsr } from "../../../transport/wire/messages/commit.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { type CommitConfig, higher, isInSync } from "./config.ts";
import { matchOf, type Primary } from "./primary.ts";
import type { Peer } from "./copies.ts";
import { type CommitState, NEVER } from "./state.ts";

/** A request that is not decided. */
export interface InSyncWish {
  readonly reqNo: number;
  readonly pnn: Pnn;
  /** To be added with this disk; undefined: to be dropped. */
  readonly id: string | undefined;
  sentMs: number;
  repeatMs: number;
}

/** How often the set is looked at while nothing happens, ms. */
const LOOK_MS = 50;

/** One that the leader would not take is not asked in again for so long, ms: its node may be on its way out. */
const REFUSED_MS = 1000;

/** A document has decided requests: who was asked in is in, or counts no more. */
export function settleWishes(
  { nowMs }: CommitState,
  primary: Primary,
  config: CommitConfig,
): void {
  const { pendingAdd, peers, wish } = primary;
  for (const [pnn, { id, reqNo }] of pendingAdd) {
    if (config.reqSeen < reqNo) continue;
    pendingAdd.delete(pnn);
    const peer = peers.get(pnn);
    if (peer === undefined || isInSync(config, pnn, id)) continue;
    peer.notBeforeMs = Math.max(peer.notBeforeMs, nowMs + REFUSED_MS);
  }
  if (config.reqSeen >= (wish?.reqNo ?? Infinity)) primary.wish = undefined;
}

/** When it must be looked at again. */
export function inSyncDueMs(state: CommitState): number {
  const { primary, config, nowMs } = state;
  if (primary === undefined || config === undefined) return NEVER;
  if (primary.wish !== undefined) return primary.wish.sentMs + primary.wish.repeatMs;
  for (const peer of primary.peers.values()) {
    if (isAway(state, primary, peer) || !isInSync(config, peer.pnn, peer.id)) {
      return nowMs + LOOK_MS;
    }
  }
  return NEVER;
}

/** Looks whether somebody should come or go. */
export function lookAtSet(state: CommitState): void {
  const { primary, config, leader, nowMs, timing } = state;
  if (primary === undefined || config === undefined || state.breach !== undefined) return;
  const { wish } = primary;
  if (wish !== undefined) {
    if (nowMs < wish.sentMs + wish.repeatMs || leader === undefined) return;
    wish.repeatMs = Math.min(wish.repeatMs * 2, timing.repeatMaxMs);
    return sendWish(state, primary, wish);
  }
  for (const peer of primary.peers.values()) {
    const isMember = config.isr.some(({ pnn }) => pnn === peer.pnn);
    if (isMember && isToDrop(state, primary, peer)) {
      peer.notBeforeMs = nowMs + peer.rejoinMs;
      peer.rejoinMs = Math.min(peer.rejoinMs * 2, timing.rejoinMaxMs);
      want(state, primary, peer.pnn, undefined);
      return;
    }
    if (isInSync(config, peer.pnn, peer.id) || !isToAdd(state, primary, peer)) continue;
    const reqNo = want(state, primary, peer.pnn, peer.id);
    primary.pendingAdd.set(peer.pnn, { id: peer.id, reqNo });
    return sendWish(state, primary, primary.wish as InSyncWish);
  }
}

/** Do entries wait for it? */
function isAway(state: CommitState, primary: Primary, peer: Peer): boolean {
  const { config, replica } = state;
  const entry = config?.isr.find(({ pnn }) => pnn === peer.pnn);
  return entry !== undefined && matchOf(state, primary, peer.pnn, entry.id) < replica.log.last;
}

function isToDrop(state: CommitState, primary: Primary, peer: Peer): boolean {
  const { config, rules, timing, nowMs } = state;
  if (config === undefined || !isAway(state, primary, peer)) return false;
  if (!rules.mayShrink(config.isr.length - 1, config.m)) return false;
  return nowMs >= peer.progressMs + timing.slowMs;
}

/** Has it all that may be committed, and keeps up? */
function isToAdd(state: CommitState, primary: Primary, peer: Peer): boolean {
  const { config, replica, timing, nowMs } = state;
  // Before the own start entry is committed nobody knows what is; who has that entry has all of it.
  const all = higher(primary.commit, primary.startSeq);
  const isNear = peer.isKnown && peer.match >= all &&
    replica.log.last - peer.match <= BigInt(timing.calmGroups);
  if (!isNear || config?.replicas.includes(peer.pnn) !== true) {
    peer.calmMs = NEVER;
    return false;
  }
  if (peer.calmMs === NEVER) peer.calmMs = nowMs;
  return nowMs >= peer.calmMs + timing.calmMs && nowMs >= peer.notBeforeMs;
}

function want(
  state: CommitState,
  primary: Primary,
  pnn: Pnn,
  id: string | undefined,
): number {
  const { nowMs, timing } = state;
  const reqNo = primary.nextReqNo++;
  primary.wish = { reqNo, pnn, id, sentMs: nowMs, repeatMs: timing.repeatMs };
  // One that is to be added counts before anybody hears of it: the caller sends.
  if (id === undefined) sendWish(state, primary, primary.wish);
  return reqNo;
}

function sendWish(
  state: CommitState,
  { term }: Primary,
  wish: InSyncWish,
): void {
  const { leader, nowMs } = state;
  wish.sentMs = nowMs;
  if (leader === undefined) return;
  const { reqNo, pnn, id } = wish;
  const base = { kind: "want_isr", term, token: leader.token, reqNo, pnn } as const;
  const message: WantIsr = id === undefined ? base : { ...base, id };
  // The leader's planner is no part of this machine, even on the same node.
  state.effects.push({ kind: "send", to: leader.pnn, message });
}
