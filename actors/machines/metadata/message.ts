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
import type { Scope } from "./record.ts";

export type { MetadataMessage } from "../../../transport/wire/messages/registry.ts";
export type {
  MdBuckets,
  MdDigest,
  MdFloor,
  MdPublish,
  MdRead,
  MdReadAnswer,
  MdRecords,
  MdRound,
  MdRoundAnswer,
  MdStamps,
  MdWrite,
  MdWriteAnswer,
} from "../../../transport/wire/messages/metadata.ts";

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
