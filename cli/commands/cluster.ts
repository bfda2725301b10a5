/**
 * `ctdbx cluster status | health | wait`: the cluster as the node that is asked sees it.
 *
 *   status   what is, and one line that sums it up     health   what is wrong, asked of all nodes; exit code 8
 *   wait     until something is so; exit code 8 when it is not in time
 *
 * Does NOT promise: one truth. Nodes that do not hear each other see different things, and each says what it sees.
 */

import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import {
  type ClusterAnswer,
  columnsOf,
  type NodeAnswer,
  roleText,
  versionText,
} from "../answers.ts";
import type { Condition } from "../conditions.ts";
import { CONDITION_FORMS, parseCondition } from "../conditions.ts";
import type { NodePaths } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import type { Column, Look, Row } from "../output.ts";
import { json, oneLine, RowWriter } from "../output.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, seconds } from "../world.ts";
import { askedNode, type HomeFlags, homeOption, look, lookAround } from "./asking.ts";

interface ClusterFlags extends HomeFlags, OutputFlags {}

interface WaitFlags extends ClusterFlags {
  readonly for: readonly string[];
  readonly timeout: number;
}

const HEAD = columnsOf(
  ["cluster", "Cluster"],
  ["leader", "Leader"],
  ["view", "View"],
  ["voters", "Voters"],
  ["seenBy", "Seen by"],
);

const NODES: readonly Column[] = columnsOf(
  ["pnn", "Pnn"],
  ["name", "Node"],
  ["addr", "Address"],
  ["condition", "Condition"],
  ["role", "Role"],
  ["incarnation", "Life"],
  ["runstate", "Runstate"],
  ["heardMsAgo", "Heard, ms ago"],
);
const WHY: Column = { name: "why", title: "Why" };

const TROUBLES = columnsOf(["node", "Seen by"], ["trouble", "Trouble"]);

/** Adds `ctdbx cluster`. */
export function addClusterCommands(program: Command, world: CommandWorld): void {
  const cluster = program.command("cluster").description("the cluster as a whole");
  outputOptions(homeOption(cluster.command("status")))
    .description("nodes, leader and view, as one node sees them")
    .action((flags: ClusterFlags) => status(world, flags));
  outputOptions(homeOption(cluster.command("health")))
    .description("what is wrong, asked of all nodes; exit code 8 when something is")
    .action((flags: ClusterFlags) => health(world, flags));
  outputOptions(homeOption(cluster.command("wait")))
    .description("wait until something is so; exit code 8 when it is not in time")
    .requiredOption(
      "--for <condition>",
      `${CONDITION_FORMS}; given several times: all of them`,
      (text: string, before: string[] = []) => [...before, text],
    )
    .option("--timeout <seconds>", "how long at most", seconds, 30)
    .action((flags: WaitFlags) => wait(world, flags));
}

/** The rows of nodes, for `cluster status` and `node list`. */
export function writeNodes(world: CommandWorld, shown: Look, nodes: readonly NodeAnswer[]): void {
  const isTroubled = shown.format !== "table" || nodes.some(({ why }) => why !== undefined);
  const columns = isTroubled ? [...NODES, WHY] : NODES;
  const rows = new RowWriter(world.terminal.out, shown, columns);
  for (const node of nodes) rows.row(nodeRow(node));
  rows.end();
}

function nodeRow(node: NodeAnswer): Row {
  const { pnn, name, addr, condition, incarnation, runstate, heardMsAgo, why } = node;
  const { nodeId, tag, isLeader, isVoter, isMember, isThis } = node;
  const shown = { pnn, name, addr, condition, role: roleText(node), incarnation, runstate };
  return { ...shown, heardMsAgo, why, nodeId, tag, isLeader, isVoter, isMember, isThis };
}

async function status(world: CommandWorld, flags: ClusterFlags): Promise<void> {
  await showStatus(world, await askedNode(flags), lookOf(world, flags));
}

