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
import { type ClusterAnswer, versionText } from "../answers.ts";
import type { Condition } from "../conditions.ts";
import { CONDITION_FORMS, parseCondition } from "../conditions.ts";
import { Daemon } from "../control_client.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { oneLine } from "../output.ts";
import { object, type RowOf } from "../result.ts";
import type { ResultWriter } from "../result_writer.ts";
import { flag, int, list, maybe, ms, record, text, u64 } from "../schema.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed } from "./asking.ts";
import { NODE_FIELDS, NODE_TABLE } from "./node_fields.ts";
import { declareQuestion } from "./question.ts";

/** The cluster, as one node sees it. */
export const STATUS = object({
  cluster: text("Cluster", "name of the cluster"),
  clusterId: maybe(text("Cluster id", "32 hex digits; null: the node has no document yet")),
  version: maybe(u64("Version", "of the document")),
  generation: maybe(u64("View", "the view in force")),
  leader: maybe(text("Leader", "name of the leader; null: none is known")),
  leaderPnn: maybe(int("Leader's number", "number of the leader")),
  members: int("Members", "nodes in the view"),
  voters: int("Voters", "nodes with a vote"),
  voterChange: flag("Voters change", "is a change of the voters under way?"),
  seenBy: maybe(int("Seen by", "number of the node that was asked; null: it is in no document")),
  serving: flag("Serving", "may the node that was asked serve volatile records now?"),
  troubles: list("Troubles", "what is wrong; none: all is well", text("Trouble", "a sentence")),
  nodes: list("Nodes", "all nodes of the document", record("Node", "one node", NODE_FIELDS)),
}, {
  rowsOf: "nodes",
  rowsTable: NODE_TABLE,
  table: [
    "leader",
    { name: "generation", text: ({ generation }) => versionText(generation ?? undefined) },
    "members",
    "voters",
    "serving",
    { name: "troubles", text: ({ troubles }) => troubles.length },
  ],
});

/** The same as a type. */
export type ClusterRow = RowOf<typeof STATUS>;

const TROUBLE = {
  node: text("Seen by", "name of the node that says so"),
  trouble: text("Trouble", "what is wrong, a sentence"),
};

const HEALTH = object({
  healthy: flag("Healthy", "is all well?"),
  troubles: list("Troubles", "what is wrong", record("Trouble", "one of them", TROUBLE)),
}, {
  rowsOf: "troubles",
  table: ["healthy", {
    name: "troubles",
    text: ({ troubles }) => troubles.map(({ trouble }) => trouble).join("; ") || undefined,
  }],
});

type Health = RowOf<typeof HEALTH>;

const WAITED = object({
  conditions: list("Conditions", "what was waited for, and is so", text("Condition", "as typed")),
  waitedMs: ms("Waited, ms", "how long it took"),
});

interface WaitFlags {
  readonly for: readonly string[];
}

/** Adds `ctdbx cluster`. */
export function addClusterCommands(program: Command, world: CommandWorld): Command {
  const cluster = program.command("cluster").description("the cluster as a whole");
  declareQuestion<object, ClusterRow>(
    cluster.command("status").description("nodes, leader and view, as one node sees them"),
    world,
    { result: STATUS },
    {
      verbs: ["cluster status"],
      data: ([answer]) => answer as ClusterRow,
      people: ({ out }, _data, [answer]) => showCluster(out, answer as ClusterAnswer),
    },
  );
  declareQuestion<object, Health>(
    cluster.command("health")
      .description("what is wrong, asked of all nodes; exit code 8 when something is"),
    world,
    { result: HEALTH },
    {
      verbs: ["cluster health"],
      data: ([answer], _flags, at) => {
        const { troubles } = answer as { troubles: string[] };
        const node = at?.name ?? "this node";
        return healthOf(troubles.map((trouble) => ({ node, trouble })));
      },
      alone: health,
      judge: (all) => objection(all.flatMap(({ troubles }) => troubles)),
    },
  );
  const waiting = cluster.command("wait")
    .description("wait until something is so; exit code 8 when it is not in time")
    .requiredOption(
      "--for <condition>",
      `${CONDITION_FORMS}; given several times: all of them`,
      (text: string, before: string[] = []) => [...before, text],
    );
  const spec = {
    result: WAITED,
    asks: "nodes",
    hasOwnNodes: true,
    timeout: { text: "how long at most", seconds: 30 },
  } as const;
  declare<WaitFlags, RowOf<typeof WAITED>>(waiting, world, spec, wait);
  return cluster;
}

