/**
 * Nodes on their way in and out: votes that are promised, nodes that leave, and those that take another's place.
 *
 *   leave    draining ─▶ slots, records, copies elsewhere ─▶ [leads: yields] ─▶ vote gone ─▶ out of the view ─▶ gone
 *   replace  the new one is in the view ─▶ vote moved in one change of voters ─▶ the old one leaves
 *
 * Each step is one document, and what is to come stands in it; so any new leader goes on where the old one was.
 *
 * Does NOT promise: haste. A step waits for what it needs: a majority that answers, a member that is there.
 */
import { GONE_MAX, VOTERS_MAX } from "../../../transport/wire/limits.ts";
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { Voter } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import type { Gone, Leaving } from "../../../transport/wire/messages/membership.ts";
import type { NodeId, Pnn, Version, VoterId } from "../../../transport/wire/terms.ts";
import { withNode } from "./ban.ts";
import { FORMAT_FIRST, formatOf, hasSlots, isActive, isStaying, lifeOf } from "./document.ts";
import { majorityOf } from "./document.ts";
import { nodeById, nodeByPnn, voterIdNextOf, voterOf } from "./document.ts";
import { heldForLeave } from "./held.ts";
import type { Lead } from "./lead.ts";
import { recordsAt } from "./left.ts";
import type { ClusterState } from "./state.ts";
import { VOTER_ID_END } from "./token.ts";

/** What a node on its way out waits for. */
export type LeaveStep = "slots" | "records" | "copies" | "lead" | "vote" | "view" | "list" | "gone";

/**
 * Does a node answer, lately: within `withinMs`? This one does; one whose end is certified does not, whatever it said a
 * moment ago.
 */
function answers(state: ClusterState, nodeId: NodeId, withinMs: number): boolean {
  const { me, peers, nowMs, timing, deadInc, rules, lead } = state;
  if (nodeId === me) return true;
  const peer = peers.get(nodeId);
  if (peer === undefined || nowMs - peer.recvMs > withinMs) return false;
  // A leader that was stopped itself finds old heartbeats in its mailbox; what they report has its own time.
  const isOld = lead !== undefined &&
    (peer.dsToken !== lead.token || nowMs - peer.dsMs > withinMs + timing.beatMs);
  return !isOld && !rules.isDead(deadInc.get(nodeId), peer.incarnation);
}

/** Is the disk that answers the one with the vote? Another one forgot what it promised. */
function isItsDisk(state: ClusterState, { nodeId, diskId }: Pick<Voter, "nodeId" | "diskId">) {
  const present = nodeId === state.me ? state.durable.diskId : state.peers.get(nodeId)?.diskId;
  return diskId === undefined || diskId === present;
}

/**
 * Why these must not be all the voters that there are: a majority of them must answer within `withinMs`, and somebody
 * stay. One that leaves counts as long as it has its vote: they go one after the other.
 */
export function quorumRefusal(
  state: ClusterState,
  doc: Document,
  left: readonly Pick<Voter, "nodeId" | "diskId">[],
  withinMs: number = state.timing.deadMs,
): string | undefined {
  if (left.length === 0) return "it is the last voter: give another node a vote first";
  const silent: string[] = [];
  const elsewhere: string[] = [];
  for (const voter of left) {
    const node = nodeById(doc, voter.nodeId);
    const isHere = node !== undefined && isActive(node) && answers(state, voter.nodeId, withinMs);
    if (!isHere) silent.push(node?.name ?? "one");
    else if (!isItsDisk(state, voter)) elsewhere.push(node.name);
  }
  const need = majorityOf(left.length);
  const count = left.length - silent.length - elsewhere.length;
  if (count >= need) {
    const stays = ({ nodeId }: Pick<Voter, "nodeId">) => {
      const node = nodeById(doc, nodeId);
      return node !== undefined && isStaying(node);
    };
    return left.some(stays) ? undefined : "all other voters are leaving: give another node a vote";
  }
  const hints = [
    ...(silent.length === 0 ? [] : [`start ${silent.join(", ")}, or replace or remove that first`]),
    ...(elsewhere.length === 0
      ? []
      : [`${elsewhere.join(", ")} has lost the disk with its vote: replace or remove that first`]),
  ];
  return `the quorum would be lost: ${count} of the ${left.length} voters that are left would ` +
    `answer, ${need} must; ${hints.join("; ")}`;
}

