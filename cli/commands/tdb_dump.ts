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
import { RowWriter, writeObject } from "../output.ts";
import { progress } from "../progress.ts";
import { requireStorable } from "../record_limits.ts";
import { targetOf } from "../target.ts";
import type { CommandWorld, EncodingFlags, OpenFlags, OutputFlags } from "../world.ts";
import {
  encodingOf,
  encodingOptions,
  lookOf,
  nextTurn,
  openOptions,
  outputOptions,
  whole,
} from "../world.ts";
import { keyBytes, noRecord, RECORD_COLUMNS, recordRow } from "./tdb_records.ts";

interface DumpFlags extends EncodingFlags, OpenFlags, OutputFlags {
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

interface RestoreFlags extends MakeFlags, OutputFlags {
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

/** Adds the commands to `ctdbx tdb`. */
export function addDumpCommands(tdb: Command, world: CommandWorld): void {
  const dump = tdb.command("dump <file>").description("print all records, as tdbdump does");
  encodingOptions(
    outputOptions(openOptions(dump, true), " of the result (default: tdbdump's text)"),
    "-k and output",
  )
    .option("-k, --key <key>", "only the value of this record, escaped and without a line end")
    .option("--nul", "append a NUL byte to the key of -k")
    .action((file: string, flags: DumpFlags) =>
      flags.key === undefined ? runDump(world, file, flags) : runDumpKey(world, file, flags)
    );

  const restore = tdb.command("restore <file>")
    .description("make a database from the text of dump or tdbdump on standard input");
  makeOptions(
    outputOptions(restore),
    "old",
    "hash chains (default: chosen by the number of records)",
  )
    .option("--allow-empty", "also make a database of an input without records")
    .action((file: string, flags: RestoreFlags) => runRestore(world, file, flags));
}

async function runDump(world: CommandWorld, file: string, flags: DumpFlags): Promise<void> {
  const { out } = world.terminal;
  const writer = new RowWriter(out, lookOf(world, flags), RECORD_COLUMNS);
  const dumper = new DumpWriter(out);
  await withDatabase(world, file, flags, "look", (tdb) =>
    tdb.traverse((record) => {
      if (flags.output === undefined) dumper.record(record);
      else writer.row(recordRow(record.key(), record.value(), flags));
    }));
  if (flags.output !== undefined) writer.end();
}

async function runDumpKey(world: CommandWorld, file: string, flags: DumpFlags): Promise<void> {
  const key = keyBytes(flags.key ?? "", encodingOf(flags), flags.nul);
  const value = await withDatabase(
    world,
    file,
    flags,
    "look",
    (tdb) => tdb.readOnly ? tdb.fetch(key) : tdb.withChain(key, () => tdb.fetch(key), "read"),
  );
  if (value === undefined) throw noRecord(file, key);
  if (flags.output === undefined) world.terminal.out.write(escapeBytes(value));
  else {
    const row = recordRow(key, value, flags);
    writeObject(world.terminal.out, lookOf(world, flags), RECORD_COLUMNS, row);
  }
}

async function runRestore(
  world: CommandWorld,
  file: string,
  flags: RestoreFlags,
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
  const row = { path: file, records: database.count, bytes };
  writeObject(terminal.out, lookOf(world, flags), [
    { name: "path", title: "Written" },
    { name: "records", title: "Records" },
    { name: "bytes", title: "Bytes" },
  ], row);
}
