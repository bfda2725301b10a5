/**
 * What a node keeps on its own disk, declared as messages are: the same encoding, the same gate, the same checks.
 *
 *   node.id     who it is, which disk this is, which cluster it belongs to
 *   meta.a .b   what it promised, what it accepted, which life it is in
 *
 * Does NOT promise: that a file is whole; actors/storage/meta_file.ts sees to that.
 */

import { as, clusterId, diskId, list, nodeId, optional, record, text, u32, u64 } from "./fields.ts";
import type { Shaped } from "./fields.ts";
import { LEVEL, since } from "./level.ts";
import { DOCUMENT_MAX, SEEDS_MAX } from "./limits.ts";
import { declare } from "./message.ts";
import type { MessageOf } from "./message.ts";
import { DOCUMENT } from "./messages/document.ts";
import type { Incarnation, Token, Version } from "./terms.ts";

/** The newest format of files in a state folder; older ones are read, too. */
export const STATE_FORMAT = LEVEL;

/** Why a node does not belong to its cluster any more. */
export const LEFT = record("Left", "A node that has left its cluster for good.", {
  why: text("What happened, in words."),
  version: u64<Version>("The document without it."),
  atWallMs: u64("When it learnt of it, by its own wall clock; ms since 1970."),
});
/** Why a node does not belong to its cluster any more. */
export type Left = Shaped<typeof LEFT>;

/** Who a node is. */
export const IDENTITY = declare("identity", {
  class: [],
  doc: "Who a node is; written once, and once more when it has left.",
  bytesMax: 8192,
  fields: {
    format: u32("STATE_FORMAT of the folder.", 0xffff, 1),
    nodeId: nodeId("The node."),
    diskId: diskId("The disk that this folder is on: another one if the folder was made anew."),
    name: text("What people call it."),
    clusterId: optional(clusterId("The cluster that it belongs to.")),
    seeds: since(
      2,
      optional(list("Whom it asks while it has no document.", nodeId("A node."), SEEDS_MAX)),
    ),
    left: since(2, optional(as("It has left, and does not start again.", LEFT))),
  },
});
/** Who a node is. */
export type Identity = MessageOf<typeof IDENTITY>;

/** What a node must not forget. */
export const DURABLE = declare("durable", {
  class: [],
  doc: "What a node must not forget; written whole, into two files in turn.",
  bytesMax: DOCUMENT_MAX + 1024,
  fields: {
    diskId: diskId("The disk."),
    promised: u64<Token>("No lower token gets anything."),
    accepted: optional(as("The newest document that it accepted.", DOCUMENT)),
    incarnation: u64<Incarnation>("The present life, or the last one."),
  },
});
