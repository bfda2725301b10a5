/**
 * What nodes say to each other about free metadata.
 *
 *   change   md_publish ──▶ the interested, once; never acknowledged, never passed on
 *   repair   md_digest ──▶ one random peer: equal? silence
 *              different ◀── md_buckets: 16 parts, each 16 parts again where many records are in one that differs
 *              md_stamps ──▶ keys and stamps of what is in a part that is small
 *              ◀── md_records: what you lack, what I want of you, what was deleted
 *   GC       md_round ──▶ all interested;  ◀── md_round_answer: my digest, it is on my disk;  md_floor ──▶ all
 *   ask      md_read, md_write ──▶ the leader;  ◀── md_read_answer (in parts), md_write_answer
 *
 * phase: what the sender's records are worth.
 *
 * Does NOT promise: that any of them arrives; each is right whenever it comes, and however often.
 */
import type { MetaRecord } from "../../../transport/wire/messages/metadata.ts";
import type { ErrorCode } from "../../../transport/wire/errors.ts";
import type { Scope, Stamp } from "./record.ts";
import type { PathSum } from "./table.ts";

/**
 * How much of a scope a node has: cold, it does not know; alone, what has come since nobody who had it was there;
 * whole, all of it.
 */
export type SharedPhase = "cold" | "alone" | "whole";

/** What all messages about one scope between its interested nodes have. */
export interface About {
  readonly scope: Scope;
  /** Hash of who is interested, as the sender has it; between nodes that differ in that nothing is compared. */
  readonly interest: number;
  /** Up to this stamp the sender lacks nothing: what it does not hold was deleted. 0 unless it is whole. */
  readonly floor: bigint;
  readonly phase: SharedPhase;
}

/** It changed. Records of one scope, 1 to META_RECORDS_MAX. */
export interface MdPublish {
  readonly kind: "md_publish";
  readonly records: readonly MetaRecord[];
}

/** Do we have the same? */
export interface MdDigest extends About {
  readonly kind: "md_digest";
  readonly hash: bigint;
  readonly count: number;
}

/** Where do we differ? */
export interface MdBuckets extends About {
  readonly kind: "md_buckets";
  readonly buckets: readonly PathSum[];
}

/** All that I have in these parts. */
export interface MdStamps extends About {
  readonly kind: "md_stamps";
  readonly paths: readonly string[];
  readonly stamps: readonly Stamp[];
}

/** What you lack, what I lack, and what was deleted. */
export interface MdRecords extends About {
  readonly kind: "md_records";
  readonly records: readonly MetaRecord[];
  /** Keys of records that the sender wants. */
  readonly want: readonly string[];
  /** Writes that the receiver holds and that were deleted. */
  readonly gone: readonly Stamp[];
}

/** The leader: what do you have, on your disk? */
export interface MdRound {
  readonly kind: "md_round";
  readonly scope: Scope;
  readonly round: number;
  /** Hash of who is interested, as the leader has it; who has another does not answer. */
  readonly interest: number;
}

/** This is on my disk, and nothing else. */
export interface MdRoundAnswer {
  readonly kind: "md_round_answer";
  readonly scope: Scope;
  readonly round: number;
  readonly hash: bigint;
  readonly count: number;
}

/** The leader, after a round: all have everything up to this stamp. */
export interface MdFloor {
  readonly kind: "md_floor";
  readonly scope: Scope;
  readonly round: number;
  readonly floor: bigint;
}

/** What is there? */
export interface MdRead {
  readonly kind: "md_read";
  readonly askId: number;
  readonly scope: Scope;
  readonly prefix: string;
}

/** This is there; tombstones are not sent. */
export interface MdReadAnswer {
  readonly kind: "md_read_answer";
  readonly askId: number;
  /** "state": the one that was asked does not have the scope. */
  readonly code?: ErrorCode;
  /** 0 .. parts-1. */
  readonly part: number;
  readonly parts: number;
  readonly records: readonly MetaRecord[];
}

/** Write this for me: I am not interested in its scope, so my stamp might be too low for it. */
export interface MdWrite {
  readonly kind: "md_write";
  readonly askId: number;
  readonly scope: Scope;
  readonly key: string;
  readonly value: string | null;
  readonly wallMs: number;
  readonly by: string;
}

/** Written with this stamp, or not. */
export interface MdWriteAnswer {
  readonly kind: "md_write_answer";
  readonly askId: number;
  readonly code?: ErrorCode;
  /** Stamp of the write; 0 with a code. */
  readonly c: bigint;
}

/** All of them. */
export type MetadataMessage =
  | MdPublish
  | MdDigest
  | MdBuckets
  | MdStamps
  | MdRecords
  | MdRound
  | MdRoundAnswer
  | MdFloor
  | MdRead
  | MdReadAnswer
  | MdWrite
  | MdWriteAnswer;
