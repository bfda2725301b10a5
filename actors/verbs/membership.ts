/**
 * Verbs that change who belongs to the cluster: each has the leader change the document, and says what it shows then.
 *
 *   cluster invite | uninvite | invitations | leave | replace       node flags | ban | unban | caps | zone
 *   user add | remove | list
 *
 * All can be asked again: what is done already is answered as done. What takes its time (leave, replace) is begun, and
 * answered with the step at which it stands.
 *
 * Does NOT promise: the end of what takes its time; ask again, or look at the document.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { SEEDS_MAX } from "../../transport/wire/limits.ts";
import type { Document, DocumentNode } from "../../transport/wire/messages/document.ts";
import { NEWER_FLAGS, ZONE } from "../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import { USER_ROLES } from "../../transport/wire/messages/membership.ts";
import type { NodeId, Pnn, Tag } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { isUserKey, tagOfKey } from "../../transport/nats_keys.ts";
import type { Args, Verb } from "../control.ts";
import { documentView, invitationView } from "./document_view.ts";
import { leaveRefusal, type LeaveStep, leaveStepOf } from "../machines/cluster/departure.ts";
import { formatOf, nodeByPnn } from "../machines/cluster/document.ts";
import { recordsAt } from "../machines/cluster/left.ts";
import { NEEDS_FORMAT_2 } from "../machines/cluster/format.ts";
import type { NodeParts } from "../node_parts.ts";
import { atLeader } from "./upgrade.ts";
import { commanded, documentAt, formed, id, nodeOf, seen, text } from "./args.ts";
import { verbIdOf, whole, words, wrong } from "./args.ts";
import { leaderOf } from "../views.ts";

/** An invitation lasts so long at most, ms: a year. */
const TTL_MAX_MS = 366 * 24 * 3600 * 1000;
/** A node that is told to go gets to its first step within this, ms. */
const BEGIN_MS = 10_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const NAME_SAID = "1 to 63 of A-Z a-z 0-9 . _ -, not beginning with a sign";
/** What `node flags` may set and clear. */
const FLAGS = ["stopped", "draining", ...NEWER_FLAGS[2]] as const;
const CAPS = ["leader", "lmaster"] as const;
const ZONE_SAID = "1 to 32 of A-Z a-z 0-9 . _ -, not beginning with a sign";

/** What a step of leaving waits for, in words. */
const STEP_WORDS: Readonly<Record<LeaveStep, string>> = {
  slots: "its slots move to the others",
  records: "its records move to the others; programs that hold locks there keep them",
  copies: "its copies of databases move to the others, which must be in sync first",
  lead: "it hands the lead over",
  vote: "its vote is taken back; a majority of those that stay must answer",
  view: "it goes out of the view",
  list: "it goes off the list",
  gone: "it is gone",
};

/** Looks of this file; anybody may ask them. */
export function membershipLooks(node: NodeParts): [string, Verb][] {
  const wallMs = () => node.world.clock.wallMs();
  return [
    ["cluster view", () => documentView(documentAt(node), wallMs())],
    [
      "cluster invitations",
      () => {
        const doc = documentAt(node);
        return (doc.invitations ?? []).map((one) => invitationView(doc, one, wallMs()));
      },
    ],
    [
      "cluster leave check",
      (args) => atLeader(node, "cluster leave check", args, () => checkLeave(node, args)),
    ],
    ["user list", () => documentAt(node).users ?? []],
  ];
}

/** What changes something: for the owner on the socket, and an admin on the bus. */
export function membershipChanges(node: NodeParts): [string, Verb][] {
  return [
    ["cluster invite", (args) => invite(node, args)],
    ["cluster uninvite", (args) => uninvite(node, args)],
    ["cluster leave", (args) => leave(node, args)],
    ["cluster replace", (args) => replace(node, args)],
    ["node flags", (args) => flags(node, args)],
    ["node ban", (args) => ban(node, args)],
    ["node unban", (args) => unban(node, args)],
    ["node caps", (args) => caps(node, args)],
    ["node zone", (args) => zone(node, args)],
    ["user add", (args) => addUser(node, args)],
    ["user remove", (args) => removeUser(node, args)],
  ];
}

