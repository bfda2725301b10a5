/**
 * The rules of the cluster machine, each broken: what happened without it stands in section 13 of the paper.
 *
 * test/swarm/broken.test.ts runs seeds with each, scenarios name the ones they are for. A rule that can be broken
 * without anybody noticing would be a rule without a test.
 *
 * Does NOT promise: that one way of breaking a rule is the worst one.
 */
import { hasMajority, isSameMembers } from "../../actors/machines/cluster/document.ts";
import { RULES } from "../../actors/machines/cluster/rules.ts";
import type { Rules } from "../../actors/machines/cluster/rules.ts";
import { nextToken } from "../../actors/machines/cluster/token.ts";
import type { NodeId, Token, VoterId } from "../../transport/wire/terms.ts";

/** Earlier than anything. */
const LONG_AGO_MS = -1e9;

/** A set of rules with some of them changed. */
export function broken(part: Partial<Rules>): Rules {
  return { ...RULES, ...part };
}

/** Each breach by name. */
export const BROKEN: Readonly<Record<string, Rules>> = {
  "token without the voter": broken({ tokenFor: (state) => RULES.tokenFor(state, 1 as VoterId) }),
  "token from the register only": broken({
    tokenFor: ({ register }, voterId) => nextToken(register.record?.token ?? 0n as Token, voterId),
  }),
  "no probe": broken({ needsProbe: () => false }),
  "stale reads are believed": broken({ isStale: () => false }),
  "prepare before the disk": broken({ mayPrepare: () => true }),
  "keep without an adopter": broken({ keepsView: () => true }),
  "earliest of the promisers": broken({
    earlierEnd: (promises, glMs) => Math.min(...[...promises].map(({ endMs }) => endMs)) + glMs,
  }),
  "without GL": broken({
    earlierEnd: (promises) => Math.max(...[...promises].map(({ endMs }) => endMs)),
  }),
  "prevMembers of the last view only": broken({ prevMembers: ({ view }) => view.members }),
  "one voter is enough": broken({
    hasMajority: (_parent, doc, yes) => doc.voters.some(({ nodeId }) => yes(nodeId)),
  }),
  "new voters only": broken({
    hasMajority: (_parent, doc, yes) => {
      const { add, remove } = doc.voterChange ?? {};
      const voters = doc.voters.filter(({ voterId }) => voterId !== remove?.voterId);
      const all = add === undefined ? voters : [...voters, add];
      return all.filter(({ nodeId }) => yes(nodeId)).length > all.length / 2;
    },
  }),
  "old voters only": broken({
    hasMajority: (_parent, { voters }, yes) =>
      voters.filter(({ nodeId }) => yes(nodeId)).length > voters.length / 2,
  }),
  "no grant rule": broken({ isGranted: () => true }),
  "a new disk grants": broken({
    isGranted: ({ peers, nowMs, timing }, { token }, doc) =>
      hasMajority(doc, ({ nodeId }) => {
        const peer = peers.get(nodeId);
        return peer?.dsToken === token && peer.dsMs >= nowMs - timing.glMs;
      }),
  }),
  "nobody is waited out": broken({ waitedOutMs: () => LONG_AGO_MS }),
  "own grants only": broken({
    waitedOutMs: ({ peers, timing }, _lead, nodeId: NodeId | undefined) => {
      const echoedMs = nodeId === undefined ? undefined : peers.get(nodeId)?.echoedMs;
      return (echoedMs ?? LONG_AGO_MS) + timing.nodeTtlMs + timing.marginMs;
    },
  }),
  "earlier grants only": broken({
    waitedOutMs: ({ timing }, { earlierEndMs }) =>
      earlierEndMs + timing.nodeTtlMs + timing.marginMs,
  }),
  "death of any life": broken({ isDead: (deadInc) => deadInc !== undefined && deadInc > 0n }),
  "no rule F": broken({ mayDisturb: () => true }),
  "no rule F, prevMembers of the last view only": broken({
    mayDisturb: () => true,
    prevMembers: ({ view }) => view.members,
  }),
  "an old life may join": broken({ mayJoin: () => true }),
  "never heard a leader before the start": broken({ startMs: () => LONG_AGO_MS }),
  "any digest is reported": broken({ reportsDigest: ({ ds }) => ds.token !== 0n }),
  "any digest extends": broken({
    extendsLease: ({ adopted, incarnation }, { echo, generation }) =>
      echo?.incarnation === incarnation && generation === adopted?.generation,
  }),
  "frozen by members": broken({
    isFrozen: (accepted, adopted) => !isSameMembers(accepted.view.members, adopted.view.members),
  }),
  "never frozen": broken({ isFrozen: () => false }),
  "no fence": broken({ fencesFirst: () => false }),
  "epochs without a generation": broken({ isNewEpoch: () => false }),
  "goes with its records": broken({ isHandedOver: () => true }),
};
