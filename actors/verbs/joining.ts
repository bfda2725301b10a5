/**
 * How a node that is in no document asks to come in, over the bus, by an invitation.
 *
 *   joiner ── cluster preflight ─▶ any node: open? taken? who leads?      ── cluster join ─▶ any node ─▶ the leader
 *
 * These two are all that a stranger may ask. Both need the invitation's secret; without it nothing is told that is not
 * on the bus anyway.
 *
 * Does NOT promise: that who has the secret is who was invited.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import type { ClusterId, NodeId } from "../../transport/wire/terms.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import type { Args, Caller, Verb } from "../control.ts";
import { formatOf, nodeById } from "../machines/cluster/document.ts";
import { refusalOf } from "../machines/cluster/command_effects.ts";
import type { NodeParts } from "../node_parts.ts";
import { commanded, documentAt, formed, id, seen, verbIdOf, whole } from "./args.ts";
import { leaderOf } from "../views.ts";

/** What one who is not of the cluster may ask. */
export const STRANGER_VERBS: ReadonlySet<string> = new Set(["cluster preflight", "cluster join"]);
/** The disk of one who only asks how it would be. */
const NO_DISK = "0".repeat(32);
const ADDR =
  /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?\]):[0-9]{1,5}$/;

/** The verbs of this file. */
export function joiningVerbs(node: NodeParts): [string, Verb][] {
  return [
    ["cluster preflight", (args) => preflight(node, args)],
    ["cluster join", (args, call) => join(node, args, call.by)],
  ];
}

function joinCommand(node: NodeParts, args: Args, isTrial: boolean) {
  return {
    verb: "join",
    inviteId: id(args, "inviteId"),
    nodeId: id(args, "nodeId") as NodeId,
    diskId: isTrial && args["diskId"] === undefined ? NO_DISK : id(args, "diskId"),
    addr: formed(args, "addr", ADDR, "host:port"),
    format: whole(args, "format", 1, 0xffff),
    atWallMs: BigInt(Math.floor(node.world.clock.wallMs())),
  } as const satisfies LeaderCommand;
}

/** Is it an invitation of this cluster at all? Says so in words that fit who has the wrong one. */
function clusterRefusal(doc: Document, clusterId: unknown): string | undefined {
  return clusterId === undefined || clusterId === doc.clusterId as string
    ? undefined
    : `the invitation is for another cluster of this name (${clusterId as ClusterId}), ` +
      `this one is ${doc.clusterId}`;
}

type Standing = "open" | "used" | "expired" | "mine" | "unknown";

function standingOf(
  doc: Document,
  { inviteId, nodeId, diskId, atWallMs }: ReturnType<typeof joinCommand>,
): Standing {
  const node = doc.nodes.find(({ joined }) => joined?.inviteId === inviteId);
  if (node !== undefined) {
    return node.nodeId === nodeId && node.joined?.diskId === diskId ? "mine" : "used";
  }
  const invitation = doc.invitations?.find((one) => one.inviteId === inviteId);
  if (invitation === undefined) return "unknown";
  return invitation.expiresWallMs > atWallMs ? "open" : "expired";
}

/** What one who is to join must know. */
function preflight(node: NodeParts, args: Args): unknown {
  const { state, config, world } = node;
  const command = joinCommand(node, args, true);
  const doc = documentAt(node);
  const about = {
    cluster: config.cluster,
    clusterId: doc.clusterId,
    format: formatOf(doc),
    formatMax: state.level,
    wallMs: world.clock.wallMs(),
    hasMajority: leaderOf(state) !== undefined,
  };
  const other = clusterRefusal(doc, args["clusterId"]);
  const invitation = other === undefined ? standingOf(doc, command) : "unknown";
  const refusal = other ?? refusalOf(state, doc, command);
  if (invitation === "unknown") return { ...about, invitation, refusal };
  const leader = leaderOf(state);
  const asked = doc.invitations?.find(({ inviteId }) => inviteId === command.inviteId) ??
    doc.nodes.find(({ joined }) => joined?.inviteId === command.inviteId);
  return {
    ...about,
    invitation,
    refusal,
    leader: leader === undefined ? undefined : nodeById(doc, leader)?.name ?? tagOf(leader),
    members: doc.view.members.length,
    nodes: doc.nodes.length,
    name: asked?.name,
    pnn: asked?.pnn,
  };
}

/** Brings a node in. Who asks over the bus is the node itself: nobody joins in another's name. */
async function join(node: NodeParts, args: Args, by: Caller | undefined): Promise<unknown> {
  const command = joinCommand(node, args, false);
  const { nodeId } = command;
  const doc = documentAt(node);
  const other = clusterRefusal(doc, args["clusterId"]);
  if (other !== undefined) throw new CtdbxError("state", `Cannot join: ${other}`);
  if (by?.way === "bus" && by.tag !== tagOf(nodeId)) {
    throw new CtdbxError("denied", "Cannot join: a node joins for itself only");
  }
  await commanded(node, "Cannot join", verbIdOf(node, args), command);
  const { clusterId } = doc;
  return await seen(node, (now) => {
    const own = nodeById(now, nodeId);
    if (own === undefined) return undefined;
    return { pnn: own.pnn, name: own.name, clusterId, version: now.version, done: true };
  });
}