/** Shows the cluster as the node at `paths` sees it. */
export async function showStatus(
  world: CommandWorld,
  paths: NodePaths,
  shown: Look,
): Promise<void> {
  const cluster = await look(paths, "cluster status") as ClusterAnswer;
  const { out } = world.terminal;
  if (shown.format === "json") return void out.write(`${json(cluster, 2)}\n`);
  if (shown.format !== "table") return writeNodes(world, shown, cluster.nodes);
  const { members, nodes, voters, voterChange } = cluster;
  const head: Row = {
    cluster: `${cluster.cluster} (${cluster.clusterId ?? "no document yet"})`,
    leader: cluster.leader ?? "none is known",
    view: `${versionText(cluster.generation) ?? "none"}, ${members} of ${nodes.length} nodes`,
    voters: voterChange ? `${voters}, changing` : String(voters),
    seenBy: nodes.find(({ isThis }) => isThis)?.name ?? "a node that is not in the document",
  };
  const width = Math.max(...HEAD.map(({ title }) => title.length));
  for (const { name, title } of HEAD) {
    out.write(`${title.padEnd(width)}  ${oneLine(String(head[name]))}\n`);
  }
  out.write("\n");
  writeNodes(world, shown, nodes);
  out.write(`\n${oneLine(summary(cluster))}\n`);
}

/** One line: is all well, and if not, what is wrong. */
export function summary({ troubles, nodes, leader, serving }: ClusterAnswer): string {
  if (troubles.length === 0) {
    const all = nodes.length === 1 ? "the only node is ok" : `all ${nodes.length} nodes are ok`;
    return `Well: ${all}, ${leader ?? "nobody"} leads`;
  }
  const count = troubles.length === 1 ? "1 trouble" : `${troubles.length} troubles`;
  const serves = serving ? "this node serves" : "this node does not serve";
  return `Not well, ${count}, ${serves}: ${troubles.join("; ")}`;
}

async function health(world: CommandWorld, flags: ClusterFlags): Promise<void> {
  const paths = await askedNode(flags);
  const cluster = await look(paths, "cluster status") as ClusterAnswer;
  const own = cluster.nodes.find(({ isThis }) => isThis)?.name ?? "this node";
  const others = await lookAround<{ troubles: string[] }>(paths, "others", "cluster health");
  const found: { node: string; trouble: string }[] = cluster.troubles
    .map((trouble) => ({ node: own, trouble }));
  for (const { name, ok, error } of others) {
    if (ok === undefined) {
      found.push({
        node: own,
        trouble: `${name} does not answer: ${error ?? "no reason is known"}`,
      });
    } else for (const trouble of ok.troubles) found.push({ node: name, trouble });
  }
  showHealth(world, lookOf(world, flags), cluster, found);
  if (found.length === 0) return;
  const count = found.length === 1 ? "1 trouble" : `${found.length} troubles`;
  throw new Failure(
    EXIT.expectation,
    `Cannot call the cluster well: ${count}, the first: ${found[0]?.trouble}`,
    "`ctdbx cluster status` shows the nodes, `ctdbx watch` what happens",
  );
}

function showHealth(
  world: CommandWorld,
  shown: Look,
  cluster: ClusterAnswer,
  troubles: readonly { readonly node: string; readonly trouble: string }[],
): void {
  const { out } = world.terminal;
  const healthy = troubles.length === 0;
  if (shown.format === "json") return void out.write(`${json({ healthy, troubles }, 2)}\n`);
  if (shown.format === "table" && healthy) return void out.write(`${summary(cluster)}\n`);
  const rows = new RowWriter(out, shown, TROUBLES);
  for (const row of troubles) rows.row(row);
  rows.end();
}

async function wait(world: CommandWorld, flags: WaitFlags): Promise<void> {
  const conditions = flags.for.flatMap((text) => text.split(",")).map(parseCondition);
  if (conditions.length > 16) throw usage("Cannot wait for more than 16 conditions");
  const paths = await askedNode(flags);
  const startMs = world.terminal.nowMs();
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), paths),
    verb: "cluster status",
    lack: (answer) => firstLack(conditions, answer as ClusterAnswer),
    timeoutMs: flags.timeout * 1000,
  });
  const wanted = conditions.map(({ text }) => text).join(", ");
  if (lack !== undefined) {
    throw new Failure(
      EXIT.expectation,
      `Cannot see ${wanted} within ${flags.timeout} s: ${lack}`,
      "`ctdbx cluster health` says what is wrong; --timeout waits longer",
    );
  }
  const waitedMs = Math.round(world.terminal.nowMs() - startMs);
  const shown = lookOf(world, flags);
  const { out } = world.terminal;
  if (shown.format === "table") out.write(`${wanted}: so after ${waitedMs / 1000} s\n`);
  else {
    const rows = new RowWriter(out, shown, columnsOf(["condition", ""], ["waitedMs", ""]));
    rows.row({ condition: wanted, waitedMs });
    rows.end();
  }
}

function firstLack(
  conditions: readonly Condition[],
  cluster: ClusterAnswer,
): string | undefined {
  for (const { lack } of conditions) {
    const missing = lack(cluster);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
