/**
 * How far a log comes, so that two of one history can be compared.
 *
 *   term 5: 1 2 3 4 5 6        term 7: 1 2 3 4'        the second: its primary had all that was committed
 *
 * Each term has one primary, whose log has all that was committed before. So a log that comes as far as another once
 * did has all of that other's entries that were committed.
 *
 * Does NOT promise: anything about logs of two lineages.
 */

/** The last entry of a log, and the term in which it was made. */
export interface Reach {
  readonly term: bigint;
  readonly seq: bigint;
}

/** Of a log without entries. */
export const NO_REACH: Reach = { term: 0n, seq: 0n };

/** Does `one` come less far than `other`? */
export function isBehind(one: Reach, other: Reach): boolean {
  return one.term === other.term ? one.seq < other.seq : one.term < other.term;
}

/** The farther of two. */
export function farther(one: Reach, other: Reach): Reach {
  const { term, seq } = isBehind(one, other) ? other : one;
  return { term, seq };
}
