/**
 * The messages by which a leader becomes effective, members keep their leases, and certain death is told.
 *
 *   candidate  PROBE ──▶ voters                  PROBE_ACK ──▶ candidate
 *   leader     PREPARE ──▶ voters, members       PROMISE or NACK ──▶ leader
 *              ACCEPT ──▶ voters, members        ACCEPTED or NACK ──▶ leader
 *              DIGEST ──▶ each node              HEARTBEAT ──▶ leader, voters
 *   node       VIEW_ASK ──▶ node                 VIEW ──▶ node
 *   supervisor DEAD ──▶ voters
 *
 * Whom a message is from stands in its envelope, and the server vouches for it by its subject.
 *
 * Does NOT promise: any rule of acceptance; those are in actors/machines/cluster.
 */

import { as, diskId, flag, list, ms, oneOf, optional, record, text, u32, u64 } from "../fields.ts";
import type { Shaped } from "../fields.ts";
import { since } from "../level.ts";
import { DOCUMENT_MAX } from "../limits.ts";
import { declare } from "../message.ts";
import type { MessageOf } from "../message.ts";
import type { Generation, Incarnation, Token, Version } from "../terms.ts";
import { DOCUMENT } from "./document.ts";
import { pnn } from "./membership.ts";

/** How far a node is with its start or its end. Upstream: ctdb runstates. */
export const RUNSTATES = [
  "init",
  "setup",
  "first_recovery",
  "startup",
  "running",
  "shutdown",
] as const;
/** One of RUNSTATES. */
export type Runstate = (typeof RUNSTATES)[number];

/** What a node says of itself. */
export const HEALTH = record("Health", "What a node says of itself.", {
  healthy: flag("May it lead, and serve addresses?"),
  runstate: oneOf("How far it is.", RUNSTATES),
  why: optional(text("What is wrong, when it is not healthy.")),
});
/** What a node says of itself. */
export type Health = Shaped<typeof HEALTH>;

/** A document and the few fields beside it, bytes. */
export const DOCUMENT_MESSAGE_MAX: number = DOCUMENT_MAX + 1024;
const incarnation = (description: string) => u64<Incarnation>(description);
const token = (description: string) => u64<Token>(description);

/** Candidate to voters: is there a leader? */
export const PROBE = declare("probe", {
  class: "n",
  doc:
    "Candidate to voters: when did you last hear of a leader? Changes nothing. Again after 120 ms.",
  fields: { nonce: u32("Tells the answers to this question from others.") },
});
/** Candidate to voters: is there a leader? */
export type Probe = MessageOf<typeof PROBE>;

/** A voter's answer, for itself. */
export const PROBE_ACK = declare("probe_ack", {
  class: "n",
  doc: "Voter to candidate: the answer to PROBE. An acting leader says age 0 and its own token.",
  fields: {
    nonce: u32("Of the question."),
    ageMs: ms("How long ago the last sign of a leader came, by the voter's clock."),
    token: token("The leader's token of that sign; 0: none since the start."),
    promised: token("The highest token that this voter promised."),
  },
});
/** A voter's answer, for itself. */
export type ProbeAck = MessageOf<typeof PROBE_ACK>;

/** Leader to voters and members: phase 1. */
export const PREPARE = declare("prepare", {
  class: "n",
  doc: "Leader to voters and members: promise me. Repeated each 150 ms until a majority has.",
  fields: { token: token("The leader's token, durable at the leader before.") },
});
/** Leader to voters and members: phase 1. */
export type Prepare = MessageOf<typeof PREPARE>;

/** Voter to leader: durable promise, and what it has. */
export const PROMISE = declare("promise", {
  class: "n",
  doc: "Voter to leader: no lower token gets anything from me any more. Durable before it is sent.",
  bytesMax: DOCUMENT_MESSAGE_MAX,
  fields: {
    token: token("Which PREPARE this answers."),
    accepted: optional(as("The newest document that it accepted; missing: none yet.", DOCUMENT)),
    adoptedGeneration: u64<Generation>("Generation of the document it adopted; 0: none yet."),
    ageMs: ms("How long ago the last DIGEST of a lower token came (at most 5 s is said)."),
    incarnation: incarnation("The life of the voter."),
  },
});
/** Voter to leader: durable promise, and what it has. */
export type Promise_ = MessageOf<typeof PROMISE>;

/** Voter or member to leader: somebody else is ahead. */
export const NACK = declare("nack", {
  class: "n",
  doc: "Voter or member to leader: I promised a higher token than yours. The leader steps down.",
  fields: { promised: token("The token that was promised.") },
});
/** Voter or member to leader: somebody else is ahead. */
export type Nack = MessageOf<typeof NACK>;

/** Leader to voters and members: phase 2. */
export const ACCEPT = declare("accept", {
  class: "n",
  doc: "Leader to voters and members: a proposal. Repeated each 60 ms until it is effective.",
  bytesMax: DOCUMENT_MESSAGE_MAX,
  fields: { doc: as("The proposal; its version holds the token.", DOCUMENT) },
});
/** Leader to voters and members: phase 2. */
export type Accept = MessageOf<typeof ACCEPT>;