async function invite(node: NodeParts, args: Args): Promise<unknown> {
  const name = formed(args, "name", NAME, NAME_SAID);
  const inviteId = id(args, "inviteId");
  const nodeId = id(args, "nodeId") as NodeId;
  const replaces = args["replaces"] === undefined
    ? undefined
    : nodeOf(node, text(args, "replaces")).pnn;
  const natsKey = args["natsKey"] === undefined ? undefined : userKey(args);
  const pnn = args["pnn"] === undefined ? undefined : whole(args, "pnn", 0, 0xffff_fffd) as Pnn;
  const wallMs = node.world.clock.wallMs();
  const command: LeaderCommand = {
    verb: "invite",
    inviteId,
    name,
    nodeId,
    voter: args["voter"] === true,
    expiresWallMs: BigInt(Math.floor(wallMs) + whole(args, "ttlMs", 1000, TTL_MAX_MS)),
    atWallMs: BigInt(Math.floor(wallMs)),
    ...(replaces === undefined ? {} : { replaces }),
    ...(natsKey === undefined ? {} : { natsKey }),
    ...(pnn === undefined ? {} : { pnn }),
  };
  await commanded(node, `Cannot invite ${name}`, verbIdOf(node, args), command);
  return await seen(node, (doc) => invitedView(node, doc, inviteId));
}

/** What the invitation's file needs; undefined: the document does not show it yet. Throws when it was used. */
function invitedView(node: NodeParts, doc: Document, inviteId: string): unknown {
  const joined = doc.nodes.find((each) => each.joined?.inviteId === inviteId);
  if (joined !== undefined) {
    const text = `it was used: ${joined.name} is node ${joined.pnn}`;
    throw new CtdbxError("state", `Cannot invite ${joined.name}: ${text}`);
  }
  const invitation = doc.invitations?.find((one) => one.inviteId === inviteId);
  if (invitation === undefined) return undefined;
  const { name, pnn, nodeId, voter, replaces, expiresWallMs } = invitation;
  const old = replaces === undefined ? undefined : nodeByPnn(doc, replaces);
  return {
    inviteId,
    name,
    pnn,
    nodeId,
    tag: tagOf(nodeId),
    voter,
    replaces: old === undefined ? undefined : { pnn: old.pnn, name: old.name },
    expiresWallMs,
    cluster: node.config.cluster,
    clusterId: doc.clusterId,
    format: formatOf(doc),
    seeds: seedsOf(doc),
  };
}

/** Whom a new node may ask: voters first, nobody that is on its way out. */
function seedsOf(doc: Document) {
  const isVoter = (each: DocumentNode) => doc.voters.some(({ nodeId }) => nodeId === each.nodeId);
  return doc.nodes.filter(({ leaving }) => leaving === undefined)
    .sort((one, other) => Number(isVoter(other)) - Number(isVoter(one)))
    .slice(0, SEEDS_MAX)
    .map(({ nodeId, name, pnn }) => ({ nodeId, tag: tagOf(nodeId), name, pnn }));
}

async function uninvite(node: NodeParts, args: Args): Promise<unknown> {
  const name = text(args, "name");
  const doc = documentAt(node);
  const invitation = doc.invitations?.find((one) => one.name === name || one.inviteId === name);
  if (invitation === undefined) {
    const known = doc.invitations?.map((one) => one.name).join(", ") ?? "";
    const text = known === "" ? "nobody is invited" : `invited are ${known}`;
    throw new CtdbxError("not_found", `Cannot find the invitation of ${name}: ${text}`);
  }
  const { inviteId, pnn } = invitation;
  const command = { verb: "uninvite", inviteId } as const;
  await commanded(node, `Cannot uninvite ${invitation.name}`, verbIdOf(node, args), command);
  return { name: invitation.name, pnn };
}

/** Records that are to move before a node goes; the leader alone knows, from here it is a guess. */
function leftOf({ state }: NodeParts, doc: Document, pnn: Pnn): number {
  return state.lead === undefined ? 0 : recordsAt(state, doc, { pnn }) ?? 1;
}

