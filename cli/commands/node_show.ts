/**
 * `ctdbx node show | uptime | shutdown`: one node in full, since when daemons run, and the planned end of one.
 *
 *   show   the document's word, the asked node's view of it, and its own word     shutdown   slots and lead go first
 *
 * Does NOT promise: the node's own word when it does not answer; `error` says why then.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { type NodeAnswer, roleText, type SlotAnswer, spanText, versionText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { Failure } from "../failure.ts";
import type { DocumentAnswer } from "../membership/document_answer.ts";
import { waitFor } from "../membership/join_plan.ts";
import { supervisorOf } from "../processes.ts";
import { ERROR, object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { namedNodes } from "./node.ts";
import { chosen } from "./node_change.ts";
import { NODE_FIELDS, type OwnAnswer } from "./node_fields.ts";

/** A daemon that was told to end has gone within this, ms, or something is wrong. */
const END_MS = 30_000;
/** Between two looks, ms. */
const LOOK_MS = 100;

const SHOWN = object({
  ...NODE_FIELDS,
  adminFlags: list("Flags", "what is decided about it", text("Flag", "a word")),
  caps: list("Can be", "what it may be", text("Word", "leader, lmaster")),
  slots: int("Slots", "that it is home of"),
  banMs: maybe(ms("Banned for", "since it was banned; null: it is not")),
  banWhy: maybe(text("Banned because", "the reason of the ban")),
  leaving: maybe(
    text("Leaves", "left or replaced: it is on its way out for good; null: it is not"),
  ),
  replaces: maybe(int("Replaces", "number of the node whose place it takes")),
  natsKey: maybe(text("Key", "its public key at NATS")),
  software: maybe(text("Software", "version of its ctdbx, by its own word")),
  uptimeMs: maybe(ms("Runs for", "since its daemon was started, by its own word")),
  serving: maybe(flag("Serving", "may it serve volatile records, by its own word?")),
  leaseMsLeft: maybe(ms("Lease left", "until its lease ends, by its own word")),
  version: maybe(u64("Document", "version that it has adopted, by its own word")),
  bus: maybe(text("NATS", "its connection, by its own word")),
  disk: maybe(text("Disk", "ok, or why it cannot write, by its own word")),
  error: ERROR,
}, {
  table: [
    "name",
    "pnn",
    "addr",
    "condition",
    "why",
    { name: "role", title: "Role", text: (node) => roleText(node) },
    { name: "adminFlags", text: ({ adminFlags }) => adminFlags.join(", ") || "none" },
    { name: "caps", text: ({ caps }) => caps.join(", ") || "nothing" },
    "zone",
    "slots",
    "banMs",
    "banWhy",
    "leaving",
    "replaces",
    "incarnation",
    "runstate",
    { name: "uptimeMs", text: ({ uptimeMs }) => uptimeMs == null ? undefined : spanText(uptimeMs) },
    "software",
    "serving",
    { name: "version", text: ({ version }) => versionText(version ?? undefined) },
    "bus",
    "disk",
    "tag",
    "nodeId",
    "error",
  ],
});
type Shown = RowOf<typeof SHOWN>;

const UPTIME = rows({
  pnn: int("Pnn", "number of the node"),
  name: text("Node", "its name"),
  uptimeMs: maybe(ms("Runs for", "since its daemon was started; null: no answer")),
  incarnation: maybe(u64("Life", "of its daemon")),
  runstate: maybe(text("Runstate", "how far it is")),
  software: maybe(text("Software", "version of its ctdbx")),
  error: ERROR,
}, {
  table: [
    "pnn",
    "name",
    { name: "uptimeMs", text: ({ uptimeMs }) => uptimeMs == null ? undefined : spanText(uptimeMs) },
    "incarnation",
    "runstate",
    "software",
    { name: "error", whenSet: true },
  ],
});
type Uptime = RowOf<typeof UPTIME>;

const STOPPING = object({
  pnn: int("Pnn", "number of the node"),
  name: text("Node", "its name"),
  stopped: flag("Stopped", "has its daemon gone? Without --wait that is not awaited"),
});
type Stopping = RowOf<typeof STOPPING>;

/** What a node says of itself each second. */
interface Heartbeat {
  readonly uptimeMs?: number;
  readonly incarnation?: string;
  readonly runstate?: string;
  readonly software?: string;
}

