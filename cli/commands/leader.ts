/**
 * `ctdbx leader show | yield | history`: who leads, why, since when, and what has happened.
 *
 *   yield --to NODE: the rank decides who leads next, so the lead is given up until it is NODE's; who gave it up does
 *   not stand again for 10 s, so this ends after as many rounds as there are voters, at the latest.
 *
 * Does NOT promise: one truth; each node says whom it takes for the leader.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import type { ClusterAnswer, HistoryAnswer, LeaderAnswer } from "../answers.ts";
import { spanText } from "../answers.ts";
import { Daemon } from "../control_client.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { leaderReason, reasonLines } from "../leader_reason.ts";
import { oneLine } from "../output.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, type Shape, text, u64 } from "../schema.ts";
import { waitUntil } from "../waiting.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { namedNodes, requireNode } from "./node.ts";
import { declareQuestion } from "./question.ts";

interface YieldFlags {
  readonly to?: string;
  readonly why: string;
}

interface ShowFlags {
  readonly why?: boolean;
}

interface HistoryFlags {
  readonly limit?: number;
}

/** A new leader is waited for so long, ms. */
const NEXT_MS = 10_000;
/** A leader that has just been chosen does not know yet who may follow it: asked again for so long, ms. */
const READY_MS = 3000;

const LEADER_FIELDS = {
  leader: text("Leader", "name of the leader"),
  pnn: maybe(int("Number", "its number")),
  token: text("Token", "of its election, counter.voter.n"),
  election: u64("Election", "the counter of the token: elections so far"),
  isThis: maybe(flag("Itself", "is this said by the leader itself?")),
  phase: maybe(text("Phase", "how far the leader is; null: it did not say so itself")),
  isGranting: maybe(flag("Grants leases", "does it grant leases?")),
  sinceMs: maybe(ms("Leads for", "how long it leads")),
  lastSignMsAgo: ms("Last sign", "since the node that was asked has had a sign of it"),
  chosenBecause: maybe(text("Chosen because", "why it stood")),
  standing: maybe(text("Standing", "why the one that says this stands itself just now")),
  rank: maybe(int("Rank", "how many stand before the one that says this; null: it may not")),
  deferredView: maybe(flag("View deferred", "does a change of the view wait?")),
};
const SHOW = object(LEADER_FIELDS, {
  table: [
    "leader",
    "pnn",
    "token",
    { name: "election", text: ({ election }) => Number(election) },
    { name: "sinceMs", text: ({ sinceMs }) => sinceMs == null ? undefined : spanText(sinceMs) },
    { name: "lastSignMsAgo", text: ({ lastSignMsAgo }) => `${spanText(lastSignMsAgo)} ago` },
    "phase",
    "isGranting",
    "chosenBecause",
  ],
});
type Shown = Shape<typeof LEADER_FIELDS>;

const NAME = text("Node", "its name");
const SENTENCE = text("Text", "a sentence");
const REASON = object({
  leader: text("Leader", "name of the leader"),
  pnn: maybe(int("Number", "its number")),
  token: text("Token", "of its election, counter.voter.n"),
  election: u64("Election", "the counter of the token"),
  sinceMs: maybe(ms("Leads for, ms", "how long; null: it did not answer")),
  chosenBecause: maybe(text("Chosen because", "why it stood; null: it did not answer")),
  story: maybe(text("Story", "what happened on the way, oldest first")),
  isGranting: maybe(flag("Grants leases", "does it grant leases?")),
  agree: list("Agree", "nodes that take it for the leader", NAME),
  disagree: list("Disagree", "what the others say", SENTENCE),
  next: list("Next", "who stands next, first to last", NAME),
  changes: list("Changes", "what would change the leader", SENTENCE),
});

const YIELDED = object({
  former: text("Former", "name of the node that led before"),
  leader: text("Leader", "name of the node that leads now"),
  rounds: int("Rounds", "how often the lead was given up; 0: the wanted node led already"),
});

const HISTORY = rows({
  msAgo: ms("Ago", "since it happened"),
  pnn: maybe(int("Pnn", "number of the node that remembers it; null: of the asked one")),
  node: maybe(text("At", "its name")),
  what: text("What", "what happened, in a word or two"),
  text: text("Text", "the same with all that is known"),
}, {
  table: [
    { name: "msAgo", text: ({ msAgo }) => spanText(msAgo) },
    { name: "node", whenSet: true },
    "text",
  ],
});

