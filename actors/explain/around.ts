/**
 * Asks the other nodes for their facts, all at the same time and briefly: who does not answer soon is a finding itself.
 *
 *   each answer goes out as an item as it comes ─▶ the caller has what there is when its own time is over
 *
 * Does NOT promise: an answer of more than AROUND_MAX nodes; voters and members that are not well are asked first.
 */
import { isRefusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { DocumentNode } from "../../transport/wire/messages/document.ts";
import type { Call } from "../control.ts";
import type { InsideFacts } from "./facts.ts";
import { voterOf } from "../machines/cluster/document.ts";
import type { NodeParts } from "../node_parts.ts";

/** How long one answer is waited for, ms. */
export const AROUND_MS = 300;
/** Nodes that are asked at most. */
export const AROUND_MAX = 64;

/** What one node answered. */
export interface AroundAnswer {
  readonly pnn: number;
  readonly name: string;
  /** Round trip, ms. */
  readonly ms: number;
  readonly inside?: InsideFacts;
  /** Why there is no answer. */
  readonly silence?: string;
}

/** Asks all others; resolves when each has answered or its time is over. Answers how many were not asked. */
export async function explainAround(
  node: NodeParts,
  call: Call,
): Promise<{ readonly leftOut: number }> {
  const doc = node.state.adopted ?? node.state.accepted;
  const others = (doc?.nodes ?? []).filter(({ nodeId }) => nodeId !== node.state.me);
  const isVoter = ({ nodeId }: DocumentNode) => voterOf(doc, nodeId) !== undefined;
  const asked = others.sort((one, other) => Number(isVoter(other)) - Number(isVoter(one)))
    .slice(0, AROUND_MAX);
  await Promise.all(asked.map(async (to) => void call.item(await askOne(node, to))));
  return { leftOut: others.length - asked.length };
}

async function askOne(node: NodeParts, to: DocumentNode): Promise<AroundAnswer> {
  const { clock } = node.world;
  const startMs = clock.nowMs();
  const about = { pnn: to.pnn, name: to.name };
  const ended = () => ({ ...about, ms: Math.round(clock.nowMs() - startMs) });
  try {
    const message = { kind: "ask", verb: "explain facts", args: "{}" } as const;
    const received = await node.post.ask(to.nodeId, message, AROUND_MS);
    if (isRefusal(received)) return { ...ended(), silence: received.text };
    const answer = received.message;
    if (answer.kind !== "answer") return { ...ended(), silence: `it answered with ${answer.kind}` };
    if (answer.ok === undefined) return { ...ended(), silence: answer.text ?? "it failed" };
    return { ...ended(), inside: JSON.parse(answer.ok) as InsideFacts };
  } catch (error) {
    return { ...ended(), silence: whyNot(error) };
  }
}

function whyNot(error: unknown): string {
  if (!(error instanceof CtdbxError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case "not_found":
      return "nobody listens on its subject: no daemon of it is connected to NATS";
    case "timeout":
      return `no answer within ${AROUND_MS} ms`;
    case "state":
      return "the asked node is not connected to NATS";
    default:
      return error.message;
  }
}
