/**
 * All messages that this version knows, by kind.
 *
 *   kind ──▶ Declaration ──▶ check, classes, size
 *
 * Does NOT promise: that another version knows the same ones; a kind that is not here is refused by name.
 */

import type { TProperties } from "typebox";
import { LEVEL } from "../level.ts";
import type { Declaration, MessageOf } from "../message.ts";
import * as address from "./address.ts";
import * as ask from "./ask.ts";
import * as cluster from "./cluster.ts";
import { COMMITS } from "./commit.ts";
import * as leader from "./leader.ts";
import * as metadata from "./metadata.ts";
import * as program from "./program.ts";
import { RECORDS } from "./record.ts";
import * as resource from "./resource.ts";

const OF_CLUSTER = [
  cluster.PROBE,
  cluster.PROBE_ACK,
  cluster.PREPARE,
  cluster.PROMISE,
  cluster.NACK,
  cluster.ACCEPT,
  cluster.ACCEPTED,
  cluster.DIGEST,
  cluster.HEARTBEAT,
  cluster.VIEW_ASK,
  cluster.VIEW,
  cluster.DEAD,
] as const;
const OF_ADDRESSES = [
  address.ADDRESS_ASK,
  address.ADDRESS_ORDER,
  address.ADDRESS_REPORT,
  address.ADDRESS_CLEAR,
] as const;
const OF_RESOURCES = [
  resource.RESOURCE_ASK,
  resource.RESOURCE_ORDER,
  resource.RESOURCE_REPORT,
  resource.RESOURCE_CLEAR,
] as const;
const OF_ASK = [ask.ASK, ask.ANSWER] as const;
const OF_LEADER = [leader.LEADER_ASK, leader.LEADER_ANSWER] as const;
const OF_METADATA = [
  metadata.MD_PUBLISH,
  metadata.MD_DIGEST,
  metadata.MD_BUCKETS,
  metadata.MD_STAMPS,
  metadata.MD_RECORDS,
  metadata.MD_ROUND,
  metadata.MD_ROUND_ANSWER,
  metadata.MD_FLOOR,
  metadata.MD_READ,
  metadata.MD_READ_ANSWER,
  metadata.MD_WRITE,
  metadata.MD_WRITE_ANSWER,
] as const;
const OF_PROGRAMS = [
  program.MSG_ACK,
  program.MSG_INTEREST,
  program.MSG_INTEREST_ACK,
  program.MSG_COUNT_ASK,
  program.MSG_COUNT,
] as const;

/** Any message of the cluster machine. */
export type ClusterMessage = MessageOf<(typeof OF_CLUSTER)[number]>;
/** A question to the leader, or its answer. */
export type LeaderMessage = MessageOf<(typeof OF_LEADER)[number]>;
/** Any message of free metadata. */
export type MetadataMessage = MessageOf<(typeof OF_METADATA)[number]>;
/** What nodes say of messages between programs. */
export type ProgramMessage = MessageOf<(typeof OF_PROGRAMS)[number]>;
/** What leader, nodes and supervisors say of public addresses. */
export type AddressMessage = MessageOf<(typeof OF_ADDRESSES)[number]>;
/** What leader, nodes and supervisors say of resources of programs. */
export type ResourceMessage = MessageOf<(typeof OF_RESOURCES)[number]>;
/** A question to a node, or its answer. */
export type AskMessage = MessageOf<(typeof OF_ASK)[number]>;
/** Any message that this version knows. */
export type Message =
  | ClusterMessage
  | LeaderMessage
  | MetadataMessage
  | ProgramMessage
  | AddressMessage
  | ResourceMessage
  | AskMessage;

/** A declaration whose fields do not matter. */
export type SomeDeclaration = Declaration<string, TProperties>;

/** The declarations in groups, in the order of docs/WIRE.md. */
export const GROUPS: readonly {
  readonly title: string;
  readonly declarations: readonly SomeDeclaration[];
}[] = [
  { title: "Leader, document, lease", declarations: OF_CLUSTER },
  { title: "Asked of the leader", declarations: OF_LEADER },
  { title: "Free metadata", declarations: OF_METADATA },
  { title: "Messages between programs", declarations: OF_PROGRAMS },
  { title: "Public addresses", declarations: OF_ADDRESSES },
  { title: "Resources of programs", declarations: OF_RESOURCES },
  { title: "Asked of a node", declarations: OF_ASK },
];

/**
 * Declared like messages, but they travel in layouts of their own (record_layout.ts, commit_layout.ts): no envelope
 * holds one.
 */
export const LAID_OUT: readonly SomeDeclaration[] = [RECORDS, COMMITS];

/** All declarations of what envelopes hold, by kind. */
export const DECLARATIONS: ReadonlyMap<string, SomeDeclaration> = new Map(
  GROUPS.flatMap(({ declarations }) => declarations).map((one) => [one.kind, one]),
);

/** The declarations that a level knows, as it knows them. */
export function declarationsAt(level: number): ReadonlyMap<string, SomeDeclaration> {
  if (level >= LEVEL) return DECLARATIONS;
  const known = [...DECLARATIONS.values()].filter((one) => one.since <= level);
  return new Map(known.map((one) => [one.kind, one.at(level)]));
}
