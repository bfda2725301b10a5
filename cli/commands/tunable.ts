/**
 * `ctdbx tunable ls | get | set | reset | diff | history`: values that are set while the cluster runs, for all its
 * nodes or for some.
 *
 *   ctdbx tunable set VacuumInterval 20     for the cluster        ... --node n2     only there, before the cluster's
 *
 * A name is known in any case; one that is not known, or a value out of range, is refused before anything is asked.
 *
 * Does NOT promise: that every node has heard of it when `set` ends; it has within about a second. `diff` shows it.
 */

import type { Command } from "commander";
import {
  findTunable,
  rangeText,
  TUNABLE_NAMES,
  valueFault,
} from "../../actors/tunables/catalogue.ts";
import type { TunableEntry } from "../../actors/tunables/entry.ts";
import type { NodeAnswer } from "../answers.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { meant } from "../nearest.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, silence } from "./asking.ts";
import { declareQuestion } from "./question.ts";
import {
  TUNABLE_DIFF,
  TUNABLE_HISTORY,
  TUNABLE_SET,
  TUNABLE_SHOWN,
  type TunableChange,
  type TunableDiff,
  type TunableRow,
  TUNABLES,
  type TunableSet,
  type TunableShown,
  valueText,
} from "./tunable_fields.ts";

interface ListFlags {
  readonly all?: boolean;
  readonly changed?: boolean;
}

interface DiffFlags {
  readonly between?: boolean;
}

const SET_HELP = `
Without --node a value holds in the whole cluster, at nodes that have none of their own. It stays over
restarts. Of two that are set at once the later one holds. \`ctdbx tunable get NAME\` shows the range.
`;

const SETS = {
  result: TUNABLE_SET,
  asks: "nodes",
  hasOwnNodes: true,
  nodesText: "only at these, before the value of the cluster",
  changes: true,
} as const;

/** Adds `ctdbx tunable`. */
export function addTunableCommands(program: Command, world: CommandWorld): void {
  const tunable = program.command("tunable").description("values that are set while it runs");
  declareQuestion<ListFlags, TunableRow>(
    tunable.command("ls").alias("list").description("all tunables, as they are at a node")
      .option("--all", "also those that ctdb has given up")
      .option("--changed", "only those that are set"),
    world,
    { result: TUNABLES },
    {
      verbs: ["tunable list"],
      data: ([answer], { all, changed }) =>
        (answer as TunableRow[]).filter(({ effect, from }) =>
          (all === true || effect !== "obsolete") && (changed !== true || from !== "default")
        ),
    },
  );
  declare<object, TunableShown>(
    tunable.command("get <tunable>")
      .description("one of them: value, range, meaning, last change"),
    world,
    { result: TUNABLE_SHOWN, asks: "node" },
    get,
  );
  declare<object, TunableSet>(
    tunable.command("set <tunable> <value>")
      .description("set one for the cluster, or for some of its nodes")
      .addHelpText("after", SET_HELP),
    world,
    SETS,
    set,
  );
  declare<object, TunableSet>(
    tunable.command("reset <tunable>")
      .description("set it no more, so that what is behind it holds"),
    world,
    SETS,
    reset,
  );
  declare<DiffFlags, TunableDiff>(
    tunable.command("diff").description("what differs from the defaults, or between nodes")
      .option("--between", "only what differs between nodes"),
    world,
    { result: TUNABLE_DIFF, asks: "node" },
    diff,
  );
  declare<object, TunableChange>(
    tunable.command("history [tunable]")
      .description("who has set what, and when; the last 16 of each"),
    world,
    { result: TUNABLE_HISTORY, asks: "node" },
    history,
  );
}

/** The tunable that is meant. Throws Failure (not found). */
function entryOf(name: string): TunableEntry {
  const found = findTunable(name);
  if (found !== undefined) return found;
  const hint = meant(name, TUNABLE_NAMES) ?? "`ctdbx tunable ls` shows all";
  throw new Failure(EXIT.notFound, `Cannot find a tunable ${JSON.stringify(name)}`, hint);
}

/** The number that was typed, in range. Throws Failure (usage, or conflict for one that is obsolete). */
function numberOf(entry: TunableEntry, typed: string): number {
  const { name, effect, doc } = entry;
  if (effect === "obsolete") {
    throw new Failure(EXIT.conflict, `Cannot set ${name}: it is obsolete, in ctdb, too`, doc);
  }
  const value = /^\d{1,10}$/.test(typed) ? Number(typed) : NaN;
  if (valueFault(entry, value) === undefined) return value;
  const said = `must be ${rangeText(entry)}, is ${JSON.stringify(typed)}`;
  throw usage(
    `Cannot set ${name}: it ${said}`,
    `its default is ${valueText(entry.value, entry.unit)}`,
  );
}

