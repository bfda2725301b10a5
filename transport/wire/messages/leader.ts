/**
 * What is asked of the leader, and its answer. Any node passes such a question on to the leader that it knows.
 *
 *   node ── LEADER_ASK {verbId, command} ──▶ leader ── LEADER_ANSWER {verbId, outcome, text} ──▶ node
 *
 * The verb's id makes a repeated question harmless: what is done already is answered as done.
 *
 * Does NOT promise: an answer. After a silence, ask again with the same id.
 */

import type { TProperties } from "typebox";
import { choice, diskId, flag, list, ms, nodeId, oneOf, optional } from "../fields.ts";
import { record, text, u32, u64, word } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { since } from "../level.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { DbId, Generation, Version, VoterId } from "../terms.ts";
import { ADMIN_FLAGS, COMMIT_CFG, COPIES_MAX, DB_CFG, DB_COPIES } from "./document.ts";
import { DB_MIN_IN_SYNC, DB_SETTINGS, NEWER_FLAGS, NODE, ZONE } from "./document.ts";
import { givenName, inviteId, natsKey, pnn, USER } from "./membership.ts";

/** The form of a verb's id: what asks makes it, 128 bits. */
const VERB_ID = "^[0-9a-f]{32}$";
const verbId = (description: string) => text(description, 32, VERB_ID);
const why = text("The reason, in words; it is kept.");
/** What an administrator may set by hand; a ban has a command of its own. */
const SETTABLE = ADMIN_FLAGS.filter((flag) => flag !== "banned");
const flags = (description: string) =>
  list(description, oneOf("A flag.", SETTABLE, NEWER_FLAGS), 4);

/** A command that came with format 2. */
const newer = <Fields extends TProperties>(title: string, description: string, fields: Fields) =>
  since(2, record(title, description, fields));

/** The commands that came with format 2. */
const MEMBERSHIP_COMMANDS = [
  newer("Finalize", "All nodes know a newer format: from now on it is written.", {
    verb: word("finalize"),
    format: u32("The format.", 0xffff, 2),
  }),
  newer("Invite", "Somebody may join: number, name and id are taken.", {
    verb: word("invite"),
    inviteId: inviteId("The invitation's secret, made by who asks."),
    name: givenName("The node's name."),
    nodeId: nodeId("The node's id, made by who asks."),
    pnn: optional(pnn("A number of one's own choice; missing: the next one.")),
    natsKey: optional(natsKey("The public key of the node.")),
    voter: flag("Shall it vote?"),
    replaces: optional(pnn("The node that goes when this one is there.")),
    expiresWallMs: u64("When it is over; ms since 1970."),
    atWallMs: u64("Now, by the wall clock of the node that was asked: what is over, is forgotten."),
  }),
  newer("Uninvite", "An invitation is taken back.", {
    verb: word("uninvite"),
    inviteId: inviteId("The invitation."),
  }),
  newer("Join", "Somebody comes by an invitation. It is in the view after its first heartbeat.", {
    verb: word("join"),
    inviteId: inviteId("The invitation."),
    nodeId: nodeId("Who comes."),
    diskId: diskId("Its disk."),
    addr: NODE.properties.addr,
    format: u32("The newest format that it knows.", 0xffff, 1),
    atWallMs: u64("Now, by the wall clock of the node that was asked; ms since 1970."),
  }),
  newer("Leave", "A node goes for good, step by step: slots, lead, vote, view, list.", {
    verb: word("leave"),
    pnn: pnn("The node."),
    why,
  }),
  newer("Replace", "A node goes, and another that is there takes its vote.", {
    verb: word("replace"),
    pnn: pnn("The node that goes."),
    by: pnn("The one that takes its place."),
    why,
  }),
  newer("SetCaps", "What a node may be.", {
    verb: word("caps"),
    pnn: pnn("The node."),
    caps: NODE.properties.caps,
    why,
  }),
  newer("SetZone", "Copies of a database go to different zones first.", {
    verb: word("zone"),
    pnn: pnn("The node."),
    zone: optional(text("What fails together with it; missing: nothing is known.", 32, ZONE)),
  }),
  newer("AddUser", "Somebody may use the bus.", {
    verb: word("user_add"),
    user: USER,
  }),
  newer("RemoveUser", "Somebody may use the bus no longer.", {
    verb: word("user_remove"),
    name: givenName("The user's name."),
  }),
] as const;

const dbId = u32<DbId>("The database.");
const epoch = u64<Version>("The epoch that is meant; a later one is left alone.");

