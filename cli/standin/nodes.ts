/**
 * Answers about nodes, in the form of CTDB's tool.
 *
 *   pnn | nodestatus [all|PNN,...] | status | listnodes | runstate [STATE...] | leader | getcapabilities
 *   ping | getpid
 *
 * A node that drains is told as disabled, one that joins as unhealthy: scripts choose among nodes by that.
 *
 * Does NOT promise: to know of nodes that this one does not hear; those are told as they were last.
 */

import type { EventStatus } from "../../actors/verbs/events.ts";
import type { NodeCondition } from "../../actors/views.ts";
import type { NodeAnswer } from "../answers.ts";
import {
  machineLines,
  said,
  type StandinCall,
  type StandinEnd,
  type StandinPorts,
  unsaid,
} from "./form.ts";

/** CTDB's flags of a node; its nodestatus ends with them. */
const FLAGS = { disconnected: 1, unhealthy: 2, disabled: 4, banned: 8, stopped: 32 } as const;

type Flag = keyof typeof FLAGS;

const FLAGS_OF: Readonly<Record<NodeCondition, readonly Flag[]>> = {
  ok: [],
  unhealthy: ["unhealthy"],
  disconnected: ["disconnected", "unhealthy"],
  banned: ["banned"],
  stopped: ["stopped"],
  draining: ["disabled"],
  disabled: ["disabled"],
  joining: ["unhealthy"],
  unknown: ["unhealthy"],
};
const HEAD = [
  "Node",
  "IP",
  "Disconnected",
  "Unknown",
  "Banned",
  "Disabled",
  "Unhealthy",
  "Stopped",
  "Inactive",
  "PartiallyOnline",
  "ThisNode",
];

interface Own {
  readonly pnn?: number;
  readonly runstate: string;
  readonly generation?: string;
}

function flagsOf({ condition }: NodeAnswer): readonly Flag[] {
  return FLAGS_OF[condition as NodeCondition];
}

async function nodesOf(ports: StandinPorts): Promise<readonly NodeAnswer[]> {
  return await ports.ask("node list") as readonly NodeAnswer[];
}

/** The address of a node without a port. */
function ipOf({ addr }: NodeAnswer): string {
  return addr.replace(/^\[(.*)\](?::\d+)?$/, "$1").replace(/^([^:]+):\d+$/, "$1");
}

function machineRow(node: NodeAnswer): unknown[] {
  const flags = flagsOf(node);
  const has = (flag: Flag): number => flags.includes(flag) ? 1 : 0;
  const inactive = has("disconnected") | has("banned") | has("stopped");
  return [
    node.pnn,
    ipOf(node),
    has("disconnected"),
    node.condition === "unknown" ? 1 : 0,
    has("banned"),
    has("disabled"),
    has("unhealthy"),
    has("stopped"),
    inactive,
    0,
    node.isThis ? "Y" : "N",
  ];
}

function peopleLine(node: NodeAnswer): string {
  const flags = flagsOf(node).map((flag) => flag.toUpperCase()).join("|");
  const own = node.isThis ? " (THIS NODE)" : "";
  return `pnn:${node.pnn} ${ipOf(node).padEnd(16)} ${flags === "" ? "OK" : flags}${own}\n`;
}

function table(machine: string | undefined, nodes: readonly NodeAnswer[], isAll: boolean): string {
  if (machine !== undefined) return machineLines(machine, [HEAD, ...nodes.map(machineRow)]);
  return `${isAll ? `Number of nodes:${nodes.length}\n` : ""}${nodes.map(peopleLine).join("")}`;
}

/** The number of this node. */
export async function pnn(ports: StandinPorts): Promise<StandinEnd> {
  const { pnn } = await ports.ask("node status") as Own;
  return pnn === undefined ? unsaid("This node has no number yet") : said(`${pnn}\n`);
}

