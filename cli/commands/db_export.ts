/**
 * `ctdbx db export DATABASE FILE`: the records of a database in a file: a TDB file, the text of a dump, or JSON lines.
 * Of a persistent or replicated one they are of one state, the one that the node has; `db backup` takes the latest.
 *
 *   traverse ──▶ new file beside the target ──▶ checked, fsync ──▶ FILE
 *
 * Does NOT promise: one moment of a volatile one: each record that is there all the time is in it, with a value that it
 * had meanwhile.
 */

import type { Command } from "commander";
import { Option } from "commander";
import type { Database } from "../../actors/client/types.ts";
import { ONE_MS, withDatabaseOf } from "../connection.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { DumpWriter } from "../dump_text.ts";
import { json } from "../output.ts";
import { NewDatabase } from "../new_database.ts";
import { NewTextFile } from "../new_text_file.ts";
import { progress } from "../progress.ts";
import { withHeader } from "../record_header.ts";
import { SOURCE_FORMATS, type SourceFormat } from "../record_source.ts";
import { object, type RowOf } from "../result.ts";
import { int, text, word } from "../schema.ts";
import { type Target, targetOf } from "../target.ts";
import type { CommandWorld } from "../world.ts";
import { nextTurn, whole } from "../world.ts";
import { type WhichFlags, whichOptions, whichRecords, WHOLE_WAIT } from "./db_records.ts";
import { rsnOption } from "./tdb_copy.ts";
import { type MakeFlags, makeOptions, newOptions } from "./tdb_dump.ts";
import { recordRow } from "./tdb_records.ts";

interface ExportFlags extends WhichFlags, MakeFlags {
  readonly format?: SourceFormat;
  readonly addHeader?: boolean;
  readonly dmaster: number;
  readonly rsn: bigint;
}

/** Records between two turns of the event loop. */
const TURN_RECORDS = 1024;

const EXPORTED = object({
  database: text("Database", "its name"),
  path: text("Written", "the new file"),
  format: word("Form", "what it is", SOURCE_FORMATS),
  records: int("Records", "how many it has"),
  bytes: int("Bytes", "of the file", "bytes"),
});
type Exported = RowOf<typeof EXPORTED>;

/** Adds `export` to `ctdbx db`. */
export function addDbExportCommand(db: Command, world: CommandWorld): void {
  const formats = new Option(
    "--format <format>",
    "what is written (default: by the end of FILE's name, .jsonl or .dump; else tdb)",
  );
  const command = whichOptions(db.command("export <database> <file>"))
    .description("write the records into a new TDB file, a dump or JSON lines")
    .addOption(formats.choices(SOURCE_FORMATS));
  const sizes = "hash chains of a TDB file (default: chosen by the number of records)";
  declare<ExportFlags, Exported>(
    makeOptions(command, "old", sizes)
      .option("--add-header", "put CTDB's 24 bytes before each value")
      .option("--dmaster <pnn>", "node in added headers", whole(0, 4294967295), 0)
      .addOption(rsnOption(1n)),
    world,
    { result: EXPORTED, asks: "home", changes: true, timeout: WHOLE_WAIT },
    runExport,
  );
}

/** Takes the records of an export. */
interface Writer {
  put(key: Uint8Array, value: Uint8Array): void;
  /** To be called between records now and then. */
  settle(): Promise<void>;
  /** How many it has. */
  readonly count: number;
  /** Puts it in its place; its size in bytes. */
  finish(): Promise<number> | number;
  abandon(): void;
}

async function runExport(
  task: Task<ExportFlags, Exported>,
  database = "",
  file = "",
): Promise<void> {
  const { flags, out, world } = task;
  const { format = formatOf(file), addHeader, dmaster, rsn } = flags;
  const options = newOptions(flags);
  const target = targetOf(file, { force: flags.force });
  await withDatabaseOf(task, database, async (db) => {
    const writer = format === "tdb"
      ? await tdbWriter(world, target, options)
      : textWriter(world, target, format, flags);
    const shaped = (value: Uint8Array): Uint8Array =>
      addHeader ? withHeader(value, { rsn, dmaster, flags: 0 }) : value;
    try {
      await fill(writer, db, task, shaped);
    } catch (error) {
      writer.abandon();
      throw error;
    }
    const bytes = await writer.finish();
    out.object({ database, path: file, format, records: writer.count, bytes });
  }, { timeoutMs: ONE_MS });
}

/** What a name says that is to be in the file. */
function formatOf(file: string): SourceFormat {
  if (/\.(jsonl|ndjson)$/i.test(file)) return "jsonl";
  return /\.dump$/i.test(file) ? "dump" : "tdb";
}

async function fill(
  writer: Writer,
  db: Database,
  { flags, world }: Task<ExportFlags, Exported>,
  shaped: (value: Uint8Array) => Uint8Array,
): Promise<void> {
  const bar = progress(world.terminal, "exporting");
  let done = 0;
  try {
    for await (const { key, value } of db.traverse(whichRecords(flags))) {
      writer.put(key, shaped(value));
      bar.at(++done, 0);
      if (done % TURN_RECORDS !== 0) continue;
      await writer.settle();
      await nextTurn();
    }
  } finally {
    bar.end();
  }
}

async function tdbWriter(
  world: CommandWorld,
  target: Target,
  options: ReturnType<typeof newOptions>,
): Promise<Writer> {
  const made = await NewDatabase.begin(world, target, options);
  return {
    put: (key, value) => void made.put(key, value),
    settle: () => made.settle(),
    get count() {
      return made.count;
    },
    finish: () => made.finish(),
    abandon: () => made.abandon(),
  };
}

function textWriter(
  world: CommandWorld,
  target: Target,
  format: "dump" | "jsonl",
  flags: ExportFlags & CommonFlags,
): Writer {
  const made = new NewTextFile(world, target);
  const { sink } = made;
  const dumper = new DumpWriter(sink);
  const shape = { ...flags, output: "jsonl" } as const;
  let count = 0;
  return {
    put(key, value) {
      count += 1;
      if (format === "dump") dumper.pair(key, value);
      else sink.write(`${json(recordRow(key, value, shape))}\n`);
    },
    settle: () => Promise.resolve(),
    get count() {
      return count;
    },
    finish: () => made.finish(),
    abandon: () => made.abandon(),
  };
}
