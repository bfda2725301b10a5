/**
 * What a node answers: on its socket to commands of this machine, over the bus to other nodes and clients.
 *
 *   shown to both       node status | list | ping, cluster status | health, leader show | history, lock show, slot map
 *   on the socket only  leader yield, watch, relay (asks other nodes over the bus), and what the runner adds
 *
 * Does NOT promise: a form of results that programs may rely on yet.
 */
import { isRefusal } from "../transport/wire/envelope.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { ANSWER_MAX } from "../transport/wire/limits.ts";
import type { Answer, Ask } from "../transport/wire/messages/ask.ts";
import type { DocumentNode } from "../transport/wire/messages/document.ts";
import type { Args, Call, Verb } from "./control.ts";
import type { Node } from "./node.ts";
import { id128 } from "./storage/node_identity.ts";
import {
  clusterView,
  historyView,
  leaderView,
  lockView,
  nodeRows,
  nodeView,
  slotView,
  troubles,
} from "./views.ts";

/** How long another node is waited for, ms. */
const RELAY_MS = 2000;
/** How long a command to the leader is tried for, ms. */
const COMMAND_MS = 10_000;

/** What anybody may ask. */
function shown(node: Node): [string, Verb][] {
  return [
    ["node status", () => ({ ...nodeView(node.state, node.nowMs), ...countersOf(node) })],
    ["node list", () => nodeRows(node.state, node.nowMs)],
    ["node ping", () => ({ name: node.config.name, wallMs: node.world.clock.wallMs() })],
    [
      "cluster status",
      () => ({ cluster: node.config.cluster, ...clusterView(node.state, node.nowMs) }),
    ],
    ["cluster health", () => ({ troubles: troubles(node.state, node.nowMs) })],
    ["leader show", () => leaderView(node.state, node.nowMs)],
    ["leader history", () => historyView(node.state, node.nowMs)],
    ["lock show", () => ({ kind: node.config.lock.kind, ...lockView(node.state, node.nowMs) })],
    ["slot map", () => slotView(node.state)],
  ];
}

/** All verbs of the socket. */
export function nodeVerbs(node: Node): Map<string, Verb> {
  return new Map([
    ...shown(node),
    ["leader yield", (args) => yieldLead(node, args)],
    ["watch", (_args, call) => watch(node, call)],
    ["relay", (args) => relay(node, args)],
  ]);
}

function countersOf(node: Node): Record<string, unknown> {
  const { sent, received, refused } = node.post.counters;
  return {
    messagesSent: sent,
    messagesReceived: received,
    messagesRefused: [...refused.values()].reduce((sum, count) => sum + count, 0),
    refusedFor: Object.fromEntries(refused),
    eventsDropped: node.cluster.dropped,
  };
}

function text(args: Args, name: string, byDefault?: string): string {
  const value = args[name] ?? byDefault;
  if (typeof value === "string" && value.length <= 256) return value;
  throw new CtdbxError("state", `Cannot take the request: ${name} must be a text`);
}

async function yieldLead(node: Node, args: Args): Promise<unknown> {
  const verbId = id128(node.world.dice);
  const why = text(args, "why", "an operator asked for it");
  const to = args["to"] === undefined ? undefined : nodeOf(node, text(args, "to"));
  const command = { verb: "yield", why, ...to === undefined ? {} : { to: to.nodeId } } as const;
  const result = await node.cluster.command(verbId, command, COMMAND_MS);
  if (result.outcome === "done") return result;
  const code = result.outcome === "refused" ? "state" : "no_quorum";
  throw new CtdbxError(code, `Cannot yield: ${result.text}`);
}

/** Everything that happens here and, as far as the bus brings it, at the other nodes. */
function watch(node: Node, call: Call): Promise<void> {
  return new Promise((resolve) => {
    const ends = [
      node.watch((event) => call.item(event)),
      node.post.watchEvents((event) => call.item(event)),
    ];
    call.onCancel(() => {
      for (const end of ends) end();
      resolve();
    });
  });
}

/** The node of a pnn or a name. */
function nodeOf(node: Node, name: string): DocumentNode {
  const doc = node.state.adopted ?? node.state.accepted;
  const found = doc?.nodes.find((each) => each.name === name) ??
    doc?.nodes.find((each) => String(each.pnn) === name);
  if (found !== undefined) return found;
  const known = doc?.nodes.map((each) => each.name).join(", ") ?? "none";
  throw new CtdbxError("not_found", `Cannot find node ${name}: known are ${known}`);
}

/** Asks nodes: one answer for each, with its time or with what went wrong. */
async function relay(node: Node, args: Args): Promise<unknown> {
  const verb = text(args, "verb");
  const which = text(args, "nodes", "all");
  const doc = node.state.adopted ?? node.state.accepted;
  const nodes = which === "all"
    ? doc?.nodes ?? []
    : which.split(",").map((name) => nodeOf(node, name));
  return await Promise.all(nodes.map((each) => askNode(node, each, verb)));
}

async function askNode(node: Node, to: DocumentNode, verb: string): Promise<unknown> {
  const { clock } = node.world;
  const startMs = clock.nowMs();
  const about = { pnn: to.pnn, name: to.name };
  try {
    const message = { kind: "ask", verb, args: "{}" } as const;
    const received = await node.post.ask(to.nodeId, message, RELAY_MS);
    if (isRefusal(received)) return { ...about, error: received.text };
    const answer = received.message;
    if (answer.kind !== "answer") return { ...about, error: `it answered with ${answer.kind}` };
    const ms = Math.round((clock.nowMs() - startMs) * 1000) / 1000;
    if (answer.ok === undefined) {
      return { ...about, error: answer.text ?? answer.code ?? "it failed" };
    }
    return { ...about, ms, ok: JSON.parse(answer.ok) };
  } catch (error) {
    const why = error instanceof CtdbxError && error.code === "not_found"
      ? "nobody listens there"
      : undefined;
    return { ...about, error: why ?? (error instanceof Error ? error.message : String(error)) };
  }
}

/** Answers what came over the bus. */
export async function answerAsk(node: Node, ask: Ask): Promise<Answer> {
  const verb = new Map(shown(node)).get(ask.verb);
  if (verb === undefined) return failure("unsupported", `Cannot do "${ask.verb}" over the bus`);
  try {
    const args = JSON.parse(ask.args) as Args;
    const ok = JSON.stringify(
      await verb(args, { item: () => false, onCancel: () => {} }),
      (_key, part) => typeof part === "bigint" ? `${part}` : part,
    );
    if (ok.length > ANSWER_MAX) return failure("limit", `ANSWER_MAX is ${ANSWER_MAX} characters`);
    return { kind: "answer", ok };
  } catch (error) {
    if (error instanceof CtdbxError) return failure(error.code, error.message);
    return failure("io", error instanceof Error ? error.message : String(error));
  }
}

function failure(code: NonNullable<Answer["code"]>, why: string): Answer {
  return { kind: "answer", code, text: why.slice(0, 250) };
}
