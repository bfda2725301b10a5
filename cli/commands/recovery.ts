/**
 * `ctdbx recovery status | report | history | run`: what a change of the view means for records, as one node lives it.
 *
 *   adopt ─▶ tables (slots from a living home) ─▶ rebuild (slots of a dead one) ─▶ queries (records of the dead)
 *
 * Other records are served all the time: a recovery is not a state of the cluster, but the work for what was touched.
 *
 * Does NOT promise: the phases one after the other; they overlap, and each node has its own.
 */

import type { Command } from "commander";
import { spanText, versionText } from "../answers.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, record, type Shape, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { whole } from "../world.ts";
import { Asked, type Relayed } from "./asking.ts";
import { declareQuestion } from "./question.ts";
import { STATUS_FIELDS, type StatusRow, statusRow } from "./db_fields.ts";
import { RealHost } from "../../transport/real_host.ts";
import { Daemon } from "../control_client.ts";
import { waitUntil } from "../waiting.ts";

/** With --wait: all is open again within this, ms, or it is said what is not. */
const WAIT_MS = 60_000;
const WHY_MAX = 200;

const PHASE = {
  name: word(
    "Phase",
    "adopt: the view itself; tables: slots taken from a living home; rebuild: slots " +
      "of a dead one; queries: records of the dead",
    ["adopt", "tables", "rebuild", "queries"],
  ),
  ms: ms("Ms", "until its last part was done, from the beginning"),
  count: int("Count", "how many slots, or records"),
};
const OF_DATABASE = {
  name: text("Database", "its name"),
  slotsByTable: int("Slots taken", "from a living home"),
  slotsRebuilt: int("Slots rebuilt", "of which the home has gone"),
  keysQueried: int("Records asked for", "of all members, one by one"),
  ms: ms("Ms", "until all of it was open again"),
};
const REPORT_FIELDS = {
  generation: u64("View", "the view that was adopted"),
  cause: maybe(text("Cause", "what it changed, in words")),
  msAgo: ms("Ago", "since it was adopted"),
  totalMs: ms("Took, ms", "until all was open again; so far, while it goes on"),
  isRunning: flag("Goes on", "is something not open yet?"),
  phases: list("Phases", "what was done, and how long it took", record("Phase", "one", PHASE)),
  databases: list("Databases", "the same by database", record("Database", "one", OF_DATABASE)),
};
/** What a view change meant at one node. */
export type RecoveryAnswer = Shape<typeof REPORT_FIELDS>;

const phaseMs = (name: string) => ({ phases }: RecoveryAnswer): number | undefined => {
  const found = phases.find((phase) => phase.name === name);
  return found === undefined || found.count === 0 ? undefined : round(found.ms);
};
const HISTORY = rows(REPORT_FIELDS, {
  table: [
    { name: "generation", text: ({ generation }) => versionText(generation) },
    { name: "msAgo", text: ({ msAgo }) => spanText(msAgo) },
    { name: "totalMs", text: ({ totalMs }) => round(totalMs) },
    {
      name: "isRunning",
      title: "Goes on",
      whenSet: true,
      text: ({ isRunning }) => isRunning || undefined,
    },
    { name: "adopt", title: "Adopt", text: phaseMs("adopt") },
    { name: "tables", title: "Tables", text: phaseMs("tables") },
    { name: "rebuild", title: "Rebuild", text: phaseMs("rebuild") },
    { name: "queries", title: "Queries", text: phaseMs("queries") },
    "cause",
  ],
});
const REPORT = object(REPORT_FIELDS);
const STATUS = object({
  isRunning: flag("Goes on", "is something not open yet at the asked node?"),
  generation: maybe(u64("View", "the view that it serves by")),
  databases: list("Databases", "how far each is", record("Database", "one", STATUS_FIELDS)),
}, {
  rowsOf: "databases",
  rowsTable: ["name", "state", "slotsOpening", "keysQueried", "waiting", "why"],
});
type Status = RowOf<typeof STATUS>;
const RUN = object({
  generation: maybe(u64("View", "the view that was made for it")),
  tookMs: maybe(ms("Took, ms", "with --wait: until all was open again at all members")),
}, {
  table: [
    { name: "generation", text: ({ generation }) => versionText(generation ?? undefined) },
    { name: "tookMs", whenSet: true },
  ],
});

interface HistoryFlags {
  readonly limit?: number;
}

interface RunFlags {
  readonly why: string;
}

