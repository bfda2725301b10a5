/**
 * `ctdbx service ls | show | run | enable | disable | notify`: checks of a node's services, and who is told of them.
 *
 *   ls     one line a check, the worst first        run    look now: exit code 1 when it is not well
 *   show   one in full, with the end of its output  disable  not looked at, and no reason to be unhealthy, until enable
 *
 * Does NOT promise: the checks of other nodes without -n; each node has its own.
 */

import type { Command } from "commander";
import type { NotifyRow, ServiceRow } from "../../actors/services/rows.ts";
import { worstFirst } from "../../actors/services/rows.ts";
import { spanText } from "../answers.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, list, maybe, ms, text, word } from "../schema.ts";
import { Verdict } from "../verdict.ts";
import type { CommandWorld } from "../world.ts";
import { Asked, type Relayed, silence } from "./asking.ts";
import { declareQuestion } from "./question.ts";

const STATUS_WORDS = ["starting", "ok", "warning", "failed", "disabled"] as const;

const FIELDS = {
  name: text("Check", "its name, by the configuration"),
  kind: text("Kind", "tcp, http, exec, file, systemd, disk or memory"),
  target: text("Looks at", "an address, a command, a path, a unit"),
  status: word("Status", "how it stands; starting: not well yet since the start", STATUS_WORDS),
  isCritical: flag("Critical", "is the node unhealthy while it has failed?"),
  phase: text("Phase", "idle, queued, running, or restarting: its service is started anew"),
  failures: int("Failures", "in a row"),
  warnAfter: int("Warns after", "failures in a row; 0: never"),
  errorAfter: int("Fails after", "failures in a row; 0: never"),
  sinceMs: ms("For", "how long its status is what it is"),
  why: maybe(text("Why", "what the last look found; null: nothing to say")),
  lastMsAgo: maybe(ms("Looked", "since the last look has ended; null: there was none")),
  tookMs: maybe(ms("Took", "how long the last look took")),
  nextMs: maybe(ms("Next in", "until the next look; null: none is due")),
  intervalMs: ms("Interval", "between two looks"),
  timeoutMs: ms("Timeout", "a look has so long"),
  runs: int("Looks", "since the daemon's start"),
  failed: int("Failed", "looks since the daemon's start that have failed"),
  late: int("Late", "looks that ended too late to say anything: the node itself stood still"),
  restarts: int("Restarts", "of its service since the daemon's start"),
  restart: maybe(text("Restart with", "the command that starts the service anew")),
  restartWhy: maybe(text("Last restart", "done, or why it failed; null: there was none")),
  gaveUp: flag("Gave up", "is it started anew no more? `service enable` has it tried again"),
  disabledWhy: maybe(text("Disabled because", "what the operator said")),
};
const LIST = rows(FIELDS, {
  table: [
    "name",
    "kind",
    "status",
    { name: "sinceMs", text: ({ sinceMs }) => spanText(sinceMs) },
    { name: "failures", text: (row) => failuresText(row as ServiceRow) },
    {
      name: "restarts",
      whenSet: true,
      text: ({ restarts }) => restarts === 0 ? undefined : restarts,
    },
    { name: "why", text: (row) => reasonText(row as ServiceRow) },
  ],
});
type Listed = RowOf<typeof LIST>;

const ONE_FIELDS = {
  ...FIELDS,
  tail: maybe(text("Output", "the end of what was said by what was looked at, 4096 characters")),
};
const ONE = object(ONE_FIELDS, {
  table: [
    "name",
    "kind",
    "target",
    "status",
    { name: "sinceMs", text: ({ sinceMs }) => spanText(sinceMs) },
    "why",
    "isCritical",
    { name: "failures", text: (row) => failuresText(row as ServiceRow) },
    "phase",
    {
      name: "lastMsAgo",
      text: ({ lastMsAgo }) => lastMsAgo == null ? undefined : `${spanText(lastMsAgo)} ago`,
    },
    { name: "tookMs", text: ({ tookMs }) => tookMs == null ? undefined : spanText(tookMs) },
    { name: "nextMs", text: ({ nextMs }) => nextMs == null ? undefined : spanText(nextMs) },
    "runs",
    "failed",
    "late",
    "restart",
    "restarts",
    "restartWhy",
    "gaveUp",
    "disabledWhy",
  ],
});
type One = RowOf<typeof ONE>;

