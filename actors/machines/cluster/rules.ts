/**
 * The rules that safety hangs on, each a small function with the section that demands it.
 *
 * The machine asks this table and nothing else, so that a test may break one rule and see who notices; a machine that
 * runs has RULES. Each rule has a counter-example in section 13 of the paper; test/swarm/README.md says who notices.
 *
 * Does NOT promise: that the rules are all of the protocol; what only costs time is in the parts of the machine.
 */
import type { Digest } from "../../../transport/wire/messages/cluster.ts";
import type { Document, Member } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import type { Incarnation, NodeId, Token, VoterId } from "../../../transport/wire/terms.ts";
import { hasMajority, nodeIdsOf, unionOf } from "./document.ts";
import { isHoldingUp } from "./lead.ts";
import type { Lead, PromiseSeen } from "./lead.ts";
import type { ClusterState } from "./state.ts";
import { nextToken } from "./token.ts";

/** Reads that show an older revision before the register is believed to have gone back (L8). */
export const STALE_MAX = 10;

/** A rule for each promise. */
export interface Rules {
  tokenFor(state: ClusterState, voterId: VoterId): Token;
  needsProbe(): boolean;
  isStale(staleReads: number): boolean;
  mayPrepare(state: ClusterState, lead: Lead): boolean;
  keepsView(base: Document, promises: Iterable<PromiseSeen>): boolean;
  earlierEnd(promises: Iterable<PromiseSeen>, glMs: number): number;
  prevMembers(base: Document, isEffective: boolean): readonly Member[];
  hasMajority(parent: Document, doc: Document, yes: (nodeId: NodeId) => boolean): boolean;
  isGranted(state: ClusterState, lead: Lead, doc: Document): boolean;
  waitedOutMs(state: ClusterState, lead: Lead, nodeId: NodeId | undefined): number;
  isDead(deadInc: Incarnation | undefined, incarnation: Incarnation): boolean;
  mayDisturb(state: ClusterState, lead: Lead, prevMembers: readonly Member[]): boolean;
  mayJoin(incarnation: Incarnation, maxInc: Incarnation): boolean;
  startMs(nowMs: number): number;
  reportsDigest(state: ClusterState): boolean;
  extendsLease(state: ClusterState, digest: Digest): boolean;
  isFrozen(accepted: Document, adopted: Document): boolean;
  fencesFirst(): boolean;
  isNewEpoch(command: LeaderCommand): boolean;
  isHandedOver(left: number | undefined): boolean;
}

