/**
 * `ctdbx tdb create | check | repack`: make a database, look for damage, give space back.
 *
 *   check: no problem -> exit 0        any problem -> the list of them, exit 12
 *
 * Does NOT promise: that check sees damage inside values; nothing in the format protects those.
 */

import type { Command } from "commander";
import type { CheckReport } from "../../actors/storage/tdb_check.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import { HASH_SIZE_DEFAULT } from "../../actors/storage/tdb_header.ts";
import { freelistSizes } from "../../actors/storage/tdb_summary.ts";
import { withDatabase } from "../database.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { NewDatabase } from "../new_database.ts";
import type { Column } from "../output.ts";
import { json, RowWriter, writeObject } from "../output.ts";
import { progress } from "../progress.ts";
import { targetOf } from "../target.ts";
import { ClosedPipe } from "../terminal.ts";
import type { CommandWorld, OpenFlags, OutputFlags } from "../world.ts";
import { lookOf, nextTurn, openOptions, outputOptions } from "../world.ts";
import type { MakeFlags } from "./tdb_dump.ts";
import { makeOptions, newOptions } from "./tdb_dump.ts";

interface CheckFlags extends OpenFlags, OutputFlags {
  readonly strict?: boolean;
}

/** Adds the commands to `ctdbx tdb`. */
export function addCheckCommands(tdb: Command, world: CommandWorld): void {
  const create = tdb.command("create <file>").description("make an empty database");
  makeOptions(
    outputOptions(create, " of errors"),
    "jenkins",
    `hash chains (default: ${HASH_SIZE_DEFAULT})`,
  )
    .action((file: string, flags: MakeFlags) => runCreate(world, file, flags));

  const checkCommand = tdb.command("check <file>")
    .description("look for damage, also in a database in use; exit code 12 when there is any");
  outputOptions(openOptions(checkCommand, true))
    .option("--strict", "also refuse what libtdb leaves behind after a crash")
    .action((file: string, flags: CheckFlags) => runCheck(world, file, flags));

  const repack = tdb.command("repack <file>")
    .description("rewrite all records in one transaction, so that free space is in one piece");
  outputOptions(openOptions(repack, false))
    .action((file: string, flags: OpenFlags & OutputFlags) => runRepack(world, file, flags));
}

async function runCreate(world: CommandWorld, file: string, flags: MakeFlags): Promise<void> {
  const options = newOptions({ ...flags, hashSize: flags.hashSize ?? HASH_SIZE_DEFAULT });
  const target = targetOf(file, { force: flags.force, overEmpty: true });
  const database = await NewDatabase.begin(world, target, options);
  await database.finish();
}

const PROBLEM_COLUMNS: readonly Column[] = [
  { name: "kind", title: "KIND" },
  { name: "offset", title: "OFFSET" },
  { name: "text", title: "WHAT" },
];

const COUNT_COLUMNS: readonly Column[] = [
  { name: "live", title: "Records" },
  { name: "dead", title: "Dead records" },
  { name: "free", title: "Free records" },
  { name: "freeBytes", title: "Free bytes" },
  { name: "size", title: "Bytes in all" },
];

async function runCheck(world: CommandWorld, file: string, flags: CheckFlags): Promise<void> {
  const bar = progress(world.terminal, "checking");
  const report = await withDatabase(world, file, flags, "look", (tdb) =>
    check(tdb, {
      strict: flags.strict ?? false,
      progress: (done, total) => bar.at(done, total),
      breathe: nextTurn,
    })).finally(() => bar.end());
  try {
    writeReport(world, flags, report);
  } catch (error) {
    // `check | head` still ends with what was found.
    if (!(error instanceof ClosedPipe)) throw error;
  }
  if (report.problemCount > 0) {
    throw new Failure(
      EXIT.corrupt,
      `Cannot call ${file} good: ${report.problemCount} ` +
        `problem${report.problemCount === 1 ? "" : "s"} found`,
      "`ctdbx tdb rescue FILE --to NEW.tdb` saves the records; a backup may be newer than you think",
    );
  }
}

function writeReport(world: CommandWorld, flags: CheckFlags, report: CheckReport): void {
  const { out } = world.terminal;
  const look = lookOf(world, flags);
  const problems = report.problems.map(({ kind, offset, text }) => ({ kind, offset, text }));
  const { live, dead, free, freeBytes, size } = report;
  if (look.format === "json") {
    const { problemCount } = report;
    const counts = { live, dead, free, freeBytes, size };
    out.write(`${json({ ok: problemCount === 0, ...counts, problemCount, problems }, 2)}\n`);
    return;
  }
  if (look.format === "table" && problems.length === 0) {
    out.write("The database is good.\n");
    writeObject(out, look, COUNT_COLUMNS, { live, dead, free, freeBytes, size });
    return;
  }
  const writer = new RowWriter(out, look, PROBLEM_COLUMNS);
  for (const problem of problems) writer.row(problem);
  writer.end();
  const more = report.problemCount - problems.length;
  if (look.format === "table" && more > 0) out.write(`... and ${more} more\n`);
}

async function runRepack(
  world: CommandWorld,
  file: string,
  flags: OpenFlags & OutputFlags,
): Promise<void> {
  const row = await withDatabase(world, file, flags, "change", async (tdb) => {
    if (tdb.inTransaction) throw usage(`Cannot repack ${file}: a transaction is open`);
    const before = freelistSizes(tdb);
    await tdb.repack();
    const after = freelistSizes(tdb);
    return {
      path: file,
      freePiecesBefore: before.count,
      freePieces: after.count,
      largestFree: after.largest,
      bytes: tdb.size,
    };
  });
  writeObject(world.terminal.out, lookOf(world, flags), [
    { name: "path", title: "Repacked" },
    { name: "freePiecesBefore", title: "Free pieces before" },
    { name: "freePieces", title: "Free pieces now" },
    { name: "largestFree", title: "Largest free piece" },
    { name: "bytes", title: "Bytes in all" },
  ], row);
}
