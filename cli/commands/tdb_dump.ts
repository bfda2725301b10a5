/**
 * `ctdbx tdb dump | restore`: a database as text, and text as a database.
 *
 *   dump     chain by chain, each from its head, as tdbdump does: the same bytes for the same file
 *   restore  dump text -> new file beside the target -> check -> fsync -> rename
 *
 * Does NOT promise: a snapshot: while others write, dump shows each record at some moment of its run. `backup`
 * makes a copy of one moment.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { escapeBytes, shortKey } from "../bytes_text.ts";
import { withDatabase } from "../database.ts";
import { DumpReader, DumpWriter } from "../dump_text.ts";
import { usage } from "../failure.ts";
import type { NewOptions } from "../new_database.ts";
import { NewDatabase } from "../new_database.ts";
import { declare, type Task } from "../declare.ts";
import { progress } from "../progress.ts";
import { object, type RowOf } from "../result.ts";
import { int, text } from "../schema.ts";
import { requireStorable } from "../record_limits.ts";
import { targetOf } from "../target.ts";
import type { CommandWorld, EncodingFlags, OpenFlags } from "../world.ts";
import { encodingOf, encodingOptions, LOCK_WAIT, nextTurn, openOptions, whole } from "../world.ts";
import type { RecordRow } from "./tdb_records.ts";
import { keyBytes, noRecord, RECORD, recordRow, RECORDS } from "./tdb_records.ts";

interface DumpFlags extends EncodingFlags, OpenFlags {
  readonly key?: string;
  readonly nul?: boolean;
}

/** Options of every command that makes a database. */
export interface MakeFlags {
  readonly hashSize?: number;
  readonly hash: "jenkins" | "old";
  readonly mutex?: boolean;
  readonly force?: boolean;
}

interface RestoreFlags extends MakeFlags {
  readonly allowEmpty?: boolean;
}

/** Adds --hash-size, --hash, --mutex and --force. `hash` is the default. */
export function makeOptions(command: Command, hash: "jenkins" | "old", sizeText: string): Command {
  return command
    .option("--hash-size <chains>", sizeText, whole(1, HASH_SIZE_MAX))
    .addOption(
      new Option("--hash <name>", "hash of the keys").choices(["jenkins", "old"]).default(hash),
    )
    .option("--mutex", "with robust mutexes in the file instead of byte-range locks")
    .option("--force", "replace the file if it exists and nobody holds a lock on it");
}

/** The same as options of a new file. */
export function newOptions(flags: MakeFlags): NewOptions {
  if (flags.mutex && flags.hash === "old") {
    throw usage("Cannot make a file with mutexes and the old hash: libtdb refuses those");
  }
  return { hashSize: flags.hashSize, hash: flags.hash, mutex: flags.mutex ?? false };
}

const RESTORED = object({
  path: text("Written", "the new file"),
  records: int("Records", "how many were read"),
  bytes: int("Bytes", "of the new file", "bytes"),
});

/** Adds the commands to `ctdbx tdb`. */
export function addDumpCommands(tdb: Command, world: CommandWorld): void {
  const dump = tdb.command("dump <file>").description("print all records, as tdbdump does");
  declare<DumpFlags, RecordRow>(
    encodingOptions(openOptions(dump, true), "-k and output")
      .option("-k, --key <key>", "only the value of this record, escaped and without a line end")
      .option("--nul", "append a NUL byte to the key of -k"),
    world,
    {
      result: ({ key }) => key === undefined ? RECORDS : RECORD,
      raw: "tdbdump's text",
      timeout: LOCK_WAIT,
    },
    (task, file = "") =>
      task.flags.key === undefined ? runDump(task, file) : runDumpKey(task, file),
  );

  const restore = tdb.command("restore <file>")
    .description("make a database from the text of dump or tdbdump on standard input");
  declare<RestoreFlags, RowOf<typeof RESTORED>>(
    makeOptions(restore, "old", "hash chains (default: chosen by the number of records)")
      .option("--allow-empty", "also make a database of an input without records"),
    world,
    { result: RESTORED, changes: true },
    runRestore,
  );
}

async function runDump(
  { world, flags, out }: Task<DumpFlags, RecordRow>,
  file: string,
): Promise<void> {
  const dumper = new DumpWriter(world.terminal.out);
  const isRaw = out.format === "raw";
  await withDatabase(world, file, flags, "look", (tdb) =>
    tdb.traverse((record) => {
      if (isRaw) dumper.record(record);
      else out.row(recordRow(record.key(), record.value(), flags));
    }));
}

async function runDumpKey(
  { world, flags, out }: Task<DumpFlags, RecordRow>,
  file: string,
): Promise<void> {
  const key = keyBytes(flags.key ?? "", encodingOf(flags), flags.nul);
  const value = await withDatabase(
    world,
    file,
    flags,
    "look",
    (tdb) => tdb.readOnly ? tdb.fetch(key) : tdb.withChain(key, () => tdb.fetch(key), "read"),
  );
  if (value === undefined) throw noRecord(file, key);
  if (out.format === "raw") out.raw(escapeBytes(value));
  else out.object(recordRow(key, value, flags));
}

async function runRestore(
  { world, flags, out }: Task<RestoreFlags, RowOf<typeof RESTORED>>,
  file = "",
): Promise<void> {
  const { terminal } = world;
  const target = targetOf(file, { force: flags.force });
  const options = newOptions(flags);
  if (terminal.inIsTerminal) {
    throw usage(
      "Cannot restore from the keyboard: standard input is a terminal",
      `ctdbx tdb restore ${file} < DUMP`,
    );
  }
  const database = await NewDatabase.begin(world, target, options);
  const bar = progress(terminal, "restoring");
  try {
    const reader = new DumpReader(({ key, value }) => {
      requireStorable(`Cannot restore line ${reader.line}`, key, value);
      if (database.put(key, value, false)) return;
      throw usage(
        `Cannot read the dump: line ${reader.line}, column 1: the record "${shortKey(key)}" ` +
          "comes twice",
      );
    });
    for await (const piece of terminal.input()) {
      reader.push(piece);
      bar.at(database.count, 0);
      await database.settle();
      await nextTurn();
    }
    reader.end();
    // A pipe whose writer failed looks like this; it must not empty the file that it was to restore.
    if (database.count === 0 && !flags.allowEmpty) {
      throw usage(
        `Cannot restore ${file}: the input is empty`,
        "--allow-empty makes a database without records of it",
      );
    }
  } catch (error) {
    database.abandon();
    throw error;
  } finally {
    bar.end();
  }
  const bytes = await database.finish();
  out.object({ path: file, records: database.count, bytes });
}
