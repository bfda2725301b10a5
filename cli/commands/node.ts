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
import type { NodeAnswer } from "../answers.ts";
import { findNodeAnswer } from "../conditions.ts";
import { Daemon } from "../control_client.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { writeObject } from "../output.ts";
import { ERROR, object, type RowOf, rows } from "../result.ts";
import { int, maybe, ms, type Shape, text, word } from "../schema.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { nodeHint } from "../nearest.ts";
import { NODE_FIELDS, NODE_TABLE, OWN_FIELDS, OWN_ROWS, OWN_TABLE } from "./node_fields.ts";
import { type OwnAnswer, type OwnRow } from "./node_fields.ts";
import { declareQuestion } from "./question.ts";

interface RunstateFlags {
  readonly for?: string;
}

type NodeRow = Shape<typeof NODE_FIELDS>;

const WHO = {
  pnn: maybe(int("Pnn", "number of the node; null: it belongs to no cluster")),
  name: maybe(text("Node", "its name")),
};
const PINGS = rows({
  ...WHO,
  ms: maybe(ms("Round trip, ms", "from the asked node there and back; null: no answer")),
  error: ERROR,
}, { table: ["pnn", "name", "ms", { name: "error", whenSet: true }] });
const RUNS = rows({
  ...WHO,
  runstate: maybe(word("Runstate", "how far it is; null: no answer", RUNSTATES)),
  error: ERROR,
}, { table: ["pnn", "name", "runstate", { name: "error", whenSet: true }] });

type Ping = RowOf<typeof PINGS>;
type Run = RowOf<typeof RUNS>;

const WHICH = "the same as --node; default: ";

/** Adds `ctdbx node`. */
export function addNodeCommands(program: Command, world: CommandWorld): Command {
  const node = program.command("node").description("the nodes of the cluster");
  declareQuestion<object, NodeRow>(
    node.command("list").alias("ls").description("all nodes, as one of them sees them"),
    world,
    { result: rows(NODE_FIELDS, { table: NODE_TABLE }) },
    { verbs: ["node list"], data: ([answer]) => requireNodes(answer as NodeRow[]) },
  );
  const own = { asks: "nodes", hasOwnNodes: true } as const;
  declare<object, OwnRow>(
    node.command("status").description("how nodes are, by their own word")
      .argument("[nodes]", `${WHICH}this one`),
    world,
    { result: OWN_ROWS, ...own },
    status,
  );
  declare<object, Ping>(
    node.command("ping").description("do nodes answer, and how fast?")
      .argument("[nodes]", `${WHICH}all`),
    world,
    { result: PINGS, ...own },
    ping,
  );
  declare<RunstateFlags, Run>(
    node.command("runstate").argument("[nodes]", `${WHICH}this one`)
      .description("how far nodes are; with --for exit code 8 when one is not so far")
      .addOption(new Option("--for <runstate>", "demand this runstate").choices(RUNSTATES)),
    world,
    { result: RUNS, ...own, timeout: { text: "with --for: wait so long for it", seconds: 0 } },
    runstate,
  );
  return node;
}

function requireNodes(nodes: readonly NodeRow[]): readonly NodeRow[] {
  if (nodes.length > 0) return nodes;
  throw new Failure(
    EXIT.notFound,
    "Cannot list nodes: this node belongs to no cluster yet",
    "`ctdbx node status` shows how far it is",
  );
}

/** The nodes that are meant: by the argument, or by -n. Throws Failure (usage) when both are given. */
export function namedNodes(given: string | undefined, { node }: CommonFlags): string | undefined {
  if (given === undefined || node === undefined) return given ?? node;
  throw usage("Cannot tell which nodes are meant: an argument and --node were given");
}

