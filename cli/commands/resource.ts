/**
 * `ctdbx resource ls | show | move | programs | history`: what programs of the cluster own, and who.
 *
 *   ls, show            as the leader knows them; any node is asked, and asks the leader
 *   move                done by the leader; ends when the resource is there
 *   programs, history   of the asked node
 *
 * Does NOT promise: to offer a resource; that is what programs do, by `cluster.resource()`.
 */

import type { Command } from "commander";
import { RESOURCE_STATES } from "../../actors/resources/rows.ts";
import type { ResourceProgramRow } from "../../actors/resources/words.ts";
import type { NamedResource } from "../../actors/verbs/resources.ts";
import { spanText } from "../answers.ts";
import { declare } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf, rows } from "../result.ts";
import { int, list, maybe, ms, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { seconds } from "../world.ts";
import { Asked } from "./asking.ts";
import { declareQuestion } from "./question.ts";

const NAME = text("Name", "the resource");
const FIELDS = {
  name: NAME,
  pnn: maybe(int("Pnn", "number of the node whose program owns it; null: nobody does")),
  node: maybe(text("Node", "name of that node; null: nobody owns it")),
  state: word(
    "State",
    "owned: where it belongs; moving; waiting: a silent node's program may own it; free: nobody can own it",
    RESOURCE_STATES,
  ),
  to: maybe(int("Goes to", "number of the node that is to have it; null: nobody can")),
  toNode: maybe(text("Goes to", "name of that node; null: nobody can")),
  able: list("Able", "numbers of nodes with programs that could own it now", int("Pnn", "a node")),
  ableNodes: list("Able", "names of those nodes", text("Node", "a node")),
  pinnedMs: maybe(ms("Pinned", "so long it stays where it was moved to; null: not pinned")),
  why: maybe(text("Why", "why nobody owns it; null: somebody does")),
};
/** A row as it is shown. */
interface Shown {
  readonly name: string;
  readonly pnn: number | null;
  readonly node: string | null;
  readonly state: NamedResource["state"];
  readonly to: number | null;
  readonly toNode: string | null;
  readonly able: number[];
  readonly ableNodes: string[];
  readonly pinnedMs: number | null;
  readonly why: string | null;
}
const TABLE = [
  "name",
  "node",
  "state",
  { name: "toNode", text: (row: object) => toText(row as Shown), whenSet: true },
  { name: "ableNodes", text: (row: object) => (row as Shown).ableNodes.join(",") || undefined },
  { name: "pinnedMs", text: (row: object) => pinText(row as Shown), whenSet: true },
  { name: "why", whenSet: true },
] as const;
const LS = rows(FIELDS, { table: TABLE });
const SHOW = object(FIELDS, { table: TABLE });
const MOVED = object({
  name: NAME,
  pnn: int("Pnn", "number of the node whose program owns it now"),
  node: text("Node", "its name"),
});
const PROGRAMS = rows({
  name: NAME,
  role: word(
    "Role",
    "owner; next: it would be given it; after: others come first; paused: it failed, or hangs",
    ["owner", "next", "after", "paused"],
  ),
  program: text("Program", "what it calls itself"),
  pid: maybe(int("Process", "its process id; null: the system does not say")),
  leftMs: maybe(ms("Left", "so long it owns it yet if that is not extended; null: it does not")),
});
const HISTORY = rows({
  msAgo: ms("Ago", "since it happened"),
  wallMs: int("At", "when, by the wall clock of the node", "ms since 1970"),
  text: text("What", "what happened"),
}, { table: [{ name: "msAgo", text: ({ msAgo }) => spanText(msAgo) }, "text"] });

function toText({ to, toNode, pnn }: Shown): string | undefined {
  return toNode === null || to === pnn ? undefined : toNode;
}

function pinText({ pinnedMs }: Shown): string | undefined {
  return pinnedMs === null ? undefined : spanText(pinnedMs);
}

const shown = (row: NamedResource): Shown => ({
  name: row.name,
  pnn: row.pnn ?? null,
  node: row.node ?? null,
  state: row.state,
  to: row.to ?? null,
  toNode: row.toNode ?? null,
  able: [...row.able],
  ableNodes: [...row.ableNodes],
  pinnedMs: row.pinnedMs ?? null,
  why: row.why ?? null,
});

interface MoveFlags {
  readonly pin?: number;
}

/** Adds `ctdbx resource`. */
export function addResourceCommands(program: Command, world: CommandWorld): Command {
  const resource = program.command("resource").description("what programs of the cluster own");
  declare<object, Shown>(
    resource.command("ls").description("all resources, and which node's program owns each"),
    world,
    { result: LS, asks: "node" },
    async ({ flags, out }) => {
      for (const row of await all(await Asked.of(flags))) out.row(shown(row));
    },
  );
  declare<object, Shown>(
    resource.command("show <name>").description("one of them"),
    world,
    { result: SHOW, asks: "node" },
    async ({ flags, out }, name = "") => {
      const row = (await all(await Asked.of(flags))).find((one) => one.name === name);
      if (row !== undefined) return out.object(shown(row));
      throw new Failure(
        EXIT.notFound,
        `Cannot find resource ${name}: no program offers it`,
        "`ctdbx resource ls` shows all",
      );
    },
  );
  declare<MoveFlags, RowOf<typeof MOVED>>(
    resource.command("move <name> <to>").description(
      "move a resource to a node's program; it stays there for a while",
    )
      .option("--pin <seconds>", "stay there for so long (20)", seconds),
    world,
    { result: MOVED, asks: "node", changes: true },
    async ({ flags, out }, name = "", node = "") => {
      const forMs = flags.pin === undefined ? {} : { forMs: Math.round(1000 * flags.pin) };
      const asked = await Asked.of(flags);
      out.object(await asked.ask("resource move", { name, node, ...forMs }) as RowOf<typeof MOVED>);
    },
  );
  addNodeCommands(resource, world);
  return resource;
}

/** Those about the asked node. */
function addNodeCommands(resource: Command, world: CommandWorld): void {
  declareQuestion<object, RowOf<typeof PROGRAMS>>(
    resource.command("programs").description("programs of the node that offer resources"),
    world,
    { result: PROGRAMS },
    {
      verbs: ["resource programs"],
      data: ([found]) =>
        (found as ResourceProgramRow[]).map(({ pid, leftMs, ...row }) => ({
          ...row,
          pid: pid ?? null,
          leftMs: leftMs ?? null,
        })),
    },
  );
  declareQuestion<object, RowOf<typeof HISTORY>>(
    resource.command("history").description(
      "what happened with resources at the node, the newest last",
    ),
    world,
    { result: HISTORY },
    {
      verbs: ["resource history"],
      data: ([notes]) => notes as RowOf<typeof HISTORY>[],
    },
  );
}

async function all(asked: Asked): Promise<NamedResource[]> {
  return await asked.look("resource ls") as NamedResource[];
}
