/**
 * What each command makes of a document, and when it is refused.
 *
 * Does NOT promise: that a document has it in one step; a node that is removed leaves the view first.
 */
import type {
  AdminFlag,
  Document,
  DocumentNode,
  Voter,
} from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import type { NodeId, Pnn, Version, VoterId } from "../../../transport/wire/terms.ts";
import { NODES_MAX, VOTERS_MAX } from "../../../transport/wire/limits.ts";
import { mayLose, withBan, withNode, withoutBan } from "./ban.ts";
import { quorumRefusal, withoutNode } from "./departure.ts";
import { databaseRefusal, databaseResult, isAboutDatabases, isDatabaseDone } from "./databases.ts";
import type { DatabaseCommand } from "./databases.ts";
import { FORMAT_FIRST, formatOf, goneOf, isStaying, lifeOf, majorityOf } from "./document.ts";
import { nodeById, nodeByPnn, NODES_MAX_SAID, numbersUsed, PNN_END } from "./document.ts";
import { pnnNextOf, voterIdNextOf, voterOf } from "./document.ts";
import { formatFor, NEEDS_FORMAT_2 } from "./format.ts";
import { isMembership, isMembershipDone } from "./membership.ts";
import { membershipRefusal, membershipResult } from "./membership.ts";
import type { MembershipCommand } from "./membership.ts";
import type { ClusterState } from "./state.ts";
import { VERSION_NONE, VOTER_ID_END } from "./token.ts";

type Change = Exclude<LeaderCommand, { verb: "yield" } | { verb: "blame" }>;
/** Those that are no matter of membership.ts or databases.ts. */
type PlainChange = Exclude<Change, MembershipCommand | DatabaseCommand>;
type NodeChange = Exclude<PlainChange, { verb: "node_add" | "voter_add" | "voter_remove" }>;

/** Why a command is not possible with this document; undefined: it is. */
export function refusalOf(
  state: ClusterState,
  doc: Document,
  command: Change,
): string | undefined {
  if (formatOf(doc) < formatFor(command)) return NEEDS_FORMAT_2;
  if (isMembership(command)) return membershipRefusal(state, doc, command);
  if (isAboutDatabases(command)) return databaseRefusal(doc, command);
  switch (command.verb) {
    case "node_add":
      return addRefusal(doc, command.nodeId, command.name, command.addr);
    case "voter_add":
      return voterAddRefusal(state, doc, command.nodeId);
    case "voter_remove":
      return voterRemoveRefusal(state, doc, command.voterId);
    default: {
      const node = nodeByPnn(doc, command.pnn);
      // A node that is gone is removed.
      if (node === undefined) {
        return command.verb === "node_remove" ? undefined : `there is no node ${command.pnn}`;
      }
      return nodeRefusal(doc, node, command);
    }
  }
}

function nodeRefusal(doc: Document, node: DocumentNode, command: NodeChange): string | undefined {
  if (command.verb === "ban" && !node.adminFlags.includes("banned") && !mayLose(doc, node)) {
    return "no majority would be left";
  }
  if (command.verb === "flags") {
    const takesOut = command.set.some((flag) => flag === "stopped" || flag === "deleted");
    const isOut = node.adminFlags.some((flag) => flag === "stopped" || flag === "deleted");
    if (takesOut && !isOut && !mayLose(doc, node)) return "no majority would be left";
    const keeps = command.clear.some((flag) => flag === "draining" || flag === "deleted");
    if (keeps && node.leaving !== undefined) return "it is leaving, for good";
  }
  if (command.verb === "node_remove" && voterOf(doc, node.nodeId) !== undefined) {
    return "it is a voter: remove its vote first";
  }
  return undefined;
}

function addRefusal(
  doc: Document,
  nodeId: NodeId,
  name: string,
  addr: string,
): string | undefined {
  if (nodeById(doc, nodeId) !== undefined) return undefined;
  const other = doc.nodes.find((node) => node.name === name || node.addr === addr);
  if (other !== undefined) return `node ${other.pnn} has this name or address`;
  const gone = goneOf(doc, nodeId);
  if (gone !== undefined) return `it went as node ${gone.pnn}: a node that is gone stays gone`;
  const invited = doc.invitations?.find((one) => one.name === name || one.nodeId === nodeId);
  if (invited !== undefined) return `it is invited as node ${invited.pnn}: let it join`;
  const isFull = numbersUsed(doc, doc.invitations ?? []) >= NODES_MAX || pnnNextOf(doc) >= PNN_END;
  return isFull ? NODES_MAX_SAID : undefined;
}

function voterAddRefusal(state: ClusterState, doc: Document, nodeId: NodeId): string | undefined {
  if (doc.voters.some((voter) => voter.nodeId === nodeId)) return undefined;
  if (nodeById(doc, nodeId) === undefined) return "there is no such node";
  if (doc.voters.length >= VOTERS_MAX) return `${VOTERS_MAX} voters are the most`;
  if (!hasActiveMajority(doc, [...doc.voters, { nodeId }])) {
    return "most of the voters would be banned or stopped";
  }
  if (state.peers.get(nodeId) === undefined) return "it was not heard yet";
  return voterIdNextOf(doc) >= VOTER_ID_END ? "voter numbers are used up" : undefined;
}

