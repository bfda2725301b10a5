/**
 * `ctdbx node enable | disable | stop | continue | drain | ban | unban | role | zone`: what is decided about nodes.
 *
 *   disable  stays in, gets no addresses    stop  out of the view until `continue`    drain  in, but home of no slot
 *   ban      out for a time                   role  may it lead? may it be home of slots?
 *   zone     what fails together with it
 *
 * NODES is a name, a number, several with commas between, or all. With --wait it has come about, not only been decided.
 *
 * Does NOT promise: all or none; each node is decided on for itself, exit code 9 when some were refused.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ClusterAnswer, NodeAnswer, SlotAnswer } from "../answers.ts";
import { findNodeAnswer } from "../conditions.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { EXIT, type ExitCode } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import type { DocumentAnswer, NodeChangedAnswer } from "../membership/document_answer.ts";
import { waitFor } from "../membership/join_plan.ts";
import { nodeHint } from "../nearest.ts";
import { ERROR, type RowOf, rows } from "../result.ts";
import { int, list, maybe, ms, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";
import { span } from "./cluster_invite.ts";
import { namedNodes } from "./node.ts";

/** With --wait: what was decided has come about within this, ms, or it is said what is missing. */
const WAIT_MS = 60_000;
/** Between two looks, ms. */
const LOOK_MS = 50;
const BAN_MS = 300_000;

const CHANGED = rows({
  pnn: int("Pnn", "number of the node"),
  name: text("Node", "its name"),
  adminFlags: maybe(list("Flags", "what is decided about it now", text("Flag", "a word"))),
  caps: maybe(list("Can be", "what it may be", text("Word", "leader, lmaster"))),
  zone: maybe(text("Zone", "copies of a database go to different zones first")),
  banMs: maybe(ms("Banned for", "since it was banned; null: it is not")),
  why: maybe(text("Why", "the reason of the ban")),
  error: ERROR,
}, {
  table: [
    "pnn",
    "name",
    { name: "adminFlags", text: ({ adminFlags }) => wordsOf(adminFlags, "none") },
    { name: "caps", text: ({ caps }) => wordsOf(caps, "nothing") },
    { name: "zone", whenSet: true },
    { name: "banMs", whenSet: true },
    { name: "why", whenSet: true },
    { name: "error", whenSet: true },
  ],
});
type Changed = RowOf<typeof CHANGED>;

function wordsOf(words: readonly string[] | null | undefined, none: string): string | undefined {
  return words == null ? undefined : words.join(", ") || none;
}

/** What all of them have in common. */
const CHANGES = {
  result: CHANGED,
  asks: "nodes",
  hasOwnNodes: true,
  nodesText: "the nodes, in place of the argument",
  changes: true,
} as const;

/** The nodes that are named, by the argument or by -n. Throws Failure (usage) when none is, or twice. */
function meant(given: string | undefined, flags: CommonFlags): string {
  const names = namedNodes(given, flags);
  if (names !== undefined) return names;
  throw usage("Cannot tell which nodes are meant: name them, by an argument or -n");
}

/** What is looked at while it is waited for. */
interface Seen {
  readonly node: NodeAnswer;
  readonly slots: number;
}

/** A change, and how one sees that it has come about. */
interface Change {
  readonly verb: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What is missing; undefined: it is so. */
  readonly lack: (seen: Seen) => string | undefined;
}

interface WhyFlags {
  readonly why?: string;
}

const isIn = ({ node }: Seen) =>
  node.isMember ? undefined : `${node.name} is not in the view${because(node)}`;
const isOut = ({ node }: Seen) => node.isMember ? `${node.name} is still in the view` : undefined;
const hasNoSlots = ({ node, slots }: Seen) =>
  slots === 0 ? undefined : `${node.name} is home of ${slots} slots`;
const isAnything = () => undefined;

function because({ why }: NodeAnswer): string {
  return why === undefined || why === null ? "" : `: ${why}`;
}

/** Adds them to `ctdbx node`. */
export function addNodeChangeCommands(node: Command, world: CommandWorld): void {
  const flags = (
    set: readonly string[],
    clear: readonly string[],
    lack: Change["lack"],
  ): Change => ({
    verb: "node flags",
    args: { set, clear },
    lack,
  });
  addChange(
    node,
    world,
    "enable",
    "may have addresses again",
    "until it is in the view",
    () => flags([], ["disabled"], isIn),
  );
  addChange(
    node,
    world,
    "disable",
    "stays in, but shall have no addresses",
    undefined,
    () => flags(["disabled"], [], isAnything),
  );
  addChange(
    node,
    world,
    "stop",
    "out of the view until `node continue`; its daemon runs on",
    "until it is out of the view",
    () => flags(["stopped"], [], isOut),
  );
  addChange(
    node,
    world,
    "continue",
    "into the view again after `node stop`",
    "until it is in the view",
    () => flags([], ["stopped"], isIn),
  );
  addDrain(node, world, flags);
  addBans(node, world);
  addRole(node, world);
  addZone(node, world);
}