/** Adds them to `ctdbx node`. */
export function addNodeShowCommands(node: Command, world: CommandWorld): void {
  declare<object, Shown>(
    node.command("show [node]").description("one node in full; default: the one that is asked"),
    world,
    { result: SHOWN, asks: "nodes", hasOwnNodes: true, nodesText: "the node" },
    show,
  );
  declare<object, Uptime>(
    node.command("uptime [nodes]").description("since when daemons run; default: all"),
    world,
    { result: UPTIME, asks: "nodes", hasOwnNodes: true },
    uptime,
  );
  declare<object, Stopping>(
    node.command("shutdown <node>")
      .description("end the daemon of a node in order, wherever it is; its supervisor ends, too"),
    world,
    {
      result: STOPPING,
      asks: "node",
      changes: true,
      waits: "until it has gone",
      destroys: "a daemon is ended, which only its own machine can start again",
    },
    shutdown,
  );
}

async function oneNode(asked: Asked, given: string | undefined): Promise<NodeAnswer> {
  const nodes = given === undefined
    ? (await asked.look("node list") as NodeAnswer[]).filter(({ isThis }) => isThis)
    : await chosen(asked, given);
  const [node, ...more] = nodes;
  if (node !== undefined && more.length === 0) return node;
  throw node === undefined
    ? new Failure(3, "Cannot find the node: the one that is asked is in no document")
    : new Failure(2, `Cannot take ${given}: this is about one node`, "name one");
}

async function show({ flags, out }: Task<object, Shown>, given?: string): Promise<void> {
  const asked = await Asked.of(flags);
  const node = await oneNode(asked, namedNodes(given, flags));
  const view = await asked.look("cluster view") as DocumentAnswer;
  const known = view.nodes.find(({ nodeId }) => nodeId === node.nodeId);
  const { members } = await asked.look("slot map") as SlotAnswer;
  const [own] = await asked.around<OwnAnswer>(`${node.pnn}`, "node status");
  const [beat] = await asked.around<Heartbeat>(`${node.pnn}`, "node heartbeat");
  const isBanned = known?.adminFlags.includes("banned") ?? false;
  const { serving, leaseMsLeft, version, bus, disk } = own?.ok ?? {};
  const { software, uptimeMs } = beat?.ok ?? {};
  out.object({
    ...node as unknown as Shown,
    adminFlags: known?.adminFlags ?? [],
    caps: known?.caps ?? [],
    slots: members.find(({ pnn }) => pnn === node.pnn)?.slots ?? 0,
    banMs: isBanned ? known?.ban?.banMs : undefined,
    banWhy: isBanned ? known?.ban?.why : undefined,
    leaving: known?.leaving,
    replaces: known?.replaces,
    natsKey: known?.natsKey,
    software,
    uptimeMs,
    serving,
    leaseMsLeft,
    version,
    bus,
    disk,
    error: own?.error,
  });
}

async function uptime({ flags, out }: Task<object, Uptime>, given?: string): Promise<void> {
  const nodes = namedNodes(given, flags) ?? "all";
  const asked = await Asked.of(flags);
  const answers: Relayed<Heartbeat>[] = await asked.around<Heartbeat>(nodes, "node heartbeat");
  for (const { pnn, name, ok, error } of answers) {
    out.row(ok === undefined ? { pnn, name, error } : { ...ok, pnn, name });
  }
  const failure = silence(answers);
  if (failure !== undefined) throw failure;
}

async function shutdown(task: Task<object, Stopping>, given = ""): Promise<void> {
  const { flags, out } = task;
  const asked = await Asked.of(flags);
  const { pnn, name, isThis } = await oneNode(asked, given);
  const [server] = await asked.around<{ isOnly: boolean }>(`${pnn}`, "node server");
  const carried = server?.ok?.isOnly === true
    ? "; its nats-server, which carries the cluster, ends with it, and nobody serves meanwhile"
    : "";
  await task.confirm(
    `The daemon of ${name} ends; only its own machine can start it again${carried}`,
  );
  await asked.ask("node shutdown", isThis ? {} : { node: `${pnn}` });
  if (flags.wait === true) await gone(asked, pnn, name, isThis);
  const stopped = flags.wait === true;
  if (!out.isTable) return out.object({ pnn, name, stopped });
  out.say(`${name} ${stopped ? "has ended" : "ends"}\n`);
}

/** Waits until a daemon has gone. Throws Failure (expectation). */
async function gone(asked: Asked, pnn: number, name: string, isThis: boolean): Promise<void> {
  const port = { pause: () => sleep(LOOK_MS), nowMs: () => performance.now() };
  await waitFor(port, END_MS, () => {}, `Cannot see ${name} end`, async () => {
    if (isThis) {
      return supervisorOf(asked.paths.run) === undefined ? undefined : "its supervisor still runs";
    }
    const [answer] = await asked.around<object>(`${pnn}`, "node ping");
    return answer?.ok === undefined ? undefined : "it still answers";
  });
}
