/**
 * A cluster that is led on by force: most of its voters are gone for ever, and people say so (section 8).
 *
 *   nobody leads for 10 s, no majority is heard ─▶ forced document: this node is the only voter, a token far above all
 *   that the others can have given, another view, databases unsure ─▶ accepted like any other ─▶ it stands, and leads
 *
 * Who returns finds the higher token, as after any change of leaders: it follows, and gets its vote back when it is in.
 * What the others had decided after `from` is given up, and what they had committed since is another branch.
 *
 * Does NOT promise: one line of documents, if the others were only cut off, and go on: there are two, until they meet.
 */
import type { DbCfg, Document } from "../../../transport/wire/messages/document.ts";
import type { NodeId, Pnn, Token, Version, VoterId } from "../../../transport/wire/terms.ts";
import { formatOf, majorityOf, nodeById, pnnNextOf, unionOf, voterIdNextOf } from "./document.ts";
import { FORMAT_FIRST, PNN_END, votersAfter } from "./document.ts";
import type { ClusterState } from "./state.ts";
import { diskTrouble, maySpeak, ownVoterId, tell } from "./state.ts";
import { counterOf, tokenOf, tokenText, versionOf, VOTER_ID_END } from "./token.ts";
import { onAccept } from "./voter.ts";

/** Silence of a leader, and of a voter, must have lasted so long, ms. */
export const FORCE_SILENCE_MS = 10_000;
/** So many tokens are left out: more than the others can have used. */
const TOKENS_AHEAD = 1n << 16n;
/** So many numbers of nodes and votes are left out: the others may have given some. */
const NUMBERS_AHEAD = 16;

/** A node's operator wants it; answered by an `answer` effect with the same verbId. */
export interface ForceEvent {
  readonly kind: "force";
  readonly verbId: string;
  /** The document that was looked at; another one is not led on from. */
  readonly from: Version;
  /** Now, by the wall clock: for people. */
  readonly atWallMs: bigint;
}

/** The newest document that this node has, in force or not. */
export function newestDocument({ accepted, adopted }: ClusterState): Document | undefined {
  if (accepted === undefined || adopted === undefined) return accepted ?? adopted;
  return adopted.version > accepted.version ? adopted : accepted;
}

/** The voters that were heard lately, this one included. */
export function heardVoters(state: ClusterState, doc: Document): NodeId[] {
  const sinceMs = state.nowMs - FORCE_SILENCE_MS;
  return votersAfter(doc).map(({ nodeId }) => nodeId).filter((nodeId) => {
    return nodeId === state.me || (state.peers.get(nodeId)?.recvMs ?? -Infinity) > sinceMs;
  });
}

/** Why this node cannot lead the cluster on by force; undefined: it can. */
export function forceRefusal(state: ClusterState): string | undefined {
  const doc = newestDocument(state);
  if (doc === undefined) return "this node has no document of a cluster";
  if (formatOf(doc) === FORMAT_FIRST) return "the cluster's format is 1: it has no place for it";
  if (state.lead !== undefined) return "this node leads, or is about to";
  if (!maySpeak(state) || state.leaving) return "this node does not run, or is about to stop";
  const trouble = diskTrouble(state);
  if (trouble !== undefined) return `this node cannot write: ${trouble}`;
  const node = nodeById(doc, state.me);
  if (node === undefined || node.leaving !== undefined) return "this node is none of the cluster";
  if (node.adminFlags.length > 0) return `this node is ${node.adminFlags.join(", ")}`;
  const heard = heardVoters(state, doc);
  if (heard.length >= majorityOf(votersAfter(doc).length)) {
    const names = heard.map((nodeId) => nodeById(doc, nodeId)?.name ?? nodeId);
    return `most of the voters are there: ${names.join(", ")}; they elect a leader by themselves`;
  }
  const silentMs = state.nowMs - state.sign.atMs;
  if (silentMs >= FORCE_SILENCE_MS) return undefined;
  const leftMs = FORCE_SILENCE_MS - silentMs;
  return `a leader was heard, or this node began, less than 10 s ago: try again in ${
    Math.ceil(leftMs / 1000)
  } s`;
}

/** Does it, or answers why not. */
export function onForce(state: ClusterState, { verbId, from, atWallMs }: ForceEvent): void {
  const answer = (outcome: "done" | "refused", text: string) =>
    void state.effects.push({ kind: "answer", verbId, outcome, text });
  const why = forceRefusal(state);
  if (why !== undefined) return answer("refused", why);
  const doc = newestDocument(state);
  if (doc === undefined || doc.version !== from) {
    return answer("refused", "the document has changed meanwhile: look again");
  }
  const forced = forcedDocument(state, doc, atWallMs);
  tell(state, { what: "forced", why: `on from ${tokenText(from)}, without most of the voters` });
  onAccept(state, state.me, { kind: "accept", doc: forced });
  answer("done", `led on as ${tokenText(forced.version)}`);
}

/** The document in which this node is the only voter, and nothing else is taken for sure. */
export function forcedDocument(
  state: ClusterState,
  doc: Document,
  atWallMs: bigint,
): Document {
  const own = ownVoterId(state, doc) ?? voterIdNextOf(doc) as VoterId;
  const high = state.highToken > state.promised ? state.highToken : state.promised;
  const token: Token = tokenOf(counterOf(high) + TOKENS_AHEAD, own);
  const version = versionOf(token, 1n);
  const hadVote = new Set(votersAfter(doc).map(({ nodeId }) => nodeId));
  const { members, prevMembers } = doc.view;
  const { voterChange: _givenUp, ...rest } = doc;
  return {
    ...rest,
    version,
    parent: doc.version,
    generation: version as bigint as Document["generation"],
    coreVersion: version,
    voters: [{ voterId: own, nodeId: state.me, diskId: state.durable.diskId }],
    // Who comes back gets its vote back, as one who joins gets one.
    nodes: doc.nodes.map((node) =>
      node.nodeId === state.me || !hadVote.has(node.nodeId) || node.leaving !== undefined
        ? node
        : { ...node, wantsVote: true }
    ),
    view: { ...doc.view, prevMembers: unionOf(members, prevMembers) },
    dbs: doc.dbs.map((db) => unsure(db, version)),
    pnnNext: Math.min(pnnNextOf(doc) + NUMBERS_AHEAD, PNN_END) as Pnn,
    voterIdNext: Math.min(voterIdNextOf(doc) + NUMBERS_AHEAD, VOTER_ID_END),
    forced: {
      count: (doc.forced?.count ?? 0) + 1,
      by: state.me,
      from: doc.version,
      version,
      atWallMs,
    },
  };
}

/** Whether its copies are those that are in sync, the planner finds, or people say. */
function unsure(db: DbCfg, version: Version): DbCfg {
  if (db.commit === undefined) return db;
  return { ...db, commit: { ...db.commit, unsure: true, changed: version } };
}
