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
import { VOLATILE_HASH_SIZE_MAX } from "../limits.ts";
import { GONE_MAX, INVITATIONS_MAX, SLOTS, USERS_MAX, VOTERS_MAX } from "../limits.ts";
import type { DbId, Generation, Incarnation, Version, VoterId } from "../terms.ts";
import { GONE, INVITATION, JOINED, LEAVINGS, natsKey, pnn, USER } from "./membership.ts";

/** The form of a node's address, host and port; the host is a name, an IPv4 or a bracketed IPv6 address. */
const ADDR =
  "^(?:[A-Za-z0-9.-]{1,253}|\\[[0-9a-fA-F:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?\\]):[0-9]{1,5}$";
/** The form of a database's name; files are named by it. */
export const DATABASE_NAME: string = `^[A-Za-z0-9_-][A-Za-z0-9._-]{0,${DATABASE_NAME_MAX - 1}}$`;

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

/** The form of a zone: a rack, a room, a site. */
export const ZONE = "^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$";

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
  zone: since(2, optional(text("What fails together with it, as a word.", 32, ZONE))),
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
  stopping: since(
    2,
    optional(
      list("Members that stop: the others take over what is theirs.", pnn("One."), NODES_MAX),
    ),
  ),
});
/** Who is in, and who is home of which slot. */
export type View = Shaped<typeof VIEW>;

/** How a database is kept. */
export const DATABASE_KINDS = ["volatile", "replicated", "persistent"] as const;
/** What nodes may do by themselves, or always do, or never. */
export const SWITCHES = ["auto", "on", "off"] as const;

/** What may be set of a database. */
export const DB_SETTINGS = {
  readonly: optional(oneOf("Do nodes let others read copies? Missing: auto.", SWITCHES)),
  sticky: optional(oneOf("Does a contended record stay for a while? Missing: auto.", SWITCHES)),
  hashSize: optional(
    u32(
      "Hash chains of files that are made from now on; missing: 100001.",
      VOLATILE_HASH_SIZE_MAX,
      1,
    ),
  ),
};

/** Copies of a persistent or replicated database at most. */
export const COPIES_MAX = 16;
/** Copies that are wanted when nothing is said. */
export const COPIES_WANTED = 3;
/** A copy's id: of the disk; of a replicated database the life. */
const COPY_ID = "^[!-~]{1,32}$";

/** Who keeps a persistent or replicated database, who leads it, who is in sync. */
export const COMMIT_CFG = record(
  "CommitCfg",
  "Who keeps a database, who leads it, who is in sync.",
  {
    m: u32("In-sync copies that a commit needs.", COPIES_MAX, 1),
    lineage: u64("The history."),
    parent: optional(
      record("Fork", "Where a history branched off.", {
        lineage: u64("The one before."),
        seq: u64("The last entry that both have."),
        chain: u64("Its chain."),
      }),
    ),
    replicas: list("Nodes that keep a copy.", pnn("One."), COPIES_MAX),
    primary: pnn("Who orders the transactions."),
    primaryInc: u64<Incarnation>("Its life."),
    term: u64<Version>("The version that made it the primary."),
    isr: list(
      "Copies that have all that is committed.",
      record("InSync", "One of them.", {
        pnn: pnn("The node."),
        id: text("The disk; of a replicated database the life.", 32, COPY_ID),
      }),
      COPIES_MAX,
      1,
    ),
    reqSeen: u32("The highest request of this term's primary that is decided."),
    changed: u64<Version>("The version that changed this last."),
    unsure: optional(
      flag("It may be old, as the cluster was led on by force: nobody leads by it alone."),
    ),
  },
);
/** Who keeps a persistent or replicated database, who leads it, who is in sync. */
export type CommitCfg = Shaped<typeof COMMIT_CFG>;

/** How many copies a persistent or replicated database is to have. */
export const DB_COPIES = u32("Copies wanted; missing: 3.", COPIES_MAX, 1);
/** How many in-sync copies a commit is to need at least. */
export const DB_MIN_IN_SYNC = u32(
  "In-sync copies that a commit is to need; missing: more than half of the copies.",
  COPIES_MAX,
  1,
);

/** A database, as far as the cluster knows it. */
export const DB_CFG = record("DbCfg", "A database.", {
  dbId: u32<DbId>("Jenkins hash of its name with the NUL."),
  name: text("Its name.", DATABASE_NAME_MAX, DATABASE_NAME),
  kind: oneOf("How it is kept.", DATABASE_KINDS),
  since: since(
    2,
    optional(u64<Version>("Its epoch: the version that attached it, or emptied it last.")),
  ),
  attached: since(
    2,
    optional(u64<Version>("The version that attached it; missing: it was not emptied since.")),
  ),
  readonly: since(2, DB_SETTINGS.readonly),
  sticky: since(2, DB_SETTINGS.sticky),
  hashSize: since(2, DB_SETTINGS.hashSize),
  copies: since(2, optional(DB_COPIES)),
  minInSync: since(2, optional(DB_MIN_IN_SYNC)),
  commit: since(2, optional(as("Of a persistent or replicated one that has begun.", COMMIT_CFG))),
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

/** A cluster that was led on without a majority of its voters. */
export const FORCED = record("Forced", "A cluster that was led on without most of its voters.", {
  count: u32("How often that was done.", 0xffff, 1),
  by: nodeId("The node that did it."),
  from: u64<Version>("The document that it knew; what came after that is given up."),
  version: u64<Version>("The first version after it."),
  atWallMs: u64("When, by that node's wall clock; ms since 1970."),
});
/** A cluster that was led on without a majority of its voters. */
export type Forced = Shaped<typeof FORCED>;

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
  forced: since(2, optional(as("It was led on by force, the last time.", FORCED))),
});
/** What the leader decides, in one piece. */
export type Document = Shaped<typeof DOCUMENT>;
