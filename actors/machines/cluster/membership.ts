/**
 * Commands that change who belongs to the cluster, and who may use the bus: invitations, joining, leaving, users. What
 * each makes of a document, and when it is refused, in words that say what to do.
 *
 *   invite ─▶ invitations ──join──▶ nodes ──leave | replace──▶ leaving ──(departure.ts, step by step)──▶ gone
 *
 * All is decided here, in the document, by the leader; so two that ask at once cannot both get a name.
 *
 * Does NOT promise: that a clock is right: whether an invitation has expired is judged by the clock of whom was asked.
 */
import { INVITATIONS_MAX, NODES_MAX, USERS_MAX } from "../../../transport/wire/limits.ts";
import { VOTERS_MAX } from "../../../transport/wire/limits.ts";
import type { Document, DocumentNode } from "../../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../../transport/wire/messages/leader.ts";
import { FORMAT_2_VERBS } from "../../../transport/wire/messages/leader.ts";
import type { Invitation } from "../../../transport/wire/messages/membership.ts";
import type { Pnn, Version } from "../../../transport/wire/terms.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import { withNode } from "./ban.ts";
import { isAboutDatabases } from "./databases.ts";
import { formatOf, goneOf, nodeById, nodeByPnn, numbersUsed, pnnNextOf } from "./document.ts";
import { NODES_MAX_SAID, PNN_END, voterOf } from "./document.ts";
import { finalizeRefusal, withFinalized } from "./format.ts";
import { leaveRefusal, replaceRefusal, withLeaving, withReplaced } from "./departure.ts";
import type { ClusterState } from "./state.ts";
import { VERSION_NONE } from "./token.ts";
import { isCandidate, preferenceOf, PREFERRED } from "./yield.ts";
import { withZone, zoneRefusal } from "./zones.ts";

/** The commands that came with format 2. */
export type MembershipCommand = Extract<
  LeaderCommand,
  {
    verb:
      | "finalize"
      | "invite"
      | "uninvite"
      | "join"
      | "leave"
      | "replace"
      | "caps"
      | "zone"
      | "user_add"
      | "user_remove";
  }
>;
type Command<Verb extends MembershipCommand["verb"]> = Extract<MembershipCommand, { verb: Verb }>;

/** What a node may be until somebody says otherwise. */
const CAPS_FIRST = ["leader", "lmaster"] as const;

/** Is it one of those? */
export function isMembership(command: LeaderCommand): command is MembershipCommand {
  return command.verb === "finalize" ||
    (FORMAT_2_VERBS.includes(command.verb) && !isAboutDatabases(command));
}

/** Why a command is not possible with this document; undefined: it is, or it is done already. */
export function membershipRefusal(
  state: ClusterState,
  doc: Document,
  command: MembershipCommand,
): string | undefined {
  switch (command.verb) {
    case "finalize":
      return finalizeRefusal(state, doc, command.format);
    case "invite":
      return inviteRefusal(doc, command);
    case "uninvite":
      return uninviteRefusal(doc, command.inviteId);
    case "join":
      return joinRefusal(doc, command);
    case "leave":
      return leaveRefusal(state, doc, command.pnn);
    case "replace":
      return replaceRefusal(state, doc, command);
    case "caps":
      return capsRefusal(doc, command);
    case "zone":
      return zoneRefusal(doc, command);
    case "user_add":
      return userRefusal(doc, command);
    case "user_remove":
      return undefined;
  }
}

/** The document with the command done as far as one document can; the same one when there is nothing to do. */
export function membershipResult(
  doc: Document,
  command: MembershipCommand,
  version: Version,
): Document {
  switch (command.verb) {
    case "finalize":
      return withFinalized(doc, command.format);
    case "invite":
      return withInvitation(doc, command, version);
    case "uninvite":
      return withoutInvitation(doc, command.inviteId);
    case "join":
      return withJoined(doc, command);
    case "leave":
      return withLeaving(doc, command.pnn, "left");
    case "replace":
      return withReplaced(doc, command);
    case "caps":
      return withCaps(doc, command);
    case "zone":
      return withZone(doc, command);
    case "user_add":
      return withUser(doc, command);
    case "user_remove":
      return withoutUser(doc, command.name);
  }
}