/** The same at the end of all that is under way, too: those that leave have left by then. */
function finalRefusal(
  state: ClusterState,
  doc: Document,
  left: readonly Pick<Voter, "nodeId" | "diskId">[],
  withinMs: number = state.timing.deadMs,
): string | undefined {
  const staying = left.filter(({ nodeId }) => nodeById(doc, nodeId)?.leaving === undefined);
  const refusal = quorumRefusal(state, doc, left, withinMs);
  if (refusal !== undefined || staying.length === 0) return refusal;
  return quorumRefusal(state, doc, staying, withinMs);
}

/**
 * Would a command take a vote away while somebody who is needed afterwards has been silent for longer than usual, and
 * not yet so long that it is refused? Then it waits for the one or the other.
 */
export function isUnsure(state: ClusterState, doc: Document, command: LeaderCommand): boolean {
  if (formatOf(doc) === FORMAT_FIRST) return false;
  const { answeringMs } = state.timing;
  if (command.verb === "voter_remove") {
    const left = doc.voters.filter(({ voterId }) => voterId !== command.voterId);
    return left.length < doc.voters.length &&
      quorumRefusal(state, doc, left, answeringMs) !== undefined;
  }
  if (command.verb !== "leave") return false;
  const node = nodeByPnn(doc, command.pnn);
  if (node === undefined || node.leaving !== undefined) return false;
  const left = doc.voters.filter(({ nodeId }) => nodeId !== node.nodeId);
  return left.length < doc.voters.length &&
    finalRefusal(state, doc, left, answeringMs) !== undefined;
}

/** Why a node cannot leave; undefined: it can, it does, or it has. */
export function leaveRefusal(state: ClusterState, doc: Document, pnn: Pnn): string | undefined {
  const node = nodeByPnn(doc, pnn);
  if (node === undefined) {
    const isGone = doc.gone?.some((one) => one.pnn === pnn) ?? false;
    return isGone ? undefined : `there is no node ${pnn}`;
  }
  if (node.leaving !== undefined) return undefined;
  if (doc.nodes.length === 1) return "it is the only node: stop it instead";
  if (voterOf(doc, node.nodeId) === undefined) return undefined;
  return finalRefusal(state, doc, doc.voters.filter(({ nodeId }) => nodeId !== node.nodeId));
}

/** Why one node cannot take the place of another. */
export function replaceRefusal(
  state: ClusterState,
  doc: Document,
  { pnn, by }: Extract<LeaderCommand, { verb: "replace" }>,
): string | undefined {
  const old = nodeByPnn(doc, pnn);
  if (old === undefined) {
    const isGone = doc.gone?.some((one) => one.pnn === pnn) ?? false;
    return isGone ? undefined : `there is no node ${pnn}`;
  }
  const node = nodeByPnn(doc, by);
  if (node === undefined) return `there is no node ${by}: invite it first`;
  if (pnn === by) return "a node cannot take its own place";
  if (node.leaving !== undefined) return `${node.name} is leaving itself`;
  if (!isActive(node)) return `${node.name} is ${node.adminFlags.join(", ")}: end that first`;
  const quorum = old.leaving === undefined ? placeRefusal(state, doc, old, node) : undefined;
  // What was begun already and waits for a quorum says so, too.
  if (node.replaces === pnn || quorum !== undefined) return quorum;
  if (node.replaces !== undefined) return `${node.name} replaces node ${node.replaces} already`;
  if (old.leaving !== undefined) return `${old.name} is leaving already`;
  const other = doc.nodes.find((one) => one.replaces === pnn);
  return other === undefined ? undefined : `${other.name} is to replace it already`;
}

/** Why the vote of one node cannot go to another now: to one that votes already it is one vote less. */
function placeRefusal(
  state: ClusterState,
  doc: Document,
  old: DocumentNode,
  { nodeId }: DocumentNode,
): string | undefined {
  const staying = doc.voters.filter((voter) => voter.nodeId !== old.nodeId);
  if (staying.length === doc.voters.length || voterOf(doc, nodeId) === undefined) return undefined;
  return finalRefusal(state, doc, staying);
}

