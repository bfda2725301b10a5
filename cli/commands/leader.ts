/**
 * `ctdbx leader show | yield | history`: who leads, why, since when, and what has happened.
 *
 *   yield --to NODE: the rank decides who leads next, so the lead is given up until it is NODE's; who gave it up does
 *   not stand again for 10 s, so this ends after as many rounds as there are voters, at the latest.
 *
 * Does NOT promise: one truth; each node says whom it takes for the leader.
 */

import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import type { ClusterAnswer, HistoryAnswer, LeaderAnswer } from "../answers.ts";
import { columnsOf, spanText } from "../answers.ts";
import type { NodePaths } from "../config.ts";
import { Daemon } from "../control_client.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { leaderReason, reasonLines } from "../leader_reason.ts";
import { json, oneLine, RowWriter, writeObject } from "../output.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, whole } from "../world.ts";
import { askedNode, askOnce, type HomeFlags, homeOption, look, lookAround } from "./asking.ts";
import { requireNode } from "./node.ts";

interface LeaderFlags extends HomeFlags, OutputFlags {}

interface YieldFlags extends HomeFlags {
  readonly to?: string;
  readonly why: string;
}

interface HistoryFlags extends LeaderFlags {
  readonly limit?: number;
}

/** A new leader is waited for so long, ms. */
const NEXT_MS = 10_000;
/** A leader that has just been chosen does not know yet who may follow it: asked again for so long, ms. */
const READY_MS = 3000;

const SHOW = columnsOf(
  ["leader", "Leader"],
  ["pnn", "Number"],
  ["token", "Token"],
  ["election", "Election"],
  ["since", "Leads for"],
  ["lastSign", "Last sign"],
  ["phase", "Phase"],
  ["isGranting", "Grants leases"],
  ["chosenBecause", "Chosen because"],
);
const HISTORY = columnsOf(["ago", "Ago"], ["node", "At"], ["what", "What"], ["text", "Text"]);

/** Adds `ctdbx leader`. */
export function addLeaderCommands(program: Command, world: CommandWorld): void {
  const leader = program.command("leader").description("the node that decides for the cluster");
  outputOptions(homeOption(leader.command("show")))
    .description("who leads; exit code 6 when nobody does")
    .option("--why", "and why that one, who is next, and what would change it")
    .action((flags: LeaderFlags & { why?: boolean }) => show(world, flags));
  homeOption(leader.command("yield"))
    .description("let another node lead; nothing that is served pauses for it")
    .option("--to <node>", "name or number: go on until this one leads")
    .option("--why <text>", "the reason, kept in the history", "an operator asked for it")
    .action((flags: YieldFlags) => yieldLead(world, flags));
  outputOptions(homeOption(leader.command("history").argument("[nodes]", "names, or all")))
    .description("what nodes remember of leaders and views; oldest first, the last 256 of each")
    .option("--limit <count>", "the last so many", whole(1, 1_000_000))
    .action((nodes: string | undefined, flags: HistoryFlags) => history(world, nodes, flags));
}

/** Throws Failure (no quorum) when no leader is known. */
function requireLeader(answer: LeaderAnswer): string {
  if (answer.leader !== undefined) return answer.leader;
  throw new Failure(
    EXIT.noQuorum,
    `Cannot show the leader: none has given a sign for ${spanText(answer.lastSignMsAgo)}`,
    "a leader needs a majority of the voters; `ctdbx cluster health` says who is missing",
  );
}

async function show(world: CommandWorld, flags: LeaderFlags & { why?: boolean }): Promise<void> {
  const paths = await askedNode(flags);
  const asked = await look(paths, "leader show") as LeaderAnswer;
  const leader = requireLeader(asked);
  const shown = lookOf(world, flags);
  const { out } = world.terminal;
  // The leader itself knows most. If it does not answer, what the asked node knows is shown.
  const [own] = await lookAround<LeaderAnswer>(paths, leader, "leader show");
  const said = own?.ok?.leader === leader ? own.ok : asked;
  if (flags.why === true) {
    const reason = await leaderReason(paths, leader, said);
    if (shown.format === "table") {
      for (const line of reasonLines(reason)) out.write(`${oneLine(line)}\n`);
    } else if (shown.format === "json") out.write(`${json(reason, 2)}\n`);
    else {
      const { next, agree, disagree, changes, ...flat } = reason;
      const lists = { next, agree, disagree, changes };
      const joined = Object.entries(lists).map(([name, list]) => [name, list.join("; ")]);
      const row = { ...flat, ...Object.fromEntries(joined) };
      const names = Object.keys(row).map((name) => ({ name, title: name }));
      writeObject(out, shown, names, row);
    }
    return;
  }
  if (shown.format === "json") return void out.write(`${json(said, 2)}\n`);
  const since = said.sinceMs === undefined ? undefined : spanText(said.sinceMs);
  const isFlat = shown.format !== "table";
  writeObject(out, shown, SHOW, {
    ...said,
    ...isFlat ? {} : { election: Number(said.election) },
    since: isFlat ? said.sinceMs : since,
    lastSign: isFlat ? asked.lastSignMsAgo : `${spanText(asked.lastSignMsAgo)} ago`,
  });
}

