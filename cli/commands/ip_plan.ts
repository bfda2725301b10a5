/**
 * `ctdbx ip plan`: which node would host which address, of a cluster that a file describes. Nothing is done with it.
 *
 *   --nodes, --states, -f FILE ──▶ planAddresses ──▶ a table, or with --no-headers lines ADDRESS PNN
 *
 * Without -f and --nodes it is the running cluster's: the plan that its leader would make now.
 *
 * Does NOT promise: that the leader makes the same plan a moment later.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { readHomeNodes } from "../../actors/addresses/home_nodes.ts";
import {
  type Algorithm,
  ALGORITHMS,
  type Plan,
  type PlanInput,
} from "../../actors/machines/addresses/plan/plan.ts";
import { planAddresses } from "../../actors/machines/addresses/plan/plan_addresses.ts";
import { NODES_MAX } from "../../transport/wire/limits.ts";
import type { Pnn } from "../../transport/wire/terms.ts";
import { declare, type Task } from "../declare.ts";
import { usage } from "../failure.ts";
import { readLines, readPlanFile } from "../plan_file.ts";
import { type Result, type RowOf, rows } from "../result.ts";
import { type Field, int, maybe, text, word } from "../schema.ts";
import { Asked } from "./asking.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";

/** Nobody hosts the address. */
const NOBODY = -1;

interface PlanFlags {
  readonly algo: Algorithm;
  readonly nodes?: number;
  readonly states?: readonly number[];
  readonly force?: readonly number[];
  /** Commander's form of --no-failback. */
  readonly failback: boolean;
  /** Commander's form of --no-takeover. */
  readonly takeover: boolean;
  readonly homeNodes?: string;
  readonly file?: string;
  readonly trace?: boolean;
  /** Commander's form of --no-headers. */
  readonly headers: boolean;
}

/** The number of a node, or -1: nobody. */
function nodeOrNobody(title: string, description: string): Field<number> {
  return { ...int(title, `${description}; -1: nobody`), minimum: NOBODY };
}

const ADDRESS = text("Address", "the address");
const PLANNED = rows({
  address: ADDRESS,
  pnn: nodeOrNobody("Pnn", "number of the node that hosts it by the plan"),
  current: nodeOrNobody("Before", "number of the node that hosted it before"),
}, {
  table: [
    "address",
    { name: "pnn", text: ({ pnn }) => shown(pnn) },
    { name: "current", text: ({ pnn, current }) => pnn === current ? "" : shown(current) },
  ],
});
const STEPS = rows({
  step: int("Step", "its number, from 1"),
  kind: word(
    "What",
    "home: the deterministic plan begins there; unable: its node cannot host it; " +
      "placed: nobody had it; moved: for balance",
    ["home", "unable", "placed", "moved"],
  ),
  address: ADDRESS,
  from: nodeOrNobody("From", "number of the node that had it"),
  to: nodeOrNobody("To", "number of the node that gets it"),
  cost: maybe(int("Cost", "LCP2: how alike it is to the addresses there, a sum of squares")),
}, {
  table: [
    "step",
    "kind",
    "address",
    { name: "from", text: ({ from }) => shown(from) },
    { name: "to", text: ({ to }) => shown(to) },
    { name: "cost", whenSet: true },
  ],
});

/** Adds `plan` to `ctdbx ip`. */
export function addIpPlanCommand(ip: Command, world: CommandWorld): void {
  const command = ip.command("plan")
    .description(
      "which node would host which address: of a cluster that a file describes, or of this one",
    )
    .addOption(
      new Option("--algo <name>", "how addresses are allocated").choices(ALGORITHMS)
        .default("lcp2"),
    )
    .option("--nodes <count>", "nodes of the cluster", whole(1, NODES_MAX))
    .option("--states <list>", "a number for each node: 0 may host, others may not", numbers)
    .option("--force <list>", "LCP2 moves addresses to these nodes, too, for balance", numbers)
    .option(
      "--no-failback",
      "move nothing for balance only (of no meaning to the deterministic algorithm)",
    )
    .option("--no-takeover", "give no node an address that it does not host")
    .option("--home-nodes <file>", "home_nodes file of the deterministic algorithm: ADDRESS PNN")
    .option(
      "-f, --file <file>",
      "lines ADDRESS CURRENT ALLOWED, as 10.0.0.1 -1 0,2 or *; - is stdin",
    )
    .option("--trace", "show how the plan comes about, step by step")
    .option("--no-headers", "lines ADDRESS PNN and nothing else, -1 where nobody hosts it");
  declare<PlanFlags, object>(command, world, {
    result: ({ trace }) => (trace ? STEPS : PLANNED) as Result,
    raw: "a table, or with --no-headers lines ADDRESS PNN",
    asks: "node",
    isRaw: ({ headers, trace }) => headers === false && trace !== true,
  }, run);
}

