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
import { declare, type Task } from "../declare.ts";
import { progress } from "../progress.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, list, record, text, word } from "../schema.ts";
import { targetOf } from "../target.ts";
import { ClosedPipe } from "../terminal.ts";
import type { CommandWorld, OpenFlags } from "../world.ts";
import { LOCK_WAIT, nextTurn, openOptions } from "../world.ts";
import type { MakeFlags } from "./tdb_dump.ts";
import { makeOptions, newOptions } from "./tdb_dump.ts";

interface CheckFlags extends OpenFlags {
  readonly strict?: boolean;
}

const CREATED = object({
  path: text("Made", "the new file"),
  hashSize: int("Hash chains", "how many it has"),
  hash: word("Hash", "of the keys", ["jenkins", "old"]),
  mutex: flag("Mutexes", "has it robust mutexes instead of byte-range locks?"),
});

const CHECKED = object({
  path: text("File", "as it was named"),
  good: flag("Good", "is there no problem?"),
  live: int("Records", "live ones"),
  dead: int("Dead records", "deleted ones that still hold their place"),
  free: int("Free records", "pieces of free space"),
  freeBytes: int("Free bytes", "in them", "bytes"),
  size: int("Bytes in all", "of the file", "bytes"),
  problemCount: int("Problems", "how many there are, also those that are not listed"),
  problems: list(
    "Problems",
    "the first of them",
    record("Problem", "one of them", {
      kind: text("KIND", "what kind of damage"),
      offset: int("OFFSET", "where, from the start of the file", "bytes"),
      text: text("WHAT", "what is wrong, a sentence"),
    }),
  ),
}, { rowsOf: "problems" });

const REPACKED = object({
  path: text("Repacked", "the file"),
  freePiecesBefore: int("Free pieces before", "pieces of free space"),
  freePieces: int("Free pieces now", "pieces of free space"),
  largestFree: int("Largest free piece", "after it", "bytes"),
  bytes: int("Bytes in all", "of the file", "bytes"),
});

/** Adds the commands to `ctdbx tdb`. */
export function addCheckCommands(tdb: Command, world: CommandWorld): void {
  const create = tdb.command("create <file>").description("make an empty database");
  declare<MakeFlags, RowOf<typeof CREATED>>(
    makeOptions(create, "jenkins", `hash chains (default: ${HASH_SIZE_DEFAULT})`),
    world,
    { result: CREATED, changes: true },
    runCreate,
  );

  const checkCommand = tdb.command("check <file>")
    .description("look for damage, also in a database in use; exit code 12 when there is any");
  declare<CheckFlags, RowOf<typeof CHECKED>>(
    openOptions(checkCommand, true)
      .option("--strict", "also refuse what libtdb leaves behind after a crash"),
    world,
    { result: CHECKED, timeout: LOCK_WAIT },
    runCheck,
  );

  const repack = tdb.command("repack <file>")
    .description("rewrite all records in one transaction, so that free space is in one piece");
  declare<OpenFlags, RowOf<typeof REPACKED>>(
    openOptions(repack, false),
    world,
    { result: REPACKED, timeout: LOCK_WAIT, changes: true },
    runRepack,
  );
}

async function runCreate(
  { world, flags, out }: Task<MakeFlags, RowOf<typeof CREATED>>,
  file = "",
): Promise<void> {
  const hashSize = flags.hashSize ?? HASH_SIZE_DEFAULT;
  const options = newOptions({ ...flags, hashSize });
  const target = targetOf(file, { force: flags.force, overEmpty: true });
  const database = await NewDatabase.begin(world, target, options);
  await database.finish();
  const { hash, mutex } = options;
  if (!out.isTable) out.object({ path: file, hashSize, hash, mutex });
}

async function runCheck(
  { world, flags, out }: Task<CheckFlags, RowOf<typeof CHECKED>>,
  file = "",
): Promise<void> {
  const bar = progress(world.terminal, "checking");
  const report = await withDatabase(world, file, flags, "look", (tdb) =>
    check(tdb, {
      strict: flags.strict ?? false,
      progress: (done, total) => bar.at(done, total),
      breathe: nextTurn,
    })).finally(() => bar.end());
  try {
    writeReport(out, file, report);
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

function writeReport(
  out: Task<CheckFlags, RowOf<typeof CHECKED>>["out"],
  path: string,
  report: CheckReport,
): void {
  const { live, dead, free, freeBytes, size, problemCount } = report;
  const problems = report.problems.map(({ kind, offset, text }) => ({ kind, offset, text }));
  if (out.isTable && problems.length === 0) {
    out.say("The database is good.\n");
    const { table } = CHECKED;
    for (const { name, title = name } of table.slice(2, 7)) {
      const value = { live, dead, free, freeBytes, size }[name];
      out.say(`${title.padEnd(12)}  ${value}\n`);
    }
    return;
  }
  const counts = { live, dead, free, freeBytes, size, problemCount };
  out.object({ path, good: problemCount === 0, ...counts, problems });
  const more = problemCount - problems.length;
  if (more > 0) out.say(`... and ${more} more\n`);
}

async function runRepack(
  { world, flags, out }: Task<OpenFlags, RowOf<typeof REPACKED>>,
  file = "",
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
  out.object(row);
}
