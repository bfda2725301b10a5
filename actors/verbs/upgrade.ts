/**
 * Versions of a cluster: who runs what, and the step to a newer format.
 *
 *   cluster upgrade    what each node can read, and what stands in the way
 *   cluster finalize   the newer format is written from now on
 *   cluster digest     what this node has of the document, to be compared
 *
 * Heartbeats go to the leader and the voters, so the leader is asked who can read what.
 *
 * Does NOT promise: a way back from a newer format.
 */
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Args, Verb } from "../control.ts";
import { documentHash } from "./document_view.ts";
import { formatOf } from "../machines/cluster/document.ts";
import { finalizeRefusal, formatKnown } from "../machines/cluster/format.ts";
import type { NodeParts } from "../node_parts.ts";
import { commanded, documentAt, seen, verbIdOf, whole } from "./args.ts";
import { leaderOf } from "../views.ts";

/** How long the leader is waited for, ms. */
const ASK_MS = 2000;

/** Looks of this file; anybody may ask them. */
export function upgradeLooks(node: NodeParts): [string, Verb][] {
  return [
    ["cluster digest", () => digest(node)],
    ["cluster upgrade", (args) => atLeader(node, "cluster upgrade", args, () => versions(node))],
  ];
}

/** What changes something. */
export function upgradeChanges(node: NodeParts): [string, Verb][] {
  return [["cluster finalize", (args) => finalize(node, args)]];
}

/** What this node has of the document. */
export function digest(node: NodeParts): Record<string, unknown> {
  const doc = documentAt(node);
  const { name } = node.config;
  const { version, generation, coreVersion } = doc;
  const formats = { format: formatOf(doc), formatMax: node.state.level };
  const hash = documentHash(doc);
  return { pnn: node.state.pnn, name, version, generation, coreVersion, hash, ...formats };
}

function versions(node: NodeParts): Record<string, unknown> {
  const { state } = node;
  const doc = documentAt(node);
  const why = finalizeRefusal(state, doc, Math.max(state.level, formatOf(doc)));
  return {
    format: formatOf(doc),
    formatMax: state.level,
    nodes: doc.nodes.map((each) => ({
      pnn: each.pnn,
      name: each.name,
      format: formatKnown(state, each),
    })),
    ready: why === undefined,
    why,
  };
}

async function finalize(node: NodeParts, args: Args): Promise<unknown> {
  const format = args["format"] === undefined ? node.state.level : whole(args, "format", 2, 0xffff);
  const cannot = `Cannot make ${format} the format`;
  await commanded(node, cannot, verbIdOf(node, args), { verb: "finalize", format });
  return await seen(
    node,
    (doc) => formatOf(doc) < format ? undefined : { format: formatOf(doc), version: doc.version },
  );
}

/**
 * Asks the leader, which hears everybody; where that fails, this node says what it knows. `isHere` among the arguments:
 * asked by another node, which took this one for the leader.
 */
export async function atLeader(
  node: NodeParts,
  verb: string,
  args: Args,
  here: () => unknown,
): Promise<unknown> {
  const leader = leaderOf(node.state);
  const isHere = args["isHere"] === true || leader === undefined || leader === node.state.me;
  if (isHere) return here();
  const ask = { kind: "ask", verb, args: JSON.stringify({ ...args, isHere: true }) } as const;
  try {
    const answer = await node.post.ask(leader, ask, ASK_MS);
    if (isRefusal(answer) || answer.message.kind !== "answer") return here();
    const { ok, code = "io", text = "it failed" } = answer.message;
    // An older version has no such verb.
    if (ok === undefined && code !== "unsupported") throw new CtdbxError(code, text);
    return ok === undefined ? here() : JSON.parse(ok);
  } catch (error) {
    if (!(error instanceof CtdbxError) || error.code === "state") throw error;
    return here();
  }
}
