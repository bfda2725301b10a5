/**
 * Reading and changing the document. Documents are values: each function here answers with a new one.
 *
 *   voterSetsOf: during a change of voters there are two sets, and a majority of each is needed
 *
 * Does NOT promise: that a change may be proposed now; leader.ts and plan.ts see to that.
 */
import type {
  Document,
  DocumentNode,
  Member,
  View,
  Voter,
} from "../../../transport/wire/messages/document.ts";
import type { Gone } from "../../../transport/wire/messages/membership.ts";
import type {
  ClusterId,
  Generation,
  Incarnation,
  NodeId,
  Pnn,
  Version,
} from "../../../transport/wire/terms.ts";
import { NODES_MAX } from "../../../transport/wire/limits.ts";
import { PNN_UNKNOWN } from "../../../transport/wire/terms.ts";
import { reassign } from "./slots.ts";
import { VERSION_NONE } from "./token.ts";

/** The format of documents before there was a field for it. */
export const FORMAT_FIRST = 1;

/** No generation: nothing was adopted. */
export const GENERATION_NONE = 0n as Generation;

/** A document that is made: all parts are new objects, except what did not change. */
export type Draft = { -readonly [Key in keyof Document]: Document[Key] };

/** What a cluster starts with: the same on every node, by configuration. */
export interface Genesis {
  readonly clusterId: ClusterId;
  /** In the order of their pnn; voters number from 1. */
  readonly nodes: readonly {
    readonly nodeId: NodeId;
    readonly name: string;
    readonly addr: string;
    readonly isVoter: boolean;
    /** Its public key at the server; only with format 2. */
    readonly natsKey?: string;
  }[];
  /** The format to begin with; 1 when absent. */
  readonly format?: number;
  /** Who uses the bus beside them; only with format 2. */
  readonly users?: Document["users"];
}

/** The document before all others, version 0: nodes and voters, nobody in the view. */
export function genesis({ clusterId, nodes, format = FORMAT_FIRST, users }: Genesis): Document {
  const voters = nodes.filter(({ isVoter }) => isVoter)
    .map(({ nodeId }, index) => ({ voterId: index + 1 as Voter["voterId"], nodeId }));
  const doc: Document = {
    version: VERSION_NONE,
    parent: VERSION_NONE,
    generation: GENERATION_NONE,
    coreVersion: VERSION_NONE,
    clusterId,
    voters,
    nodes: nodes.map(({ nodeId, name, addr, natsKey }, index) => ({
      pnn: index as Pnn,
      nodeId,
      name,
      addr,
      adminFlags: [],
      caps: ["leader", "lmaster"],
      since: VERSION_NONE,
      ...(format > FORMAT_FIRST && natsKey !== undefined ? { natsKey } : {}),
    })),
    view: { members: [], prevMembers: [], slots: [], maxInc: [] },
    dbs: [],
    publicIps: [],
  };
  if (format === FORMAT_FIRST) return doc;
  return { ...withFormat(doc, format), ...(users === undefined ? {} : { users }) };
}

/** The format of a document. */
export function formatOf({ format = FORMAT_FIRST }: Document): number {
  return format;
}

/** The document in a newer format: from now on the next numbers stand in it. */
export function withFormat(doc: Document, format: number): Document {
  return {
    ...doc,
    format,
    pnnNext: pnnNextOf(doc),
    voterIdNext: voterIdNextOf(doc),
  };
}

/** The number that the next node gets. */
export function pnnNextOf({ pnnNext, nodes, view }: Document): Pnn {
  if (pnnNext !== undefined) return pnnNext;
  return Math.max(0, ...[...nodes, ...view.maxInc].map(({ pnn }) => pnn + 1)) as Pnn;
}

/** Numbers of nodes end here: the next one must have a number, too. */
export const PNN_END: Pnn = PNN_UNKNOWN - 1 as Pnn;
/** Why there cannot be more nodes. */
export const NODES_MAX_SAID: string =
  `${NODES_MAX} nodes are the most, those that have gone among them`;

/** How many numbers a document has to remember: of nodes, of those to come, and of those that were members once. */
export function numbersUsed(
  { nodes, view }: Document,
  waiting: readonly { readonly pnn: Pnn }[],
): number {
  return new Set([...nodes, ...waiting, ...view.maxInc].map(({ pnn }) => pnn)).size;
}

