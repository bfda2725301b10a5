/**
 * `ctdbx db ls | status | stats`: the databases of the cluster, and how one node, or several, are with them.
 *
 *   ls      what is decided, and whether it is ready here      status   what is in it here, and what waits
 *   stats   what was done since the daemon began, by name
 *
 * Does NOT promise: sums over the nodes; each tells of itself.
 */

import type { Command } from "commander";
import { type Result, type RowOf, rows } from "../result.ts";
import { int, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import {
  countsOf,
  DB_FIELDS,
  DB_TABLE,
  type DbRow,
  named,
  type StatsAnswer,
  STATUS_FIELDS,
  STATUS_TABLE,
  type StatusRow,
  statusRow,
} from "./db_fields.ts";
import { declareQuestion } from "./question.ts";

const LIST = rows(DB_FIELDS, { table: DB_TABLE });
const STATUS = rows(STATUS_FIELDS, { table: STATUS_TABLE });
/** Counts of databases. */
export const COUNTS = rows({
  name: text("Database", "its name"),
  what: text("What", "what was counted"),
  count: int("Count", "how often, since the daemon of the asked node began"),
});

/** Adds `ctdbx db`, and returns it. */
export function addDbCommands(program: Command, world: CommandWorld): Command {
  const db = program.command("db").description("the databases of the cluster");
  declareQuestion<object, DbRow>(
    db.command("ls").alias("list").description("all databases, and how far the asked node is"),
    world,
    { result: LIST },
    { verbs: ["db ls"], data: ([answer]) => answer as readonly DbRow[] },
  );
  declareQuestion<object, StatusRow>(
    db.command("status").description("what a database has at a node, and what waits there")
      .argument("[database]", "only this one"),
    world,
    { result: STATUS },
    {
      verbs: ["db status"],
      data: ([answer], _flags, _at, [name]) =>
        named(answer as readonly StatusRow[], name).map(statusRow),
    },
  );
  addDbStats(
    db.command("stats").description("what was done in a database at a node, counted by name"),
    world,
  );
  return db;
}

/** Declares a command that shows counts of databases. */
export function addDbStats(command: Command, world: CommandWorld): void {
  declareQuestion<object, RowOf<typeof COUNTS>>(
    command.argument("[database]", "only this one"),
    world,
    { result: COUNTS as Result<RowOf<typeof COUNTS>> },
    {
      verbs: ["db stats", "db ls"],
      data: ([stats, all], _flags, _at, [name]) =>
        countRows(countsOf(stats as StatsAnswer[], all as DbRow[], name)),
    },
  );
}

/** A row for each count, databases and counts by name. */
export function countRows(all: readonly StatsAnswer[]): RowOf<typeof COUNTS>[] {
  const sorted = [...all].sort((one, other) => one.name < other.name ? -1 : 1);
  return sorted.flatMap(({ name, counts = {}, ops = {} }) => {
    const ended = Object.entries(ops).map(([what, count]) => ({
      name,
      what: `ops ${what}`,
      count,
    }));
    const others = Object.entries(counts).map(([what, count]) => ({ name, what, count }));
    return [...ended, ...others].sort((one, other) => one.what < other.what ? -1 : 1);
  });
}
