/**
 * Tokens and versions: who may write the document, and which writing it is.
 *
 *   token   = counter(32) . voterId(12) . 0(20)        never equal for two nodes, since voter ids are not
 *   version = token + n, n = 1, 2, ..                  the low 20 bits count the documents of one token
 *
 * So a version names the token it was written under, and a later token's documents are all above an earlier one's.
 *
 * Does NOT promise: that a token is used once; that is for its owner to see to (rule L3), by making it durable first.
 */
import type { Token, Version, VoterId } from "../../../transport/wire/terms.ts";

/** Bits of a version that count documents. */
export const COUNT_BITS = 20n;
/** Bits of a token that name the voter. */
export const VOTER_BITS = 12n;
/** Documents that one token can number. */
export const COUNT_MAX = (1n << COUNT_BITS) - 1n;
/** Voter ids are below this; 0 is none. */
export const VOTER_ID_END = 1 << Number(VOTER_BITS);

/** No token: below all others. */
export const TOKEN_NONE = 0n as Token;
/** No version: below all others. */
export const VERSION_NONE = 0n as Version;

const VOTER_SHIFT = COUNT_BITS;
const COUNTER_SHIFT = COUNT_BITS + VOTER_BITS;
const VOTER_MASK = (1n << VOTER_BITS) - 1n;

/** Makes a token. `counter` is a u32. */
export function tokenOf(counter: bigint, voterId: VoterId): Token {
  return ((counter << COUNTER_SHIFT) | (BigInt(voterId) << VOTER_SHIFT)) as Token;
}

/** The token that a version was written under. */
export function tokenOfVersion(version: Version): Token {
  return ((version >> COUNT_BITS) << COUNT_BITS) as Token;
}

/** Which document of its token a version is: 0 is none. */
export function countOf(version: Version): bigint {
  return version & COUNT_MAX;
}

/** The counter of a token, for people. */
export function counterOf(token: Token): bigint {
  return token >> COUNTER_SHIFT;
}

/** The voter of a token; 0: none. */
export function voterIdOf(token: Token): VoterId {
  return Number((token >> VOTER_SHIFT) & VOTER_MASK) as VoterId;
}

/** The n-th version of a token. */
export function versionOf(token: Token, n: bigint): Version {
  return (token + n) as Version;
}

/** Rule L5: the smallest token of this voter above `high`. */
export function nextToken(high: Token, voterId: VoterId): Token {
  const counter = high >> COUNTER_SHIFT;
  const same = tokenOf(counter, voterId);
  return same > high ? same : tokenOf(counter + 1n, voterId);
}

/** A token or version as people read it: counter.voter or counter.voter.n. */
export function tokenText(value: Token | Version): string {
  const token = tokenOfVersion(value as Version);
  const n = countOf(value as Version);
  const head = `${counterOf(token)}.${voterIdOf(token)}`;
  return n === 0n ? head : `${head}.${n}`;
}