/** A node that is there, or that went. */
function nodeOrGone(node: NodeParts, name: string): { pnn: Pnn; name: string; nodeId: NodeId } {
  const doc = documentAt(node);
  const isThere = doc.nodes.some((each) => each.name === name || String(each.pnn) === name);
  const gone = doc.gone?.findLast((one) => one.name === name || String(one.pnn) === name);
  return isThere || gone === undefined ? nodeOf(node, name) : gone;
}

/** Where a node on its way out stands. */
function leaveView(node: NodeParts, { pnn, name, nodeId }: ReturnType<typeof nodeOrGone>) {
  const doc = documentAt(node);
  const step = leaveStepOf(doc, pnn, leaderOf(node.state) === nodeId, leftOf(node, doc, pnn));
  const leaving = nodeByPnn(doc, pnn)?.leaving;
  return { pnn, name, nodeId, step, text: STEP_WORDS[step], done: step === "gone", leaving };
}

/** Answers where it would stand, or throws why it cannot leave. */
function checkLeave(node: NodeParts, args: Args): unknown {
  const about = nodeOrGone(node, text(args, "node"));
  const doc = documentAt(node);
  const cannot = `Cannot take ${about.name} out`;
  if (formatOf(doc) < 2) throw new CtdbxError("version", `${cannot}: ${NEEDS_FORMAT_2}`);
  const refusal = leaveRefusal(node.state, doc, about.pnn);
  if (refusal !== undefined) throw new CtdbxError("state", `${cannot}: ${refusal}`);
  return leaveView(node, about);
}

async function leave(node: NodeParts, args: Args): Promise<unknown> {
  const about = nodeOrGone(node, text(args, "node"));
  if (args["dryRun"] === true) {
    const asked = { node: String(about.pnn) };
    return await atLeader(node, "cluster leave check", asked, () => checkLeave(node, asked));
  }
  const why = text(args, "why", "an operator asked for it");
  const command = { verb: "leave", pnn: about.pnn, why } as const;
  return await begun(node, args, about, `Cannot take ${about.name} out`, command);
}

async function replace(node: NodeParts, args: Args): Promise<unknown> {
  const about = nodeOrGone(node, text(args, "old"));
  const by = nodeOf(node, text(args, "by"));
  const why = text(args, "why", "an operator asked for it");
  const command = { verb: "replace", pnn: about.pnn, by: by.pnn, why } as const;
  return await begun(node, args, about, `Cannot replace ${about.name}`, command, by.pnn);
}

/** Has something begun that takes its time; answers where it stands as soon as it is begun. */
async function begun(
  node: NodeParts,
  args: Args,
  about: ReturnType<typeof nodeOrGone>,
  cannot: string,
  command: LeaderCommand,
  by?: Pnn,
): Promise<unknown> {
  const isBegun = (doc: Document): true | undefined => {
    const old = nodeByPnn(doc, about.pnn);
    const isComing = by !== undefined && nodeByPnn(doc, by)?.replaces === about.pnn;
    return old === undefined || old.leaving !== undefined || isComing ? true : undefined;
  };
  if (isBegun(documentAt(node)) !== true) {
    const asked = commanded(node, cannot, verbIdOf(node, args), command);
    // What it waits for at the end is looked at in the document; only a refusal counts here.
    const refused = asked.then(() => true as const, (error: unknown) => {
      if (isBegun(documentAt(node)) === true) return true as const;
      throw error;
    });
    await Promise.race([refused, seen(node, isBegun, BEGIN_MS)]);
  }
  return leaveView(node, about);
}

/** A node as `node ...` verbs answer it, once the document is as wanted. */
async function changed(
  node: NodeParts,
  args: Args,
  command: LeaderCommand & { readonly pnn: Pnn },
  what: string,
  isSo: (each: DocumentNode) => boolean,
): Promise<unknown> {
  const { name } = nodeOf(node, String(command.pnn));
  await commanded(node, `Cannot ${what} ${name}`, verbIdOf(node, args), command);
  return await seen(node, (doc) => {
    const each = nodeByPnn(doc, command.pnn);
    if (each === undefined || !isSo(each)) return undefined;
    const { pnn, adminFlags, caps, ban, zone } = each;
    return { pnn, name, adminFlags, caps, ban, zone };
  });
}