/** Shows the cluster to people: head, nodes, and one line that sums it up. */
export function showCluster(out: ResultWriter<ClusterRow>, cluster: ClusterAnswer): void {
  const { members, nodes, voters, voterChange, generation } = cluster;
  const head = [
    ["Cluster", `${cluster.cluster} (${cluster.clusterId ?? "no document yet"})`],
    ["Leader", cluster.leader ?? "none is known"],
    ["View", `${versionText(generation) ?? "none"}, ${members} of ${nodes.length} nodes`],
    ["Voters", voterChange ? `${voters}, changing` : String(voters)],
    ["Seen by", nodes.find(({ isThis }) => isThis)?.name ?? "a node that is not in the document"],
  ];
  out.say(
    head.map(([title = "", value = ""]) => `${title.padEnd(7)}  ${oneLine(value)}\n`).join(""),
  );
  out.say("\n");
  out.object(cluster as ClusterRow);
  out.say(`\n${oneLine(summary(cluster))}\n`);
  if (cluster.troubles.length > 0) out.say("`ctdbx cluster explain` says why, and what to do\n");
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

function healthOf(troubles: Health["troubles"]): Health {
  return { healthy: troubles.length === 0, troubles };
}

async function health({ out }: Task<object, Health>, asked: Asked): Promise<void> {
  const cluster = await asked.look("cluster status") as ClusterAnswer;
  const own = cluster.nodes.find(({ isThis }) => isThis)?.name ?? "this node";
  const others = await asked.around<{ troubles: string[] }>("others", "cluster health");
  const found = cluster.troubles.map((trouble) => ({ node: own, trouble }));
  for (const { name, ok, error } of others) {
    if (ok === undefined) {
      const trouble = `${name} does not answer: ${error ?? "no reason is known"}`;
      found.push({ node: own, trouble });
    } else for (const trouble of ok.troubles) found.push({ node: name, trouble });
  }
  if (out.isTable && found.length === 0) out.say(`${summary(cluster)}\n`);
  else out.object(healthOf(found));
  const wrong = objection(found);
  if (wrong !== undefined) throw wrong;
}

function objection(found: Health["troubles"]): Failure | undefined {
  if (found.length === 0) return undefined;
  const count = found.length === 1 ? "1 trouble" : `${found.length} troubles`;
  return new Failure(
    EXIT.expectation,
    `Cannot call the cluster well: ${count}, the first: ${found[0]?.trouble}`,
    "`ctdbx cluster explain` says why, and what to do",
  );
}

async function wait(
  { flags, out, world }: Task<WaitFlags, RowOf<typeof WAITED>>,
): Promise<void> {
  const conditions = flags.for.flatMap((text) => text.split(",")).map(parseCondition);
  if (conditions.length > 16) throw usage("Cannot wait for more than 16 conditions");
  const { paths } = await Asked.of(flags);
  const { node: nodes, timeout = 0 } = flags;
  const startMs = world.terminal.nowMs();
  const dial = () => Daemon.dial(new RealHost(), paths);
  const lack = await waitUntil({
    dial,
    timeoutMs: timeout * 1000,
    ...nodes === undefined
      ? {
        verb: "cluster status",
        lack: (answer) => firstLack(conditions, answer as ClusterAnswer),
      }
      : {
        verb: "relay",
        args: { verb: "cluster status", nodes },
        lack: (answer) => lackAround(conditions, answer as Relayed<ClusterAnswer>[]),
      },
  });
  const wanted = conditions.map(({ text }) => text);
  if (lack !== undefined) {
    throw new Failure(
      EXIT.expectation,
      `Cannot see ${wanted.join(", ")} within ${timeout} s: ${lack}`,
      "`ctdbx cluster explain` says why; --timeout waits longer",
    );
  }
  const waitedMs = Math.round(world.terminal.nowMs() - startMs);
  if (out.isTable) out.say(`${wanted.join(", ")}: so after ${waitedMs / 1000} s\n`);
  else out.object({ conditions: wanted, waitedMs });
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

/** What is missing at the first node at which something is. */
function lackAround(
  conditions: readonly Condition[],
  answers: readonly Relayed<ClusterAnswer>[],
): string | undefined {
  for (const { name, ok, error } of answers) {
    if (ok === undefined) return `${name} does not answer: ${error ?? "no reason is known"}`;
    const missing = firstLack(conditions, ok);
    if (missing !== undefined) return `${name} says: ${missing}`;
  }
  return undefined;
}
