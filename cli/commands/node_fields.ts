/**
 * What is declared of nodes: as others see them, and by their own word. Commands about nodes and the cluster share it.
 *
 * Does NOT promise: a field that the daemon does not send; it is null then.
 */

import { RUNSTATES } from "../../transport/wire/messages/cluster.ts";
import { roleText, versionText } from "../answers.ts";
import { NODE_CONDITIONS } from "../conditions.ts";
import { ERROR, type RowOf, rows, type TableColumn } from "../result.ts";
import { counts, flag, int, maybe, ms, type Shape, text, u64, word } from "../schema.ts";

/** One node, as another one sees it. */
export const NODE_FIELDS = {
  pnn: int("Pnn", "number of the node"),
  name: text("Node", "its name"),
  addr: text("Address", "where its services are reached"),
  condition: word("Condition", "how it is, in one word", NODE_CONDITIONS),
  isLeader: flag("Leader", "does it lead?"),
  isVoter: flag("Voter", "has it a vote?"),
  isMember: flag("Member", "is it in the view?"),
  isThis: flag("This", "is it the node that was asked?"),
  zone: maybe(text("Zone", "what fails together with it; null: nothing is known")),
  incarnation: maybe(u64("Life", "the incarnation that is in the view; null: none is")),
  runstate: maybe(word("Runstate", "how far its daemon is, as heard last", RUNSTATES)),
  heardMsAgo: maybe(ms("Heard, ms ago", "since its last heartbeat; null: none comes here")),
  why: maybe(text("Why", "what is wrong with it")),
  nodeId: text("Id", "32 hex digits, its own for ever"),
  tag: text("Tag", "its name in subjects of NATS, made of the id"),
};

/** The columns of nodes for people. */
export const NODE_TABLE: readonly (string | TableColumn<Shape<typeof NODE_FIELDS>>)[] = [
  "pnn",
  "name",
  "addr",
  "condition",
  { name: "role", title: "Role", text: (node) => roleText(node) },
  { name: "zone", whenSet: true },
  "incarnation",
  "runstate",
  "heardMsAgo",
  { name: "why", whenSet: true },
];

/** What a node says of itself. All may be unknown: a node that belongs to no cluster has no name yet. */
export const OWN_FIELDS = {
  pnn: maybe(int("Number", "number of the node; null: it belongs to no cluster")),
  name: maybe(text("Node", "its name")),
  nodeId: maybe(text("Id", "32 hex digits, its own for ever")),
  tag: maybe(text("Tag", "its name in subjects of NATS, made of the id")),
  runstate: maybe(word("Runstate", "how far its daemon is", RUNSTATES)),
  condition: maybe(word("Condition", "how it is, in one word", NODE_CONDITIONS)),
  healthy: maybe(flag("Healthy", "by its own judgement")),
  why: maybe(text("Why", "what is wrong with it")),
  leader: maybe(text("Leader", "whom it takes for the leader; null: nobody")),
  isLeader: maybe(flag("Leads", "does it lead?")),
  serving: maybe(flag("Serving", "may it serve volatile records now?")),
  leaseMsLeft: maybe(ms("Lease left, ms", "until its lease ends, if it is not renewed")),
  generation: maybe(u64("View", "the view that it has adopted")),
  version: maybe(u64("Version", "of the document that it has adopted")),
  incarnation: maybe(u64("Life", "the incarnation of its daemon")),
  promised: maybe(text("Promised", "the newest token it has promised to follow, counter.voter.n")),
  bus: maybe(word("NATS", "its connection to NATS", ["connected", "disconnected"])),
  disk: maybe(text("Disk", "ok, or why it cannot write its state")),
  messagesSent: maybe(int("Messages sent", "over NATS, in this life")),
  messagesReceived: maybe(int("Messages received", "over NATS, in this life")),
  messagesRefused: maybe(int("Messages refused", "received ones that were not believed")),
  refusedFor: maybe(counts("Refused for", "the refused ones by reason")),
  eventsDropped: maybe(int("Events dropped", "which no watcher took in time")),
};

/** A node's own word. */
export type OwnAnswer = Shape<typeof OWN_FIELDS>;

const VIEW = { name: "generation", text: view };

function view({ generation }: OwnAnswer): string | undefined {
  return versionText(generation ?? undefined);
}

/** The lines of one node's own word. */
export const OWN_TABLE: readonly (string | TableColumn<OwnAnswer>)[] = [
  "name",
  "pnn",
  "tag",
  "runstate",
  "condition",
  "why",
  "leader",
  "serving",
  "leaseMsLeft",
  VIEW,
  "incarnation",
  "promised",
  "bus",
  "disk",
  "messagesSent",
  "messagesReceived",
  "messagesRefused",
  { name: "refusedFor", text: ({ refusedFor }) => countsText(refusedFor ?? {}) },
  "eventsDropped",
];

function countsText(of: Readonly<Record<string, number>>): string | undefined {
  const parts = Object.entries(of).map(([code, count]) => `${code} ${count}`);
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** What of it is a column when several nodes are asked. */
export const OWN_COLUMNS: readonly (string | TableColumn<OwnAnswer>)[] = [
  "runstate",
  "condition",
  "leader",
  "serving",
  { name: "leaseMsLeft", title: "Lease, ms" },
  VIEW,
  "incarnation",
  "bus",
  "disk",
  { name: "messagesRefused", title: "Refused" },
];

/** Nodes by their own word, several at once. */
export const OWN_ROWS = rows({ ...OWN_FIELDS, error: ERROR }, {
  table: [{ name: "pnn", title: "Pnn" }, "name", ...OWN_COLUMNS, { name: "error", whenSet: true }],
});

/** One of them. */
export type OwnRow = RowOf<typeof OWN_ROWS>;
