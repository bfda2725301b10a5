/**
 * What the document says of one persistent or replicated database: who keeps it, who leads, who is in sync.
 *
 *   replicas   at most k nodes, chosen by the leader; they get every entry at once
 *   isr        those of them that have all that is committed: named with the disk (replicated: the life) that has it
 *   term       version of the document that made the primary; a new one for each new life of it
 *   lineage    one history; the low 20 bits count, so that no two of a database are equal in them
 *
 * Does NOT promise: that it is in force; the machine takes what an effective document says.
 */
import { LINEAGE_COUNT_BITS, NUMBER_BITS } from "../../../transport/wire/commit/entry.ts";
import type { DbId, Incarnation, Pnn, Version } from "../../../transport/wire/terms.ts";

/** An in-sync copy. */
export interface InSync {
  readonly pnn: Pnn;
  /** Disk id; of a replicated database the incarnation, as decimal digits. */
  readonly id: string;
}

/** Where a history branched off from another one. */
export interface Fork {
  readonly lineage: bigint;
  /** The last entry that both have. */
  readonly seq: bigint;
  readonly chain: bigint;
}

/** What the document says of a database. */
export interface CommitConfig {
  readonly dbId: DbId;
  readonly kind: "persistent" | "replicated";
  /** Wanted copies, 1 or more. */
  readonly k: number;
  /** In-sync copies that a commit needs, 1 .. k. */
  readonly m: number;
  /** What m is to be, 1 .. k; missing: more than half of the copies. */
  readonly mWanted?: number;
  /** u64; 0: nobody has begun yet. */
  readonly lineage: bigint;
  readonly parent?: Fork;
  readonly replicas: readonly Pnn[];
  readonly primary: Pnn;
  readonly primaryInc: Incarnation;
  readonly term: Version;
  readonly isr: readonly InSync[];
  /** The highest request of the primary of this term that the leader has decided. u32. */
  readonly reqSeen: number;
  /** The document was made by force and may be old: nobody leads by it alone. */
  readonly unsure?: boolean;
}

const COUNT_BITS = LINEAGE_COUNT_BITS;
const COUNT_MASK = (1n << COUNT_BITS) - 1n;

/** A new lineage: `random` (u64) with the count that follows on its parent's; never 0. */
export function lineageAfter(parent: bigint, random: bigint): bigint {
  const count = ((parent & COUNT_MASK) + 1n) & COUNT_MASK;
  const made = BigInt.asUintN(64, (random >> COUNT_BITS << COUNT_BITS) | count);
  return made === 0n ? 1n : made;
}

/** The id of the session that an entry opens: unique over all lineages of a database. u64. */
export function sidOf(lineage: bigint, seq: bigint): bigint {
  return ((lineage & COUNT_MASK) << NUMBER_BITS) | seq;
}

/** Is a copy in the in-sync set? */
export function isInSync({ isr }: CommitConfig, pnn: Pnn, id: string): boolean {
  return isr.some((one) => one.pnn === pnn && one.id === id);
}

/** All nodes that get every entry at once. */
export function copiesOf({ replicas, isr }: CommitConfig): Pnn[] {
  return [...new Set([...replicas, ...isr.map(({ pnn }) => pnn)])];
}

/** Does a node get every entry at once? */
export function isCopy({ replicas, isr }: CommitConfig, pnn: Pnn): boolean {
  return replicas.includes(pnn) || isr.some((one) => one.pnn === pnn);
}

/** The lower of two. */
export function lower(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

/** The higher of two. */
export function higher(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