/** The document in which a node is on its way out. */
export function withLeaving(doc: Document, pnn: Pnn, why: Leaving): Document {
  const node = nodeByPnn(doc, pnn);
  return node === undefined || node.leaving !== undefined
    ? doc
    : withNode(doc, { ...node, leaving: why });
}

/** The document in which one node is to take the place of another. */
export function withReplaced(
  doc: Document,
  { pnn, by }: Extract<LeaderCommand, { verb: "replace" }>,
): Document {
  const node = nodeByPnn(doc, by);
  const old = nodeByPnn(doc, pnn);
  const isToDo = node !== undefined && old !== undefined && node.replaces !== pnn &&
    old.leaving === undefined;
  return isToDo ? withNode(doc, { ...node, replaces: pnn }) : doc;
}

/** The next step of everybody who is on the way, as far as it can be made now. */
export function withDepartures(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  version: Version,
): Document {
  if (formatOf(doc) === FORMAT_FIRST) return doc;
  let draft = doc;
  for (const { pnn } of doc.nodes) {
    const node = () => nodeByPnn(draft, pnn) as DocumentNode;
    if (node().replaces !== undefined) draft = withPlaceTaken(state, lead, draft, node());
    if (node().wantsVote === true) draft = withVote(state, lead, draft, node());
    if (node().leaving !== undefined) draft = withStep(state, lead, draft, node(), version);
  }
  return draft;
}

/** Is a node in the view in force, and does it answer? Otherwise it is looked at again. */
function isThere(state: ClusterState, lead: Lead, { view }: Document, node: DocumentNode): boolean {
  const life = lifeOf(view.members, node.pnn);
  const peer = state.peers.get(node.nodeId);
  const isThat = life !== undefined && peer?.incarnation === life && peer.dsToken === lead.token;
  const is = isThat && answers(state, node.nodeId, state.timing.answeringMs);
  if (!is) lookAgain(state, lead);
  return is;
}

/** What waits for somebody to answer is looked at again soon. */
export function lookAgain({ nowMs, timing }: ClusterState, lead: Lead): void {
  lead.lookAtMs = Math.min(lead.lookAtMs, nowMs + timing.beatMs);
}

/**
 * May these be the voters? Otherwise it is looked at again. Until the change is effective both majorities are needed,
 * for everything: who has just fallen silent is not counted on.
 */
function mayVote(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  voters: readonly Pick<Voter, "nodeId" | "diskId">[],
): boolean {
  const isWell = quorumRefusal(state, doc, voters, state.timing.answeringMs) === undefined;
  if (doc.voterChange === undefined && isWell) return true;
  lookAgain(state, lead);
  return false;
}

function withPlaceTaken(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  node: DocumentNode,
): Document {
  const old = node.replaces === undefined ? undefined : nodeByPnn(doc, node.replaces);
  if (old === undefined) return withNode(doc, without(node, "replaces"));
  if (old.leaving !== undefined || node.leaving !== undefined) return doc;
  if (!isThere(state, lead, doc, node)) return doc;
  const goes = (draft: Document) => withLeaving(draft, old.pnn, "replaced");
  const remove = doc.voters.find(({ nodeId }) => nodeId === old.nodeId);
  if (remove === undefined) return goes(doc);
  const staying = doc.voters.filter((voter) => voter !== remove);
  const hasVote = voterOf(doc, node.nodeId) !== undefined;
  const after = hasVote ? staying : [...staying, { nodeId: node.nodeId }];
  if (!mayVote(state, lead, doc, after) || finalRefusal(state, doc, after) !== undefined) {
    return doc;
  }
  if (hasVote) return goes(doc);
  const moved = withVoteGiven(doc, node, remove);
  return moved === doc ? doc : goes(moved);
}

/** A vote that was promised, unless it comes with another's place. */
function withVote(state: ClusterState, lead: Lead, doc: Document, node: DocumentNode): Document {
  const old = node.replaces === undefined ? undefined : nodeByPnn(doc, node.replaces);
  if (old !== undefined && voterOf(doc, old.nodeId) !== undefined) return doc;
  const isOver = voterOf(doc, node.nodeId) !== undefined || doc.voters.length >= VOTERS_MAX ||
    node.leaving !== undefined;
  if (isOver) return withNode(doc, without(node, "wantsVote"));
  if (!isThere(state, lead, doc, node)) return doc;
  if (!mayVote(state, lead, doc, [...doc.voters, { nodeId: node.nodeId }])) return doc;
  return withVoteGiven(doc, node, undefined);
}

