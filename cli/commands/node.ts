/**
 * `ctdbx node list | status | ping | runstate`: nodes, each by its own word; the daemon asks the others over NATS.
 *
 * Exit code 9 when some of the nodes do not answer, 1 when none does: what is shown of the others holds.
 *
 * Does NOT promise: why a node does not answer; a node that is cut off and one that is dead look the same from here.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { RUNSTATES } from "../../transport/wire/messages/cluster.ts";
import { RealHost } from "../../transport/real_host.ts";
import { columnsOf, type NodeAnswer, versionText } from "../answers.ts";
import { findNodeAnswer } from "../conditions.ts";
import { Daemon } from "../control_client.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { Cell, Column, Row } from "../output.ts";
import { json, RowWriter, writeObject } from "../output.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, seconds } from "../world.ts";
import { askedNode, type HomeFlags, homeOption, look, lookAround, type Relayed } from "./asking.ts";
import { writeNodes } from "./cluster.ts";

interface NodeFlags extends HomeFlags, OutputFlags {}

interface RunstateFlags extends NodeFlags {
  readonly for?: string;
  readonly timeout: number;
}

/** What a node says of itself, for `node status` and `daemon status`. */
export const STATUS: readonly Column[] = columnsOf(
  ["name", "Node"],
  ["pnn", "Number"],
  ["tag", "Tag"],
  ["runstate", "Runstate"],
  ["condition", "Condition"],
  ["why", "Why"],
  ["leader", "Leader"],
  ["serving", "Serving"],
  ["leaseMsLeft", "Lease left, ms"],
  ["view", "View"],
  ["incarnation", "Life"],
  ["promised", "Promised"],
  ["bus", "NATS"],
  ["disk", "Disk"],
  ["messagesSent", "Messages sent"],
  ["messagesReceived", "Messages received"],
  ["messagesRefused", "Messages refused"],
  ["refused", "Refused for"],
  ["eventsDropped", "Events dropped"],
);

const STATUSES = columnsOf(
  ["pnn", "Pnn"],
  ["name", "Node"],
  ["runstate", "Runstate"],
  ["condition", "Condition"],
  ["leader", "Leader"],
  ["serving", "Serving"],
  ["leaseMsLeft", "Lease, ms"],
  ["view", "View"],
  ["incarnation", "Life"],
  ["bus", "NATS"],
  ["disk", "Disk"],
  ["messagesRefused", "Refused"],
  ["error", "Error"],
);

const PINGS = columnsOf(["pnn", "Pnn"], ["name", "Node"], ["ms", "Round trip, ms"], [
  "error",
  "Error",
]);
const RUNS = columnsOf(["pnn", "Pnn"], ["name", "Node"], ["runstate", "Runstate"], [
  "error",
  "Error",
]);

const WHICH = "name or number of a node, several with commas between, or all; default: ";

/** Adds `ctdbx node`. */
export function addNodeCommands(program: Command, world: CommandWorld): void {
  const node = program.command("node").description("the nodes of the cluster");
  outputOptions(homeOption(node.command("list")))
    .description("all nodes, as one of them sees them")
    .action((flags: NodeFlags) => list(world, flags));
  outputOptions(homeOption(node.command("status").argument("[nodes]", `${WHICH}this one`)))
    .description("how nodes are, by their own word")
    .action((nodes: string | undefined, flags: NodeFlags) => status(world, nodes, flags));
  outputOptions(homeOption(node.command("ping").argument("[nodes]", `${WHICH}all`)))
    .description("do nodes answer, and how fast?")
    .action((nodes: string | undefined, flags: NodeFlags) => ping(world, nodes ?? "all", flags));
  outputOptions(homeOption(node.command("runstate").argument("[nodes]", `${WHICH}this one`)))
    .description("how far nodes are; with --for exit code 8 when this one is not so far")
    .addOption(
      new Option("--for <runstate>", "demand this runstate of this node").choices(RUNSTATES),
    )
    .option("--timeout <seconds>", "with --for: wait so long for it", seconds, 0)
    .action((nodes: string | undefined, flags: RunstateFlags) => runstate(world, nodes, flags));
}

async function list(world: CommandWorld, flags: NodeFlags): Promise<void> {
  const nodes = await look(await askedNode(flags), "node list") as NodeAnswer[];
  if (nodes.length === 0) {
    throw new Failure(
      EXIT.notFound,
      "Cannot list nodes: this node belongs to no cluster yet",
      "`ctdbx node status` shows how far it is",
    );
  }
  writeNodes(world, lookOf(world, flags), nodes);
}

/** A node's own word as a row: u64 readable, counts of refused messages in one text. */
export function statusRow(answer: Row & { readonly refusedFor?: unknown }): Row {
  const { refusedFor, generation, ...rest } = answer;
  const counts = Object.entries((refusedFor ?? {}) as Record<string, number>);
  const refused = counts.length === 0
    ? undefined
    : counts.map(([code, count]) => `${code} ${count}`).join(", ");
  const view = versionText(generation === undefined ? undefined : String(generation));
  return { ...rest, generation, view, refused };
}

