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
import { isActive, lifeOf, majorityOf, nodeById, nodeByPnn, voterOf } from "./document.ts";
import type { ClusterState } from "./state.ts";
import { VERSION_NONE, VOTER_ID_END } from "./token.ts";

type Change = Exclude<LeaderCommand, { verb: "yield" } | { verb: "blame" }>;

/** Why a command is not possible with this document; undefined: it is. */
export function refusalOf(
  state: ClusterState,
  doc: Document,
  command: Change,
): string | undefined {
  switch (command.verb) {
    case "node_add":
      return addRefusal(doc, command.nodeId, command.name, command.addr);
    case "voter_add":
      return voterAddRefusal(state, doc, command.nodeId);
    case "voter_remove":
      return voterRemoveRefusal(doc, command.voterId);
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

function nodeRefusal(doc: Document, node: DocumentNode, command: Change): string | undefined {
  if (command.verb === "ban" && !node.adminFlags.includes("banned") && !mayLose(doc, node)) {
    return "no majority would be left";
  }
  if (command.verb === "flags") {
    const takesOut = command.set.some((flag) => flag === "stopped" || flag === "deleted");
    const isOut = node.adminFlags.some((flag) => flag === "stopped" || flag === "deleted");
    if (takesOut && !isOut && !mayLose(doc, node)) return "no majority would be left";
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
  return doc.nodes.length >= NODES_MAX ? `${NODES_MAX} nodes are the most` : undefined;
}

function voterAddRefusal(state: ClusterState, doc: Document, nodeId: NodeId): string | undefined {
  if (doc.voters.some((voter) => voter.nodeId === nodeId)) return undefined;
  if (nodeById(doc, nodeId) === undefined) return "there is no such node";
  if (doc.voters.length >= VOTERS_MAX) return `${VOTERS_MAX} voters are the most`;
  if (!hasActiveMajority(doc, [...doc.voters, { nodeId }])) {
    return "most of the voters would be banned or stopped";
  }
  if (state.peers.get(nodeId) === undefined) return "it was not heard yet";
  return nextVoterId(doc) >= VOTER_ID_END ? "voter numbers are used up" : undefined;
}

function voterRemoveRefusal(doc: Document, voterId: VoterId): string | undefined {
  if (doc.voters.every((voter) => voter.voterId !== voterId)) return undefined;
  if (doc.voters.length === 1) return "it is the last voter";
  const left = doc.voters.filter((voter) => voter.voterId !== voterId);
  if (!hasActiveMajority(doc, left)) {
    return "most of the voters that are left are banned or stopped";
  }
  // The highest number is how the document remembers which ones were used.
  return voterId === nextVoterId(doc) - 1
    ? "it has the newest vote, and numbers are not used again: add another voter first"
    : undefined;
}

/** Only an active voter leads, and a majority of them decides. */
function hasActiveMajority(doc: Document, voters: readonly { nodeId: NodeId }[]): boolean {
  const active = voters.filter(({ nodeId }) => {
    const node = nodeById(doc, nodeId);
    return node !== undefined && isActive(node);
  });
  return active.length >= majorityOf(voters.length);
}

/** Does an effective document have what the command wants? */
export function isDone(doc: Document, command: Change): boolean {
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
  command: Exclude<Change, { verb: "node_add" | "voter_add" | "voter_remove" }>,
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
      return withoutNode(doc, node);
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
  if (added.length === 0 && kept.length === node.adminFlags.length) return doc;
  return withNode(doc, { ...node, adminFlags: [...kept, ...added] });
}

/** First out of the view, then out of the list. Its number stays known through maxInc. */
function withoutNode(doc: Document, node: DocumentNode): Document {
  if (!node.adminFlags.includes("deleted")) return withFlags(doc, node, ["deleted"], []);
  if (lifeOf(doc.view.members, node.pnn) !== undefined) return doc;
  // This view is effective, so whoever was in those before it is known to have ended.
  const prevMembers = doc.view.prevMembers.filter(({ pnn }) => pnn !== node.pnn);
  const nodes = doc.nodes.filter(({ pnn }) => pnn !== node.pnn);
  return { ...doc, nodes, view: { ...doc.view, prevMembers } };
}

function withNewNode(doc: Document, command: Extract<Change, { verb: "node_add" }>): Document {
  if (nodeById(doc, command.nodeId) !== undefined) return doc;
  const used = [...doc.nodes, ...doc.view.maxInc].map(({ pnn }) => pnn + 1);
  const pnn = Math.max(0, ...used) as Pnn;
  const { nodeId, name, addr, caps } = command;
  const node = { pnn, nodeId, name, addr, caps, adminFlags: [], since: VERSION_NONE };
  return { ...doc, nodes: [...doc.nodes, node] };
}

function withVoterAdded(doc: Document, nodeId: NodeId): Document {
  if (voterOf(doc, nodeId) !== undefined || doc.voterChange !== undefined) return doc;
  const add: Voter = { voterId: nextVoterId(doc) as VoterId, nodeId };
  return { ...doc, voterChange: { add } };
}

function withVoterRemoved(doc: Document, voterId: VoterId): Document {
  const remove = doc.voters.find((voter) => voter.voterId === voterId);
  if (remove === undefined || doc.voterChange !== undefined) return doc;
  return { ...doc, voterChange: { remove } };
}

function nextVoterId(doc: Document): number {
  return Math.max(...doc.voters.map(({ voterId }) => voterId)) + 1;
}