function voterRemoveRefusal(
  state: ClusterState,
  doc: Document,
  voterId: VoterId,
): string | undefined {
  if (doc.voters.every((voter) => voter.voterId !== voterId)) return undefined;
  if (doc.voters.length === 1) return "it is the last voter";
  const left = doc.voters.filter((voter) => voter.voterId !== voterId);
  if (!hasActiveMajority(doc, left)) {
    return "most of the voters that are left are banned or stopped";
  }
  if (formatOf(doc) > FORMAT_FIRST) return quorumRefusal(state, doc, left);
  // Before format 2 the highest number is how the document remembers which ones were used.
  return voterId === voterIdNextOf(doc) - 1
    ? "it has the newest vote, and numbers are not used again: add another voter first"
    : undefined;
}

/** Only an active voter leads, and a majority of them decides. */
function hasActiveMajority(doc: Document, voters: readonly { nodeId: NodeId }[]): boolean {
  const active = voters.filter(({ nodeId }) => {
    const node = nodeById(doc, nodeId);
    return node !== undefined && isStaying(node);
  });
  return active.length >= majorityOf(voters.length);
}

/** Does an effective document have what the command wants? */
export function isDone(doc: Document, command: Change): boolean {
  if (isMembership(command)) return isMembershipDone(doc, command);
  if (isAboutDatabases(command)) return isDatabaseDone(doc, command);
  switch (command.verb) {
    case "voter_add":
      return doc.voters.some(({ nodeId }) => nodeId === command.nodeId);
    case "voter_remove":
      return doc.voters.every(({ voterId }) => voterId !== command.voterId);
    case "node_remove":
      return nodeByPnn(doc, command.pnn) === undefined;
    default:
      return resultOf(doc, command, doc.version) === doc;
  }
}

/** The document with the command done as far as one document can; the same one when there is nothing to do. */
export function resultOf(doc: Document, command: Change, version: Version): Document {
  if (isMembership(command)) return membershipResult(doc, command, version);
  if (isAboutDatabases(command)) return databaseResult(doc, command, version);
  switch (command.verb) {
    case "node_add":
      return withNewNode(doc, command);
    case "voter_add":
      return withVoterAdded(doc, command.nodeId);
    case "voter_remove":
      return withVoterRemoved(doc, command.voterId);
    default: {
      const node = nodeByPnn(doc, command.pnn);
      return node === undefined ? doc : withNodeChanged(doc, node, command, version);
    }
  }
}

function withNodeChanged(
  doc: Document,
  node: DocumentNode,
  command: NodeChange,
  version: Version,
): Document {
  switch (command.verb) {
    case "ban": {
      if (node.adminFlags.includes("banned")) return doc;
      const count = (node.ban?.count ?? 0) + 1;
      return withBan(doc, node, { why: command.why, banMs: command.banMs, count, version });
    }
    case "unban": {
      if (node.ban === undefined && !node.adminFlags.includes("banned")) return doc;
      const { ban: _forgotten, ...rest } = node;
      return withoutBan(doc, rest);
    }
    case "flags":
      return withFlags(doc, node, command.set, command.clear);
    case "node_remove":
      return withNodeRemoved(doc, node, version);
  }
}

function withFlags(
  doc: Document,
  node: DocumentNode,
  set: readonly AdminFlag[],
  clear: readonly AdminFlag[],
): Document {
  const kept = node.adminFlags.filter((flag) => !clear.includes(flag));
  const added = set.filter((flag) => !kept.includes(flag));
  const after = new Set([...kept, ...added]);
  const isSame = after.size === node.adminFlags.length &&
    node.adminFlags.every((flag) => after.has(flag));
  if (isSame) return doc;
  return withNode(doc, { ...node, adminFlags: [...kept, ...added] });
}

/** First out of the view, then out of the list. */
function withNodeRemoved(doc: Document, node: DocumentNode, version: Version): Document {
  if (!node.adminFlags.includes("deleted")) return withFlags(doc, node, ["deleted"], []);
  if (lifeOf(doc.view.members, node.pnn) !== undefined) return doc;
  return withoutNode(doc, node, version);
}

function withNewNode(doc: Document, command: Extract<Change, { verb: "node_add" }>): Document {
  if (nodeById(doc, command.nodeId) !== undefined) return doc;
  const pnn = pnnNextOf(doc);
  const { nodeId, name, addr, caps } = command;
  const node = { pnn, nodeId, name, addr, caps, adminFlags: [], since: VERSION_NONE };
  const next = formatOf(doc) === FORMAT_FIRST ? {} : { pnnNext: pnn + 1 as Pnn };
  return { ...doc, nodes: [...doc.nodes, node], ...next };
}

function withVoterAdded(doc: Document, nodeId: NodeId): Document {
  if (voterOf(doc, nodeId) !== undefined || doc.voterChange !== undefined) return doc;
  const voterId = voterIdNextOf(doc);
  const add: Voter = { voterId: voterId as VoterId, nodeId };
  const next = formatOf(doc) === FORMAT_FIRST ? {} : { voterIdNext: voterId + 1 };
  return { ...doc, voterChange: { add }, ...next };
}

function withVoterRemoved(doc: Document, voterId: VoterId): Document {
  const remove = doc.voters.find((voter) => voter.voterId === voterId);
  if (remove === undefined || doc.voterChange !== undefined) return doc;
  return { ...doc, voterChange: { remove } };
}
