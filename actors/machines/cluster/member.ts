/**
 * The member: takes over what is effective, keeps its lease, says that it lives.
 *
 *   DIGEST ─▶ adopt a higher version ─▶ not in the view any more? a new life
 *          └▶ echo of my heartbeat, token promised, generation adopted: lease := echo + nodeTTL
 *
 *   served iff  now < lease end  and  accepted.generation == adopted.generation  and  (me, my life) in adopted.view
 *
 * The page holds the lease end, or 0 while one of the other two is missing: client programs look at nothing else.
 *
 * Does NOT promise: that the leader lives while the lease does.
 */
import type { Digest, Health, ViewMessage } from "../../../transport/wire/messages/cluster.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import { fitText } from "../../../transport/wire/limits.ts";
import type { Incarnation, NodeId, Pnn } from "../../../transport/wire/terms.ts";
import { assert, assertLine, assertOne, assertServing, isOurs } from "./asserts.ts";
import { allVotersOf, FORMAT_FIRST, formatOf, GENERATION_NONE, goneOf } from "./document.ts";
import { isMember, maxIncOf, nodeById } from "./document.ts";
import { stepDown } from "./leader.ts";
import { leftToSay } from "./left.ts";
import { runstateOf } from "./runstate.ts";
import type { ClusterState } from "./state.ts";
import { diskTrouble, findPnn, maySpeak, sendAll, sendTo, stop, tell } from "./state.ts";
import { whenDurable } from "./store.ts";
import { tokenOfVersion, tokenText } from "./token.ts";
import { noteSign, refuse } from "./voter.ts";

/** A node that heard of no leader for so many times suspectMs asks around. */
const ALONE = 4;
/** A node that lacks the document asks no more often than this. */
const VIEW_ASK_MS = 60;

/** What is in force, and perhaps the lease. */
export function onDigest(state: ClusterState, from: NodeId, digest: Digest): void {
  const { doc, token } = digest;
  if (doc !== undefined && !isOurs(state, from, doc)) return;
  if (token < state.promised) {
    state.prevDsMs = Math.max(state.prevDsMs, state.nowMs);
    refuse(state, from);
    if (doc !== undefined) adopt(state, doc);
    return;
  }
  noteSign(state, from, token);
  const isFirst = noteDigest(state, digest);
  if (doc !== undefined) adopt(state, doc);
  else if (digest.version > (state.adopted?.version ?? 0n)) askView(state, from);
  if (state.rules.extendsLease(state, digest)) extendLease(state, digest);
  if (isFirst) beat(state, [from]);
}

/**
 * Remembers a digest: that of the promised token to report it, that of a higher one until its token is promised.
 * True: the first of the promised token, which wants an answer at once.
 */
function noteDigest(state: ClusterState, { token, dsMs }: Digest): boolean {
  const { ds, ahead, nowMs } = state;
  const seen = token === state.promised ? ds : ahead;
  if (seen === ahead && token < ahead.token) {
    state.otherDsMs = nowMs;
    return false;
  }
  const isFirst = seen.token !== token;
  if (isFirst && seen === ahead) state.otherDsMs = Math.max(state.otherDsMs, ahead.recvMs);
  seen.dsMs = isFirst ? dsMs : Math.max(seen.dsMs, dsMs);
  seen.token = token;
  seen.recvMs = nowMs;
  return isFirst && seen === ds;
}

/** Someone tells what is effective; never a lease, never a sign of a leader. */
export function onView(state: ClusterState, from: NodeId, { doc }: ViewMessage): void {
  if (isOurs(state, from, doc)) adopt(state, doc);
}

/** Someone asks what is effective. */
export function onViewAsk(state: ClusterState, from: NodeId): void {
  if (state.adopted !== undefined) sendTo(state, from, { kind: "view", doc: state.adopted });
}

function askView(state: ClusterState, from: NodeId): void {
  if (state.nowMs < state.viewAskAtMs) return;
  state.viewAskAtMs = state.nowMs + VIEW_ASK_MS;
  sendTo(state, from, { kind: "view_ask" });
}

