/**
 * What a node answers: on its socket to commands of this machine, over the bus to other nodes and clients.
 *
 *   shown to both       node status | list | ping, cluster status | health, leader show | history, lock show, slot map
 *   changing            membership.ts, upgrade.ts, leader yield, node shutdown: on the socket; over the bus for admins
 *   on the socket only  watch, relay (asks other nodes over the bus), and what the runner adds
 *
 * Does NOT promise: a form of results that programs may rely on yet.
 */
import { isRefusal, type Refusal } from "../../transport/wire/envelope.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { ANSWER_MAX, FAULT_TEXT_MAX, fitText } from "../../transport/wire/limits.ts";
import type { Answer, Ask } from "../../transport/wire/messages/ask.ts";
import type { DocumentNode } from "../../transport/wire/messages/document.ts";
import type { Message } from "../../transport/wire/messages/registry.ts";
import { tagOf } from "../../transport/wire/terms.ts";
import { audited } from "../monitoring/audit.ts";
import { refusedOf } from "../monitoring/stats.ts";
import type { Args, Caller, Verb } from "../control.ts";
import { explainAround } from "../explain/around.ts";
import { insideFacts } from "../explain/inside.ts";
import type { NodeParts } from "../node_parts.ts";
import type { ShardThread } from "../worker.ts";
import { addressChanges, addressLooks, LEADER_ADDRESS_VERBS } from "./addresses.ts";
import { clientChanges, clientLooks } from "./clients.ts";
import { databaseChanges, databaseLooks } from "./databases.ts";
import { eventVerbs } from "./events.ts";
import { fileLooks } from "./files.ts";
import { FORCE_VERB, forceChanges, forceLooks } from "./force.ts";
import { forceLeaderChanges, forceLeaderLooks } from "./force_leader.ts";
import { joiningVerbs } from "./joining.ts";
import { membershipChanges, membershipLooks } from "./membership.ts";
import { recoveryChanges, recoveryLooks } from "./recovery.ts";
import { LEADER_RESOURCE_VERBS, resourceChanges, resourceLooks } from "./resources.ts";
import { serviceChanges, serviceLooks } from "./services.ts";
import { tunableChanges, tunableLooks } from "./tunables.ts";
import { upgradeChanges, upgradeLooks } from "./upgrade.ts";
import { commanded, documentAt, nodeOf, text, verbIdOf } from "./args.ts";
import {
  clusterView,
  historyView,
  leaderView,
  lockView,
  nodeRows,
  nodeView,
  slotView,
  troubles,
} from "../views.ts";
import { watch } from "../monitoring/watching.ts";

/** How long another node is waited for, ms. */
const RELAY_MS = 2000;

/** What anybody may ask. */
function shown(node: NodeParts): [string, Verb][] {
  return [
    [
      "node status",
      () => ({ ...nodeView(node.state, node.nowMs, node.hasRecords), ...countersOf(node) }),
    ],
    ["node list", () => nodeRows(node.state, node.nowMs)],
    ["node server", () => serverView(node)],
    ["node ping", () => ({ name: node.config.name, wallMs: node.world.clock.wallMs() })],
    [
      "cluster status",
      () => ({
        cluster: node.config.cluster,
        ...clusterView(node.state, node.nowMs),
        troubles: troubles(node.state, node.nowMs),
      }),
    ],
    ["node heartbeat", () => node.monitoring.now("heartbeat")],
    ["node stats", () => node.monitoring.now("stats")],
    ["cluster health", () => ({ troubles: troubles(node.state, node.nowMs) })],
    ["leader show", () => leaderView(node.state, node.nowMs)],
    ["leader history", () => historyView(node.state, node.nowMs)],
    ["lock show", () => ({ kind: node.config.lock.kind, ...lockView(node.state, node.nowMs) })],
    ["slot map", () => slotView(node.state)],
    ["explain facts", () => insideFacts(node)],
    ...newer(node, () => [
      ...membershipLooks(node),
      ...upgradeLooks(node),
      ...joiningVerbs(node),
      ...databaseLooks(node),
      ...fileLooks(node),
      ...forceLooks(node),
      ...forceLeaderLooks(node),
      ...recoveryLooks(node),
      ...tunableLooks(node),
      ...serviceLooks(node),
      ...addressLooks(node),
      ...clientLooks(node),
      ...resourceLooks(node),
    ]),
  ];
}

