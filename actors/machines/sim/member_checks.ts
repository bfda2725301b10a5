/**
 * The judges of membership, of versions, and of quorums, in a simulated cluster.
 *
 *   numbers   a pnn and a vote's number belong to one node for ever; no two nodes have one number, name or id
 *   gone      a node that went is in no later document
 *   levels    no node gets a document that its version cannot read; the format never goes back
 *   quorum    no vote is taken away while most of those that are left are down
 *
 * Does NOT promise: anything about the time that joins and leaves take; ends.ts judges that they end.
 */
import { LEVEL } from "../../../transport/wire/level.ts";
import type { Document } from "../../../transport/wire/messages/document.ts";
import { declarationsAt } from "../../../transport/wire/messages/registry.ts";
import type { NodeId, Pnn, Version, VoterId } from "../../../transport/wire/terms.ts";
import { formatOf, majorityOf, nodeByPnn, votersAfter } from "../cluster/document.ts";
import type { ClusterMessage } from "../cluster/events.ts";
import { tokenText } from "../cluster/token.ts";
import type { Checkers } from "./checkers.ts";
import type { ClusterSim } from "./cluster_sim.ts";
import type { Host } from "./host.ts";

/** A leader may not have noticed an end that is younger than this beyond the age of what it goes by. */
const UNNOTICED_MS = 600;

/** What effective documents say of members, over all of a run. */
export class MemberChecks {
  readonly #checkers: Checkers;
  readonly #ownerOf = new Map<Pnn, NodeId>();
  readonly #voterOf = new Map<VoterId, NodeId>();
  readonly #gone = new Map<NodeId, Version>();
  readonly #seen: { version: Version; format: number }[] = [];

  constructor(checkers: Checkers) {
    this.#checkers = checkers;
  }

  /** A document is effective; an older one may be told late. */
  onEffective(atMs: number, doc: Document): void {
    const report = (rule: string, text: string) =>
      this.#checkers.report(atMs, rule, `${tokenText(doc.version)}: ${text}`);
    this.#lookAtNumbers(doc, (text) => report("numbers", text));
    this.#lookAtGone(doc, (text) => report("gone", text));
    const format = formatOf(doc);
    for (const { version, format: other } of this.#seen) {
      if (version < doc.version ? other > format : other < format) {
        report("levels", "the format went back");
      }
    }
    if (this.#seen.every((one) => one.format !== format)) {
      this.#seen.push({ version: doc.version, format });
    }
  }

  #lookAtNumbers(doc: Document, report: (text: string) => void): void {
    const all = [...doc.nodes, ...doc.invitations ?? []];
    for (const field of ["pnn", "name", "nodeId"] as const) {
      const values = new Set<unknown>(all.map((one) => one[field]));
      if (values.size < all.length) report(`two have one ${field}`);
    }
    const ids = new Set(doc.nodes.map(({ nodeId }) => nodeId));
    for (const { pnn, nodeId, name } of all) {
      const owner = this.#ownerOf.get(pnn);
      if (owner !== undefined && owner !== nodeId) report(`number ${pnn} is used again by ${name}`);
      this.#ownerOf.set(pnn, nodeId);
    }
    for (const { voterId, nodeId } of votersAfter(doc)) {
      const owner = this.#voterOf.get(voterId);
      if (owner !== undefined && owner !== nodeId) report(`vote ${voterId} is used again`);
      this.#voterOf.set(voterId, nodeId);
      if (!ids.has(nodeId)) report(`vote ${voterId} belongs to nobody`);
    }
    for (const { pnn } of doc.view.members) {
      if (nodeByPnn(doc, pnn) === undefined) report(`member ${pnn} is no node`);
    }
  }

  #lookAtGone(doc: Document, report: (text: string) => void): void {
    for (const { nodeId, version } of doc.gone ?? []) this.#gone.set(nodeId, version);
    for (const { nodeId, name } of [...doc.nodes, ...doc.invitations ?? []]) {
      const since = this.#gone.get(nodeId);
      if (since !== undefined && since < doc.version) report(`${name} is back`);
    }
  }
}

/** What a node of an older version makes of a message; undefined: it refuses it. */
export function heardAt(
  sim: ClusterSim,
  { index, level }: Host,
  message: ClusterMessage,
): ClusterMessage | undefined {
  const doc = "doc" in message
    ? message.doc
    : message.kind === "promise"
    ? message.accepted
    : undefined;
  if (doc !== undefined && formatOf(doc) > level) {
    const text = `node ${index} of version ${level} gets ${tokenText(doc.version)}`;
    sim.checkers.report(sim.nowMs, "levels", text);
  }
  const declaration = declarationsAt(level).get(message.kind);
  if (declaration === undefined || level >= LEVEL) {
    return declaration === undefined ? undefined : message;
  }
  // Nothing is lost in most messages: documents of the older format have none of the newer fields.
  if (message.kind !== "leader_ask") return message;
  const body = declaration.shape(message);
  return declaration.check(body) ? message : undefined;
}

/** A vote is taken away: would a majority of those that are left be there? */
export function judgeProposal(sim: ClusterSim, doc: Document): void {
  const { voterChange } = doc;
  if (voterChange?.remove === undefined || formatOf(doc) < 2) return;
  const left = votersAfter(doc);
  const { answeringMs, beatMs } = sim.timing;
  const sinceMs = sim.nowMs - answeringMs - beatMs - UNNOTICED_MS;
  const there = left.filter(({ nodeId }) => {
    const host = sim.hosts[sim.indexOf(nodeId)];
    return host !== undefined && host.upUntilMs() >= sinceMs;
  });
  if (there.length >= majorityOf(left.length)) return;
  const text = `${tokenText(doc.version)} leaves ${there.length} of ${left.length} voters up`;
  sim.checkers.report(sim.nowMs, "quorum", text);
}
