/**
 * `ctdbx ip ls | show | list | add | del | move | rebalance | reload | history`: the addresses of the running cluster.
 *
 *   ls, show            as the leader knows them; any node is asked, and asks the leader
 *   move, rebalance     done by the leader; ends when the takeover run has ended
 *   list, add, del, reload, history     of the asked node
 *
 * Does NOT promise: that `add` and `del` outlive the daemon: the list is a file, and `reload` reads it anew.
 */

import type { Command } from "commander";
import { ADDRESS_STATES } from "../../actors/machines/addresses/takeover/show.ts";
import type { NamedAddress } from "../../actors/verbs/address_views.ts";
import { parseAddress } from "../../transport/wire/address.ts";
import { spanText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { seconds } from "../world.ts";
import { Asked } from "./asking.ts";
import { declareQuestion } from "./question.ts";

const ADDRESS = text("Address", "the address");
const FIELDS = {
  address: ADDRESS,
  pnn: maybe(int("Pnn", "number of the node that has it set; null: nobody")),
  node: maybe(text("Node", "name of the node that has it set; null: nobody")),
  state: word(
    "State",
    "hosted: where it belongs; moving; waiting: a silent node may have it; unhosted: nobody can host it",
    ADDRESS_STATES,
  ),
  to: maybe(int("Goes to", "number of the node that is to have it; null: nobody can")),
  toNode: maybe(text("Goes to", "name of the node that is to have it; null: nobody can")),
  able: list("Able", "numbers of the nodes that could host it now", int("Pnn", "a node")),
  ableNodes: list("Able", "names of the nodes that could host it now", text("Node", "a node")),
  pinnedMs: maybe(ms("Pinned", "so long it stays where it was moved to; null: not pinned")),
  why: maybe(text("Why", "why it is not hosted; null: it is")),
};
/** A row as it is shown. */
interface Shown {
  readonly address: string;
  readonly pnn: number | null;
  readonly node: string | null;
  readonly state: NamedAddress["state"];
  readonly to: number | null;
  readonly toNode: string | null;
  readonly able: number[];
  readonly ableNodes: string[];
  readonly pinnedMs: number | null;
  readonly why: string | null;
}
const TABLE = [
  "address",
  "node",
  "state",
  { name: "toNode", text: (row: object) => toText(row as Shown), whenSet: true },
  { name: "ableNodes", text: (row: object) => (row as Shown).ableNodes.join(",") || undefined },
  { name: "pinnedMs", text: (row: object) => pinText(row as Shown), whenSet: true },
  { name: "why", whenSet: true },
] as const;
const LS = rows(FIELDS, { table: TABLE });
const SHOW = object(FIELDS, { table: TABLE });

const LISTED_FIELDS = {
  address: ADDRESS,
  bits: int("Bits", "of its network"),
  interfaces: list("Interfaces", "those that may have it", text("Interface", "its name")),
};
const INTERFACES = {
  name: "interfaces",
  text: (row: object) => (row as { readonly interfaces?: readonly string[] }).interfaces?.join(","),
};
const LISTED = rows(
  { ...LISTED_FIELDS, isHeld: flag("Held", "is it set at this node?") },
  { table: ["address", "bits", INTERFACES, "isHeld"] },
);
const CHANGED = object(LISTED_FIELDS, { table: ["address", "bits", INTERFACES] });
const MOVED = object({
  address: ADDRESS,
  pnn: int("Pnn", "number of the node that has it now"),
  name: text("Node", "its name"),
});
const RELOADED = object({
  added: list("Added", "addresses that are in the file and were not in the list", ADDRESS),
  removed: list("Removed", "addresses that are in it no more", ADDRESS),
  changed: list("Changed", "addresses with another mask, or other interfaces", ADDRESS),
});
const STEP = rows({
  kind: word(
    "Step",
    "home: the deterministic plan begins so; unable: its owner cannot; placed; moved: for balance",
    [
      "home",
      "unable",
      "placed",
      "moved",
    ],
  ),
  address: ADDRESS,
  from: maybe(int("From", "number of the node that had it; null: nobody")),
  fromNode: maybe(text("From", "name of the node that had it; null: nobody")),
  to: maybe(int("To", "number of the node that has it after; null: nobody")),
  toNode: maybe(text("To", "name of the node that has it after; null: nobody")),
  cost: maybe(int("Cost", "its likeness to the addresses there, by LCP2; null: another plan")),
}, {
  table: ["kind", "address", "fromNode", "toNode", { name: "cost", whenSet: true }],
});
type Step = RowOf<typeof STEP>;
const HISTORY = rows({
  msAgo: ms("Ago", "since it happened"),
  wallMs: int("At", "when, by the wall clock of the node", "ms since 1970"),
  text: text("What", "what happened"),
}, { table: [{ name: "msAgo", text: ({ msAgo }) => spanText(msAgo) }, "text"] });

function toText({ to, toNode, pnn }: Shown): string | undefined {
  return toNode === null || to === pnn ? undefined : toNode;
}

function pinText({ pinnedMs }: Shown): string | undefined {
  return pinnedMs === null || pinnedMs === undefined ? undefined : spanText(pinnedMs);
}

const shown = (row: NamedAddress): Shown => ({
  ...row,
  able: [...row.able],
  ableNodes: [...row.ableNodes],
  pnn: row.pnn ?? null,
  node: row.node ?? null,
  to: row.to ?? null,
  toNode: row.toNode ?? null,
  pinnedMs: row.pinnedMs ?? null,
  why: row.why ?? null,
});

interface MoveFlags {
  readonly pin?: number;
}

interface RebalanceFlags {
  readonly to?: string;
  readonly trace?: boolean;
}

/** Adds them to `ctdbx ip`. */
export function addIpLiveCommands(ip: Command, world: CommandWorld): void {
  declare<object, Shown>(
    ip.command("ls").description("all public addresses, and who has them"),
    world,
    { result: LS, asks: "node" },
    async ({ flags, out }) => {
      const found = await all(await Asked.of(flags));
      for (const row of found) out.row(shown(row));
      if (found.length === 0) {
        out.say("no node has an address in its list; docs/ADDRESSES.md shows how to give it one\n");
      }
      if (found.some(({ state }) => state === "unhosted")) {
        out.say("\n`ctdbx cluster explain` says of each node why it cannot host\n");
      }
    },
  );
  declare<object, Shown>(
    ip.command("show <address>").description("one of them"),
    world,
    { result: SHOW, asks: "node" },
    async ({ flags, out }, address = "") => {
      const wanted = addressOf(address);
      const row = (await all(await Asked.of(flags))).find((one) => one.address === wanted);
      if (row !== undefined) return out.object(shown(row));
      throw new Failure(
        EXIT.notFound,
        `Cannot find ${address}: no node has it in its list`,
        "`ctdbx ip ls` shows all",
      );
    },
  );
  declare<MoveFlags, RowOf<typeof MOVED>>(
    ip.command("move <address> <to>").description(
      "move an address to a node; it stays there for a while",
    )
      .option("--pin <seconds>", "stay there for so long (20)", seconds),
    world,
    { result: MOVED, asks: "node", changes: true },
    async ({ flags, out }, address = "", node = "") => {
      const forMs = flags.pin === undefined ? {} : { forMs: Math.round(1000 * flags.pin) };
      const asked = await Asked.of(flags);
      out.object(await asked.ask("ip move", { address, node, ...forMs }) as RowOf<typeof MOVED>);
    },
  );
  declare<RebalanceFlags, RowOf<typeof STEP>>(
    ip.command("rebalance").description("plan anew, and move addresses where the plan has them")
      .option("--to <nodes>", "nodes that get addresses for balance, too, though they have some")
      .option("--trace", "show each step of the plan; without: addresses that moved"),
    world,
    { result: STEP, asks: "node", changes: true },
    rebalance,
  );
  addListCommands(ip, world);
}

/** Those about the list of a node. */
function addListCommands(ip: Command, world: CommandWorld): void {
  declareQuestion<object, RowOf<typeof LISTED>>(
    ip.command("list").description("the list of the node, as it is now"),
    world,
    { result: LISTED },
    {
      verbs: ["ip list"],
      data: ([answer]) => answer as RowOf<typeof LISTED>[],
      people: ({ out }, data) => {
        for (const row of [data].flat()) out.row(row);
        if (Array.isArray(data) && data.length === 0) {
          out.say("this node has no address in its list; `ctdbx ip add`, or [addresses] file\n");
        }
      },
    },
  );
  declare<object, RowOf<typeof CHANGED>>(
    ip.command("add <address> <interfaces>")
      .description(
        "add ADDRESS/BITS to the node's list, until it starts again; interfaces with commas",
      ),
    world,
    { result: CHANGED, asks: "node", changes: true },
    async ({ flags, out }, address = "", interfaces = "") => {
      const asked = await Asked.of(flags);
      out.object(await asked.ask("ip add", { address, interfaces }) as RowOf<typeof CHANGED>);
    },
  );
  declare<object, RowOf<typeof CHANGED>>(
    ip.command("del <address>").description(
      "take an address off the node's list, until it starts again",
    ),
    world,
    { result: CHANGED, asks: "node", changes: true },
    async ({ flags, out }, address = "") => {
      out.object(await (await Asked.of(flags)).ask("ip del", { address }) as RowOf<typeof CHANGED>);
    },
  );
  declare<object, RowOf<typeof RELOADED>>(
    ip.command("reload").description("read the node's list of addresses anew from its file"),
    world,
    { result: RELOADED, asks: "node", changes: true },
    reload,
  );
  declareQuestion<object, RowOf<typeof HISTORY>>(
    ip.command("history").description("what happened with addresses at the node, the newest last"),
    world,
    { result: HISTORY },
    { verbs: ["ip history"], data: ([answer]) => answer as RowOf<typeof HISTORY>[] },
  );
}

async function reload({ flags, out }: Task<object, RowOf<typeof RELOADED>>): Promise<void> {
  const answer = await (await Asked.of(flags)).ask("ip reload") as RowOf<typeof RELOADED>;
  if (!out.isTable) return out.object(answer);
  const { added, removed, changed } = answer;
  for (const address of added) out.say(`added    ${address}\n`);
  for (const address of removed) out.say(`removed  ${address}\n`);
  for (const address of changed) out.say(`changed  ${address}\n`);
  if (added.length + removed.length + changed.length === 0) out.say("the list is as it was\n");
}

/** The one text of an address, whatever form was typed. Throws Failure (usage). */
function addressOf(typed: string): string {
  try {
    return parseAddress(typed);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.usage, `Cannot show ${typed}: ${why}`);
  }
}

