/**
 * `ctdbx event run | status | list | enable | disable`: the event scripts of a node.
 *
 *   status          the last run of each event; `status EVENT`: of each of its scripts, with what it said
 *   run EVENT ARGS  now, when it is its turn; exit code 8 when it fails
 *
 * Does NOT promise: that an event that is run by hand changes the health of the node; its own monitor events do.
 */

import type { Command } from "commander";
import type { ScriptList } from "../../actors/events/link.ts";
import type { EventStatus } from "../../actors/verbs/events.ts";
import {
  EVENT_NAMES,
  EVENT_OUTCOMES,
  type EventEnd,
  SCRIPT_OUTCOMES,
  SCRIPT_STATES,
  type ScriptEnd,
  type ScriptRow,
} from "../../transport/wire/event_daemon.ts";
import { declare, type Task } from "../declare.ts";
import { runEventDaemon } from "../event_daemon.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { findNode } from "../config.ts";
import { type HomeFlags, homeOption } from "../home_option.ts";
import { nearest } from "../nearest.ts";
import { oneLine } from "../output.ts";
import { object, type RowOf, rows } from "../result.ts";
import { int, list, maybe, ms, record, text, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, askedNode, askOnce } from "./asking.ts";

/** Others' events may come first, and each may take its time, ms. */
const RUN_MS = 600_000;

const SCRIPT_FIELDS = {
  name: text("Script", "its name without .script"),
  outcome: word("Outcome", "killed: by a signal that nobody here sent", SCRIPT_OUTCOMES),
  exit: maybe(int("Exit", "its exit code")),
  signal: maybe(text("Signal", "what ended it")),
  tookMs: ms("Took, ms", "how long it ran"),
  started: maybe(text("Started", "when; ISO 8601, UTC; null: it was not")),
  why: maybe(text("Why", "why it was not run, or what else there is to say")),
  output: text("Output", "the end of what it said"),
  cutBytes: int("Cut", "bytes that were dropped before that", "bytes"),
};
const RUN = object({
  event: text("Event", "which"),
  outcome: word("Outcome", "lost: the event daemon died meanwhile", EVENT_OUTCOMES),
  why: maybe(text("Why", "which script failed, and how")),
  tookMs: ms("Took, ms", "how long it took"),
  scripts: list(
    "Scripts",
    "one by one",
    record("Script", "one", SCRIPT_FIELDS),
  ),
}, { rowsOf: "scripts", rowsTable: scriptColumns() });
const STATUS = object({
  phase: text(
    "Phase",
    "init, setup, startup, running, shutdown or over: how far its own events are",
  ),
  doing: text("Doing", "the event that runs, or waiting"),
  healthy: word("Health", "what its monitor events say", ["ok", "unhealthy"]),
  why: maybe(text("Why", "why not")),
  monitorInMs: maybe(ms("Next monitor, ms", "until the next monitor event")),
  failures: int("Failures", "how often the event daemon has died"),
  events: list(
    "Events",
    "the last run of each",
    record("Event", "one", {
      event: text("Event", "which"),
      outcome: word("Outcome", "of its last run", EVENT_OUTCOMES),
      started: maybe(text("Started", "when; ISO 8601, UTC")),
      tookMs: ms("Took, ms", "how long it took"),
      ok: int("Ok", "runs that ended well, since the daemon started"),
      failed: int("Failed", "runs that failed"),
      timeout: int("Timeouts", "runs that took too long"),
      why: maybe(text("Why", "which script failed, and how")),
      scripts: list("Scripts", "one by one", record("Script", "one", SCRIPT_FIELDS)),
    }),
  ),
}, { rowsOf: "events" });
const LIST = rows({
  name: text("Script", "its name without .script"),
  state: word(
    "State",
    "refused: its events fail; ignored: it is as if it were not there",
    SCRIPT_STATES,
  ),
  place: word("Place", "stock: it may be enabled from there", ["folder", "stock"]),
  target: maybe(text("Link to", "what its link names")),
  why: maybe(text("Why", "why it is not run")),
});
type ListRow = RowOf<typeof LIST>;
type RunResult = RowOf<typeof RUN>;
type StatusResult = RowOf<typeof STATUS>;