/** A change of voters: one comes, and perhaps another goes. The same document when numbers are used up. */
function withVoteGiven(doc: Document, node: DocumentNode, remove: Voter | undefined): Document {
  const next = voterIdNextOf(doc);
  if (next >= VOTER_ID_END) return doc;
  const add: Voter = { voterId: next as VoterId, nodeId: node.nodeId };
  const voterChange = remove === undefined ? { add } : { add, remove };
  const changed = { ...doc, voterChange, voterIdNext: next + 1 };
  return withNode(changed, without(node, "wantsVote"));
}

function without(node: DocumentNode, field: "replaces" | "wantsVote"): DocumentNode {
  const { [field]: _taken, ...rest } = node;
  return rest as DocumentNode;
}

/**
 * What a node on its way out waits for, by this document. `leads`: it is the one that leads. `left`: more than 0 when
 * it has records that are not handed over yet.
 */
export function leaveStepOf(doc: Document, pnn: Pnn, leads: boolean, left = 0): LeaveStep {
  const node = nodeByPnn(doc, pnn);
  if (node === undefined) return "gone";
  const isMember = lifeOf(doc.view.members, pnn) !== undefined;
  const isDraining = node.adminFlags.includes("draining");
  const canMove = doc.view.members.some((member) => member.pnn !== pnn && takesSlots(doc, member));
  if (isMember && canMove && (!isDraining || hasSlots(doc.view, pnn))) return "slots";
  if (isMember && canMove && left !== 0) return "records";
  if (heldForLeave(doc, pnn).length > 0) return "copies";
  if (leads) return "lead";
  if (voterOf(doc, node.nodeId) !== undefined) return "vote";
  return isMember || !node.adminFlags.includes("deleted") ? "view" : "list";
}

function takesSlots(doc: Document, { pnn }: { readonly pnn: Pnn }): boolean {
  const node = nodeByPnn(doc, pnn);
  return node !== undefined && isStaying(node) && !node.adminFlags.includes("draining");
}

function withStep(
  state: ClusterState,
  lead: Lead,
  doc: Document,
  node: DocumentNode,
  version: Version,
): Document {
  const left = state.rules.isHandedOver(recordsAt(state, doc, node)) ? 0 : 1;
  switch (leaveStepOf(doc, node.pnn, node.nodeId === state.me, left)) {
    case "slots":
      lead.areSlotsDirty = true;
      return withFlag(doc, node, "draining");
    case "vote": {
      const left = doc.voters.filter(({ nodeId }) => nodeId !== node.nodeId);
      const remove = doc.voters.find(({ nodeId }) => nodeId === node.nodeId);
      if (remove === undefined || !mayVote(state, lead, doc, left)) return doc;
      return { ...doc, voterChange: { remove } };
    }
    case "view":
      return withFlag(doc, node, "deleted");
    case "list":
      return withoutNode(doc, node, version);
    default:
      // Records and copies move by themselves; the leader itself yields, if somebody is there to lead (plan.ts).
      lookAgain(state, lead);
      return doc;
  }
}

function withFlag(doc: Document, node: DocumentNode, flag: "draining" | "deleted"): Document {
  if (node.adminFlags.includes(flag)) return doc;
  return withNode(doc, { ...node, adminFlags: [...node.adminFlags, flag] });
}

/** A node that is out of the view is out of the list; its number stays known through maxInc. */
export function withoutNode(doc: Document, node: DocumentNode, version: Version): Document {
  // This view is effective, so whoever was in those before it is known to have ended.
  const prevMembers = doc.view.prevMembers.filter(({ pnn }) => pnn !== node.pnn);
  const nodes = doc.nodes.filter(({ pnn }) => pnn !== node.pnn);
  const without = { ...doc, nodes, view: { ...doc.view, prevMembers } };
  if (formatOf(doc) === FORMAT_FIRST) return without;
  const { pnn, nodeId, name, natsKey, leaving: why = "left" } = node;
  const key = natsKey === undefined ? {} : { natsKey };
  const gone: Gone[] = [...doc.gone ?? [], { pnn, nodeId, name, ...key, why, version }];
  return { ...without, gone: gone.slice(-GONE_MAX) };
}
