/**
 * One piece of free metadata, its scope, and which of two writes of it counts.
 *
 *   c  cluster: all members      d/DATABASE  who has the database      n/NODE ID  that node      and the leader, in all
 *
 *   order: (c, w)   c = Lamport stamp of the write, w = node that wrote it: no two writes have the same pair
 *
 * A record whose value is null is a tombstone: it says that there is nothing, and must not be forgotten before all who
 * are interested know it.
 *
 * Does NOT promise: that the newest write by a wall clock wins; wallMs is for people.
 * Upstream: MARS metadata links and their Lamport clock; differs from upstream: told to the interested only.
 */
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import { DATABASE_NAME_MAX, META_KEY_MAX, META_VALUE_MAX } from "../../../transport/wire/limits.ts";
import type { NodeId } from "../../../transport/wire/terms.ts";

/** Name of a scope: "c", "d/DATABASE" or "n/NODE ID". */
export type Scope = string;

/** The scope of all members. */
export const CLUSTER_SCOPE: Scope = "c";

/** A stamp further ahead of the own Lamport clock than this is refused: it would leave no room for others. */
export const SKEW_MAX = 1n << 40n;
/** Records of one scope, tombstones too. */
export const SCOPE_RECORDS_MAX = 65536;

/** Which write of a key: what comparisons of scopes send instead of the whole record. */
export interface Stamp {
  readonly key: string;
  readonly c: bigint;
  readonly w: NodeId;
}

/** The scope of a node. */
export function nodeScope(nodeId: NodeId): Scope {
  return `n/${nodeId}`;
}

/** The scope of a database. */
export function databaseScope(name: string): Scope {
  return `d/${name}`;
}

/** Is this the name of a scope? */
export function isScope(scope: string): boolean {
  if (scope === CLUSTER_SCOPE) return true;
  if (/^n\/[0-9a-f]{32}$/.test(scope)) return true;
  return /^d\/[A-Za-z0-9._-]+$/.test(scope) && scope.length <= DATABASE_NAME_MAX + 2;
}

/** Is the first write newer than the second? A total order of different writes. */
export function isNewer(one: Pick<Stamp, "c" | "w">, other: Pick<Stamp, "c" | "w">): boolean {
  return one.c !== other.c ? one.c > other.c : one.w > other.w;
}

/** Are these the same write? */
export function isSameWrite(one: Pick<Stamp, "c" | "w">, other: Pick<Stamp, "c" | "w">): boolean {
  return one.c === other.c && one.w === other.w;
}

/** What is wrong with a key or value that somebody wants to write; undefined: nothing. */
export function faultOf(scope: Scope, key: string, value: string | null): string | undefined {
  if (!isScope(scope)) return `${scope} is no scope: c, d/DATABASE or n/NODE ID`;
  if (!isKey(key)) return `a key is 1 to ${META_KEY_MAX} characters, none of them a control`;
  if (!key.isWellFormed() || value?.isWellFormed() === false) {
    return "half a surrogate pair is no text";
  }
  if (value !== null && value.length > META_VALUE_MAX) {
    return `the value has ${value.length} characters, META_VALUE_MAX is ${META_VALUE_MAX}`;
  }
  return undefined;
}

function isKey(key: string): boolean {
  if (key.length === 0 || key.length > META_KEY_MAX) return false;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return false;
  }
  return true;
}

/** About how many bytes a record takes in a message: never less than it does. */
export function sizeOf({ scope, key, value, by }: MetaRecord): number {
  // Three bytes of UTF-8 for a UTF-16 unit at most; 160 for names, stamp, writer and clock.
  return 160 + 3 * (scope.length + key.length + (value?.length ?? 0) + by.length);
}
