/**
 * Batches of messages about commits as bytes: the form of their frame (batch_layout.ts).
 *
 *    0 u8 0x54 (parts: 0x74)   ...   40 u32 database   44 u64 since
 *   52 by: u32 pnn, u64 life     64 messages: u8 kind, fields (commit_write.ts)
 *
 * Does NOT promise: sense. Which life and database a batch is of, the machine and its host judge.
 */
import {
  type Batch,
  type BatchForm,
  type BatchHead,
  BatchReader,
  BatchWriter,
} from "./batch_layout.ts";
import { PART_HEAD_SIZE } from "./batch_layout.ts";
import { readCommit } from "./commit_read.ts";
import { writeCommit } from "./commit_write.ts";
import { COMMIT_BATCH_MAX } from "./messages/commit.ts";
import type { AnyCommitMessage } from "./messages/commit.ts";
import { member } from "./record_read.ts";
import { putMember } from "./record_write.ts";
import type { ClusterId, DbId, NodeId, Version } from "./terms.ts";

/** All that one node has for another about one database. */
export type CommitBatch = Batch<BatchHead, AnyCommitMessage>;

/** The first byte of a batch. */
export const COMMIT_MAGIC = 0x54;
/** The first byte of a part of one. */
export const COMMIT_PART_MAGIC = 0x74;
/** Bytes before the messages. */
export const COMMIT_HEAD_SIZE = 64;
/** Bytes before a part. */
export const COMMIT_PART_HEAD_SIZE = PART_HEAD_SIZE;

const FORM: BatchForm<BatchHead, AnyCommitMessage> = {
  about: "commits",
  magic: COMMIT_MAGIC,
  partMagic: COMMIT_PART_MAGIC,
  headSize: COMMIT_HEAD_SIZE,
  most: COMMIT_BATCH_MAX,
  putHead: (out, { dbId, since, by }) => {
    out.u32(dbId);
    out.u64(since);
    putMember(out, by);
  },
  head: (bytes) => {
    const dbId = bytes.u32() as DbId;
    const since = bytes.u64<Version>();
    return { by: member(bytes), dbId, since };
  },
  put: writeCommit,
  message: readCommit,
};

/** Writes the batches of one node. */
export class CommitWriter extends BatchWriter<BatchHead, AnyCommitMessage> {
  /** See BatchWriter. */
  constructor(cluster: ClusterId, from: NodeId, firstId: bigint) {
    super(FORM, cluster, from, firstId);
  }
}

/** Reads batches for one node; checks everything, trusts nothing. */
export class CommitReader extends BatchReader<BatchHead, AnyCommitMessage> {
  /** Throws RangeError on what is no cluster id. */
  constructor(cluster: ClusterId) {
    super(FORM, cluster);
  }
}
