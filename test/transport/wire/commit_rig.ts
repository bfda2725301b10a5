/**
 * Batches about commits for tests.
 *
 *   fc.property(anyBatch, (batch) => taken(written(batch)))
 *
 * Does NOT promise: sense; a machine would never send most of these.
 */
import { COMMITS } from "../../../transport/wire/messages/commit.ts";
import {
  COMMIT_HEAD_SIZE,
  CommitReader,
  CommitWriter,
} from "../../../transport/wire/commit_layout.ts";
import { BatchRig } from "./batch_rig.ts";

export { hexOf, poked, put } from "./batch_rig.ts";

/** Makes and reads them. */
export const COMMIT_RIG = new BatchRig({
  declared: COMMITS,
  head: { dbId: 0x0a0b0c0d, since: 0x11n, by: { pnn: 1, incarnation: 0x21n } },
  headSize: COMMIT_HEAD_SIZE,
  writer: (cluster, from, firstId) => new CommitWriter(cluster, from, firstId),
  reader: (cluster) => new CommitReader(cluster),
});

export const { any: anyBatch, kinds: KINDS, anyOfKind, batchOf } = COMMIT_RIG;
export const { written, writtenAll, read, taken, refusalIn } = COMMIT_RIG;
