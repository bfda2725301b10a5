/**
 * Batches about records for tests.
 *
 *   fc.property(anyBatch, (batch) => taken(written(batch)))
 *
 * Does NOT promise: sense; a machine would never send most of these.
 */
import { RECORDS } from "../../../transport/wire/messages/record.ts";
import {
  RECORD_HEAD_SIZE,
  RecordReader,
  RecordWriter,
} from "../../../transport/wire/record_layout.ts";
import { BatchRig } from "./batch_rig.ts";

export { hexOf, poked, put } from "./batch_rig.ts";

/** Makes and reads them. */
export const RECORD_RIG = new BatchRig({
  declared: RECORDS,
  head: {
    ...{ dbId: 0x0a0b0c0d, since: 0x11n, generation: 0x12n },
    by: { pnn: 1, incarnation: 0x21n },
    to: { pnn: 2, incarnation: 0x22n },
  },
  headSize: RECORD_HEAD_SIZE,
  writer: (cluster, from, firstId) => new RecordWriter(cluster, from, firstId),
  reader: (cluster) => new RecordReader(cluster),
});

export const { any: anyBatch, kinds: KINDS, anyOfKind, batchOf } = RECORD_RIG;
export const { written, writtenAll, read, taken, refusalIn } = RECORD_RIG;