/** Commands about databases, which came with format 2. */
const DATABASE_COMMANDS = [
  newer("AttachDatabase", "A database is there from now on, if it is not yet.", {
    verb: word("db_attach"),
    dbId,
    name: DB_CFG.properties.name,
    databaseKind: DB_CFG.properties.kind,
    copies: optional(DB_COPIES),
    minInSync: optional(DB_MIN_IN_SYNC),
    ...DB_SETTINGS,
  }),
  newer("DetachDatabase", "A database goes, with all that is in it.", {
    verb: word("db_detach"),
    dbId,
    since: epoch,
    why,
  }),
  newer("WipeDatabase", "All records of a database go; it begins a new epoch.", {
    verb: word("db_wipe"),
    dbId,
    since: epoch,
    why,
  }),
  newer("SetDatabase", "What is missing stays as it is.", {
    verb: word("db_set"),
    dbId,
    copies: optional(DB_COPIES),
    minInSync: optional(
      u32("In-sync copies that a commit is to need; 0: more than half of the copies.", COPIES_MAX),
    ),
    ...DB_SETTINGS,
  }),
  newer("SetCopies", "Who keeps, leads, and is in sync: the plan of the leader's data thread.", {
    verb: word("db_commit"),
    dbId,
    since: u64<Version>("The epoch that is meant; another one is left alone."),
    from: u64<Version>("It was made from this: the version that changed it last, 0: nothing yet."),
    isNewTerm: flag("Is the version that has this the primary's term?"),
    commit: COMMIT_CFG,
  }),
  newer("Rehome", "Every home asks all members anew what they have: a recovery by hand.", {
    verb: word("rehome"),
    generation: u64<Generation>("The view that is meant; a later one is left alone."),
    why,
  }),
] as const;

/** The commands to a leader. */
export const LEADER_COMMANDS = [
  record("Yield", "Lead no longer, after a last digest.", {
    verb: word("yield"),
    to: optional(nodeId("Who shall lead; missing: whoever ranks first.")),
    why,
  }),
  record("BanNode", "Take a node out of the view for a time. Never a majority of the voters.", {
    verb: word("ban"),
    pnn: pnn("The node."),
    banMs: ms("How long."),
    why,
  }),
  record("UnbanNode", "End a ban before its time.", {
    verb: word("unban"),
    pnn: pnn("The node."),
  }),
  record("Blame", "Somebody saw a node fail; enough of it leads to a ban.", {
    verb: word("blame"),
    pnn: pnn("The node."),
    credits: u32("How grave.", 4096, 1),
    why,
  }),
  record("SetFlags", "Change what is decided about a node.", {
    verb: word("flags"),
    pnn: pnn("The node."),
    set: flags("Flags that are set."),
    clear: flags("Flags that are cleared."),
    why,
  }),
  record("AddNode", "A node becomes known; it is not in the view before its first heartbeat.", {
    verb: word("node_add"),
    nodeId: nodeId("The node."),
    name: NODE.properties.name,
    addr: NODE.properties.addr,
    caps: NODE.properties.caps,
  }),
  record("RemoveNode", "A node is forgotten; its number is not given again.", {
    verb: word("node_remove"),
    pnn: pnn("The node."),
    why,
  }),
  record("AddVoter", "A node gets a vote.", {
    verb: word("voter_add"),
    nodeId: nodeId("The node."),
  }),
  record("RemoveVoter", "A node loses its vote.", {
    verb: word("voter_remove"),
    voterId: u32<VoterId>("The vote.", 4095, 1),
  }),
] as const;

const COMMAND = choice("What is wanted.", [
  ...LEADER_COMMANDS,
  ...MEMBERSHIP_COMMANDS,
  ...DATABASE_COMMANDS,
]);
const verbOf = ({ properties }: { readonly properties: { readonly verb: unknown } }) =>
  (properties.verb as { const: string }).const;
/** The verbs of commands about databases. */
export const DATABASE_VERBS: readonly string[] = DATABASE_COMMANDS.map(verbOf);
/** The verbs of commands that are refused while the document's format is 1; `finalize` ends that. */
export const FORMAT_2_VERBS: readonly string[] = [
  ...MEMBERSHIP_COMMANDS.map(verbOf).filter((verb) => verb !== "finalize"),
  ...DATABASE_VERBS,
];
/** A command to a leader, told apart by `verb`. */
export type LeaderCommand = Shaped<typeof COMMAND>;

/** How a command ended. */
export const OUTCOMES = ["done", "going_on", "refused", "not_leader"] as const;
/** One of OUTCOMES. */
export type Outcome = (typeof OUTCOMES)[number];

/** Node to leader: do this. */
export const LEADER_ASK = declare("leader_ask", {
  class: "n",
  doc: "Node to leader: do this. Repeated with the same `verbId` until an answer comes.",
  fields: { verbId: verbId("The verb, the same in every repetition."), command: COMMAND },
});
/** Node to leader: do this. */
export type LeaderAsk = MessageOf<typeof LEADER_ASK>;

/** Leader to node: what became of it. */
export const LEADER_ANSWER = declare("leader_answer", {
  class: "n",
  doc: "Leader, or a node that is none, to node: what became of LEADER_ASK.",
  fields: {
    verbId: verbId("Of the question."),
    outcome: oneOf(
      "done: in an effective document. going_on: ask again. refused: nothing was changed. " +
        "not_leader: ask `leader`, if it is there.",
      OUTCOMES,
    ),
    text: text("What there is to say of it: the reason, or the step that it waits for."),
    leader: optional(nodeId("Who leads, as far as is known.")),
    version: optional(u64<Version>("The document with the change.")),
  },
});
/** Leader to node: what became of it. */
export type LeaderAnswer = MessageOf<typeof LEADER_ANSWER>;
