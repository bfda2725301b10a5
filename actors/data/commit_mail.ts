/**
 * The mail of commit machines (batch_mail.ts). It is for a node, whichever of its lives reads it.
 *
 * Does NOT promise: delivery; machines repeat what matters.
 */
import type { BatchHead } from "../../transport/wire/batch_layout.ts";
import { CommitReader, CommitWriter } from "../../transport/wire/commit_layout.ts";
import type { CommitBatch } from "../../transport/wire/commit_layout.ts";
import type { AnyCommitMessage } from "../../transport/wire/messages/commit.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { type BatchKind, BatchMail, type BatchMailParts } from "./batch_mail.ts";

/** What it needs. */
export type CommitMailParts = BatchMailParts<BatchHead, AnyCommitMessage>;

const KIND: BatchKind<BatchHead, AnyCommitMessage> = {
  writer: (cluster, from, firstId) => new CommitWriter(cluster, from, firstId),
  reader: (cluster) => new CommitReader(cluster),
  isSame: () => true,
};

/** One node's. */
export class CommitMail extends BatchMail<BatchHead, AnyCommitMessage> {
  constructor(parts: CommitMailParts) {
    super(KIND, parts);
  }

  /** Sends at the end of this turn. */
  send(to: Pnn, { messages, ...head }: Omit<CommitBatch, "from">): void {
    this.post(to, head, messages);
  }
}