function flags(node: NodeParts, args: Args): Promise<unknown> {
  const { pnn } = nodeOf(node, text(args, "node"));
  const set = words(args, "set", FLAGS);
  const clear = words(args, "clear", FLAGS);
  if (set.some((flag) => clear.includes(flag))) throw wrong("a flag is set or cleared, not both");
  const why = text(args, "why", "an operator asked for it");
  return changed(
    node,
    args,
    { verb: "flags", pnn, set, clear, why },
    "change",
    (each) =>
      set.every((flag) => each.adminFlags.includes(flag)) &&
      clear.every((flag) => !each.adminFlags.includes(flag)),
  );
}

function ban(node: NodeParts, args: Args): Promise<unknown> {
  const { pnn } = nodeOf(node, text(args, "node"));
  const banMs = whole(args, "banMs", 1, TTL_MAX_MS);
  const why = text(args, "why", "an operator asked for it");
  return changed(
    node,
    args,
    { verb: "ban", pnn, banMs, why },
    "ban",
    ({ adminFlags }) => adminFlags.includes("banned"),
  );
}

function unban(node: NodeParts, args: Args): Promise<unknown> {
  const { pnn } = nodeOf(node, text(args, "node"));
  return changed(
    node,
    args,
    { verb: "unban", pnn },
    "unban",
    ({ adminFlags }) => !adminFlags.includes("banned"),
  );
}

function caps(node: NodeParts, args: Args): Promise<unknown> {
  const { pnn } = nodeOf(node, text(args, "node"));
  const wanted = words(args, "caps", CAPS);
  const why = text(args, "why", "an operator asked for it");
  const command = { verb: "caps", pnn, caps: wanted, why } as const;
  return changed(
    node,
    args,
    command,
    "change",
    (each) => each.caps.length === wanted.length && wanted.every((cap) => each.caps.includes(cap)),
  );
}

function zone(node: NodeParts, args: Args): Promise<unknown> {
  const { pnn } = nodeOf(node, text(args, "node"));
  const wanted = args["zone"] === undefined
    ? {}
    : { zone: formed(args, "zone", new RegExp(ZONE), ZONE_SAID) };
  const command = { verb: "zone", pnn, ...wanted } as const;
  return changed(node, args, command, "change", (each) => each.zone === command.zone);
}

function userKey(args: Args): string {
  const key = text(args, "natsKey");
  if (isUserKey(key)) return key;
  throw wrong("natsKey must be the public key of a user, 56 characters that begin with U");
}

async function addUser(node: NodeParts, args: Args): Promise<unknown> {
  const name = formed(args, "name", NAME, NAME_SAID);
  const [role] = words({ role: [args["role"]] }, "role", USER_ROLES);
  if (role === undefined) throw wrong(`role must be one of ${USER_ROLES.join(", ")}`);
  const natsKey = userKey(args);
  // The tag follows from the key, so that nobody gets another's.
  const user = { role, name, natsKey, tag: tagOfKey(natsKey) as Tag };
  const command = { verb: "user_add", user } as const;
  await commanded(node, `Cannot add ${name}`, verbIdOf(node, args), command);
  return user;
}

async function removeUser(node: NodeParts, args: Args): Promise<unknown> {
  const name = formed(args, "name", NAME, NAME_SAID);
  const isKnown = documentAt(node).users?.some((user) => user.name === name) ?? false;
  if (!isKnown) {
    const known = documentAt(node).users?.map((user) => user.name).join(", ") || "none";
    throw new CtdbxError("not_found", `Cannot find user ${name}: known are ${known}`);
  }
  const command = { verb: "user_remove", name } as const;
  await commanded(node, `Cannot remove ${name}`, verbIdOf(node, args), command);
  return { name };
}