/** Voter or member to leader: the proposal is on disk. */
export const ACCEPTED = declare("accepted", {
  class: "n",
  doc:
    "Voter or member to leader: the proposal is on my disk, and I have stopped serving by another view.",
  fields: {
    version: u64<Version>("Of the proposal."),
    incarnation: incarnation("The life of the one that accepted."),
  },
});
/** Voter or member to leader: the proposal is on disk. */
export type Accepted = MessageOf<typeof ACCEPTED>;

/** The heartbeat that a digest answers. */
export const ECHO = record("Echo", "The heartbeat of the receiver that a digest answers.", {
  tMs: ms("Its time, by the receiver's clock: the lease runs from there."),
  incarnation: incarnation("The life that sent it."),
});
/** The heartbeat that a digest answers. */
export type Echo = Shaped<typeof ECHO>;

/** Leader to one node: what is in force, and the lease. */
export const DIGEST = declare("digest", {
  class: "n",
  doc:
    "Leader to each node, every 250 ms and after each change: what is in force. With `echo` it extends the " +
    "receiver's lease. Before the first effective document it has neither `doc` nor `echo`.",
  bytesMax: DOCUMENT_MESSAGE_MAX,
  fields: {
    token: token("The leader's token."),
    version: u64<Version>("Of the newest effective document; 0: none of this leader yet."),
    coreVersion: u64<Version>("Its last change outside of `dbs`."),
    generation: u64<Generation>("Its last change of the view."),
    doc: optional(as("The document itself, when the receiver is not known to have it.", DOCUMENT)),
    dsMs: ms("The leader's clock; comes back in heartbeats."),
    echo: optional(ECHO),
  },
});
/** Leader to one node: what is in force, and the lease. */
export type Digest = MessageOf<typeof DIGEST>;

/** Nodes that one heartbeat tells of; further ones wait until those have gone. */
export const LEFT_MAX = 64;
/** What is still at a node. */
export const LEFT_AT = record("LeftAt", "What is still at a node that stops or drains.", {
  pnn: pnn("That node."),
  count: u32("Records that it has, and slots that are not open; 0: it may go."),
});
/** What is still at a node. */
export type LeftAt = Shaped<typeof LEFT_AT>;

/** What homes know of nodes that stop. */
export const LEFT = record("Left", "What the homes of the sender know to be at nodes that go.", {
  generation: u64<Generation>("The view by which it is known."),
  nodes: list("The nodes that stop or drain.", LEFT_AT, LEFT_MAX),
});
/** What homes know of nodes that stop. */
export type Left = Shaped<typeof LEFT>;

/** Node to leader and voters: I am here. */
export const HEARTBEAT = declare("heartbeat", {
  class: "n",
  doc: "Node to leader and voters, every 250 ms and at the first DIGEST of a token.",
  fields: {
    tMs: ms("The sender's clock; comes back in digests."),
    incarnation: incarnation("The sender's life."),
    diskId: diskId("The disk that its vote is on."),
    promised: token("The highest token that it promised."),
    dsToken: optional(
      token("Token of the digest that `dsMs` is from; always equal to `promised`."),
    ),
    dsMs: optional(ms("The leader's clock in the last digest of that token.")),
    health: HEALTH,
    left: since(2, optional(LEFT)),
  },
});
/** Node to leader and voters: I am here. */
export type Heartbeat = MessageOf<typeof HEARTBEAT>;

/** Node to node: send me the document in force. */
export const VIEW_ASK = declare("view_ask", {
  class: "n",
  doc: "Node to node: send me the effective document that you adopted.",
  fields: {},
});
/** Node to node: send me the document in force. */
export type ViewAsk = MessageOf<typeof VIEW_ASK>;

/** Node to node: the document in force. */
export const VIEW = declare("view", {
  class: "n",
  doc:
    "Node to node: the effective document that I adopted. Never a lease, and no sign of a leader.",
  bytesMax: DOCUMENT_MESSAGE_MAX,
  fields: { doc: as("The document.", DOCUMENT) },
});
/** Node to node: the document in force. The record of a document's members is messages/document.ts View. */
export type ViewMessage = MessageOf<typeof VIEW>;

/** Supervisor to voters: this life is over, certainly. */
export const DEAD = declare("dead", {
  class: "n",
  doc:
    "Supervisor to voters, 20 times, every 250 ms: this life is over and fenced. It never becomes false.",
  fields: {
    pnn: pnn("The node."),
    incarnation: incarnation("The life that ended; every earlier one has ended, too."),
    tMs: ms("When, by the node's clock: later messages of that life would be a breach."),
  },
});
/** Supervisor to voters: this life is over, certainly. */
export type Dead = MessageOf<typeof DEAD>;
