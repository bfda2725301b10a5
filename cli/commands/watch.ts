/**
 * `ctdbx watch`: what happens, as it happens, at all nodes that the asked one hears; until Ctrl-C.
 *
 *   09:14:03.211  n1  adopted  0.5.3 view 0.5.3 [0.1 1.2]
 *
 * Does NOT promise: every event of another node; those that the bus loses are not told again (`leader history` has
 * them at that node). The time is the wall clock of the node that tells it.
 */

import process from "node:process";
import type { Command } from "commander";
import { RealHost } from "../../transport/real_host.ts";
import { columnsOf } from "../answers.ts";
import { Daemon } from "../control_client.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure } from "../failure.ts";
import { CELL_MAX, oneLine, RowWriter } from "../output.ts";
import { ClosedPipe } from "../terminal.ts";
import type { CommandWorld, OutputFlags } from "../world.ts";
import { lookOf, outputOptions, whole } from "../world.ts";
import { askedNode, type HomeFlags, homeOption } from "./asking.ts";

interface WatchFlags extends HomeFlags, OutputFlags {
  readonly count?: number;
}

/** An event as it comes; another node may send anything. */
type Event = Readonly<Record<string, unknown>>;

const COLUMNS = columnsOf(["time", "Time"], ["who", "Node"], ["what", "What"], ["text", "Text"]);
/** Width of the columns of the table that fit most events, characters. */
const WIDTHS = { who: 6, what: 13 } as const;

/** Adds `ctdbx watch`. */
export function addWatchCommand(program: Command, world: CommandWorld): void {
  outputOptions(homeOption(program.command("watch")))
    .description("show what happens in the cluster, and where, until Ctrl-C")
    .option("--count <events>", "end after so many", whole(1, 1_000_000_000))
    .action((flags: WatchFlags) => watch(world, flags));
}

async function watch(world: CommandWorld, flags: WatchFlags): Promise<void> {
  const paths = await askedNode(flags);
  const daemon = await Daemon.dial(new RealHost(), paths);
  const { out } = world.terminal;
  const shown = lookOf(world, flags);
  const rows = shown.format === "table" ? undefined : new RowWriter(out, shown, COLUMNS);
  const ended = Promise.withResolvers<void>();
  let left = flags.count ?? Infinity;
  const onItem = (item: unknown): void => {
    if (left <= 0) return;
    left--;
    try {
      const row = rowOf(item);
      if (rows !== undefined) rows.row(row);
      else out.write(lineOf(row));
      out.flush();
    } catch (error) {
      left = 0;
      return ended.reject(error);
    }
    if (left === 0) ended.resolve();
  };
  const onSignal = (): void => ended.resolve();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, onSignal);
  try {
    await Promise.race([daemon.watch("watch", {}, onItem), ended.promise]);
    rows?.end();
  } catch (error) {
    if (error instanceof ClosedPipe) throw error;
    if (!(error instanceof Failure) || error.exit !== EXIT.unknownOutcome) throw error;
    rows?.end();
    throw new Failure(
      EXIT.other,
      `Cannot watch any longer: the daemon at ${paths.socket} has gone, or does not feed us`,
      "`ctdbx cluster wait` waits until it is back",
    );
  } finally {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, onSignal);
    daemon.close();
  }
}

/** What may be shown of an event: texts and a time, whatever came. */
function rowOf(item: unknown): Record<"time" | "who" | "what" | "text", string> {
  const event = (typeof item === "object" && item !== null ? item : {}) as Event;
  const text = (name: string): string => {
    const value = event[name];
    return typeof value === "string" ? value : "";
  };
  const wallMs = Number(event["wallMs"]);
  const isTime = Number.isFinite(wallMs) && Math.abs(wallMs) < 8.64e15;
  const time = isTime ? new Date(wallMs).toISOString() : "";
  return { time, who: text("who"), what: text("what"), text: text("text") };
}

/** An event of a daemon as a line for people. */
export function eventLine(item: unknown): string {
  return lineOf(rowOf(item));
}

function lineOf({ time, who, what, text }: ReturnType<typeof rowOf>): string {
  // Happenings begin with their name; it has a column of its own here.
  const rest = what !== "" && text.startsWith(what)
    ? text.slice(what.length).replace(/^:? /, "")
    : text;
  const name = who.slice(0, CELL_MAX).padEnd(WIDTHS.who);
  const cells = [time.slice(11, 23).padEnd(12), name, what.padEnd(WIDTHS.what), rest];
  return `${oneLine(cells.join("  "))}\n`;
}
