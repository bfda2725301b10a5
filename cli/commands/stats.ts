/**
 * `ctdbx stats show | db`: what a node counts: of its databases together, of its messages, and by database.
 *
 * Does NOT promise: a rate; `ctdbx metrics` is for what makes rates of counts.
 */

import type { Command } from "commander";
import { type RowOf, rows } from "../result.ts";
import { int, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { addDbStats, countRows } from "./db.ts";
import { countsOf, type DbRow, type StatsAnswer } from "./db_fields.ts";
import { declareQuestion } from "./question.ts";

const SHOWN = rows({
  what: text("What", "what was counted; records: of all databases; bus: messages of the cluster"),
  count: int("Count", "how often, since the daemon of the asked node began"),
});
type Row = RowOf<typeof SHOWN>;

/** What "node status" has of counts. */
interface CountersAnswer {
  readonly messagesSent?: number;
  readonly messagesReceived?: number;
  readonly messagesRefused?: number;
  readonly eventsDropped?: number;
}

/** Adds `ctdbx stats`. */
export function addStatsCommands(program: Command, world: CommandWorld): void {
  const stats = program.command("stats").description("what nodes count");
  declareQuestion<object, Row>(
    stats.command("show").description("counts of a node: records of all databases, and messages"),
    world,
    { result: SHOWN },
    {
      verbs: ["db stats", "db ls", "node status"],
      data: ([stats, all, node]) => {
        const databases = countsOf(stats as StatsAnswer[], all as DbRow[], undefined);
        return summed(databases, node as CountersAnswer);
      },
    },
  );
  addDbStats(stats.command("db").description("the same by database"), world);
}

/** Counts of all databases added up, then those of the node. */
export function summed(databases: readonly StatsAnswer[], node: CountersAnswer): Row[] {
  const sums = new Map<string, number>();
  for (const { what, count } of countRows(databases)) {
    sums.set(what, (sums.get(what) ?? 0) + count);
  }
  const { messagesSent, messagesReceived, messagesRefused, eventsDropped } = node;
  const bus = Object.entries({
    "bus sent": messagesSent,
    "bus received": messagesReceived,
    "bus refused": messagesRefused,
    "bus events dropped": eventsDropped,
  });
  return [
    { what: "databases", count: databases.length },
    ...[...sums].map(([what, count]) => ({ what: `records ${what}`, count })),
    ...bus.flatMap(([what, count]) => count === undefined ? [] : [{ what, count }]),
  ];
}