async function yieldLead(world: CommandWorld, { to, why, ...flags }: YieldFlags): Promise<void> {
  if (why.length > 200) {
    throw new Failure(EXIT.usage, "Cannot yield: --why has over 200 characters");
  }
  const paths = await askedNode(flags);
  const cluster = await look(paths, "cluster status") as ClusterAnswer;
  const target = to === undefined ? undefined : requireNode(cluster.nodes, to);
  if (target !== undefined && !target.isVoter) {
    throw new Failure(EXIT.conflict, `Cannot yield to ${target.name}: it is no voter`);
  }
  if (target !== undefined && target.condition !== "ok") {
    throw new Failure(EXIT.conflict, `Cannot yield to ${target.name}: it is ${target.condition}`);
  }
  let leader = requireLeader(await look(paths, "leader show") as LeaderAnswer);
  const { out } = world.terminal;
  if (leader === target?.name) return void out.write(`${leader} leads already\n`);
  for (let round = 0; round < cluster.voters; round++) {
    await yieldOnce(paths, why);
    const next = await nextLeader(paths, leader);
    out.write(`${leader} leads no longer, ${next} leads\n`);
    leader = next;
    if (target === undefined || leader === target.name) return;
  }
  throw new Failure(
    EXIT.conflict,
    `Cannot yield to ${target?.name}: ${leader} leads, after ${cluster.voters} rounds`,
    "who gave up the lead stands again after 10 s; then try again",
  );
}

/** The leader gives up. One that is new is asked again until it knows of others. */
async function yieldOnce(paths: NodePaths, why: string): Promise<void> {
  const endMs = performance.now() + READY_MS;
  for (;;) {
    try {
      await askOnce(paths, "leader yield", { why });
      return;
    } catch (error) {
      const isEarly = error instanceof Failure && /no other voter is there/.test(error.message);
      if (!isEarly || performance.now() >= endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Who leads when it is `former` no longer. Throws Failure (no quorum) when nobody does in time. */
async function nextLeader(paths: NodePaths, former: string): Promise<string> {
  let leader: string | undefined;
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), paths),
    verb: "leader show",
    lack: (answer) => {
      leader = (answer as LeaderAnswer).leader;
      return leader === undefined || leader === former ? "no other node leads yet" : undefined;
    },
    timeoutMs: NEXT_MS,
  });
  if (lack === undefined && leader !== undefined) return leader;
  throw new Failure(
    EXIT.noQuorum,
    `Cannot find the next leader: ${lack}`,
    `${former} has given up the lead; \`ctdbx leader show --why\` says what goes on`,
  );
}

async function history(
  world: CommandWorld,
  nodes: string | undefined,
  flags: HistoryFlags,
): Promise<void> {
  const paths = await askedNode(flags);
  const shown = lookOf(world, flags);
  const isTable = shown.format === "table";
  const silent: string[] = [];
  const entries: (HistoryAnswer & { node?: string })[] = [];
  if (nodes === undefined) entries.push(...await look(paths, "leader history") as HistoryAnswer[]);
  else {
    const answers = await lookAround<HistoryAnswer[]>(paths, nodes, "leader history");
    for (const { name, ok, error } of answers) {
      if (ok === undefined) silent.push(`${name}: ${error ?? "no answer"}`);
      else entries.push(...ok.map((entry) => ({ ...entry, node: name })));
    }
  }
  entries.sort((one, other) => other.msAgo - one.msAgo);
  const last = flags.limit === undefined ? entries : entries.slice(-flags.limit);
  const columns = HISTORY
    .filter(({ name }) => name !== "node" || nodes !== undefined)
    .filter(({ name }) => name !== "what" || !isTable)
    .map((column) => column.name === "ago" && !isTable ? { ...column, name: "msAgo" } : column);
  const rows = new RowWriter(world.terminal.out, shown, columns);
  for (const { msAgo, node, what, text } of last) {
    const when = isTable ? { ago: spanText(msAgo) } : { msAgo };
    rows.row({ ...when, ...node === undefined ? {} : { node }, what, text });
  }
  rows.end();
  if (silent.length > 0) {
    throw new Failure(EXIT.partial, `Cannot ask all nodes: ${silent.join("; ")}`);
  }
}