/** The rules as the paper has them. */
export const RULES: Rules = {
  /** L5: above the register, above what I promised (a register that went back forgot it), and all that I heard of. */
  tokenFor(state, voterId) {
    let high = state.promised;
    if (state.highToken > high) high = state.highToken;
    const seen = state.register.record?.token;
    if (seen !== undefined && seen > high) high = seen;
    return nextToken(high, voterId);
  },

  /** L4: in every case; without it, one who cannot hear the leader takes the lock again and again. */
  needsProbe: () => true,

  /** L8: an older revision is a stale read, ten in a row are a register that went back. */
  isStale: (staleReads) => staleReads < STALE_MAX,

  /** Section 3, V4: the own promise is durable before PREPARE. */
  mayPrepare: (state, lead) => state.durable.promised === lead.token,

  /** KEEP: the view is kept when one promiser has adopted it, which proves that it was effective. */
  keepsView(base, promises) {
    for (const { adoptedGeneration } of promises) {
      if (adoptedGeneration !== 0n && adoptedGeneration === base.generation) return true;
    }
    return false;
  },

  /** The last possible grant of any earlier leader: the latest of the promisers' digests, and then GL. */
  earlierEnd(promises, glMs) {
    let endMs = -Infinity;
    for (const promise of promises) endMs = Math.max(endMs, promise.endMs);
    return endMs + glMs;
  },

  /** A view that may or may not have begun hides nobody of those before it. */
  prevMembers: (base, isEffective) =>
    isEffective ? base.view.members : unionOf(base.view.members, base.view.prevMembers),

  /** A majority of the voters, of the old and of the new ones during a change. */
  hasMajority(parent, doc, yes) {
    const said = ({ nodeId }: { nodeId: NodeId }) => yes(nodeId);
    return hasMajority(doc, said) && (parent === doc || hasMajority(parent, said));
  },

  /**
   * Grant rule (section 4): a majority reports a digest of my token that is not older than GL. A voter with another
   * disk does not count: it forgot what it promised a later leader, which may have counted on it.
   */
  isGranted(state, lead, doc) {
    const sinceMs = state.nowMs - state.timing.glMs;
    return hasMajority(doc, ({ nodeId, diskId }) => {
      const peer = state.peers.get(nodeId);
      return peer !== undefined && peer.dsToken === lead.token && peer.dsMs >= sinceMs &&
        (diskId === undefined || diskId === peer.diskId);
    });
  },

  /** When each lease of a member is over: those I granted and those that earlier leaders may have. */
  waitedOutMs(state, lead, nodeId) {
    const echoedMs = nodeId === undefined ? undefined : state.peers.get(nodeId)?.echoedMs;
    const lastMs = Math.max(echoedMs ?? -Infinity, lead.earlierEndMs);
    return lastMs + state.timing.nodeTtlMs + state.timing.marginMs;
  },

  /** DEAD counts for the lives up to the one it names, never for a later one. */
  isDead: (deadInc, incarnation) => deadInc !== undefined && incarnation <= deadInc,

  /** Rule F: another view is proposed when everybody before it answers, is dead or waited out. */
  mayDisturb(state, lead, prevMembers) {
    const doc = lead.effective ?? lead.base;
    if (doc === undefined) return false;
    const { nowMs, timing } = state;
    const nodeIds = nodeIdsOf(doc);
    return prevMembers.every(({ pnn, incarnation }) => {
      const nodeId = nodeIds.get(pnn);
      const peer = nodeId === undefined ? undefined : state.peers.get(nodeId);
      const isAnswering = peer !== undefined && nowMs - peer.recvMs <= timing.answeringMs &&
        peer.dsToken === lead.token && nowMs - peer.dsMs <= timing.answeringMs + timing.beatMs &&
        !isHoldingUp(state, lead, peer);
      if (isAnswering) return true;
      const deadInc = nodeId === undefined ? undefined : state.deadInc.get(nodeId);
      return state.rules.isDead(deadInc, incarnation) ||
        nowMs >= state.rules.waitedOutMs(state, lead, nodeId);
    });
  },

  /** L6 of the record paper: only a life above all that were members may join. */
  mayJoin: (incarnation, maxInc) => incarnation > maxInc,

  /** prevDs and lastAlive at the start: now, which is later than anything the former life received. */
  startMs: (nowMs) => nowMs,

  /** A digest is reported only while its token is the promised one. */
  reportsDigest: (state) => state.ds.token === state.promised && state.ds.token !== 0n,

  /** Section 3, DIGEST: what extends the lease of a node. */
  extendsLease(state, digest) {
    const { adopted } = state;
    return digest.echo !== undefined && adopted !== undefined &&
      digest.token === state.promised && digest.echo.incarnation === state.incarnation &&
      digest.generation === adopted.generation && digest.coreVersion <= adopted.version;
  },

  /** Section 4: another view than the adopted one was accepted: serving stops. By generation, not by members. */
  isFrozen: (accepted, adopted) => accepted.generation !== adopted.generation,

  /** Section 6: the former lives are fenced before the first message of a new one. */
  fencesFirst: () => true,

  /** What nodes serve by changes with the generation: one who has not heard of it is frozen when it is in force. */
  isNewEpoch: ({ verb }) => verb === "db_detach" || verb === "db_wipe" || verb === "rehome",

  /** One that goes by plan goes when every home says that nothing is there any more. */
  isHandedOver: (left) => left === 0,
};