/** The number that the next vote gets. */
export function voterIdNextOf(doc: Document): number {
  if (doc.voterIdNext !== undefined) return doc.voterIdNext;
  return Math.max(...allVotersOf(doc).map(({ voterId }) => voterId)) + 1;
}

/** Who of those that went had this id. */
export function goneOf({ gone = [] }: Document, nodeId: NodeId): Gone | undefined {
  return gone.find((one) => one.nodeId === nodeId);
}

/** The node with this id. */
export function nodeById(doc: Document, nodeId: NodeId): DocumentNode | undefined {
  for (const node of doc.nodes) if (node.nodeId === nodeId) return node;
  return undefined;
}

/** The node with this number. */
export function nodeByPnn(doc: Document, pnn: Pnn): DocumentNode | undefined {
  for (const node of doc.nodes) if (node.pnn === pnn) return node;
  return undefined;
}

/** The voters, or during a change the voters before and after it. */
function voterSetsOf(doc: Document): readonly (readonly Voter[])[] {
  const { voters, voterChange } = doc;
  return voterChange === undefined ? [voters] : [voters, votersAfter(doc)];
}

/** The voters once the change is done. */
export function votersAfter({ voters, voterChange }: Document): readonly Voter[] {
  if (voterChange === undefined) return voters;
  const { add, remove } = voterChange;
  const kept = voters.filter((voter) => voter.voterId !== remove?.voterId);
  return add === undefined ? kept : [...kept, add];
}

/** Every voter of either set, once. */
export function allVotersOf(doc: Document): readonly Voter[] {
  const add = doc.voterChange?.add;
  return add === undefined ? doc.voters : [...doc.voters, add];
}

/** Is this node a voter of either set? */
export function voterOf(doc: Document | undefined, nodeId: NodeId): Voter | undefined {
  if (doc === undefined) return undefined;
  for (const voter of doc.voters) if (voter.nodeId === nodeId) return voter;
  const add = doc.voterChange?.add;
  return add?.nodeId === nodeId ? add : undefined;
}

/** How many of `count` voters decide. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Does a majority of each set of voters have `yes`? */
export function hasMajority(doc: Document, yes: (voter: Voter) => boolean): boolean {
  if (doc.voterChange === undefined) return hasMajorityOf(doc.voters, yes);
  return voterSetsOf(doc).every((voters) => hasMajorityOf(voters, yes));
}

function hasMajorityOf(voters: readonly Voter[], yes: (voter: Voter) => boolean): boolean {
  let count = 0;
  for (const voter of voters) if (yes(voter)) count += 1;
  return count >= majorityOf(voters.length);
}

/** The life of a node in a list of lives. */
export function lifeOf(members: readonly Member[], pnn: Pnn): Incarnation | undefined {
  for (const member of members) if (member.pnn === pnn) return member.incarnation;
  return undefined;
}

/** Is this life a member of the view? */
export function isMember(view: View, pnn: Pnn, incarnation: Incarnation): boolean {
  return lifeOf(view.members, pnn) === incarnation;
}

/** The highest life of a node that was ever a member; 0: none was. */
export function maxIncOf(view: View, pnn: Pnn): Incarnation {
  return lifeOf(view.maxInc, pnn) ?? 0n as Incarnation;
}

/** May a node be a member and lead, as far as an administrator decides? */
export function isActive(node: DocumentNode): boolean {
  return !node.adminFlags.some((flag) =>
    flag === "banned" || flag === "stopped" || flag === "deleted"
  );
}

/** Is it active, and does it stay? */
export function isStaying(node: DocumentNode): boolean {
  return isActive(node) && node.leaving === undefined;
}

/** May a node be something? Before format 2 everybody was everything. */
export function hasCap(doc: Document, { caps }: DocumentNode, cap: "leader" | "lmaster"): boolean {
  return formatOf(doc) === FORMAT_FIRST || caps.includes(cap);
}

/** Who gets no slots, as the document decides: those that are draining or leave, and those that may have none. */
export function drainingOf(doc: Document): Set<Pnn> {
  const draining = new Set<Pnn>();
  for (const node of doc.nodes) {
    const isOut = node.adminFlags.includes("draining") || node.leaving !== undefined;
    if (isOut || !hasCap(doc, node, "lmaster")) draining.add(node.pnn);
  }
  return draining;
}

/** Is any slot's home this node? */
export function hasSlots({ slots }: View, pnn: Pnn): boolean {
  for (const { home } of slots) if (home.pnn === pnn) return true;
  return false;
}

