/**
 * The document: what the leader decides, in one piece. Effective when a majority of the voters has it on disk under the
 * leader's token.
 *
 *   Document ── voters ── voterChange?
 *      ├─ nodes: who may be a member, with address and admin flags
 *      ├─ view: members (pnn, incarnation), prevMembers, 1024 slots with their homes, maxInc
 *      └─ dbs, publicIps
 *
 * Documents are values: a change makes a new one. Which change is a new view, and when it may be proposed, is the
 * cluster machine's business.
 *
 * Does NOT promise: that a document of this form is consistent; the machine's asserts judge that.
 */

import {
  as,
  clusterId,
  diskId,
  flag,
  list,
  ms,
  nodeId,
  oneOf,
  optional,
  pooled,
} from "../fields.ts";
import { record, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { since } from "../level.ts";
import { DATABASE_NAME_MAX, DATABASES_MAX, NODES_MAX, PUBLIC_IPS_MAX } from "../limits.ts";
import { GONE_MAX, INVITATIONS_MAX, SLOTS, USERS_MAX, VOTERS_MAX } from "../limits.ts";
import type { DbId, Generation, Incarnation, Version, VoterId } from "../terms.ts";
import { GONE, INVITATION, JOINED, LEAVINGS, natsKey, pnn, USER } from "./membership.ts";

/** The form of a node's address, host and port; the host is a name, an IPv4 or a bracketed IPv6 address. */
const ADDR =
  "^(?:[A-Za-z0-9.-]{1,253}|\\[[0-9a-fA-F:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?\\]):[0-9]{1,5}$";
/** The form of a database's name. */
export const DATABASE_NAME: string = `^[A-Za-z0-9._-]{1,${DATABASE_NAME_MAX}}$`;

/** What an administrator, or the leader on his behalf, has decided about a node. */
export const ADMIN_FLAGS = ["stopped", "banned", "draining", "deleted"] as const;
/** Flags that came later, by the level that brought them. */
export const NEWER_FLAGS = { 2: ["disabled"] } as const;
/** A flag. */
export type AdminFlag = (typeof ADMIN_FLAGS)[number] | (typeof NEWER_FLAGS)[2][number];

/** One life of a node. */
export const MEMBER = record("Member", "One life of a node; views name these, never a pnn alone.", {
  pnn: pnn("The node's number."),
  incarnation: u64<Incarnation>("The life."),
});
/** One life of a node. */
export type Member = Shaped<typeof MEMBER>;

/** Who may vote. */
export const VOTER = record("Voter", "A node with a vote.", {
  voterId: u32<VoterId>("Number in tokens; never used again in a cluster.", 4095, 1),
  nodeId: nodeId("The node."),
  diskId: optional(
    diskId("The disk with its vote; another disk is no voter. Missing: not seen yet."),
  ),
});
/** A node with a vote. */
export type Voter = Shaped<typeof VOTER>;

/** A change of the voters that is not done yet. */
export const VOTER_CHANGE = record(
  "VoterChange",
  "One voter comes or goes; until it is done, majorities of the old and of the new set are needed.",
  {
    add: optional(as("The voter that comes; not among `voters` yet.", VOTER)),
    remove: optional(as("The voter that goes; still among `voters`.", VOTER)),
  },
);
/** A change of the voters that is not done yet. */
export type VoterChange = Shaped<typeof VOTER_CHANGE>;

/** Why a node is banned, and for how long. */
export const BAN = record("Ban", "Why a node is banned, and for how long.", {
  why: text("The reason, in words."),
  banMs: ms("How long; every leader counts it from when it first saw it, by its own clock."),
  count: u32("How many bans in a row; each lasts longer than the one before.", 1_000_000, 1),
  version: u64<Version>("The version that banned it: tells one ban from the next."),
});
/** Why a node is banned, and for how long. */
export type Ban = Shaped<typeof BAN>;

/** A node of the cluster. */
export const NODE = record("Node", "A node of the cluster, member or not.", {
  pnn: pnn("Its number."),
  nodeId: nodeId("Its id, which no merge changes."),
  name: text("What people call it; host name by default."),
  addr: text("Where its server listens: host:port.", 300, ADDR),
  adminFlags: list("What was decided about it.", oneOf("A flag.", ADMIN_FLAGS, NEWER_FLAGS), 5),
  ban: optional(BAN),
  caps: list(
    "What it can be, as words: leader, lmaster. Words that are not known are kept.",
    text("A word.", 32, "^[a-z][a-z0-9_]{0,31}$"),
    16,
  ),
  since: u64<Version>("Version in which its present incarnation entered the view; 0: not in it."),
  natsKey: since(2, optional(natsKey("The public key by which the server knows it."))),
  joined: since(2, optional(as("How it came; missing: it was there from the start.", JOINED))),
  wantsVote: since(2, optional(flag("It gets a vote when it is in the view."))),
  replaces: since(2, optional(pnn("The node that goes when this one is in the view."))),
  leaving: since(2, optional(oneOf("It is on its way out, for good.", LEAVINGS))),
});
/** A node of the cluster. */
export type DocumentNode = Shaped<typeof NODE>;

/** Where a slot was before. */
export const SLOT_FROM = record(
  "SlotFrom",
  "The home of a slot before, if that is still a member.",
  {
    pnn: pnn("The node's number."),
    incarnation: u64<Incarnation>("Its life."),
    slotGen: u64<Generation>("The slotGen of that time."),
  },
);
/** The home of a slot before. */
export type SlotFrom = Shaped<typeof SLOT_FROM>;

/** One of the 1024 slots. */
export const SLOT = record("Slot", "One slot of the vnnmap.", {
  home: as("The member that serialises requests for its keys (lmaster).", MEMBER),
  slotGen: u64<Generation>("Generation in which the home last changed."),
  from: optional(as("The home before, if it is still a member.", SLOT_FROM)),
});
/** One slot of the vnnmap. */
export type Slot = Shaped<typeof SLOT>;

const members = (description: string) => list(description, MEMBER, NODES_MAX);

/** Who is in, and who is home of what. */
export const VIEW = record("View", "Who is in, and who is home of which slot.", {
  members: members("The members."),
  prevMembers: members("Members of views before that must have accepted, be dead or waited out."),
  slots: pooled("The vnnmap; none before the first member.", SLOT, SLOTS),
  maxInc: members(
    "Per pnn the highest incarnation that ever was a member; only a higher one may join.",
  ),
});
/** Who is in, and who is home of which slot. */
export type View = Shaped<typeof VIEW>;

/** A database, as far as the cluster knows it. */
export const DB_CFG = record("DbCfg", "A database.", {
  dbId: u32<DbId>("Jenkins hash of its name with the NUL."),
  name: text("Its name.", DATABASE_NAME_MAX, DATABASE_NAME),
  kind: oneOf("How it is kept.", ["volatile", "replicated", "persistent"]),
});
/** A database, as far as the cluster knows it. */
export type DbCfg = Shaped<typeof DB_CFG>;

/** An address that moves between nodes. */
export const PUBLIC_IP = record("PublicIp", "An address that moves between nodes.", {
  ip: text("IPv4 or IPv6, as text.", 45, "^[0-9a-fA-F:.]{2,45}$"),
  maskBits: u32("Length of the network's prefix, bits.", 128),
});
/** An address that moves between nodes. */
export type PublicIp = Shaped<typeof PUBLIC_IP>;

/** What the leader decides, in one piece. */
export const DOCUMENT = record("Document", "What the leader decides, in one piece.", {
  version: u64<Version>("token + n, n = 1, 2, .. in the low 20 bits."),
  parent: u64<Version>("Version of the document that this one was made from; 0: of none."),
  generation: u64<Generation>("Version of the last change of the view."),
  coreVersion: u64<Version>("Version of the last change outside of `dbs`."),
  clusterId: clusterId("Which cluster."),
  voters: list("Who votes.", VOTER, VOTERS_MAX, 1),
  voterChange: optional(VOTER_CHANGE),
  nodes: list("All nodes.", NODE, NODES_MAX),
  view: VIEW,
  dbs: list("The databases.", DB_CFG, DATABASES_MAX),
  publicIps: list("The public addresses.", PUBLIC_IP, PUBLIC_IPS_MAX),
  format: since(2, optional(u32("Format of documents and files; missing: 1.", 0xffff, 2))),
  pnnNext: since(2, optional(pnn("The number of the next node; no lower one is given again."))),
  voterIdNext: since(
    2,
    optional(u32("The number of the next vote; no lower one is given again.", 4096, 1)),
  ),
  invitations: since(
    2,
    optional(list("Who may join.", INVITATION, INVITATIONS_MAX)),
  ),
  gone: since(2, optional(list("Who went for good, oldest first.", GONE, GONE_MAX))),
  users: since(2, optional(list("Who uses the bus and is no node.", USER, USERS_MAX))),
});
/** What the leader decides, in one piece. */
export type Document = Shaped<typeof DOCUMENT>;