/** Does an effective document have what the command wants? */
export function isMembershipDone(doc: Document, command: MembershipCommand): boolean {
  if (command.verb === "leave" || command.verb === "replace") {
    return nodeByPnn(doc, command.pnn) === undefined;
  }
  // Who joins is there as soon as it is in the list; the view is another matter.
  return membershipResult(doc, command, doc.version) === doc;
}

function invitationOf({ invitations = [] }: Document, inviteId: string): Invitation | undefined {
  return invitations.find((one) => one.inviteId === inviteId);
}

/** The node that came by an invitation. */
function joinedBy({ nodes }: Document, inviteId: string): DocumentNode | undefined {
  return nodes.find(({ joined }) => joined?.inviteId === inviteId);
}

/** A node for people. */
function said({ pnn, name }: { readonly pnn: Pnn; readonly name: string }): string {
  return `${name} (number ${pnn})`;
}

function live(doc: Document, atWallMs: bigint): readonly Invitation[] {
  return (doc.invitations ?? []).filter(({ expiresWallMs }) => expiresWallMs > atWallMs);
}

function inviteRefusal(doc: Document, command: Command<"invite">): string | undefined {
  const { inviteId, name, voter, replaces, atWallMs, expiresWallMs, pnn } = command;
  const known = invitationOf(doc, inviteId) ?? joinedBy(doc, inviteId);
  if (known !== undefined) {
    return known.name === name ? undefined : `this invitation is for ${said(known)} already`;
  }
  const waiting = live(doc, atWallMs);
  if (expiresWallMs <= atWallMs) return "it would be over already: let it expire later";
  if (waiting.length >= INVITATIONS_MAX) {
    return `${INVITATIONS_MAX} invitations wait already: take one back with uninvite`;
  }
  const taken = takenBy(doc, waiting, command) ?? numberRefusal(doc, waiting, pnn);
  if (taken !== undefined) return taken;
  const replaceFault = replaces === undefined ? undefined : replacesRefusal(doc, waiting, replaces);
  if (replaceFault !== undefined) return replaceFault;
  const takesOver = replaces !== undefined && votes(doc, replaces);
  return voter && !takesOver && votesToCome(doc, waiting) >= VOTERS_MAX
    ? `${VOTERS_MAX} voters are the most: invite it without a vote`
    : undefined;
}

/** Why a number cannot be given; undefined among the arguments: the next one. */
function numberRefusal(
  doc: Document,
  waiting: readonly Invitation[],
  pnn: Pnn | undefined,
): string | undefined {
  if (numbersUsed(doc, waiting) >= NODES_MAX) return NODES_MAX_SAID;
  const next = pnnNextOf(doc);
  if ((pnn ?? next) >= PNN_END) return `numbers end below ${PNN_END}`;
  if (pnn === undefined || pnn >= next) return undefined;
  const owner = nodeByPnn(doc, pnn) ?? waiting.find((one) => one.pnn === pnn) ??
    doc.gone?.find((one) => one.pnn === pnn);
  const whose = owner === undefined ? "was given before" : `is that of ${said(owner)}`;
  return `number ${pnn} ${whose}, and none is given twice: the next free one is ${next}`;
}

/** Who has the name, the id, the tag or the key already. */
/** Why a name is none for a node, though its form is right: commands would take it for something else. */
export function oddName(name: string): string | undefined {
  if (/^[0-9]+$/.test(name)) return "a name of digits only would be taken for a number";
  return name === "all" || name === "others"
    ? `commands take "${name}" for several nodes; choose another name`
    : undefined;
}