/** Both lists without repetition; of two lives of one node both stay. */
export function unionOf(one: readonly Member[], other: readonly Member[]): Member[] {
  const nameOf = ({ pnn, incarnation }: Member) => `${pnn}.${incarnation}`;
  const union = new Map<string, Member>();
  for (const member of [...one, ...other]) {
    if (!union.has(nameOf(member))) union.set(nameOf(member), member);
  }
  return [...union.values()];
}

/** The life of each node in a list that has one of each. */
export function livesOf(members: readonly Member[]): Map<Pnn, Incarnation> {
  return new Map(members.map(({ pnn, incarnation }) => [pnn, incarnation]));
}

/** The id of each node by its number. */
export function nodeIdsOf(doc: Document): Map<Pnn, NodeId> {
  return new Map(doc.nodes.map(({ pnn, nodeId }) => [pnn, nodeId]));
}

/** What a view may have beside its members. */
export interface MoreOfView {
  /** Ascending. */
  readonly stopping?: readonly Pnn[];
  readonly isRehomed?: boolean;
  /** How many slots; all when absent. */
  readonly slotCount?: number | undefined;
}

/**
 * The document with another view. `version` is its version, which becomes the generation; who comes in gets it as
 * `since`, who leaves gets 0. `draining`: who gets no slots; `stopping`: whose records go elsewhere. `isRehomed`: no
 * home has a table to begin with.
 */
export function withView(
  base: Document,
  members: readonly Member[],
  prevMembers: readonly Member[],
  version: Version,
  draining: ReadonlySet<Pnn> = drainingOf(base),
  { stopping = [], isRehomed = false, slotCount }: MoreOfView = {},
): Document {
  const generation = version as bigint as Generation;
  const livesBefore = livesOf(base.view.members);
  const livesAfter = livesOf(members);
  const nodes = base.nodes.map((node) => {
    const before = livesBefore.get(node.pnn);
    const after = livesAfter.get(node.pnn);
    if (before === after) return node;
    return { ...node, since: after === undefined ? VERSION_NONE : version };
  });
  const slots = members.length === 0
    ? []
    : reassign(isRehomed ? [] : base.view.slots, members, draining, generation, slotCount);
  const maxInc = maxIncAfter(base.view.maxInc, members);
  const stop = stopping.length === 0 ? {} : { stopping };
  const view = { members, prevMembers, slots: slots as View["slots"], maxInc, ...stop };
  return { ...base, version, generation, coreVersion: version, nodes, view };
}

function maxIncAfter(before: readonly Member[], members: readonly Member[]): Member[] {
  const lives = livesOf(members);
  const after = before.map((max) => {
    const life = lives.get(max.pnn);
    lives.delete(max.pnn);
    return life !== undefined && life > max.incarnation ? { ...max, incarnation: life } : max;
  });
  for (const [pnn, incarnation] of lives) after.push({ pnn, incarnation });
  return after;
}

/** Are the members the same lives? Both are in ascending order of their numbers. */
export function isSameMembers(one: readonly Member[], other: readonly Member[]): boolean {
  return one.length === other.length &&
    one.every(({ pnn, incarnation }, at) =>
      other[at]?.pnn === pnn && other[at]?.incarnation === incarnation
    );
}

/** Do two documents say the same? Structural; for assert V2, where two with one version meet. */
export function isSameDocument(one: Document, other: Document): boolean {
  return one === other || isSameValue(one, other);
}

function isSameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return false;
  }
  if (Array.isArray(one) || Array.isArray(other)) {
    return Array.isArray(one) && Array.isArray(other) && isSameList(one, other);
  }
  return isSameRecord(one as Record<string, unknown>, other as Record<string, unknown>);
}

/** A missing field and an undefined one are the same. */
function isSameRecord(
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
): boolean {
  let more = 0;
  for (const name of Object.keys(one)) {
    if (one[name] === undefined) continue;
    more += 1;
    if (!isSameValue(one[name], other[name])) return false;
  }
  for (const name of Object.keys(other)) if (other[name] !== undefined) more -= 1;
  return more === 0;
}

/** Slots are a few objects over and over: two of them are compared once. */
function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  if (one.length !== other.length) return false;
  const same = new Map<unknown, unknown>();
  for (let at = 0; at < one.length; at++) {
    const [mine, its] = [one[at], other[at]];
    if (mine === its || (typeof mine === "object" && same.get(mine) === its)) continue;
    if (!isSameValue(mine, its)) return false;
    same.set(mine, its);
  }
  return true;
}
