/**
 * What is asked of the leader, and its answer. Any node passes such a question on to the leader that it knows.
 *
 *   node ── LEADER_ASK {verbId, command} ──▶ leader ── LEADER_ANSWER {verbId, outcome, text} ──▶ node
 *
 * The verb's id makes a repeated question harmless: what is done already is answered as done.
 *
 * Does NOT promise: an answer. After a silence, ask again with the same id.
 */

import { choice, list, ms, nodeId, oneOf, optional, record, text, u32, u64 } from "../fields.ts";
import { word } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { Version, VoterId } from "../terms.ts";
import { ADMIN_FLAGS, NODE, pnn } from "./document.ts";

/** The form of a verb's id: what asks makes it, 128 bits. */
const VERB_ID = "^[0-9a-f]{32}$";
const verbId = (description: string) => text(description, 32, VERB_ID);
const why = text("The reason, in words; it is kept.");
/** What an administrator may set by hand; a ban has a command of its own. */
const SETTABLE = ADMIN_FLAGS.filter((flag) => flag !== "banned");
const flags = (description: string) => list(description, oneOf("A flag.", SETTABLE), 3);

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

const COMMAND = choice("What is wanted.", [...LEADER_COMMANDS]);
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