async function status(
  world: CommandWorld,
  nodes: string | undefined,
  flags: NodeFlags,
): Promise<void> {
  const paths = await askedNode(flags);
  const shown = lookOf(world, flags);
  const { out } = world.terminal;
  if (nodes === undefined) {
    const answer = await look(paths, "node status") as Row;
    if (shown.format === "json") out.write(`${json(answer, 2)}\n`);
    else writeObject(out, shown, STATUS, statusRow(answer));
    return;
  }
  const answers = await lookAround<Row>(paths, nodes, "node status");
  const [only] = answers;
  if (answers.length === 1 && only?.ok !== undefined && !nodes.includes(",") && nodes !== "all") {
    if (shown.format === "json") out.write(`${json(only.ok, 2)}\n`);
    else writeObject(out, shown, STATUS, statusRow(only.ok));
    return;
  }
  writeRelayed(world, flags, STATUSES, answers, statusRow);
}

/** One row for each node that was asked; throws when not all have answered. */
function writeRelayed<T>(
  world: CommandWorld,
  flags: NodeFlags,
  columns: readonly Column[],
  answers: readonly Relayed<T>[],
  cells: (ok: T, ms: number | undefined) => Record<string, Cell>,
): void {
  const shown = lookOf(world, flags);
  const isTroubled = shown.format !== "table" || answers.some(({ error }) => error !== undefined);
  const some = isTroubled ? columns : columns.filter(({ name }) => name !== "error");
  const rows = new RowWriter(world.terminal.out, shown, some);
  for (const { pnn, name, ms, ok, error } of answers) {
    rows.row({ pnn, name, ...ok === undefined ? { error } : cells(ok, ms) });
  }
  rows.end();
  demandAnswers(answers);
}

function demandAnswers(answers: readonly Relayed<unknown>[]): void {
  const silent = answers.filter(({ ok }) => ok === undefined);
  const [first] = silent;
  if (first === undefined) return;
  const names = silent.map(({ name }) => name).join(", ");
  throw new Failure(
    silent.length === answers.length ? EXIT.other : EXIT.partial,
    `Cannot ask ${names}: ${first.error ?? "no answer"}`,
    "`ctdbx cluster status` shows which nodes are heard",
  );
}

async function ping(world: CommandWorld, nodes: string, flags: NodeFlags): Promise<void> {
  const answers = await lookAround<object>(await askedNode(flags), nodes, "node ping");
  writeRelayed(world, flags, PINGS, answers, (_ok, ms) => ({ ms }));
}

async function runstate(
  world: CommandWorld,
  nodes: string | undefined,
  flags: RunstateFlags,
): Promise<void> {
  const paths = await askedNode(flags);
  const { for: wanted, timeout } = flags;
  if (nodes !== undefined) {
    const answers = await lookAround<Row>(paths, nodes, "node status");
    writeRelayed(world, flags, RUNS, answers, (ok) => ({ runstate: ok["runstate"] }));
    const other = answers.find(({ ok }) => wanted !== undefined && ok?.["runstate"] !== wanted);
    if (other !== undefined) {
      throw notThere(`${other.name} is in ${other.ok?.["runstate"]}`, wanted);
    }
    return;
  }
  let row: Row = {};
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), paths),
    verb: "node status",
    lack: (answer) => {
      row = answer as Row;
      if (wanted === undefined || row["runstate"] === wanted) return undefined;
      return `this node is in ${row["runstate"]}`;
    },
    timeoutMs: timeout * 1000,
  });
  if (lack !== undefined && row["runstate"] === undefined) {
    // Says in our words why nobody answers.
    row = await look(paths, "node status") as Row;
  }
  const shown = lookOf(world, flags);
  const { out } = world.terminal;
  if (shown.format === "table") out.write(`${row["runstate"]}\n`);
  else {
    const { pnn, name } = row;
    const rows = new RowWriter(out, shown, RUNS.slice(0, 3));
    rows.row({ pnn, name, runstate: row["runstate"] });
    rows.end();
  }
  if (lack !== undefined) throw notThere(lack, wanted);
}

function notThere(what: string, wanted: string | undefined): Failure {
  return new Failure(
    EXIT.expectation,
    `Cannot see runstate ${wanted}: ${what}`,
    "--timeout SECONDS waits for this node; `ctdbx node status` says more",
  );
}

/** The node that is meant by a name or a number, as the asked node knows it. Throws Failure (not found). */
export function requireNode(nodes: readonly NodeAnswer[], wanted: string): NodeAnswer {
  const node = findNodeAnswer(nodes, wanted);
  if (node !== undefined) return node;
  throw new Failure(
    EXIT.notFound,
    `Cannot find node ${wanted}: known are ${nodes.map(({ name }) => name).join(", ")}`,
    "`ctdbx node list` shows them",
  );
}