async function all(asked: Asked): Promise<NamedAddress[]> {
  return await asked.look("ip ls") as NamedAddress[];
}

async function rebalance({ flags, out }: Task<RebalanceFlags, Step>): Promise<void> {
  const asked = await Asked.of(flags);
  const nodes = flags.to === undefined ? {} : { nodes: flags.to };
  const { text, moved, steps, unhosted = 0 } = await asked.ask("ip rebalance", nodes) as {
    readonly text: string;
    readonly moved: readonly Partial<Step>[];
    readonly steps: readonly Partial<Step>[];
    readonly unhosted?: number;
  };
  const wanted = flags.trace === true
    ? steps
    : moved.map((one) => ({ kind: "moved" as const, ...one }));
  for (const { kind = "moved", address = "", from, fromNode, to, toNode, cost } of wanted) {
    out.row({
      ...{ kind, address, from: from ?? null, fromNode: fromNode ?? null },
      ...{ to: to ?? null, toNode: toNode ?? null, cost: cost ?? null },
    });
  }
  const nobody = unhosted === 0 ? "" : `; nobody can host ${unhosted}: \`ctdbx ip ls\` says why`;
  const what = moved.length === 0 ? "no address gets another node" : `${moved.length} moved`;
  out.say(`${wanted.length === 0 ? "" : "\n"}${text}: ${what}${nobody}\n`);
}
