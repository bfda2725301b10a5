/**
 * What people decide when too much is gone: `db force-primary` has a copy lead that may lack committed transactions.
 *
 *   asked node ── the same verb ──▶ leader's node ──▶ its data thread: look, or (with `from`) do it ──▶ document
 *
 * Does NOT promise: what was lost; the answer says what is known of it, and the copies keep what they cut off.
 */
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import type { NodeId, Pnn, Version } from "../../transport/wire/terms.ts";
import type { Args, Verb } from "../control.ts";
import type { ForceLook } from "../data/commit_force.ts";
import { nodeByPnn } from "../machines/cluster/document.ts";
import type { NodeParts } from "../node_parts.ts";
import { leaderOf } from "../views.ts";
import { documentAt, formed, nodeOf, seen, text } from "./args.ts";
import { databaseNamed } from "./databases.ts";

const LOOK_VERB = "db force look";
/** The verb that nodes may ask of each other: the leader's data thread judges. */
export const FORCE_VERB = "db force primary";
/** The leader has it in the document within this, ms. */
const FORCE_MS = 5000;
/** It is in force at the asked node within this, ms. */
const SEEN_MS = 5000;

/** What a primary by force would be; anybody may ask. */
export function forceLooks(node: NodeParts): [string, Verb][] {
  return [[LOOK_VERB, async (args) => named(node, await judged(node, LOOK_VERB, args))]];
}

/** For the owner on the socket, an admin on the bus, and nodes that pass it on. */
export function forceChanges(node: NodeParts): [string, Verb][] {
  return [[FORCE_VERB, (args) => forcePrimary(node, args)]];
}

/** Done if the copies are as when they were looked at: `from` is what that look has told. */
async function forcePrimary(node: NodeParts, args: Args): Promise<unknown> {
  const db = databaseNamed(documentAt(node), text(args, "name"));
  const from = BigInt(formed(args, "from", /^[0-9]{1,20}$/, "a version")) as Version;
  const look = await judged(node, FORCE_VERB, args, from);
  const lineage = db.commit?.lineage;
  await seen(node, (now) => {
    const one = now.dbs.find(({ dbId }) => dbId === db.dbId);
    return one === undefined || one.commit?.lineage !== lineage ? true : undefined;
  }, SEEN_MS);
  return named(node, look);
}

/** By the leader's data thread: here, or at the node that leads. */
async function judged(node: NodeParts, verb: string, args: Args, from?: Version): Promise<unknown> {
  const db = databaseNamed(documentAt(node), text(args, "name"));
  const { pnn } = nodeOf(node, text(args, "node"));
  const cannot = `Cannot force a primary of ${db.name}`;
  if (db.kind === "volatile") {
    const why = "it is volatile: its records are where they are used, and none has a primary";
    throw new CtdbxError("unsupported", `${cannot}: ${why}`);
  }
  const leader = leaderOf(node.state);
  if (leader === undefined) {
    const why = "nobody leads the cluster: `ctdbx cluster explain` says what is missing";
    throw new CtdbxError("no_quorum", `${cannot}: ${why}`);
  }
  if (leader !== node.state.me) return await passedOn(node, leader, verb, args);
  return await atThread(node, { name: db.name, pnn, ...from === undefined ? {} : { from } });
}

interface Wish {
  readonly name: string;
  readonly pnn: Pnn;
  readonly from?: Version;
}

function atThread({ data }: NodeParts, wish: Wish): Promise<ForceLook> {
  if (data?.isUp === true) return data.thread.force(wish);
  throw new CtdbxError("busy", "Cannot judge: the leader's data thread does not run; try again");
}

async function passedOn(node: NodeParts, to: NodeId, verb: string, args: Args): Promise<unknown> {
  const ask = { kind: "ask", verb, args: JSON.stringify(args) } as const;
  const received = await node.post.ask(to, ask, FORCE_MS);
  if (isRefusal(received)) throw new CtdbxError("unknown", received.text);
  const { message } = received;
  if (message.kind !== "answer") throw new CtdbxError("unknown", "the leader does not answer");
  if (message.ok !== undefined) return JSON.parse(message.ok);
  throw new CtdbxError((message.code ?? "io") as ErrorCode, message.text ?? "the leader cannot");
}

/** The same with the names of the nodes, which people know them by. */
function named(node: NodeParts, look: unknown): unknown {
  const doc = documentAt(node);
  const { copies, ...rest } = look as ForceLook;
  const nameOf = (pnn: Pnn) => nodeByPnn(doc, pnn)?.name ?? `${pnn}`;
  return {
    ...rest,
    node: nameOf(rest.pnn),
    copies: copies.map((copy) => ({ ...copy, node: nameOf(copy.pnn) })),
  };
}
