/**
 * What a node answers: on its socket to commands of this machine, over the bus to other nodes and clients.
 *
 *   shown to both       node status | list | ping, cluster status | health, leader show | history, lock show, slot map
 *   on the socket only  leader yield, watch, relay (asks other nodes over the bus), and what the runner adds
 *
 * Does NOT promise: a form of results that programs may rely on yet.
 */
import { isRefusal, type Refusal } from "../transport/wire/envelope.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { ANSWER_MAX, FAULT_TEXT_MAX, fitText, TEXT_MAX } from "../transport/wire/limits.ts";
import type { Answer, Ask } from "../transport/wire/messages/ask.ts";
import type { DocumentNode } from "../transport/wire/messages/document.ts";
import type { Message } from "../transport/wire/messages/registry.ts";
import { type Tag, tagOf } from "../transport/wire/terms.ts";
import type { Args, Call, Verb } from "./control.ts";
import type { Node } from "./node.ts";
import type { ShardThread } from "./worker.ts";
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
/** How long a watcher waits until the events of others are sure to come, ms. */
const FLUSH_MS = 1000;
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
      () => ({
        cluster: node.config.cluster,
        ...clusterView(node.state, node.nowMs),
        troubles: troubles(node.state, node.nowMs),
      }),
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
  return new Map<string, Verb>([
    ...shown(node),
    ["leader yield", (args) => yieldLead(node, args)],
    ["watch", (args, call) => watch(node, args, call)],
    ["relay", (args) => relay(node, args)],
    ...node.config.chaos ? [["chaos shard", () => shardOf(node).crash()] as [string, Verb]] : [],
    [
      "meta status",
      async () => ({ ...await shardOf(node).status(), failures: node.shards?.failures }),
    ],
    ["meta list", (args) => shardOf(node).read(text(args, "scope", "c"), text(args, "prefix", ""))],
    ["meta set", (args) => setMeta(node, args)],
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
  if (typeof value === "string" && value.length <= TEXT_MAX && value.isWellFormed()) return value;
  throw new CtdbxError(
    "state",
    `Cannot take the request: ${name} must be a text of up to ${TEXT_MAX}`,
  );
}

async function yieldLead(node: Node, args: Args): Promise<unknown> {
  const verbId = id128(node.world.dice);
  const why = text(args, "why", "an operator asked for it");
  const to = args["to"] === undefined ? undefined : nodeOf(node, text(args, "to"));
  const command = { verb: "yield", why, ...to === undefined ? {} : { to: to.nodeId } } as const;
  const result = await node.cluster.command(verbId, command, COMMAND_MS);
  if (result.outcome === "done") return result;
  // Without an answer it may have been done all the same.
  const codes = { refused: "state", not_leader: "no_quorum", going_on: "unknown" } as const;
  throw new CtdbxError(codes[result.outcome], `Cannot yield: ${result.text}`);
}

/**
 * Everything that happens here and, as far as the bus brings it, at the other nodes. Who it comes from is read off the
 * subject, which the server can vouch for; `node` of another's event is only what it calls itself.
 */
function watch(node: Node, args: Args, call: Call): Promise<void> {
  return new Promise((resolve) => {
    const ends = [node.watch((event) => call.item({ ...event, who: node.config.name }))];
    if (args["own"] !== true) {
      ends.push(node.post.watchEvents((event, tag) => {
        if (typeof event !== "object" || event === null || Array.isArray(event)) return;
        call.item({ ...event, who: nameOfTag(node, tag) });
      }));
    }
    call.onCancel(() => {
      for (const end of ends) end();
      resolve();
    });
    // Said when the events of others come, too; without a bus, that those of this node do.
    const { name } = node.config;
    const first = { node: name, who: name, wallMs: node.world.clock.wallMs(), what: "watching" };
    const begin = (text: string): void => void call.item({ ...first, text });
    node.world.bus.flush(FLUSH_MS).then(
      () => begin(`watching: what ${name} does, and what it hears of others`),
      () => begin(`watching: what ${name} does; NATS does not answer`),
    );
  });
}

function nameOfTag(node: Node, tag: Tag): string {
  const doc = node.state.adopted ?? node.state.accepted;
  return doc?.nodes.find(({ nodeId }) => tagOf(nodeId) === tag)?.name ?? tag;
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

/** Asks nodes ("all", "others", or a list): one answer for each, with its time or with what went wrong. */
async function relay(node: Node, args: Args): Promise<unknown> {
  const verb = text(args, "verb");
  const which = text(args, "nodes", "all");
  const doc = node.state.adopted ?? node.state.accepted;
  const all = doc?.nodes ?? [];
  const nodes = which === "all"
    ? all
    : which === "others"
    ? all.filter(({ nodeId }) => nodeId !== node.state.me)
    : which.split(",").map((name) => nodeOf(node, name));
  return await Promise.all(nodes.map((each) => askNode(node, each, verb)));
}

async function askNode(node: Node, to: DocumentNode, verb: string): Promise<unknown> {
  const { clock } = node.world;
  const startMs = clock.nowMs();
  const about = { pnn: to.pnn, name: to.name };
  try {
    const message = { kind: "ask", verb, args: "{}" } as const;
    // A node hears nothing of itself over the bus, and needs no bus to know how it is.
    const answer = to.nodeId === node.state.me
      ? await answerAsk(node, message)
      : await askOver(node, to, message);
    if (isRefusal(answer)) return { ...about, error: answer.text };
    if (answer.kind !== "answer") return { ...about, error: `it answered with ${answer.kind}` };
    const ms = Math.round((clock.nowMs() - startMs) * 1000) / 1000;
    if (answer.ok === undefined) {
      return { ...about, error: answer.text ?? answer.code ?? "it failed" };
    }
    return { ...about, ms, ok: JSON.parse(answer.ok) };
  } catch (error) {
    return { ...about, error: whyNot(error) };
  }
}

async function askOver(node: Node, to: DocumentNode, message: Ask): Promise<Message | Refusal> {
  const received = await node.post.ask(to.nodeId, message, RELAY_MS);
  return isRefusal(received) ? received : received.message;
}

/** Why a node did not answer, without the subject that it was asked on. */
function whyNot(error: unknown): string {
  if (!(error instanceof CtdbxError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case "not_found":
      return "nobody listens there";
    case "timeout":
      return `no answer within ${RELAY_MS / 1000} s`;
    case "state":
      return "this node is not connected to NATS";
    default:
      return error.message;
  }
}

/** Answers what came over the bus. */
export async function answerAsk(node: Node, ask: Ask): Promise<Answer> {
  const verb = new Map(shown(node)).get(ask.verb);
  if (verb === undefined) return failure("unsupported", `Cannot do "${ask.verb}" over the bus`);
  try {
    const args = argsOf(ask.args);
    const ok = JSON.stringify(
      await verb(args, { item: () => false, onCancel: () => {} }),
      (_key, part) => typeof part === "bigint" ? `${part}` : part,
    );
    const bytes = new TextEncoder().encode(ok).length;
    if (bytes > ANSWER_MAX) return failure("limit", `ANSWER_MAX is ${ANSWER_MAX} bytes`);
    return { kind: "answer", ok };
  } catch (error) {
    if (error instanceof CtdbxError) return failure(error.code, error.message);
    return failure("io", error instanceof Error ? error.message : String(error));
  }
}

function argsOf(json: string): Args {
  try {
    const args: unknown = JSON.parse(json);
    if (typeof args === "object" && args !== null && !Array.isArray(args)) return args as Args;
  } catch {
    // Said below.
  }
  throw new CtdbxError("state", "Cannot take the request: its arguments are no JSON object");
}

function failure(code: NonNullable<Answer["code"]>, why: string): Answer {
  return { kind: "answer", code, text: fitText(why, FAULT_TEXT_MAX) };
}

/** The thread with the node's metadata. */
function shardOf(node: Node): ShardThread {
  if (node.shards !== undefined) return node.shards.thread;
  throw new CtdbxError("unsupported", "Cannot use metadata: this node has none");
}

/** Writes one record, or deletes it when there is no value. */
async function setMeta(node: Node, args: Args): Promise<unknown> {
  const scope = text(args, "scope", "c");
  const key = text(args, "key");
  const value = args["value"];
  if (value !== undefined && value !== null && typeof value !== "string") {
    throw new CtdbxError("state", "Cannot write metadata: value must be a text");
  }
  return { c: await shardOf(node).write(scope, key, value ?? null, text(args, "by", "operator")) };
}