/** Adopt rule: an effective document of a higher version. What it was sent with does not matter. */
export function adopt(state: ClusterState, doc: Document): void {
  if (!assertOne(state, doc)) return;
  if (state.adopted !== undefined && doc.version <= state.adopted.version) return;
  if (!assertLine(state, doc)) return;
  const before = state.adopted?.generation;
  const number = state.pnn;
  const hasGone = isGone(state, doc);
  state.adopted = doc;
  findPnn(state);
  state.effects.push({ kind: "adopted", doc });
  if (before !== doc.generation) tell(state, { what: "adopted", doc });
  if (hasGone) {
    const why = goneOf(doc, state.me)?.why === "replaced" ? "it was replaced" : "it has left";
    return stop(state, `this node is no part of the cluster any more: ${why}`, false, doc.version);
  }
  if (leaveView(state, doc, number)) return stop(state, "told to stop", false);
  publishPage(state);
  const { lead } = state;
  if (lead !== undefined && tokenOfVersion(doc.version) > lead.token) {
    stepDown(state, `${tokenText(doc.version)} is effective`);
  }
}

/**
 * What this life served as a member is over when the view is without it, or when its number is: it may come back under
 * another one. Then a new life begins. True: it was told to stop, and that is all that was to be waited for.
 */
function leaveView(state: ClusterState, doc: Document, number: Pnn | undefined): boolean {
  const { pnn, incarnation, leaving } = state;
  const isOther = number !== undefined && number !== pnn;
  if (!isOther && (pnn === undefined || isMember(doc.view, pnn, incarnation))) return false;
  // A life that was never a member has served nothing, and may still come in.
  const maxInc = maxIncOf(doc.view, isOther ? number : pnn as Pnn);
  if (maxInc < incarnation) return false;
  if (leaving) return true;
  const why = isOther ? `it is no longer node ${number}` : "the view is without this life";
  startLife(state, maxInc, why);
  return false;
}

/**
 * Is this node out for good by a document that is in force? One that is to join and is not in yet is not, even if it
 * has accepted a document with itself: that may never have been in force.
 */
function isGone({ adopted, accepted, me }: ClusterState, doc: Document): boolean {
  if (formatOf(doc) === FORMAT_FIRST || nodeById(doc, me) !== undefined) return false;
  if (goneOf(doc, me) !== undefined) return true;
  if (adopted !== undefined && nodeById(adopted, me) !== undefined) return true;
  // Those that went long ago are not named any more; but what was a member once has left its number.
  const pnn = accepted === undefined ? undefined : nodeById(accepted, me)?.pnn;
  return pnn !== undefined && maxIncOf(doc.view, pnn) > 0n;
}

/** Begins a new life, above `above` and the present one: it has no lease, and says nothing before the fence. */
export function startLife(state: ClusterState, above: Incarnation, why: string): void {
  const last = above > state.incarnation ? above : state.incarnation;
  state.incarnation = last + 1n as Incarnation;
  state.leaseEndMs = 0;
  publishPage(state);
  tell(state, { what: "new life", incarnation: state.incarnation, why });
  if (state.lead !== undefined) stepDown(state, "a new life; the token was of the former one");
  whenDurable(state, { kind: "life", incarnation: state.incarnation });
}

/** The lives before are fenced: this one may speak. */
export function onFenced(state: ClusterState, incarnation: Incarnation): void {
  if (incarnation !== state.incarnation) return;
  state.fencedFor = incarnation;
  tell(state, { what: "fenced", incarnation });
  state.beatAtMs = state.nowMs;
  publishPage(state);
}

function extendLease(state: ClusterState, digest: Digest): void {
  const { echo } = digest;
  const holds = digest.token === state.promised && echo?.incarnation === state.incarnation &&
    digest.generation === state.adopted?.generation;
  if (echo === undefined || !assert(state, holds, "V6", () => "a lease without its conditions")) {
    return;
  }
  const endMs = echo.tMs + state.timing.nodeTtlMs;
  if (endMs <= state.leaseEndMs) return;
  state.leaseEndMs = endMs;
  publishPage(state);
}

