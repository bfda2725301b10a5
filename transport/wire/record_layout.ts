/**
 * Batches of messages about records as bytes: the form of their frame (batch_layout.ts).
 *
 *    0 u8 0x52 (parts: 0x72)   ...   40 u32 database   44 u64 since   52 u64 generation
 *   60 by: u32 pnn, u64 life     72 to: u32 pnn, u64 life     84 messages: u8 kind, fields (record_write.ts)
 *
 * Does NOT promise: sense. Which life, database and generation a batch is of, the machine and its host judge.
 */
import {
  type Batch,
  type BatchForm,
  type BatchHead,
  BatchReader,
  BatchWriter,
} from "./batch_layout.ts";
import { PART_HEAD_SIZE } from "./batch_layout.ts";
import type { Member } from "./messages/document.ts";
import type { RecordMessage } from "./messages/record.ts";
import { RECORD_BATCH_MAX } from "./messages/record_parts.ts";
import { member, readRecord } from "./record_read.ts";
import { putMember, writeRecord } from "./record_write.ts";
import type { ClusterId, DbId, Generation, NodeId, Version } from "./terms.ts";

/** What a batch says before its messages. */
export interface RecordHead extends BatchHead {
  /** The life that it is for. */
  readonly to: Member;
  /** What the sender has adopted. */
  readonly generation: Generation;
}

/** All that one node has for another about one database. */
export type RecordBatch = Batch<RecordHead, RecordMessage>;

/** The first byte of a batch. */
export const RECORD_MAGIC = 0x52;
/** The first byte of a part of one. */
export const RECORD_PART_MAGIC = 0x72;
/** Bytes before the messages. */
export const RECORD_HEAD_SIZE = 84;
/** Bytes before a part. */
export const RECORD_PART_HEAD_SIZE = PART_HEAD_SIZE;

const FORM: BatchForm<RecordHead, RecordMessage> = {
  about: "records",
  magic: RECORD_MAGIC,
  partMagic: RECORD_PART_MAGIC,
  headSize: RECORD_HEAD_SIZE,
  most: RECORD_BATCH_MAX,
  putHead: (out, { dbId, since, generation, by, to }) => {
    out.u32(dbId);
    out.u64(since);
    out.u64(generation);
    putMember(out, by);
    putMember(out, to);
  },
  head: (bytes) => {
    const dbId = bytes.u32() as DbId;
    const since = bytes.u64<Version>();
    const generation = bytes.u64<Generation>();
    const by = member(bytes);
    return { by, to: member(bytes), dbId, since, generation };
  },
  put: writeRecord,
  message: readRecord,
};

/** Writes the batches of one node. */
export class RecordWriter extends BatchWriter<RecordHead, RecordMessage> {
  /** See BatchWriter. */
  constructor(cluster: ClusterId, from: NodeId, firstId: bigint) {
    super(FORM, cluster, from, firstId);
  }
}

/** Reads batches for one node; checks everything, trusts nothing. */
export class RecordReader extends BatchReader<RecordHead, RecordMessage> {
  /** Throws RangeError on what is no cluster id. */
  constructor(cluster: ClusterId) {
    super(FORM, cluster);
  }
}
