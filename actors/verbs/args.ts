/**
 * What verbs read from their arguments, and how they have something done by the leader.
 *
 *   text(args, "node")  ─▶ nodeOf(node, ...)  ─▶ commanded(node, "Cannot ban n2", verbId, command)
 *
 * Does NOT promise: that a command was not done when it ends with "unknown"; asking again with the same verbId tells.
 */
import { CtdbxError } from "../../transport/wire/errors.ts";
import { TEXT_MAX } from "../../transport/wire/limits.ts";
import type { Document, DocumentNode } from "../../transport/wire/messages/document.ts";
import type { LeaderCommand } from "../../transport/wire/messages/leader.ts";
import type { Args } from "../control.ts";
import { formatOf } from "../machines/cluster/document.ts";
import { formatFor, NEEDS_FORMAT_2 } from "../machines/cluster/format.ts";
import type { NodeParts } from "../node_parts.ts";
import { id128 } from "../storage/node_identity.ts";

/** How long a command to the leader is tried for, ms. */
const COMMAND_MS = 10_000;
/** How long the document with a command's result is waited for at the node that was asked, ms. */
const SEEN_MS = 3000;
/** Between two looks at the document, ms. */
const LOOK_MS = 10;

/** The error of arguments that are not as they must be. */
export function wrong(text: string): CtdbxError {
  return new CtdbxError("state", `Cannot take the request: ${text}`);
}

/** A text among the arguments. Throws CtdbxError "state". */
export function text(args: Args, name: string, byDefault?: string): string {
  const value = args[name] ?? byDefault;
  if (typeof value === "string" && value.length <= TEXT_MAX && value.isWellFormed()) return value;
  throw wrong(`${name} must be a text of up to ${TEXT_MAX}`);
}

/** A text of a form among the arguments. Throws CtdbxError "state". */
export function formed(args: Args, name: string, form: RegExp, said: string): string {
  const value = text(args, name);
  if (form.test(value)) return value;
  throw wrong(`${name} must be ${said}`);
}

/** A 128-bit id as 32 hex digits. */
export function id(args: Args, name: string): string {
  return formed(args, name, /^[0-9a-f]{32}$/, "32 hex digits");
}

/** A whole number in a range. Throws CtdbxError "state". */
export function whole(args: Args, name: string, min: number, max: number): number {
  const value = args[name];
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) {
    return value as number;
  }
  throw wrong(`${name} must be an integer from ${min} to ${max}`);
}

/** Words of a list among the arguments; none when it is missing. */
export function words<Word extends string>(
  args: Args,
  name: string,
  known: readonly Word[],
): Word[] {
  const value = args[name] ?? [];
  if (!Array.isArray(value)) throw wrong(`${name} must be a list`);
  return value.map((each) => {
    const word = known.find((one) => one === each);
    if (word === undefined) throw wrong(`${name} can have ${known.join(", ")}`);
    return word;
  });
}

/** The id of the verb, the same in every repetition; made here when who asks has none. */
export function verbIdOf(node: NodeParts, args: Args): string {
  return args["verbId"] === undefined ? id128(node.world.dice) : id(args, "verbId");
}

/** The document that counts at a node. Throws CtdbxError "no_quorum" where there is none. */
export function documentAt(node: NodeParts): Document {
  const doc = node.state.adopted ?? node.state.accepted;
  if (doc !== undefined) return doc;
  throw new CtdbxError("no_quorum", "Cannot say: this node has no document of a cluster yet");
}

/** The node of a name or a number. Throws CtdbxError "not_found". */
export function nodeOf(node: NodeParts, name: string): DocumentNode {
  const doc = node.state.adopted ?? node.state.accepted;
  const found = doc?.nodes.find((each) => each.name === name) ??
    doc?.nodes.find((each) => String(each.pnn) === name);
  if (found !== undefined) return found;
  const known = doc?.nodes.map((each) => each.name).join(", ") ?? "none";
  throw new CtdbxError("not_found", `Cannot find node ${name}: known are ${known}`);
}

/** Has the leader do something. `cannot` begins the text of the error: "Cannot ban n2". Throws CtdbxError. */
export async function commanded(
  node: NodeParts,
  cannot: string,
  verbId: string,
  command: LeaderCommand,
  timeoutMs: number = COMMAND_MS,
): Promise<void> {
  const doc = node.state.adopted ?? node.state.accepted;
  if (doc !== undefined && formatOf(doc) < formatFor(command)) {
    throw new CtdbxError("version", `${cannot}: ${NEEDS_FORMAT_2}`);
  }
  const { outcome, text } = await node.cluster.command(verbId, command, timeoutMs);
  if (outcome === "done") return;
  // Without an answer it may have been done all the same.
  const codes = { refused: "state", not_leader: "no_quorum", going_on: "unknown" } as const;
  throw new CtdbxError(codes[outcome], `${cannot}: ${text}`);
}

/** Awaits what the document will show at this node. Throws CtdbxError "unknown" when it does not in time. */
export async function seen<T>(
  node: NodeParts,
  look: (doc: Document) => T | undefined,
  limitMs: number = SEEN_MS,
): Promise<T> {
  const { clock } = node.world;
  const endMs = clock.nowMs() + limitMs;
  for (;;) {
    const doc = node.state.adopted;
    const found = doc === undefined ? undefined : look(doc);
    if (found !== undefined) return found;
    if (clock.nowMs() >= endMs) {
      throw new CtdbxError("unknown", "Cannot see it yet: it may be done; ask again");
    }
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
  }
}
