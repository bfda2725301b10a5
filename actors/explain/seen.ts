/**
 * What nodes know of each other, put side by side: who is heard by whom.
 *
 * Does NOT promise: a word of those that have not answered.
 */
import type { Facts, InsideFacts, NodeFacts, PeerFact } from "./facts.ts";
import { bestWord, isLeading, span, waitOutMs, withWord } from "./words.ts";

/** A node with a word of its own. */
export type Spoken = NodeFacts & { readonly inside: InsideFacts };

/** What others know of a node, the leader's word first. */
export function seenBy(
  facts: Facts,
  name: string,
): { readonly by: Spoken; readonly peer: PeerFact }[] {
  return withWord(facts).filter((node) => node.name !== name)
    .sort((one, other) =>
      Number(isLeading(other.inside, facts.timing)) - Number(isLeading(one.inside, facts.timing))
    )
    .flatMap((by) => {
      const peer = by.inside.peers.find((each) => each.name === name);
      return peer === undefined ? [] : [{ by, peer }];
    });
}

/** Is a node heard by one who hears heartbeats, the leader or a voter? Undefined: nobody of those has answered. */
export function isHeard(facts: Facts, name: string): boolean | undefined {
  const judges = seenBy(facts, name).filter(({ by }) =>
    by.inside.leader !== undefined &&
    (isLeading(by.inside, facts.timing) ||
      by.inside.peers.some((peer) => peer.name === by.name && peer.isVoter))
  );
  if (judges.length === 0) return undefined;
  return judges.some(({ peer }) => (peer.heardMsAgo ?? Infinity) <= facts.timing.deadMs);
}

/** Who has heard it last, and when. */
export function heardWords(facts: Facts, name: string): string[] {
  return seenBy(facts, name).slice(0, 3).map(({ by, peer }) =>
    peer.heardMsAgo === undefined
      ? `${by.name} has heard no heartbeat of it`
      : `${by.name} heard its last heartbeat ${span(peer.heardMsAgo)} ago`
  );
}

/** Does it hear a leader now? */
export function hears({ inside }: Spoken, { timing }: Facts): boolean {
  return inside.isLeader || inside.signMsAgo <= timing.suspectMs;
}

/** Nothing is served, or it is not in the view. */
export function isOut({ inside }: Spoken): boolean {
  return !inside.isServing || !inside.isMember;
}

/** May it be in the view, as far as anybody has decided? */
export function isActive(facts: Facts, name: string): boolean {
  const flags = flagsOf(facts, name)?.flags ?? [];
  return !flags.some((flag) => ["banned", "stopped", "disabled", "deleted"].includes(flag));
}

/** The node as the best informed one sees it. */
export function flagsOf(facts: Facts, name: string): PeerFact | undefined {
  return bestWord(facts)?.inside.peers.find((peer) => peer.name === name);
}

/**
 * Facts without nodes of this machine that are none of the cluster's, by the best word, and do not run: what has left,
 * or has not joined yet, is no trouble of the cluster's. The asked one stays.
 */
export function withoutOutsiders(facts: Facts): Facts {
  const best = bestWord(facts)?.inside;
  // Without a word of somebody who knows, only their own files say it of those that have left.
  const known = best === undefined || best.peersLeftOut > 0
    ? undefined
    : new Set(best.peers.map(({ name }) => name));
  const nodes = facts.nodes.filter(({ name, isAsked, inside, outside }) => {
    if (isAsked || inside !== undefined || outside?.socket.state !== "missing") return true;
    return outside.left === undefined && known?.has(name) !== false;
  });
  return { ...facts, nodes };
}

/** What the others do about a member that is gone. */
export function outWords(facts: Facts, name: string): string {
  const peer = flagsOf(facts, name);
  const { timing } = facts;
  if (peer !== undefined && !peer.isMember) {
    return `the view is without ${name} already: the others serve on`;
  }
  const heard = peer?.echoedMsAgo ?? peer?.heardMsAgo;
  const left = heard === undefined ? undefined : waitOutMs(timing) - heard;
  return left === undefined || left <= 0
    ? `the leader calls it dead after ${span(timing.deadMs)} of silence; a view without it follows`
    : `its lease is waited out in ${
      span(left)
    }; a view without it follows, and the others serve on meanwhile`;
}