/** May this node serve, as long as its lease lasts? */
function mayServe(state: ClusterState): boolean {
  const { accepted, adopted, pnn } = state;
  if (accepted === undefined || adopted === undefined || pnn === undefined) return false;
  return maySpeak(state) && !state.rules.isFrozen(accepted, adopted) &&
    isMember(adopted.view, pnn, state.incarnation);
}

/**
 * Brings the page up to date. A life has a page of its own, made when the lives before it are fenced; until then the
 * former one's says that nothing is served. True: it served until now, and does no longer.
 */
export function publishPage(state: ClusterState): boolean {
  const leaseEndMs = mayServe(state) ? state.leaseEndMs : 0;
  const { page, fencedFor: incarnation } = state;
  if (incarnation === undefined) return false;
  const generation = state.adopted?.generation ?? GENERATION_NONE;
  const isSame = page !== undefined && page.leaseEndMs === leaseEndMs &&
    page.generation === generation && page.incarnation === incarnation;
  if (isSame) return false;
  if (leaseEndMs > 0 && !assertServing(state)) return false;
  state.page = { incarnation, generation, leaseEndMs };
  state.effects.push({ kind: "page", page: state.page });
  return page !== undefined && page.leaseEndMs > state.nowMs && leaseEndMs === 0;
}

/** How this node is, as its heartbeats say. */
export function healthOf(state: ClusterState): Health {
  const { ownHealth } = state;
  const runstate = runstateOf(state);
  const trouble = diskTrouble(state);
  if (trouble !== undefined) return { healthy: false, runstate, why: fitText(`disk: ${trouble}`) };
  const why = ownHealth.why === undefined ? {} : { why: ownHealth.why };
  return { healthy: ownHealth.healthy, runstate, ...why };
}

/** Says to some nodes that this one lives, and which digest it has. */
export function beat(state: ClusterState, to: readonly NodeId[]): void {
  const isReported = state.rules.reportsDigest(state);
  const holds = !isReported || state.ds.token === state.promised;
  if (!assert(state, holds, "V14", () => "a digest of another token is reported")) return;
  sendAll(state, to, {
    kind: "heartbeat",
    tMs: state.nowMs,
    incarnation: state.incarnation,
    diskId: state.durable.diskId,
    promised: state.promised,
    ...(isReported ? { dsToken: state.ds.token, dsMs: state.ds.dsMs } : {}),
    health: healthOf(state),
    ...leftToSay(state),
  });
}

/** One who has heard of no leader for long may know the wrong voters: others are asked, one after the other. */
function askAround(state: ClusterState, doc: Document): void {
  const { nowMs, sign, timing, config, me } = state;
  if (nowMs - sign.atMs < ALONE * timing.suspectMs || nowMs < state.aroundAtMs) return;
  state.aroundAtMs = nowMs + timing.suspectMs;
  const known = new Set([...doc.nodes.map(({ nodeId }) => nodeId), ...config.seeds]);
  known.delete(me);
  const next = [...known][state.askedCount % Math.max(1, known.size)];
  state.askedCount += 1;
  if (next !== undefined && state.level > 1) askView(state, next);
}

/** The heartbeat is due: to the voters, and to whoever leads. */
export function onBeatDue(state: ClusterState): void {
  if (state.nowMs < state.beatAtMs) return;
  state.beatAtMs = state.nowMs + state.timing.beatMs;
  const doc = state.accepted ?? state.adopted;
  // Who leads answers with what is in force; who is not of the cluster any more is told so.
  if (doc === undefined) return beat(state, state.config.seeds);
  const to = allVotersOf(doc).map(({ nodeId }) => nodeId);
  const leader = state.sign.from;
  if (leader !== undefined && !to.includes(leader)) to.push(leader);
  beat(state, to);
  if (state.lead === undefined) askAround(state, doc);
}