type FlagChange = (
  set: readonly string[],
  clear: readonly string[],
  lack: Change["lack"],
) => Change;

function addDrain(node: Command, world: CommandWorld, flags: FlagChange): void {
  const drain = node.command("drain [nodes]")
    .description(
      "home of no slot and of no public address any more, but in the view; --off ends it",
    )
    .option("--off", "it may be home of slots again")
    .option("--why <text>", "the reason, for those who read about it later");
  declareChange<WhyFlags & { readonly off?: boolean }>(
    drain,
    world,
    "until it is home of no slot",
    ({ off }) => off === true ? flags([], ["draining"], isIn) : flags(["draining"], [], hasNoSlots),
  );
}

function addBans(node: Command, world: CommandWorld): void {
  const ban = node.command("ban [nodes]").description("out of the view for a time")
    .addOption(
      new Option("--for <span>", "how long: 30s, 5m, 2h").argParser(span).default(BAN_MS, "5m"),
    )
    .option("--why <text>", "the reason, for those who read about it later");
  declareChange<WhyFlags & { readonly for: number }>(
    ban,
    world,
    "until it is out of the view",
    (given) => ({ verb: "node ban", args: { banMs: given.for }, lack: isOut }),
  );
  addChange(node, world, "unban", "end a ban before its time", "until it is in the view", () => ({
    verb: "node unban",
    args: {},
    lack: isIn,
  }));
}

interface RoleFlags extends WhyFlags {
  readonly leader?: string;
  readonly lmaster?: string;
}

function addRole(node: Command, world: CommandWorld): void {
  const choice = (name: string, about: string) =>
    new Option(`--${name} <yes|no>`, about).argParser((word: string) => {
      if (word === "yes" || word === "no") return word;
      throw new InvalidArgumentError("Must be yes or no.");
    });
  declare<RoleFlags, Changed>(
    node.command("role [nodes]").description("what nodes may be; without options: what that is")
      .addOption(choice("leader", "may it lead?"))
      .addOption(choice("lmaster", "may it be home of slots?"))
      .option("--why <text>", "the reason, for those who read about it later"),
    world,
    { ...CHANGES, waits: "until it is so" },
    role,
  );
}

interface ZoneFlags extends WhyFlags {
  readonly in?: string;
  readonly none?: boolean;
}

const ZONE_HELP = `
A zone is a word for what fails together: a rack, a room, a site. Copies of persistent and replicated
databases go to nodes of different zones first. Copies that are there stay where they are.
`;

function addZone(node: Command, world: CommandWorld): void {
  const zone = node.command("zone [nodes]")
    .description("say what fails together with nodes, so that copies go elsewhere")
    .option("--in <zone>", "a word: rack1")
    .option("--none", "nothing is known of it any more")
    .option("--why <text>", "the reason, for those who read about it later")
    .addHelpText("after", ZONE_HELP);
  declareChange<ZoneFlags>(zone, world, undefined, ({ in: word, none }) => {
    if ((word === undefined) === (none !== true)) {
      throw usage("Cannot tell the zone: one of --in and --none is to be said", "--in rack1");
    }
    const args = word === undefined ? {} : { zone: word };
    return { verb: "node zone", args, lack: isAnything };
  });
}

function addChange(
  node: Command,
  world: CommandWorld,
  word: string,
  about: string,
  waits: string | undefined,
  make: () => Change,
): void {
  const command = node.command(`${word} [nodes]`).description(about)
    .option("--why <text>", "the reason, for those who read about it later");
  declareChange<WhyFlags>(command, world, waits, make);
}

function declareChange<F extends WhyFlags>(
  command: Command,
  world: CommandWorld,
  waits: string | undefined,
  make: (flags: F) => Change,
): void {
  declare<F, Changed>(
    command,
    world,
    waits === undefined ? CHANGES : { ...CHANGES, waits },
    async (task, given) => {
      const names = meant(given, task.flags);
      const asked = await Asked.of(task.flags);
      const nodes = await chosen(asked, names);
      const why = task.flags.why === undefined ? {} : { why: task.flags.why };
      const change = make(task.flags);
      await changeAll(task, asked, nodes, () => ({ ...change, args: { ...change.args, ...why } }));
    },
  );
}

