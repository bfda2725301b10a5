/**
 * The words of the field as types: each with its width, its special values and where it comes from.
 *
 *   u32: Pnn, DbId, VoterId (12 bit)          u64 (bigint): Token, Version, Generation, Incarnation, Rsn, SeqNum
 *   text: NodeId 32 hex digits (128 bit), Tag 10 base32 characters of it
 *
 * A brand keeps one from being passed for another; at run time they are plain numbers, bigints and strings.
 *
 * Does NOT promise: that a value is sane; the wire's checks do that where it comes in.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Physical node number, u32; given by the cluster, never used again in it. Upstream: ctdb pnn. */
export type Pnn = Branded<number, "Pnn">;
/** No node. Upstream: CTDB_UNKNOWN_PNN. */
export const PNN_UNKNOWN = 0xffffffff as Pnn;
/** Database id, u32: Jenkins hash of the name with its NUL. Upstream: ctdb db_id. */
export type DbId = Branded<number, "DbId">;
/** Number of a voter, 1 .. 4095, never used again in a cluster. */
export type VoterId = Branded<number, "VoterId">;
/** 128 bits, 32 lower-case hex digits; made once for a node and never changed. */
export type NodeId = Branded<string, "NodeId">;
/** The first 50 bits of a NodeId as 10 characters of a-z2-7: the node in subjects. */
export type Tag = Branded<string, "Tag">;
/** Id of a cluster, 128 bits as 32 hex digits. */
export type ClusterId = Branded<string, "ClusterId">;
/** A life of a node, u64, rising: a new one at each start, and each time the view lost the node. */
export type Incarnation = Branded<bigint, "Incarnation">;
/** Fencing token of a leader, u64: counter(32) . voterId(12) . 0(20). */
export type Token = Branded<bigint, "Token">;
/** Version of a document, u64: token + n, n = 1 .. 2^20-1. */
export type Version = Branded<bigint, "Version">;
/** Version of the last change of the view, u64; on every data message. Upstream: ctdb generation (u32, random). */
export type Generation = Branded<bigint, "Generation">;
/** Sequence number of a record, u64. Upstream: ctdb rsn. */
export type Rsn = Branded<bigint, "Rsn">;
/** Sequence number of a persistent database, u64. Upstream: __db_sequence_number__. */
export type SeqNum = Branded<bigint, "SeqNum">;

/** The base32 digits of tags, which the server takes in subjects as they are. */
const DIGITS = "abcdefghijklmnopqrstuvwxyz234567";
const TAG_LENGTH = 10;

/** The tag of a node: base32 of its id's first 50 bits. Throws RangeError on what is no node id. */
export function tagOf(nodeId: NodeId): Tag {
  if (!/^[0-9a-f]{32}$/.test(nodeId)) {
    throw new RangeError(`Cannot make a tag: a node id is 32 hex digits, is ${nodeId}`);
  }
  let bits = BigInt(`0x${nodeId.slice(0, 13)}`) >> 2n;
  let tag = "";
  for (let i = 0; i < TAG_LENGTH; i++) {
    tag = DIGITS[Number(bits & 31n)] + tag;
    bits >>= 5n;
  }
  return tag as Tag;
}
