/**
 * `cluster force-leader`: this node leads the cluster on, as most of its voters are gone for ever.
 *
 *   asked ─▶ every voter is asked over the bus ─▶ refused where most answer, or one knows a newer document
 *         ─▶ the cluster machine looks once more (machines/cluster/force.ts), and does it
 *
 * Does NOT promise: that the others are gone; people say so, and it is kept in the document that they did.
 */
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Document, Voter } from "../../transport/wire/messages/document.ts";
import type { NodeId, Version } from "../../transport/wire/terms.ts";
import type { Args, Verb } from "../control.ts";
import { majorityOf, nodeById, votersAfter } from "../machines/cluster/document.ts";
import { forceRefusal, newestDocument } from "../machines/cluster/force.ts";
import type { NodeParts } from "../node_parts.ts";
import { formed, seen, verbIdOf } from "./args.ts";

/** Another node gets so long to answer, ms. */
const ASK_MS = 2000;
/** It leads within this, ms: silence, a register that is not there, and lives that are waited out. */
const LEADS_MS = 15_000;

/** A voter, as far as this node can tell. */
interface VoterLook {
  readonly pnn: number | undefined;
  readonly name: string;
  readonly isThis: boolean;
  readonly answers: boolean;
  /** The document that it has in force, by its own word. */
  readonly version: Version | undefined;
}

/** What leading on by force would mean. */
interface LeaderLook {
  readonly node: string;
  /** The document that is led on from. */
  readonly from: Version;
  readonly refusal: string | undefined;
  readonly voters: readonly VoterLook[];
  /** Those whose copies are not taken for sure any more. */
  readonly databases: readonly string[];
  /** How often the cluster was led on so before. */
  readonly count: number;
}

/** What it would be; anybody may ask. */
export function forceLeaderLooks(node: NodeParts): [string, Verb][] {
  return [["cluster force look", async () => await lookOf(node)]];
}

/** For the owner on the socket, and an admin on the bus. */
export function forceLeaderChanges(node: NodeParts): [string, Verb][] {
  return [["cluster force", (args) => forceLeader(node, args)]];
}

async function forceLeader(node: NodeParts, args: Args): Promise<unknown> {
  const from = BigInt(formed(args, "from", /^[0-9]{1,20}$/, "a version")) as Version;
  const look = await lookOf(node);
  const cannot = "Cannot lead the cluster on by force";
  if (look.refusal !== undefined) throw new CtdbxError("state", `${cannot}: ${look.refusal}`);
  const atWallMs = BigInt(Math.max(0, Math.floor(node.world.clock.wallMs())));
  const { outcome, text } = await node.cluster.force(verbIdOf(node, args), from, atWallMs);
  if (outcome !== "done") throw new CtdbxError("state", `${cannot}: ${text}`);
  const version = await seen(
    node,
    ({ forced, version }) => forced?.from === from ? version : undefined,
    LEADS_MS,
  );
  return { ...look, version };
}

async function lookOf(node: NodeParts): Promise<LeaderLook> {
  const doc = newestDocument(node.state);
  if (doc === undefined) {
    throw new CtdbxError("no_quorum", "Cannot say: this node has no document of a cluster yet");
  }
  const voters = await Promise.all(
    votersAfter(doc).map((voter) => voterLook(node, doc, voter)),
  );
  return {
    node: nodeById(doc, node.state.me)?.name ?? node.config.name,
    from: doc.version,
    refusal: refusalOf(node, doc, voters),
    voters,
    databases: doc.dbs.filter(({ commit }) => commit !== undefined).map(({ name }) => name),
    count: doc.forced?.count ?? 0,
  };
}

function refusalOf(
  node: NodeParts,
  doc: Document,
  voters: readonly VoterLook[],
): string | undefined {
  const there = voters.filter(({ answers }) => answers);
  const newer = there.find(({ version = 0n }) => version > doc.version);
  if (newer !== undefined) return `${newer.name} has a newer document: have that node lead on`;
  const own = forceRefusal(node.state);
  if (own !== undefined) return own;
  if (there.length < majorityOf(voters.length)) return undefined;
  const names = there.map(({ name }) => name).join(", ");
  return `most of the voters answer: ${names}; they elect a leader by themselves`;
}

async function voterLook(node: NodeParts, doc: Document, { nodeId }: Voter): Promise<VoterLook> {
  const { pnn, name = nodeId } = nodeById(doc, nodeId) ?? {};
  const isThis = nodeId === node.state.me;
  if (isThis) return { pnn, name, isThis, answers: true, version: doc.version };
  const version = await versionAt(node, nodeId);
  return { pnn, name, isThis, answers: version !== undefined, version };
}

/** The document that a node has in force, 0: none; undefined: it does not answer. */
async function versionAt(node: NodeParts, to: NodeId): Promise<Version | undefined> {
  try {
    const ask = { kind: "ask", verb: "node status", args: "{}" } as const;
    const received = await node.post.ask(to, ask, ASK_MS);
    // It is there, whatever it says.
    if (isRefusal(received) || received.message.kind !== "answer") return 0n as Version;
    const { version } = JSON.parse(received.message.ok ?? "{}");
    return typeof version === "string" ? BigInt(version) as Version : 0n as Version;
  } catch {
    return undefined;
  }
}
