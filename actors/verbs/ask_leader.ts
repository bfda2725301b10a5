/**
 * What only the node that leads can do or say: another one passes the question on to it.
 *
 *   asked node ─ verb, args, isAsked ─▶ leader as this node knows it ─▶ its answer, or its refusal
 *
 * Does NOT promise: an answer while nobody leads; a change that was not answered may be done or not.
 */
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Args } from "../control.ts";
import type { NodeParts } from "../node_parts.ts";

/** A look at what the leader knows is waited for so long, ms. */
export const LOOK_MS = 2000;
/** A change is waited for so long where it is done, ms. */
export const CHANGE_MS = 12_000;
/** And by the node that was asked, ms. */
export const ASK_CHANGE_MS = 14_000;

/**
 * Asks the leader for `limitMs`. Throws CtdbxError: "no_quorum" when this node knows of none, or was taken for the
 * leader by another one; "timeout" or "io" when no answer comes; what the leader refuses with.
 */
export async function askLeader(
  node: NodeParts,
  verb: string,
  args: Args,
  limitMs: number,
): Promise<unknown> {
  const leader = node.state.sign.from;
  if (leader === undefined || leader === node.state.me || args["isAsked"] === true) {
    const why = "nobody leads just now, as far as this node knows";
    throw new CtdbxError("no_quorum", `Cannot say: ${why}`);
  }
  const message = { kind: "ask", verb, args: JSON.stringify({ ...args, isAsked: true }) } as const;
  const received = await node.post.ask(leader, message, limitMs);
  const answer = isRefusal(received) ? received : received.message;
  if (isRefusal(answer)) throw new CtdbxError("io", `Cannot ask the leader: ${answer.text}`);
  if (answer.kind !== "answer") {
    throw new CtdbxError("io", `Cannot ask the leader: it said ${answer.kind}`);
  }
  if (answer.ok !== undefined) return JSON.parse(answer.ok);
  throw new CtdbxError(answer.code ?? "io", answer.text ?? "the leader could not do it");
}
