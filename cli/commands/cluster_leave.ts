/**
 * `ctdbx cluster leave [NODE]`: a node goes for good, in order; this one, or another one, which may be dead.
 *
 *   preflight (would the quorum hold?) ─▶ slots ─▶ lead ─▶ vote ─▶ view ─▶ list ─▶ gone: daemon ended, home marked
 *
 * Killed anywhere and run again, it goes on; the cluster goes on without it anyway.
 *
 * Does NOT promise: the home of a node that was dead is marked when that node is started again, and learns it.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { ClusterAnswer } from "../answers.ts";
import { findNodeAnswer } from "../conditions.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import type { Journal } from "../membership/journal.ts";
import { differenceOf, type Digest, waitFor } from "../membership/join_plan.ts";
import { followLeave, type LeaveAnswer } from "../membership/leave_follow.ts";
import { NodeFiles } from "../membership/node_files.ts";
import { digestsOf } from "../membership/node_port.ts";
import { DIGESTS } from "../membership/telling.ts";
import { supervisorOf, until } from "../processes.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, maybe, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked } from "./asking.ts";
import { nodeHint } from "../nearest.ts";

/** A node is gone within this, ms, or it is said what it waits for; --timeout says otherwise. */
const GONE_MS = 120_000;
/** The daemon of a node that has left ends within this, ms. */
const END_MS = 20_000;
/** The others agree within this, ms. */
const AGREE_MS = 15_000;
/** Between two questions, ms. */
const LOOK_MS = 100;

const STEPS: Readonly<Record<string, string>> = {
  slots: "its slots move to the others",
  lead: "it hands the lead over, if it leads",
  vote: "its vote is taken back, if it has one",
  view: "it goes out of the view",
  list: "it goes off the list, and is remembered as one that has left",
};

const LEFT = object({
  node: text("Node", "name of the node"),
  pnn: maybe(int("Pnn", "its number, which is not given again")),
  step: text("Step", "what it waits for, in one word; gone: for nothing"),
  done: flag("Gone", "has it left?"),
  wasThis: flag("This", "is it the node of this home?"),
  dryRun: flag("Dry run", "was it only looked at?"),
  why: maybe(text("Why", "what its own files say of it")),
  digests: DIGESTS,
});
type Left = RowOf<typeof LEFT>;

interface LeaveFlags {
  readonly why?: string;
  readonly dryRun?: boolean;
}

/** Adds `ctdbx cluster leave`. */
export function addClusterLeaveCommand(cluster: Command, world: CommandWorld): void {
  declare<LeaveFlags, Left>(
    cluster.command("leave [node]").description("take a node out for good; default: this one")
      .option("--why <text>", "the reason, for those who read about it later")
      .option("--dry-run", "say whether it could go, and what would be done"),
    world,
    {
      result: LEFT,
      asks: "node",
      changes: true,
      destroys: "a node goes for good",
      timeout: { text: "watch it for so long (120); it goes on by itself" },
    },
    leave,
  );
}

async function leave(task: Task<LeaveFlags, Left>, wanted?: string): Promise<void> {
  const { flags, out } = task;
  const asked = await Asked.of(flags);
  const files = new NodeFiles(asked.paths);
  if (hasLeft(files, wanted)) return showLeft(task, files);
  const node = await nodeOf(asked, files, wanted);
  if (node === undefined) return showLeft(task, files);
  const { name, pnn, isThis } = node;
  const about = { node: name, pnn, wasThis: isThis, dryRun: flags.dryRun === true };
  const check = await asked.ask("cluster leave", { node: `${pnn}`, dryRun: true }) as LeaveAnswer;
  if (!check.done) await refuseCarrier(asked, node);
  if (flags.dryRun === true) {
    for (const [step, words] of Object.entries(STEPS)) {
      out.say(`to do  ${step.padEnd(5)}  ${words}\n`);
    }
    if (!out.isTable) out.object({ ...about, step: check.step, done: check.done, digests: [] });
    return;
  }
  if (!check.done) {
    await task.confirm(`${name} (number ${pnn}) goes for good; it cannot come back as it was`);
  }
  const last = await follow(task, asked, files, node);
  const digests = isThis ? [] : await agreed(files);
  if (isThis) await daemonEnd(files);
  const why = isThis ? files.identity()?.left?.why : undefined;
  if (!out.isTable) {
    return out.object({ ...about, step: last?.step ?? "gone", done: true, why, digests });
  }
  out.say(
    `${name} has left${isThis ? "; its daemon has ended, and its home cannot be started" : ""}\n`,
  );
  if (digests.length > 1) {
    out.say(`agreed: ${digests.map((each) => each.name).join(", ")} have the same document\n`);
  }
}