function takenBy(
  doc: Document,
  waiting: readonly Invitation[],
  { name, nodeId, natsKey }: Command<"invite">,
): string | undefined {
  const node = doc.nodes.find((one) => one.name === name);
  if (node !== undefined) return `the name is taken: ${said(node)} has it; choose another one`;
  const invited = waiting.find((one) => one.name === name);
  if (invited !== undefined) {
    return `the name is taken: ${said(invited)} is invited; use that invitation, or uninvite it`;
  }
  const odd = oddName(name);
  if (odd !== undefined) return odd;
  const tag = tagOf(nodeId);
  const user = doc.users?.find((one) => one.tag === tag);
  if (user !== undefined) return `the tag ${tag} is that of user ${user.name}: make a new node id`;
  const other = [...doc.nodes, ...waiting, ...doc.gone ?? []].find((one) =>
    one.nodeId === nodeId || tagOf(one.nodeId) === tag
  );
  if (other !== undefined) return `the node id is taken: ${said(other)} has it; make a new one`;
  if (natsKey === undefined) return undefined;
  const owner = [...doc.nodes, ...waiting].find((one) => one.natsKey === natsKey) ??
    doc.users?.find((one) => one.natsKey === natsKey);
  return owner === undefined
    ? undefined
    : `the key is taken: ${owner.name} has it; make a new one for each`;
}

function replacesRefusal(
  doc: Document,
  waiting: readonly Invitation[],
  pnn: Pnn,
): string | undefined {
  const old = nodeByPnn(doc, pnn);
  if (old === undefined) return `there is no node ${pnn} to be replaced`;
  if (old.leaving !== undefined) return `${said(old)} is leaving already`;
  const other = waiting.find((one) => one.replaces === pnn) ??
    doc.nodes.find((one) => one.replaces === pnn);
  return other === undefined ? undefined : `${said(other)} is to replace it already`;
}

function votes(doc: Document, pnn: Pnn): boolean {
  const node = nodeByPnn(doc, pnn);
  return node !== undefined && voterOf(doc, node.nodeId) !== undefined;
}

/** The votes that there will be when all who are promised one have it. */
function votesToCome(doc: Document, waiting: readonly Invitation[]): number {
  const wanting = doc.nodes.filter(({ wantsVote, replaces }) =>
    wantsVote === true && (replaces === undefined || !votes(doc, replaces))
  );
  const promised = waiting.filter(({ voter, replaces }) =>
    voter && (replaces === undefined || !votes(doc, replaces))
  );
  return doc.voters.length + wanting.length + promised.length;
}

function withInvitation(doc: Document, command: Command<"invite">, version: Version): Document {
  const { inviteId, name, nodeId, natsKey, voter, replaces, expiresWallMs, atWallMs } = command;
  if (invitationOf(doc, inviteId) !== undefined || joinedBy(doc, inviteId) !== undefined) {
    return doc;
  }
  const pnn = command.pnn ?? pnnNextOf(doc);
  const invitation: Invitation = {
    inviteId,
    name,
    pnn,
    nodeId,
    ...(natsKey === undefined ? {} : { natsKey }),
    voter,
    ...(replaces === undefined ? {} : { replaces }),
    expiresWallMs,
    madeVersion: version,
  };
  const invitations = [...live(doc, atWallMs), invitation];
  return { ...doc, invitations, pnnNext: pnn + 1 as Pnn };
}

function uninviteRefusal(doc: Document, inviteId: string): string | undefined {
  const node = joinedBy(doc, inviteId);
  return node === undefined
    ? undefined
    : `it was used: ${said(node)} is a node now; leave takes it out again`;
}

function withoutInvitation(doc: Document, inviteId: string): Document {
  if (invitationOf(doc, inviteId) === undefined) return doc;
  return { ...doc, invitations: doc.invitations?.filter((one) => one.inviteId !== inviteId) ?? [] };
}