/** What changes something: for the owner on the socket, and for admins over the bus. */
function changing(node: NodeParts): [string, Verb][] {
  return [
    ["leader yield", (args) => yieldLead(node, args)],
    ["node shutdown", (args) => shutDown(node, args)],
    ...newer(node, () => [
      ...membershipChanges(node),
      ...upgradeChanges(node),
      ...databaseChanges(node),
      ...forceChanges(node),
      ...forceLeaderChanges(node),
      ...recoveryChanges(node),
      ...tunableChanges(node),
      ...serviceChanges(node),
      ...addressChanges(node),
      ...clientChanges(node),
      ...resourceChanges(node),
    ]),
  ];
}

/** What came with level 2; a node that is to be of the older version has none of it. */
function newer(node: NodeParts, verbs: () => [string, Verb][]): [string, Verb][] {
  return node.state.level < 2 ? [] : verbs();
}

/** All verbs of the socket. */
export function nodeVerbs(node: NodeParts): Map<string, Verb> {
  return new Map<string, Verb>([
    ...shown(node),
    ...changing(node),
    ["watch", (args, call) => watch(node, args, call)],
    ["relay", (args) => relay(node, args)],
    ["explain around", (_args, call) => explainAround(node, call)],
    ...eventVerbs(node),
    ...node.config.chaos ? crashes(node) : [],
    [
      "meta status",
      async () => ({ ...await shardOf(node).status(), failures: node.shards?.failures }),
    ],
    ["meta list", (args) => shardOf(node).read(text(args, "scope", "c"), text(args, "prefix", ""))],
    ["meta set", (args) => setMeta(node, args)],
  ]);
}

/** Threads that die, to try what follows. */
function crashes(node: NodeParts): [string, Verb][] {
  return [
    ["chaos shard", () => shardOf(node).crash()],
    ["chaos data", () => {
      if (node.data === undefined) {
        throw new CtdbxError("unsupported", "Cannot kill the data thread: this node has none");
      }
      node.data.thread.crash();
    }],
  ];
}

/** The nats-server that the node keeps. `isOnly`: it is no part of a group, so with it goes the bus. */
function serverView({ config }: NodeParts): Record<string, unknown> {
  const { server } = config.nats;
  return { listen: server?.listen, isOnly: server !== undefined && server.cluster === undefined };
}

function countersOf({ post, shards, data, cluster }: NodeParts): Record<string, unknown> {
  const sample = { post: post.counters, shard: shards?.glance(), data: data?.glance };
  const refused = refusedOf(sample);
  const sum = (name: "messagesSent" | "messagesReceived") =>
    (sample.shard?.[name] ?? 0) + (sample.data?.[name] ?? 0);
  return {
    messagesSent: post.counters.sent + sum("messagesSent"),
    messagesReceived: post.counters.received + sum("messagesReceived"),
    messagesRefused: refused.reduce((all, { count }) => all + count, 0),
    refusedFor: Object.fromEntries(refused.map(({ code, count }) => [code, count])),
    eventsDropped: cluster.dropped,
  };
}

async function yieldLead(node: NodeParts, args: Args): Promise<unknown> {
  const why = text(args, "why", "an operator asked for it");
  const to = args["to"] === undefined ? undefined : nodeOf(node, text(args, "to"));
  const command = { verb: "yield", why, ...to === undefined ? {} : { to: to.nodeId } } as const;
  await commanded(node, "Cannot yield", verbIdOf(node, args), command);
  return { outcome: "done", text: "leads no longer" };
}

/** Asks nodes ("all", "others", or a list): one answer for each, with its time or with what went wrong. */
async function relay(node: NodeParts, args: Args): Promise<unknown> {
  const verb = text(args, "verb");
  const which = text(args, "nodes", "all");
  const given = JSON.stringify(args["args"] ?? {});
  const doc = node.state.adopted ?? node.state.accepted;
  const all = doc?.nodes ?? [];
  const nodes = which === "all"
    ? all
    : which === "others"
    ? all.filter(({ nodeId }) => nodeId !== node.state.me)
    : [...new Set(which.split(",").map((name) => nodeOf(node, name)))];
  return await Promise.all(nodes.map((each) => askNode(node, each, verb, given)));
}