/** Refuses to take the node out that carries all of it: nothing could be said to anybody any more. */
async function refuseCarrier(asked: Asked, { name, pnn }: Known): Promise<void> {
  const [server] = await asked.around<{ isOnly: boolean; listen?: string }>(
    `${pnn}`,
    "node server",
  );
  if (server?.ok?.isOnly !== true) return;
  throw new Failure(
    EXIT.conflict,
    `Cannot take ${name} out: the cluster is carried by its nats-server (${server.ok.listen}), ` +
      "which would end with it",
    "let other machines carry it first: docs/OPERATING.md, Servers of NATS",
  );
}

interface Known {
  readonly name: string;
  readonly pnn: number;
  readonly isThis: boolean;
}

/** Which node is meant; undefined: this one, which has left while it was asked. Throws Failure. */
async function nodeOf(
  asked: Asked,
  files: NodeFiles,
  wanted: string | undefined,
): Promise<Known | undefined> {
  let cluster: ClusterAnswer;
  try {
    cluster = await asked.look("cluster status") as ClusterAnswer;
  } catch (error) {
    if (hasLeft(files, wanted)) return undefined;
    if (!(error instanceof Failure) || error.exit !== EXIT.notFound) throw error;
    const name = files.identity()?.name ?? "NODE";
    throw new Failure(
      error.exit,
      error.message,
      `start its daemon first, or at another node: \`ctdbx cluster leave ${wanted ?? name}\``,
    );
  }
  const { nodes } = cluster;
  const node = wanted === undefined
    ? nodes.find(({ isThis }) => isThis)
    : findNodeAnswer(nodes, wanted);
  if (node !== undefined) return node;
  const gone = wanted === undefined ? undefined : await goneOf(asked, wanted);
  if (gone !== undefined) return gone;
  const known = nodes.map(({ name }) => name);
  throw new Failure(
    EXIT.notFound,
    wanted === undefined
      ? "Cannot leave: this node belongs to no cluster"
      : `Cannot find node ${wanted}: known are ${known.join(", ")}`,
    nodeHint(wanted ?? "", known),
  );
}

/** One that has gone before; asked for again it is answered as done. */
async function goneOf(asked: Asked, wanted: string): Promise<Known | undefined> {
  const { gone } = await asked.look("cluster view") as {
    gone: readonly { readonly pnn: number; readonly name: string }[];
  };
  const found = gone.findLast(({ name, pnn }) => name === wanted || `${pnn}` === wanted);
  return found === undefined ? undefined : { ...found, isThis: false };
}

function hasLeft(files: NodeFiles, wanted: string | undefined): boolean {
  const identity = files.identity();
  return identity?.left !== undefined && (wanted === undefined || wanted === identity.name);
}

/** This node has left before. */
function showLeft({ out }: Task<LeaveFlags, Left>, files: NodeFiles): void {
  const { name = "this node", left } = files.identity() ?? {};
  if (out.isTable) return out.say(`${name} has left already: ${left?.why}\n`);
  const shown = { node: name, step: "gone", done: true, wasThis: true, dryRun: false, digests: [] };
  out.object({ ...shown, why: left?.why });
}

async function follow(
  { flags, out }: Task<LeaveFlags, Left>,
  asked: Asked,
  files: NodeFiles,
  { name, pnn, isThis }: Known,
): Promise<LeaveAnswer | undefined> {
  const verb = isThis ? "leave" : `leave-${pnn}` as const;
  const journal: Journal = files.journal(verb) ?? files.beginJournal(verb, { node: name, pnn });
  journal.note("ask", "begun");
  const why = flags.why === undefined ? {} : { why: flags.why };
  const answer = await followLeave(
    {
      ask: async () => await asked.ask("cluster leave", { node: `${pnn}`, ...why }) as LeaveAnswer,
      isGone: () => isThis && files.identity()?.left !== undefined,
      pause: () => sleep(LOOK_MS),
      nowMs: () => performance.now(),
    },
    flags.timeout === undefined ? GONE_MS : flags.timeout * 1000,
    (step, text) => {
      journal.note(step, "begun");
      out.say(`${step.padEnd(5)}  ${text}\n`);
      out.flush();
    },
  );
  journal.note("gone", "done");
  return answer;
}

/** Compares what the others have. Throws Failure (expectation). */
async function agreed(files: NodeFiles): Promise<readonly Digest[]> {
  let digests: readonly Digest[] = [];
  const port = { pause: () => sleep(LOOK_MS), nowMs: () => performance.now() };
  await waitFor(port, AGREE_MS, () => {}, "Cannot see the others agree", async () => {
    digests = await digestsOf({ files });
    return differenceOf(digests);
  });
  return digests;
}

/** The daemon of a node that is gone ends by itself, and its supervisor with it. Throws Failure when it does not. */
async function daemonEnd({ paths }: NodeFiles): Promise<void> {
  if (await until(() => supervisorOf(paths.run) === undefined, END_MS)) return;
  throw new Failure(
    EXIT.partial,
    "Cannot see its daemon end: the node has left, but its supervisor still runs",
    "`ctdbx daemon stop` ends it",
  );
}