/** Adds `ctdbx leader`. */
export function addLeaderCommands(program: Command, world: CommandWorld): void {
  const leader = program.command("leader").description("the node that decides for the cluster");
  declareQuestion<ShowFlags, Shown>(
    leader.command("show").description("who leads; exit code 6 when nobody does").addOption(
      new Option("--why", "and why that one, who is next, and what would change it")
        .conflicts("node"),
    ),
    world,
    { result: ({ why }) => why === true ? REASON as never : SHOW },
    {
      verbs: ["leader show"],
      data: ([answer]) => known(answer as LeaderAnswer),
      alone: show,
    },
  );
  declare<YieldFlags, RowOf<typeof YIELDED>>(
    leader.command("yield")
      .description("let another node lead; nothing that is served pauses for it")
      .option("--to <node>", "name or number: go on until this one leads")
      .option("--why <text>", "the reason, kept in the history", "an operator asked for it"),
    world,
    {
      result: YIELDED,
      asks: "node",
      changes: true,
      waits: "until all nodes that answer know the new leader",
    },
    yieldLead,
  );
  declare<HistoryFlags, RowOf<typeof HISTORY>>(
    leader.command("history").argument("[nodes]", "the same as --node; default: the asked one")
      .description("what nodes remember of leaders and views; oldest first, the last 256 of each")
      .option("--limit <count>", "the last so many", whole(1, 1_000_000)),
    world,
    { result: HISTORY, asks: "nodes", hasOwnNodes: true },
    history,
  );
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

/** The answer as it is shown. Throws Failure (no quorum) when it knows no leader. */
function known(answer: LeaderAnswer): Shown {
  return { ...answer, leader: requireLeader(answer) };
}

async function show({ flags, out }: Task<ShowFlags, Shown>, asked: Asked): Promise<void> {
  const first = await asked.look("leader show") as LeaderAnswer;
  const leader = requireLeader(first);
  // The leader itself knows most. If it does not answer, what the asked node knows is shown.
  const [own] = await asked.around<LeaderAnswer>(leader, "leader show");
  const said = own?.ok?.leader === leader ? own.ok : first;
  if (flags.why !== true) {
    return out.object({ ...known(said), lastSignMsAgo: first.lastSignMsAgo });
  }
  const reason = await leaderReason(asked, leader, said);
  if (out.isTable) { for (const line of reasonLines(reason)) out.say(`${oneLine(line)}\n`); }
  else out.object(reason as unknown as Shown);
}

async function yieldLead(
  { flags, out }: Task<YieldFlags, RowOf<typeof YIELDED>>,
): Promise<void> {
  const { to, why } = flags;
  if (why.length > 200) throw usage("Cannot yield: --why has over 200 characters", "shorten it");
  const asked = await Asked.of(flags);
  const cluster = await asked.look("cluster status") as ClusterAnswer;
  const target = to === undefined ? undefined : requireNode(cluster.nodes, to);
  if (target !== undefined && !target.isVoter) {
    throw new Failure(
      EXIT.conflict,
      `Cannot yield to ${target.name}: it is no voter`,
      "`ctdbx node list` shows who is one",
    );
  }
  if (target !== undefined && target.condition !== "ok") {
    throw new Failure(
      EXIT.conflict,
      `Cannot yield to ${target.name}: it is ${target.condition}`,
      "a leader must be well; `ctdbx cluster health` says what is wrong",
    );
  }
  const former = requireLeader(await asked.look("leader show") as LeaderAnswer);
  let leader = former;
  let rounds = 0;
  if (leader === target?.name) out.say(`${leader} leads already\n`);
  while (leader !== target?.name && rounds < cluster.voters) {
    await yieldOnce(asked, why);
    const next = await nextLeader(asked, leader);
    out.say(`${leader} leads no longer, ${next} leads\n`);
    leader = next;
    rounds++;
    if (target === undefined) break;
  }
  if (target !== undefined && leader !== target.name) {
    throw new Failure(
      EXIT.conflict,
      `Cannot yield to ${target.name}: ${leader} leads, after ${cluster.voters} rounds`,
      "who gave up the lead stands again after 10 s; then try again",
    );
  }
  if (flags.wait === true) await untilKnown(asked, leader);
  if (!out.isTable) out.object({ former, leader, rounds });
}

/** Waits until no node that answers takes another one for the leader. Throws Failure (expectation). */
async function untilKnown(asked: Asked, leader: string): Promise<void> {
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), asked.paths),
    verb: "relay",
    args: { verb: "leader show", nodes: "all" },
    lack: (answer) => {
      const other = (answer as Relayed<LeaderAnswer>[])
        .find(({ ok }) => ok !== undefined && ok.leader !== leader);
      if (other === undefined) return undefined;
      return `${other.name} takes ${other.ok?.leader ?? "nobody"} for the leader`;
    },
    timeoutMs: NEXT_MS,
  });
  if (lack === undefined) return;
  throw new Failure(
    EXIT.expectation,
    `Cannot see all nodes follow ${leader}: ${lack}`,
    "it leads all the same; `ctdbx cluster explain` says what is wrong",
  );
}

/** The leader gives up. One that is new is asked again until it knows of others. */
async function yieldOnce(asked: Asked, why: string): Promise<void> {
  const endMs = performance.now() + READY_MS;
  for (;;) {
    try {
      await asked.ask("leader yield", { why });
      return;
    } catch (error) {
      const isEarly = error instanceof Failure && /no other voter is there/.test(error.message);
      if (!isEarly || performance.now() >= endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Who leads when it is `former` no longer. Throws Failure (no quorum) when nobody does in time. */
async function nextLeader({ paths }: Asked, former: string): Promise<string> {
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
  { flags, out }: Task<HistoryFlags, RowOf<typeof HISTORY>>,
  given?: string,
): Promise<void> {
  const asked = await Asked.of(flags);
  const nodes = namedNodes(given, flags);
  const answers: readonly Partial<Relayed<HistoryAnswer[]>>[] = nodes === undefined
    ? [{ ok: await asked.look("leader history") as HistoryAnswer[] }]
    : await asked.around<HistoryAnswer[]>(nodes, "leader history");
  const entries = answers.flatMap(({ pnn, name: node, ok = [] }) =>
    ok.map((entry) => ({ ...entry, pnn, node }))
  );
  entries.sort((one, other) => other.msAgo - one.msAgo);
  const last = flags.limit === undefined ? entries : entries.slice(-flags.limit);
  for (const entry of last) out.row(entry);
  const silent = silence(answers as Relayed<unknown>[]);
  if (silent !== undefined) throw silent;
}