const WAYS = rows({
  name: text("Name", "its name, by the configuration"),
  kind: word("Kind", "how it is told", ["script", "nats", "webhook"]),
  target: text("Tells", "a command, a subject, or a server"),
  on: list("On", "the events that it tells", text("Event", "TOPIC or TOPIC:WORD")),
  sent: int("Sent", "notifications that have arrived, since the daemon's start"),
  failed: int("Failed", "notifications that did not arrive, after all tries"),
  dropped: int("Dropped", "notifications for which there was no room"),
  waiting: int("Waiting", "notifications that wait, or are under way"),
  why: maybe(text("Why", "why the last try failed; null: it did not")),
}, {
  table: [
    "name",
    "kind",
    "target",
    { name: "on", text: ({ on }) => on.join(", ") || "as CTDB" },
    "sent",
    "failed",
    "dropped",
    "waiting",
    { name: "why", whenSet: true },
  ],
});

function failuresText({ failures, errorAfter, warnAfter }: ServiceRow): string {
  const needed = errorAfter || warnAfter;
  return failures === 0 || failures >= needed ? `${failures}` : `${failures} of ${needed}`;
}

/** What people want to know in one line. */
function reasonText({ status, why, disabledWhy, gaveUp, phase }: ServiceRow): string | undefined {
  if (status === "disabled") return disabledWhy ?? undefined;
  if (phase === "restarting") return `started anew just now; ${why ?? ""}`;
  return gaveUp ? `started anew no more; ${why ?? ""}` : why ?? undefined;
}

/** Adds `ctdbx service`. */
export function addServiceCommands(program: Command, world: CommandWorld): void {
  const service = program.command("service")
    .description("checks of services, and who is told of them");
  declareQuestion<object, Listed>(
    service.command("ls").description("all checks of the node, the worst first"),
    world,
    { result: LIST },
    { verbs: ["service ls"], data: ([answer]) => worstFirst(answer as ServiceRow[]) },
  );
  declare<object, One>(
    service.command("show <name>").description("one check in full, with the end of its output"),
    world,
    { result: ONE, asks: "nodes" },
    (task, name) => shown(task, "service show", { name }),
  );
  declare<object, One>(
    service.command("run <name>")
      .description("look now, and show what came of it; exit code 1 when it is not well"),
    world,
    { result: ONE, asks: "node", changes: true },
    async (task, name) => {
      const asked = await Asked.of(task.flags);
      const row = await asked.ask("service run", { name }) as ServiceRow;
      show(task, row);
      // A disabled check is no reason for anything; its look is, for who asked for it.
      const isBad = row.status === "disabled" ? row.why != null : row.failures > 0;
      if (isBad || row.status === "failed") throw new Verdict(EXIT.other);
    },
  );
  for (const word of ["enable", "disable"] as const) addSwitch(service, world, word);
  declareQuestion<object, RowOf<typeof WAYS>>(
    service.command("notify").description("who is told of events, and what was lost on the way"),
    world,
    { result: WAYS },
    { verbs: ["service notify"], data: ([answer]) => answer as NotifyRow[] },
  );
}

function addSwitch(service: Command, world: CommandWorld, word: "enable" | "disable"): void {
  const command = service.command(`${word} <name>`).description(
    word === "enable"
      ? "look at it again; its service may be started anew again, too"
      : "do not look at it, and do not take it for a reason to be unhealthy, until it is enabled",
  );
  if (word === "disable") {
    command.option("--why <text>", "the reason, for those who read about it later");
  }
  declare<{ readonly why?: string }, One>(
    command,
    world,
    { result: ONE, asks: "node", changes: true },
    async (task, name) => {
      const asked = await Asked.of(task.flags);
      const { why } = task.flags;
      const args = { name, ...why === undefined ? {} : { why } };
      show(task, await asked.ask(`service ${word}`, args) as ServiceRow);
    },
  );
}

/** One check of the asked node; with -n of several. */
async function shown(
  task: Task<object, One>,
  verb: string,
  args: Readonly<Record<string, unknown>>,
): Promise<void> {
  const asked = await Asked.of(task.flags);
  const { node: nodes } = task.flags as CommonFlags;
  if (nodes === undefined) return show(task, await asked.look(verb, args) as ServiceRow);
  const answers = await asked.look("relay", { verb, nodes, args }) as Relayed<ServiceRow>[];
  for (const { pnn: askedPnn, name, ok, error } of answers) {
    task.out.row({ ...ok, askedPnn, asked: name, ...ok === undefined ? { error } : {} } as never);
  }
  const silent = silence(answers);
  if (silent !== undefined) throw silent;
}

function show({ out }: Task<object, One>, row: ServiceRow): void {
  out.object(row);
  const { tail } = row;
  if (tail === undefined || tail === null || tail.trim() === "") return;
  const lines = tail.replace(/\n$/, "").split("\n");
  out.say(`\nThe end of its output:\n${lines.map((line) => `  ${line}\n`).join("")}`);
}