/** Changes one node after the other, shows them as they are then, and waits when that is wanted. */
async function changeAll(
  { flags, out }: Task<object, Changed>,
  asked: Asked,
  nodes: readonly NodeAnswer[],
  make: (node: NodeAnswer) => Change,
): Promise<void> {
  const faults: Failure[] = [];
  for (const { pnn, name } of nodes) {
    const change = make({ pnn, name } as NodeAnswer);
    try {
      const answer = await asked.ask(change.verb, { ...change.args, node: `${pnn}` });
      if (flags.wait === true) await comeAbout(asked, pnn, name, change.lack);
      out.row(changedOf(answer as NodeChangedAnswer));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      faults.push(error);
      out.row({ pnn, name, error: error.message });
    }
  }
  const [first] = faults;
  if (first === undefined) return;
  const exit: ExitCode = faults.length === nodes.length ? first.exit : EXIT.partial;
  throw new Failure(exit, first.message, first.hint);
}

function changedOf({ pnn, name, adminFlags, caps, ban, zone }: NodeChangedAnswer): Changed {
  const isBanned = adminFlags.includes("banned");
  return {
    pnn,
    name,
    adminFlags,
    caps,
    zone,
    ...isBanned ? { banMs: ban?.banMs, why: ban?.why } : {},
  };
}

/** Waits until a change is seen in the view. Throws Failure (expectation). */
async function comeAbout(
  asked: Asked,
  pnn: number,
  name: string,
  lack: Change["lack"],
): Promise<void> {
  const port = { pause: () => sleep(LOOK_MS), nowMs: () => performance.now() };
  await waitFor(port, WAIT_MS, () => {}, `Cannot see it come about at ${name}`, async () => {
    try {
      const { nodes } = await asked.look("cluster status") as ClusterAnswer;
      const { members } = await asked.look("slot map") as SlotAnswer;
      const node = nodes.find((each) => each.pnn === pnn);
      if (node === undefined) return `${name} is off the list`;
      return lack({ node, slots: members.find((each) => each.pnn === pnn)?.slots ?? 0 });
    } catch (error) {
      // The daemon that is asked may be the one that has just gone out.
      if (error instanceof Failure) return error.message;
      throw error;
    }
  });
}

/** The nodes of an argument: a name, a number, several with commas between, or all. Throws Failure (not found). */
export async function chosen(asked: Asked, given: string): Promise<NodeAnswer[]> {
  const nodes = await asked.look("node list") as NodeAnswer[];
  if (given === "all") return nodes;
  const known = nodes.map(({ name }) => name);
  const found = given.split(",").map((word) => {
    const node = findNodeAnswer(nodes, word);
    if (node !== undefined) return node;
    throw new Failure(
      EXIT.notFound,
      `Cannot find node ${word}: known are ${known.join(", ")}`,
      nodeHint(word, known),
    );
  });
  return [...new Set(found)];
}

async function role(task: Task<RoleFlags, Changed>, given?: string): Promise<void> {
  const { flags, out } = task;
  const names = meant(given, flags);
  const asked = await Asked.of(flags);
  const nodes = await chosen(asked, names);
  const view = await asked.look("cluster view") as DocumentAnswer;
  const capsOf = (pnn: number) => view.nodes.find((each) => each.pnn === pnn)?.caps ?? [];
  if (flags.leader === undefined && flags.lmaster === undefined) {
    for (const { pnn } of nodes) {
      const node = view.nodes.find((each) => each.pnn === pnn);
      if (node !== undefined) out.row(changedOf(node));
    }
    return;
  }
  const why = flags.why === undefined ? {} : { why: flags.why };
  await changeAll(task, asked, nodes, ({ pnn }) => {
    const caps = newCaps(capsOf(pnn), flags);
    const lack = (seen: Seen): string | undefined => {
      if (!caps.includes("leader") && seen.node.isLeader) return `${seen.node.name} still leads`;
      return caps.includes("lmaster") ? undefined : hasNoSlots(seen);
    };
    return { verb: "node caps", args: { caps, ...why }, lack };
  });
}

/** What a node may be then: words that are not asked for stay as they are. */
function newCaps(before: readonly string[], { leader, lmaster }: RoleFlags): string[] {
  const is = (word: string, wish: string | undefined) =>
    wish === undefined ? before.includes(word) : wish === "yes";
  return [...is("leader", leader) ? ["leader"] : [], ...is("lmaster", lmaster) ? ["lmaster"] : []];
}