async function askNode(
  node: NodeParts,
  to: DocumentNode,
  verb: string,
  args: string,
): Promise<unknown> {
  const { clock } = node.world;
  const startMs = clock.nowMs();
  const about = { pnn: to.pnn, name: to.name };
  try {
    const message = { kind: "ask", verb, args } as const;
    // A node hears nothing of itself over the bus, and needs no bus to know how it is.
    const answer = to.nodeId === node.state.me
      ? await answerAsk(node, message, { way: "bus", tag: tagOf(node.state.me) })
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

async function askOver(
  node: NodeParts,
  to: DocumentNode,
  message: Ask,
): Promise<Message | Refusal> {
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
export async function answerAsk(node: NodeParts, ask: Ask, by: Caller): Promise<Answer> {
  const change = new Map(changing(node)).get(ask.verb);
  const found = change ?? new Map(shown(node)).get(ask.verb);
  if (found === undefined) return failure("unsupported", `Cannot do "${ask.verb}" over the bus`);
  const isDenied = change !== undefined && !mayChange(node, ask.verb, by);
  // Who tries what he may not is told, too.
  const verb = audited(ask.verb, isDenied ? denied(ask.verb) : found, node.monitoring.auditor);
  try {
    const args = argsOf(ask.args);
    const ok = JSON.stringify(
      await verb(args, { by, item: () => false, onCancel: () => {} }),
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

function denied(verb: string): Verb {
  return () => {
    const why = "only the node's owner and users with role admin may";
    throw new CtdbxError("denied", `Cannot do "${verb}" over the bus: ${why}`);
  };
}

/** What a node may have another one do: stop, and judge as the leader what its own people want. */
const AMONG_NODES: readonly string[] = [
  "node shutdown",
  FORCE_VERB,
  ...LEADER_ADDRESS_VERBS,
  ...LEADER_RESOURCE_VERBS,
];

/** May a sender on the bus have something changed? Admins may, and nodes some of it. */
function mayChange(node: NodeParts, verb: string, by: Caller): boolean {
  if (by.way !== "bus") return true;
  const doc = node.state.adopted;
  const isAdmin = doc?.users?.some(({ role, tag }) => role === "admin" && tag === by.tag) ?? false;
  const isNode = doc?.nodes.some(({ nodeId }) => tagOf(nodeId) === by.tag) ?? false;
  return isAdmin || (isNode && AMONG_NODES.includes(verb));
}

/** A planned end of this node's daemon, or of another's. */
async function shutDown(node: NodeParts, args: Args): Promise<unknown> {
  const own = documentAt(node).nodes.find(({ nodeId }) => nodeId === node.state.me);
  const about = args["node"] === undefined ? own : nodeOf(node, text(args, "node"));
  const { pnn, name } = about ?? { pnn: node.state.pnn, name: node.config.name };
  if (about !== undefined && about.nodeId !== node.state.me) {
    const answer = await askOver(node, about, { kind: "ask", verb: "node shutdown", args: "{}" });
    const fault = isRefusal(answer) ? answer.text : answer.kind === "answer" ? answer.text : "";
    if (isRefusal(answer) || answer.kind !== "answer" || answer.ok === undefined) {
      throw new CtdbxError("state", `Cannot stop ${name}: ${fault ?? "it does not say why"}`);
    }
  } else node.stopSoon();
  return { pnn, name, stopping: true };
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
function shardOf(node: NodeParts): ShardThread {
  if (node.shards !== undefined) return node.shards.thread;
  throw new CtdbxError("unsupported", "Cannot use metadata: this node has none");
}

/** Writes one record, or deletes it when there is no value. */
async function setMeta(node: NodeParts, args: Args): Promise<unknown> {
  const scope = text(args, "scope", "c");
  const key = text(args, "key");
  const value = args["value"];
  if (value !== undefined && value !== null && typeof value !== "string") {
    throw new CtdbxError("state", "Cannot write metadata: value must be a text");
  }
  return { c: await shardOf(node).write(scope, key, value ?? null, text(args, "by", "operator")) };
}