/** Adds `ctdbx recovery`, and returns it. */
export function addRecoveryCommands(program: Command, world: CommandWorld): Command {
  const recovery = program.command("recovery")
    .description("what a change of the view means for records");
  declareQuestion<object, Status>(
    recovery.command("status").description("what is not open yet at a node"),
    world,
    { result: STATUS },
    {
      verbs: ["recovery status"],
      data: ([answer]) => shownStatus(answer as Status),
      people: ({ out }, data) => {
        const { isRunning, generation } = data as Status;
        out.object(data as Status);
        const view = versionText(generation ?? undefined) ?? "none";
        out.say(`\nview ${view}: ${isRunning ? "recovery goes on" : "all is open"}\n`);
      },
    },
  );
  declareQuestion<object, RecoveryAnswer>(
    recovery.command("report").description("the last recovery at a node, with its phases"),
    world,
    { result: REPORT },
    {
      verbs: ["recovery report"],
      data: ([answer]) => requireReport(answer),
      people: ({ out }, data) => {
        for (const line of reportLines(data as RecoveryAnswer)) out.say(`${line}\n`);
      },
    },
  );
  declareQuestion<HistoryFlags, RecoveryAnswer>(
    recovery.command("history").description("the recoveries that a node remembers, oldest first")
      .option("--limit <count>", "the last so many", whole(1, 1_000_000)),
    world,
    { result: HISTORY },
    {
      verbs: ["recovery history"],
      data: ([answer], { limit }) => {
        const all = answer as readonly RecoveryAnswer[];
        return limit === undefined ? all : all.slice(-limit);
      },
    },
  );
  declare<RunFlags, RowOf<typeof RUN>>(
    recovery.command("run")
      .description("have all homes find their records again; nothing is lost by it")
      .option("--why <text>", "the reason, kept in the history", "an operator asked for it"),
    world,
    { result: RUN, asks: "node", changes: true, waits: "until all is open again at all members" },
    run,
  );
  return recovery;
}

function shownStatus(status: Status): Status {
  return { ...status, databases: status.databases.map(statusRow) };
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}

function requireReport(answer: unknown): RecoveryAnswer {
  if (typeof answer === "object" && answer !== null) return answer as RecoveryAnswer;
  throw new Failure(
    EXIT.notFound,
    "Cannot show a recovery: this node has had none since its daemon began",
    "`ctdbx recovery status` shows how it is now",
  );
}

/** A report in lines for people. */
export function reportLines(report: RecoveryAnswer): string[] {
  const { generation, cause, msAgo, totalMs, isRunning, phases, databases } = report;
  const view = versionText(generation) ?? generation;
  const lines = [
    `view ${view}, adopted ${spanText(msAgo)} ago${cause == null ? "" : `: ${cause}`}`,
  ];
  lines.push(
    isRunning
      ? `goes on for ${round(totalMs)} ms`
      : `all was open again after ${round(totalMs)} ms`,
  );
  for (const { name, ms, count } of phases) {
    const thing = name === "queries" ? "record" : name === "adopt" ? "database" : "slot";
    const of = count === 1 ? thing : `${thing}s`;
    lines.push(`  ${name.padEnd(8)} ${String(round(ms)).padStart(8)} ms  ${count} ${of}`);
  }
  for (const each of databases) {
    lines.push(
      `  ${each.name}: ${each.slotsByTable} slots taken, ${each.slotsRebuilt} rebuilt, ` +
        `${each.keysQueried} records asked for, ${round(each.ms)} ms`,
    );
  }
  return lines;
}

async function run({ flags, out, world }: Task<RunFlags, RowOf<typeof RUN>>): Promise<void> {
  const { why, wait = false } = flags;
  if (why.length > WHY_MAX) {
    throw usage(`Cannot keep the reason: --why has over ${WHY_MAX} characters`, "shorten it");
  }
  const asked = await Asked.of(flags);
  const startMs = world.terminal.nowMs();
  const { generation } = await asked.ask("recovery run", { why }) as { generation?: string };
  if (!wait) return out.object({ generation });
  await untilOpen(asked, BigInt(generation ?? 0));
  out.object({ generation, tookMs: Math.round(world.terminal.nowMs() - startMs) });
}

/** Waits until nothing is being found again at any node that answers, in this view or a later one. */
async function untilOpen(asked: Asked, generation: bigint): Promise<void> {
  const lack = await waitUntil({
    dial: () => Daemon.dial(new RealHost(), asked.paths),
    verb: "relay",
    args: { verb: "recovery status", nodes: "all" },
    lack: (answer) => lackOf(answer as readonly Relayed<Status>[], generation),
    timeoutMs: WAIT_MS,
  });
  if (lack === undefined) return;
  throw new Failure(
    EXIT.expectation,
    `Cannot see all open again: ${lack}`,
    "it goes on all the same; `ctdbx recovery explain` says what is missing",
  );
}

/** What is missing until all nodes that answer have all open; undefined: nothing. */
export function lackOf(
  answers: readonly Relayed<Status>[],
  generation: bigint,
): string | undefined {
  for (const { name, ok } of answers) {
    if (ok === undefined) continue;
    if (BigInt(ok.generation ?? 0) < generation) return `${name} has not adopted the view yet`;
    if (ok.isRunning) return `${name} finds records of ${openingOf(ok.databases)} again`;
  }
  return undefined;
}

function openingOf(databases: readonly StatusRow[]): string {
  const names = databases.filter(({ state }) => state === "recovering").map(({ name }) => name);
  return names.join(", ") || "a database";
}