async function get({ flags, out }: Task<object, TunableShown>, typed = ""): Promise<void> {
  const { name } = entryOf(typed);
  const asked = await Asked.of(flags);
  const answer = await asked.look("tunable get", { name }) as TunableShown;
  out.object({ ...answer, last: answer.last ? whenOf(answer.last) : undefined });
}

/** With the time as a text. */
function whenOf(change: TunableChange): TunableChange {
  return { ...change, when: new Date(change.wallMs).toISOString() };
}

async function set(
  task: Task<object, TunableSet>,
  typed = "",
  value = "",
): Promise<void> {
  const entry = entryOf(typed);
  await change(task, entry, "tunable set", { to: String(numberOf(entry, value)) });
}

async function reset(task: Task<object, TunableSet>, typed = ""): Promise<void> {
  const entry = entryOf(typed);
  numberOf(entry, String(entry.value));
  await change(task, entry, "tunable reset", {});
}

async function change(
  { flags, out }: Task<object, TunableSet>,
  { name }: TunableEntry,
  verb: string,
  args: Readonly<Record<string, unknown>>,
): Promise<void> {
  const asked = await Asked.of(flags);
  const nodes = await nodesOf(asked, flags);
  const given = { name, ...args, ...nodes === undefined ? {} : { nodes } };
  const answer = await asked.ask(verb, given) as TunableSet;
  if (!out.isTable) return out.object(answer);
  for (const text of setTexts(answer)) out.say(`${text}\n`);
}

/** The nodes of -n; undefined: the cluster is meant. */
async function nodesOf(asked: Asked, { node }: CommonFlags): Promise<string[] | undefined> {
  if (node === undefined) return undefined;
  if (node !== "all") return [...new Set(node.split(","))];
  return (await asked.look("node list") as NodeAnswer[]).map(({ name }) => name);
}

/** What was done, in lines. */
export function setTexts(
  { name, unit, default: byDefault, effect, doc, done }: TunableSet,
): string[] {
  const said = (value: number | null | undefined): string => valueText(value, unit) ?? "nothing";
  const lines = done.map(({ place, before, after, changed }) => {
    const where = place === "cluster" ? "the cluster" : place;
    if (!changed) return `${name}: ${said(after)} is set for ${where} already`;
    return `${name}: ${said(after)} is set for ${where} now, ${said(before)} was before`;
  });
  if (done.every(({ after }) => after === null || after === undefined)) {
    lines.push(`where nothing is set its default holds: ${said(byDefault)}`);
  }
  return effect === "here" ? lines : [...lines, `it changes nothing in ctdbx: ${doc}`];
}

async function diff({ flags, out }: Task<DiffFlags, TunableDiff>): Promise<void> {
  const asked = await Asked.of(flags);
  const answers = await asked.around<TunableRow[]>("all", "tunable list");
  for (const row of diffRows(answers)) {
    if (flags.between !== true || row.differs === "nodes") out.row(row);
  }
  const silent = silence(answers);
  if (silent !== undefined) throw silent;
}

/** The rows of what differs, in the order of the first node that answered. */
export function diffRows(
  answers: readonly {
    readonly pnn: number;
    readonly name: string;
    readonly ok?: readonly TunableRow[];
  }[],
): TunableDiff[] {
  const rows = new Map<string, TunableDiff>();
  for (const { pnn, name: node, ok = [] } of answers) {
    for (const { name, unit, default: byDefault, value, from } of ok) {
      const row = rows.get(name) ??
        { name, unit, default: byDefault, differs: "default" as const, nodes: [] };
      rows.set(name, { ...row, nodes: [...row.nodes, { pnn, name: node, value, from }] });
    }
  }
  return [...rows.values()].flatMap((row) => {
    const values = new Set(row.nodes.map(({ value }) => value));
    if (values.size > 1) return [{ ...row, differs: "nodes" as const }];
    return values.has(row.default) ? [] : [row];
  });
}

async function history({ flags, out }: Task<object, TunableChange>, typed?: string): Promise<void> {
  const args = typed === undefined ? {} : { name: entryOf(typed).name };
  const asked = await Asked.of(flags);
  for (const change of await asked.look("tunable history", args) as TunableChange[]) {
    out.row(whenOf(change));
  }
}