/** Columns of scripts for people: what they said is shown only of those that did not end well. */
function scriptColumns() {
  return [
    "name",
    "outcome",
    "exit",
    "tookMs",
    {
      name: "said",
      title: "Why, output",
      text: ({ why, output, outcome }: { why?: string; output?: string; outcome?: string }) =>
        why ?? (outcome === "ok" ? "" : lastLine(output ?? "")),
    },
  ];
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1) ?? "";
}

/** Adds `ctdbx event`. */
export function addEventCommands(program: Command, world: CommandWorld): void {
  const event = program.command("event").description(
    "event scripts: what they do, and how it went",
  );
  declare<object, RunResult>(
    event.command("run <event> [args...]")
      .description("run the scripts of an event now; exit code 8 when one fails"),
    world,
    { result: RUN, asks: "home", changes: true },
    run,
  );
  declare<object, StatusResult>(
    event.command("status [event]")
      .description("the last run of each event, or of one, script by script"),
    world,
    { result: STATUS, asks: "home" },
    status,
  );
  declare<object, ListRow>(
    event.command("list").description("scripts, which of them are run, and why others are not"),
    world,
    { result: LIST, asks: "home" },
    listScripts,
  );
  for (const isEnabled of [true, false]) {
    const verb = isEnabled ? "enable" : "disable";
    const about = isEnabled
      ? "have a script run: a link to the stock, or made executable"
      : "have it not run: its link goes, or its right to be executed";
    declare<object, ListRow>(
      event.command(`${verb} <name>`).description(about),
      world,
      { result: LIST, asks: "home", changes: true },
      (task, name) => switchScript(task, verb, name),
    );
  }
  addStandin(event, world);
  homeOption(
    event.command("daemon", { hidden: true })
      .description("run the scripts of a node for its daemon"),
  )
    .option("--log <file>", "add the log to this file, as JSON lines")
    .action((flags: HomeFlags & { readonly log?: string }) =>
      runEventDaemon(findNode(flags.home, flags.nodeName), flags.log)
    );
}

/** What event scripts call as `ctdb`; see cli/standin/standin.ts. */
function addStandin(event: Command, world: CommandWorld): void {
  event.command("ctdb [words...]", { hidden: true })
    .description("answer as CTDB's tool does, for event scripts")
    .requiredOption("--socket <path>", "socket of the node")
    .action(async (words: string[], { socket }: { readonly socket: string }) => {
      const { runStandin } = await import("../standin/standin.ts");
      await runStandin(socket, words, world);
    });
}

function iso(wallMs: number): string | undefined {
  return wallMs === 0 ? undefined : new Date(wallMs).toISOString();
}

function scriptRow(end: ScriptEnd) {
  const { startWallMs, tookMs, outcome, ...rest } = end;
  const wasRun = outcome !== "disabled" && outcome !== "refused";
  return {
    ...rest,
    outcome,
    tookMs: Math.round(tookMs),
    ...wasRun ? { started: iso(startWallMs) } : {},
  };
}

function runResult({ event, outcome, why, tookMs, scripts }: EventEnd): RunResult {
  return { event, outcome, why, tookMs: Math.round(tookMs), scripts: scripts.map(scriptRow) };
}

/** Throws Failure (usage) on an event that is none. */
function checkEvent(event: string): void {
  if (EVENT_NAMES.some((name) => name === event)) return;
  const near = nearest(event, EVENT_NAMES);
  const hint = near === undefined ? `known are ${EVENT_NAMES.join(", ")}` : `is ${near} meant?`;
  throw usage(`Cannot find event ${event}`, hint);
}

