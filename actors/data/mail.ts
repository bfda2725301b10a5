/**
 * The mail of record machines (batch_mail.ts). A batch is also of one generation, and for one life of the node it goes
 * to.
 *
 * Does NOT promise: delivery; machines repeat what matters.
 */
import type { RecordMessage } from "../../transport/wire/messages/record.ts";
import { RecordReader, RecordWriter } from "../../transport/wire/record_layout.ts";
import type { RecordHead } from "../../transport/wire/record_layout.ts";
import { type BatchKind, BatchMail, type BatchMailParts } from "./batch_mail.ts";

/** What it needs. */
export type RecordMailParts = BatchMailParts<RecordHead, RecordMessage>;

const KIND: BatchKind<RecordHead, RecordMessage> = {
  writer: (cluster, from, firstId) => new RecordWriter(cluster, from, firstId),
  reader: (cluster) => new RecordReader(cluster),
  isSame: (one, other) =>
    one.generation === other.generation && one.to.incarnation === other.to.incarnation,
};

/** One node's. */
export class RecordMail extends BatchMail<RecordHead, RecordMessage> {
  constructor(parts: RecordMailParts) {
    super(KIND, parts);
  }

  /** Sends at the end of this turn, to the node that the head names. */
  send(head: RecordHead, messages: readonly RecordMessage[]): void {
    this.post(head.to.pnn, head, messages);
  }
}