/** Ends with the flags of the nodes that were asked for, or with 255. */
export async function nodeStatus(
  { words, machine }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  let nodes: readonly NodeAnswer[];
  try {
    nodes = await nodesOf(ports);
  } catch (error) {
    return unsaid(error instanceof Error ? error.message : String(error), 255);
  }
  const [, which] = words;
  const wanted = which === undefined || which === "all" ? [] : which.split(",").map(Number);
  const missing = wanted.find((pnn) => !nodes.some((node) => node.pnn === pnn));
  if (missing !== undefined) return unsaid(`Node ${missing} does not exist`, 255);
  const chosen = which === "all"
    ? nodes
    : nodes.filter(({ pnn, isThis }) => which === undefined ? isThis : wanted.includes(pnn));
  const flags = chosen.flatMap(flagsOf);
  const code = flags.reduce((all, flag) => all | FLAGS[flag], 0);
  return { code, out: table(machine, chosen, which === "all") };
}

/** All nodes, and how the cluster is. */
export async function status({ machine }: StandinCall, ports: StandinPorts): Promise<StandinEnd> {
  const nodes = await nodesOf(ports);
  if (machine !== undefined) return said(table(machine, nodes, true));
  const own = await ports.ask("node status") as Own;
  const leader = nodes.find(({ isLeader }) => isLeader);
  const members = nodes.filter(({ isMember }) => isMember);
  const lmasters = members.map(({ pnn }, at) => `hash:${at} lmaster:${pnn}\n`).join("");
  return said(
    `${table(undefined, nodes, true)}Generation:${own.generation ?? "INVALID"}
Size:${members.length}
${lmasters}Recovery mode:NORMAL (0)
Leader:${leader?.pnn ?? "UNKNOWN"}\n`,
  );
}

/** Addresses of the nodes. */
export async function listNodes(
  { machine }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  const nodes = await nodesOf(ports);
  if (machine === undefined) return said(nodes.map((node) => `${ipOf(node)}\n`).join(""));
  return said(machineLines(machine, nodes.map((node) => [node.pnn, ipOf(node)])));
}

/** How far the node is; with words: is it so far? A node whose startup event has not passed is in STARTUP. */
export async function runstate({ words }: StandinCall, ports: StandinPorts): Promise<StandinEnd> {
  const { runstate } = await ports.ask("node status") as Own;
  const { phase } = await ports.ask("event status") as EventStatus;
  const isUp = phase === "running" || phase === "shutdown" || phase === "over";
  const state = (runstate === "running" && !isUp ? "startup" : runstate).toUpperCase();
  const wanted = words.slice(1).map((word) => word.toUpperCase());
  const code = wanted.length === 0 || wanted.includes(state) ? 0 : 1;
  return { code, out: `${state}\n` };
}

/** Who leads. */
export async function leader(ports: StandinPorts): Promise<StandinEnd> {
  const nodes = await nodesOf(ports);
  const found = nodes.find(({ isLeader }) => isLeader);
  return found === undefined ? unsaid("No leader is known") : said(`${found.pnn}\n`);
}

/** Voters may lead; every member is home of records. */
export async function capabilities(
  { machine }: StandinCall,
  ports: StandinPorts,
): Promise<StandinEnd> {
  const own = (await nodesOf(ports)).find(({ isThis }) => isThis);
  const mayLead = own?.isVoter ?? false;
  if (machine !== undefined) {
    return said(machineLines(machine, [["LEADER", "LMASTER"], [mayLead ? 1 : 0, 1]]));
  }
  return said(`LEADER: ${mayLead ? "YES" : "NO"}\nLMASTER: YES\n`);
}

/** The process of the daemon. */
export async function daemonPid(ports: StandinPorts): Promise<StandinEnd> {
  const { pid } = await ports.ask("node process") as { readonly pid: number };
  return said(`${pid}\n`);
}

/** Does the daemon answer? */
export async function ping(ports: StandinPorts): Promise<StandinEnd> {
  const startMs = performance.now();
  await ports.ask("node ping");
  const seconds = ((performance.now() - startMs) / 1000).toFixed(6);
  const { pnn } = await ports.ask("node status") as Own;
  return said(`response from ${pnn ?? "?"} time=${seconds} sec  (1 clients)\n`);
}