function joinRefusal(doc: Document, command: Command<"join">): string | undefined {
  const { inviteId, nodeId, diskId, addr, format, atWallMs } = command;
  const gone = goneOf(doc, nodeId);
  if (gone !== undefined) {
    const how = gone.why === "left" ? "has left" : "was replaced";
    return `${said(gone)} ${how} and cannot come back: invite it anew, under a new identity`;
  }
  const node = joinedBy(doc, inviteId);
  if (node !== undefined) {
    const isSame = node.nodeId === nodeId && node.joined?.diskId === diskId;
    if (isSame && node.addr === addr) return undefined;
    const who = `${said(node)} at ${node.addr}`;
    return isSame
      ? `this node has joined as ${who}: join with that address`
      : `this invitation was used already, by ${who}: make another one`;
  }
  const known = nodeById(doc, nodeId);
  if (known !== undefined) return `${said(known)} is a node of this cluster already`;
  const invitation = invitationOf(doc, inviteId);
  if (invitation === undefined) {
    return "this cluster has no such invitation: it was taken back, or never made here";
  }
  if (invitation.nodeId !== nodeId) return "this invitation is for a node with another id";
  if (invitation.expiresWallMs <= atWallMs) {
    const agoS = (atWallMs - invitation.expiresWallMs) / 1000n;
    return `this invitation expired ${agoS} s ago: make another one`;
  }
  if (format < formatOf(doc)) {
    return `this node knows format ${format} only, the cluster has ${formatOf(doc)}: upgrade it`;
  }
  if (doc.nodes.length >= NODES_MAX) return `${NODES_MAX} nodes are the most`;
  const other = doc.nodes.find((one) => one.addr === addr);
  return other === undefined
    ? undefined
    : `the address is taken: ${said(other)} has ${addr}; give this node its own`;
}

function withJoined(doc: Document, { inviteId, diskId, addr }: Command<"join">): Document {
  const invitation = invitationOf(doc, inviteId);
  if (invitation === undefined) return doc;
  const { pnn, nodeId, name, natsKey, voter, replaces } = invitation;
  const node: DocumentNode = {
    pnn,
    nodeId,
    name,
    addr,
    adminFlags: [],
    caps: [...CAPS_FIRST],
    since: VERSION_NONE,
    joined: { inviteId, diskId },
    ...(natsKey === undefined ? {} : { natsKey }),
    ...(voter ? { wantsVote: true } : {}),
    ...(replaces === undefined ? {} : { replaces }),
  };
  return { ...withoutInvitation(doc, inviteId), nodes: [...doc.nodes, node] };
}

function capsRefusal(doc: Document, { pnn, caps }: Command<"caps">): string | undefined {
  const node = nodeByPnn(doc, pnn);
  if (node === undefined) return `there is no node ${pnn}`;
  if (caps.includes("leader") || !node.caps.includes("leader")) return undefined;
  const isOther = doc.voters.some(({ nodeId }) =>
    nodeId !== node.nodeId && isCandidate(doc, nodeId) && preferenceOf(doc, nodeId) === PREFERRED
  );
  return isOther ? undefined : "nobody else may lead: let another node lead first";
}

function withCaps(doc: Document, { pnn, caps }: Command<"caps">): Document {
  const node = nodeByPnn(doc, pnn);
  const isSame = node === undefined || node.caps.length === caps.length &&
      node.caps.every((cap, at) => cap === caps[at]);
  return isSame ? doc : withNode(doc, { ...node, caps: [...caps] });
}

function userRefusal(doc: Document, { user }: Command<"user_add">): string | undefined {
  const { users = [], nodes, invitations = [] } = doc;
  const known = users.find(({ name }) => name === user.name);
  if (known !== undefined) {
    return isSameUser(known, user)
      ? undefined
      : `there is another user ${user.name}: choose another name, or remove that one first`;
  }
  if (users.length >= USERS_MAX) return `${USERS_MAX} users are the most: remove one first`;
  const owner = [...users, ...nodes, ...invitations].find(({ natsKey }) =>
    natsKey === user.natsKey
  );
  if (owner !== undefined) return `the key is taken: ${owner.name} has it`;
  const isNodes = [...nodes, ...invitations].some(({ nodeId }) => tagOf(nodeId) === user.tag);
  return isNodes || users.some(({ tag }) => tag === user.tag)
    ? `the tag ${user.tag} is taken: make new credentials`
    : undefined;
}

type User = NonNullable<Document["users"]>[number];

function isSameUser(one: User, other: User): boolean {
  return one.role === other.role && one.natsKey === other.natsKey && one.tag === other.tag;
}

function withUser(doc: Document, { user }: Command<"user_add">): Document {
  const { users = [] } = doc;
  if (users.some(({ name }) => name === user.name)) return doc;
  return { ...doc, users: [...users, user] };
}

function withoutUser(doc: Document, gone: string): Document {
  const { users = [] } = doc;
  const left = users.filter(({ name }) => name !== gone);
  return left.length === users.length ? doc : { ...doc, users: left };
}