async function run(task: Task<PlanFlags>): Promise<void> {
  const { flags, out } = task;
  if (flags.trace && !flags.headers) {
    throw usage("Cannot show steps without headers: --trace makes a table, or -o json");
  }
  const plan = await planOf(task);
  if (flags.trace) return showSteps(task, plan);
  for (const { address, from = NOBODY, to = NOBODY } of plan.addresses) {
    if (out.format === "raw") out.raw(`${address} ${to}\n`);
    else out.row({ address, pnn: to, current: from } satisfies RowOf<typeof PLANNED>);
  }
  const moved = plan.addresses.filter(({ from, to }) => from !== to).length;
  const idle = plan.addresses.filter(({ to }) => to === undefined).length;
  if (plan.addresses.length === 0) out.endRows();
  const all = plan.addresses.length;
  out.say(`\n${all} addresses: ${moved} get another node, ${idle} are hosted by nobody\n`);
}

function showSteps({ out }: Task<PlanFlags>, { steps }: Plan): void {
  steps.forEach(({ kind, address, from = NOBODY, to = NOBODY, cost }, index) => {
    out.row({ step: index + 1, kind, address, from, to, cost } satisfies RowOf<typeof STEPS>);
  });
}

/** Of what the file says; where nothing is said, of the cluster that runs. */
async function planOf(task: Task<PlanFlags>): Promise<Plan> {
  const { file, nodes, states } = task.flags;
  const isSaid = file !== undefined || nodes !== undefined || states !== undefined;
  if (isSaid) return planAddresses(await inputOf(task));
  return await (await Asked.of(task.flags)).look("ip plan") as Plan;
}

async function inputOf({ world, flags }: Task<PlanFlags>): Promise<PlanInput> {
  const { algo, file, homeNodes, force = [] } = flags;
  if (file === undefined) {
    throw usage(
      "Cannot plan: there is no -f FILE",
      "-f names the addresses: ADDRESS CURRENT ALLOWED",
    );
  }
  if (homeNodes !== undefined && algo !== "deterministic") {
    throw usage(`Cannot plan: --home-nodes is for --algo deterministic, not for ${algo}`);
  }
  if (homeNodes === "-" && file === "-") {
    throw usage("Cannot plan: standard input cannot be both -f and --home-nodes");
  }
  const states = statesOf(flags);
  const stranger = force.find((pnn) => pnn >= states.length);
  if (stranger !== undefined) {
    throw usage(`Cannot plan: --force names node ${stranger}, the highest is ${states.length - 1}`);
  }
  const addresses = readPlanFile(
    await readLines(world, file),
    shownPath(file),
    states.map((state) => state === 0),
  );
  const homes = homeNodes === undefined
    ? {}
    : { homes: readHomeNodes(await readLines(world, homeNodes), shownPath(homeNodes)) };
  return {
    algorithm: algo,
    nodeCount: states.length,
    addresses,
    forced: force as readonly Pnn[],
    noFailback: !flags.failback,
    noTakeover: !flags.takeover,
    ...homes,
  };
}

/** The state of each node; --nodes and --states must agree, one of them is enough. */
function statesOf({ nodes, states }: PlanFlags): readonly number[] {
  if (nodes === undefined && states === undefined) {
    throw usage("Cannot plan: there is neither --nodes nor --states", "--nodes says how many");
  }
  if (states === undefined) return new Array<number>(nodes ?? 0).fill(0);
  if (nodes !== undefined && nodes !== states.length) {
    throw usage(`Cannot plan: --nodes is ${nodes}, and --states has ${states.length}`);
  }
  if (states.length > NODES_MAX) {
    throw usage(`Cannot plan: --states has ${states.length}, the most is ${NODES_MAX}`);
  }
  return states;
}

/** A parser of numbers with commas between for commander: u32, flags in hex too. */
function numbers(value: string): readonly number[] {
  return value.split(",").map((part) => {
    const number = /^(?:\d{1,10}|0x[0-9a-fA-F]{1,8})$/.test(part) ? Number(part) : NaN;
    if (number <= 0xffffffff) return number;
    throw new InvalidArgumentError("Must be numbers with commas between, as 0,0,2.");
  });
}

function shownPath(path: string): string {
  return path === "-" ? "standard input" : path;
}

function shown(pnn: number): string {
  return pnn === NOBODY ? "nobody" : `${pnn}`;
}