async function run(
  { flags, out }: Task<object, RunResult>,
  event = "",
  ...rest: unknown[]
): Promise<void> {
  checkEvent(event);
  const args = rest.flat().map(String);
  const paths = await askedNode(flags as HomeFlags);
  const end = await askOnce(paths, "event run", { event, args }, RUN_MS) as EventEnd;
  out.object(runResult(end));
  if (end.outcome === "ok") return;
  throw new Failure(
    EXIT.expectation,
    `Cannot be content with ${event}: ${end.why ?? end.outcome}`,
    `\`ctdbx event status ${event} -o json\` shows what its scripts said`,
  );
}

async function status(
  { flags, out }: Task<object, StatusResult>,
  event?: string,
): Promise<void> {
  if (event !== undefined) checkEvent(event);
  const asked = await Asked.of(flags as HomeFlags);
  const { healthy, events, ...more } = await asked.look("event status") as EventStatus;
  const chosen = events.filter((each) => event === undefined || each.event === event);
  if (event !== undefined && chosen.length === 0) {
    throw new Failure(
      EXIT.notFound,
      `Cannot show ${event}: it has not been run yet`,
      "see `ctdbx event status`",
    );
  }
  const [one] = chosen;
  if (out.isTable && event !== undefined && one !== undefined) {
    out.say(scriptsText(one));
    return;
  }
  if (out.isTable && chosen.length === 0) return out.say("no event has been run yet\n");
  out.object({
    ...more,
    healthy: healthy ? "ok" : "unhealthy",
    events: chosen.map((end) => {
      const { okCount, failedCount, timeoutCount, startWallMs } = end;
      return {
        ...runResult(end),
        started: iso(startWallMs),
        ok: okCount,
        failed: failedCount,
        timeout: timeoutCount,
      };
    }),
  });
}

/** The scripts of an event for people, each with what it said. */
function scriptsText({ event, args, outcome, why, tookMs, scripts }: EventEnd): string {
  const words = [event, ...args].join(" ");
  const head = `${words}: ${outcome}${why === undefined ? "" : `: ${why}`}, ${secondsText(tookMs)}`;
  const width = Math.max(0, ...scripts.map(({ name }) => name.length));
  const lines = scripts.flatMap((end) => {
    const { name, startWallMs, output, cutBytes } = end;
    const facts = [end.outcome.padEnd(9), secondsText(end.tookMs), iso(startWallMs) ?? ""];
    const exit = end.exit === undefined || end.exit === 0 ? "" : `exit code ${end.exit}`;
    const first = [name.padEnd(width), ...facts, end.signal ?? exit, end.why ?? ""].join("  ");
    const cut = cutBytes === 0 ? [] : [`(${cutBytes} bytes before this are not kept)`];
    const said = [...cut, ...output === "" ? [] : output.trimEnd().split("\n")];
    return [first.trimEnd(), ...said.map((line) => `    ${line}`)];
  });
  return [head, ...lines].map((line) => `${oneLine(line)}\n`).join("");
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

async function listScripts({ flags, out }: Task<object, ListRow>): Promise<void> {
  const asked = await Asked.of(flags as HomeFlags);
  const { scripts, why } = await asked.look("event list") as ScriptList;
  for (const row of scripts) out.row(row);
  if (why === undefined) return;
  throw new Failure(
    EXIT.denied,
    `Cannot run any event: ${why}`,
    "only root and the daemon's user may write there",
  );
}

async function switchScript(
  { flags, out }: Task<object, ListRow>,
  verb: string,
  name = "",
): Promise<void> {
  const asked = await Asked.of(flags as HomeFlags);
  const row = await asked.ask(`event ${verb}`, { name }) as ScriptRow;
  out.row(row);
  if (verb === "disable" || row.state === "enabled") return;
  throw new Failure(
    EXIT.denied,
    `Cannot have ${row.name} run: ${row.why ?? row.state}`,
    "its events fail until that is put right, or `ctdbx event disable` is used",
  );
}