async function status({ flags, out }: Task<object, OwnRow>, given?: string): Promise<void> {
  const nodes = namedNodes(given, flags);
  const asked = await Asked.of(flags);
  const answers: readonly Relayed<OwnAnswer>[] = nodes === undefined
    ? [{ pnn: 0, name: "", ok: await asked.look("node status") as OwnAnswer }]
    : await asked.around<OwnAnswer>(nodes, "node status");
  const [only] = answers;
  if (out.isTable && answers.length === 1 && only?.ok !== undefined) showOwn(out, only.ok);
  else {
    for (const { pnn, name, ok, error } of answers) {
      out.row(ok === undefined ? { pnn, name, error } : ok);
    }
  }
  demandAnswers(answers);
}

/** One node's own word as lines for people. */
function showOwn(out: Task<object, OwnRow>["out"], answer: OwnAnswer): void {
  const { table } = object(OWN_FIELDS, { table: OWN_TABLE });
  const cells = table.map((column) => {
    const { name, text } = column;
    return [name, text === undefined ? answer[name as keyof OwnAnswer] : text(answer)];
  });
  const columns = table.map(({ name, title = name }) => ({ name, title }));
  const sink = { write: (text: string | Uint8Array) => out.say(String(text)), flush: () => {} };
  writeObject(sink, { format: "table", color: out.color }, columns, Object.fromEntries(cells));
}

function demandAnswers(answers: readonly Relayed<unknown>[]): void {
  const failure = silence(answers);
  if (failure !== undefined) throw failure;
}

async function ping({ flags, out }: Task<object, Ping>, given?: string): Promise<void> {
  const asked = await Asked.of(flags);
  const answers = await asked.around<object>(namedNodes(given, flags) ?? "all", "node ping");
  for (const { pnn, name, ms, error } of answers) out.row({ pnn, name, ms, error });
  demandAnswers(answers);
}

async function runstate(
  { flags, out }: Task<RunstateFlags, Run>,
  given?: string,
): Promise<void> {
  const nodes = namedNodes(given, flags);
  const asked = await Asked.of(flags);
  const { for: wanted, timeout = 0 } = flags;
  let found: readonly Relayed<OwnAnswer>[] = [];
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), asked.paths),
    ...nodes === undefined
      ? { verb: "node status" }
      : { verb: "relay", args: { verb: "node status", nodes } },
    lack: (answer) => {
      found = nodes === undefined
        ? [{ pnn: 0, name: "this node", ok: answer as OwnAnswer }]
        : answer as Relayed<OwnAnswer>[];
      if (wanted === undefined) return undefined;
      const other = found.find(({ ok }) => ok?.runstate !== wanted);
      if (other === undefined) return undefined;
      return other.ok === undefined
        ? `${other.name} does not answer: ${other.error ?? "no reason is known"}`
        : `${other.name} is in ${other.ok.runstate}`;
    },
    timeoutMs: timeout * 1000,
  });
  if (lack !== undefined && found.length === 0) {
    // Says in our words why nobody answers.
    const ok = await asked.look("node status") as OwnAnswer;
    found = [{ pnn: 0, name: "this node", ok }];
  }
  const [first] = found;
  if (out.isTable && nodes === undefined) out.say(`${first?.ok?.runstate}\n`);
  else {
    for (const { pnn, name, ok, error } of found) {
      if (ok === undefined) out.row({ pnn, name, error });
      else out.row({ pnn: ok.pnn, name: ok.name, runstate: ok.runstate });
    }
  }
  demandAnswers(found);
  if (lack !== undefined) throw notThere(lack, wanted);
}

function notThere(what: string, wanted: string | undefined): Failure {
  return new Failure(
    EXIT.expectation,
    `Cannot see runstate ${wanted}: ${what}`,
    "--timeout SECONDS waits for it; `ctdbx node status` says more",
  );
}

/** The node that is meant by a name or a number, as the asked node knows it. Throws Failure (not found). */
export function requireNode(nodes: readonly NodeAnswer[], wanted: string): NodeAnswer {
  const node = findNodeAnswer(nodes, wanted);
  if (node !== undefined) return node;
  const names = nodes.map(({ name }) => name);
  throw new Failure(
    EXIT.notFound,
    `Cannot find node ${wanted}: known are ${names.join(", ")}`,
    nodeHint(wanted, names),
  );
}
