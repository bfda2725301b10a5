/**
 * `ctdbx rec get | put | del | cas`: single records of a database, wherever in the cluster they are.
 *
 *   argument --encoding--> bytes --library--> one operation, where the record is --> bytes as they are, or shown
 *
 * An empty value is no value: who stores one deletes the record. `cas` writes '' for "no record" on both sides.
 *
 * Does NOT promise: that two commands see the same value; others may write in between.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { VALUE_MAX } from "../../transport/wire/limits.ts";
import {
  type Encoding,
  escapeBytes,
  fromText,
  shortKey,
  shown,
  toBase64,
  toHex,
} from "../bytes_text.ts";
import { type ConnectFlags, connectOptions, OP_WAIT, withDatabaseOf } from "../connection.ts";
import { declare, type Spec, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { object, type RowOf } from "../result.ts";
import { flag, int, text, word } from "../schema.ts";
import type { CommandWorld, EncodingFlags } from "../world.ts";
import { encodingOf, encodingOptions, readInput } from "../world.ts";
import { keyBytes, readValue, RECORD, type RecordRow, recordRow } from "./tdb_records.ts";

/** Options of all commands on one record. */
export interface RecordFlags extends ConnectFlags, EncodingFlags {
  readonly nul?: boolean;
}

interface PutFlags extends RecordFlags {
  readonly mode: "replace" | "insert" | "modify";
  readonly file?: string;
  readonly create?: boolean;
}

const NO_ARGS = new Uint8Array(0);

/** Fields that name a record. */
export const NAMED_FIELDS = {
  database: text("Database", "its name"),
  key: text("Key", "its bytes, as `encoding` says"),
  encoding: word("Encoding", "how the bytes are written", ["text", "hex", "base64", "escaped"]),
};
const WRITTEN = object({
  ...NAMED_FIELDS,
  valueBytes: int("Value bytes", "of the value that is stored now", "bytes"),
});
const DELETED = object({ ...NAMED_FIELDS, deleted: flag("Deleted", "it was there, and is gone") });
const SWAPPED = object({
  ...NAMED_FIELDS,
  swapped: flag("Swapped", "the value was as expected, and is the new one now"),
});

/** What all commands on one record are declared with. */
export const ONE_RECORD = { asks: "home", timeout: OP_WAIT } as const;

/** Adds `ctdbx rec`, and returns it. */
export function addRecCommands(program: Command, world: CommandWorld): Command {
  const rec = program.command("rec").description("records of databases");
  const get = rec.command("get <database> <key>").description("print the value of a record");
  declare<RecordFlags, RecordRow>(
    recordOptions(get, "key and output"),
    world,
    { result: RECORD, raw: "the value's bytes as they are", ...ONE_RECORD },
    runGet,
  );
  addPut(rec, world);
  const del = rec.command("del <database> <key>").alias("delete").description("delete a record");
  declare<RecordFlags, RowOf<typeof DELETED>>(
    recordOptions(del, "key"),
    world,
    { result: DELETED, ...ONE_RECORD, changes: true },
    runDelete,
  );
  const cas = rec.command("cas <database> <key> <old> <new>")
    .description("store NEW if the value is OLD; '' is no record; exit code 4 when it is not OLD");
  declare<RecordFlags, RowOf<typeof SWAPPED>>(
    recordOptions(cas, "key and values"),
    world,
    { result: SWAPPED, ...ONE_RECORD, changes: true },
    runSwap,
  );
  return rec;
}

function addPut(rec: Command, world: CommandWorld): void {
  const put = rec.command("put <database> <key> [value]")
    .description("store a record; a value of - is read from standard input");
  const mode = new Option("--mode <mode>", "insert: it must be new; modify: it must be there");
  const spec: Spec<PutFlags, RowOf<typeof WRITTEN>> = {
    result: WRITTEN,
    ...ONE_RECORD,
    changes: true,
  };
  declare<PutFlags, RowOf<typeof WRITTEN>>(
    recordOptions(put, "key and value")
      .addOption(mode.choices(["replace", "insert", "modify"]).default("replace"))
      .option("--file <path>", "take the value from this file, - for standard input")
      .option("--create", "make the database when there is none"),
    world,
    spec,
    runPut,
  );
}

/** Adds the options of a command on one record. */
export function recordOptions(command: Command, of: string): Command {
  return encodingOptions(connectOptions(command), of)
    .option("--nul", "append a NUL byte to the key; many of Samba's keys have one");
}

/** The bytes of a key argument; none is empty. Throws Failure (usage). */
export function recordKey(text: string, flags: RecordFlags): Uint8Array {
  const key = keyBytes(text, encodingOf(flags), flags.nul);
  if (key.length > 0) return key;
  throw usage("Cannot use the key: it is empty", "a key of a record has 1 to 65535 bytes");
}

/** A value argument. Throws Failure (usage). */
export function recordValue(text: string, encoding: Encoding, what: string): Uint8Array {
  const value = fromText(text, encoding, what);
  if (value.length <= VALUE_MAX) return value;
  throw usage(`Cannot use ${what}: ${value.length} bytes, VALUE_MAX is ${VALUE_MAX}`);
}

/** What names a record in a result. */
export function namedRecord(
  database: string,
  key: Uint8Array,
  flags: EncodingFlags = {},
): { database: string } & Pick<RecordRow, "key" | "encoding"> {
  if (flags.escaped) return { database, key: escapeBytes(key), encoding: "escaped" };
  const wanted = flags.hex ? "hex" : flags.base64 ? "base64" : undefined;
  const { strings: [text = ""], encoding } = shown([key], wanted);
  return { database, key: text, encoding };
}

/** "There is no such record", with the usual cause in the hint. */
export function noSuchRecord(database: string, key: Uint8Array): Failure {
  const nul = key[key.length - 1] === 0 ? "without" : "with";
  return new Failure(
    EXIT.notFound,
    `Cannot find "${shortKey(key)}" in ${database}: there is no such record`,
    `\`ctdbx db traverse ${database} --keys-only\` lists the keys; is it one ${nul} a NUL at its end?`,
  );
}

/** Writes a value as it is without -o: its bytes, or in the encoding that was asked for. */
export function rawValue(
  { world, flags, out }: Pick<Task<EncodingFlags>, "world" | "flags" | "out">,
  value: Uint8Array,
): void {
  if (flags.hex || flags.base64 || flags.escaped) {
    const show = flags.hex ? toHex : flags.base64 ? toBase64 : escapeBytes;
    return out.raw(`${show(value)}\n`);
  }
  // Exactly the bytes, so that `get > file` and `put --file file` are inverse; a person gets a new line.
  out.raw(value);
  if (world.terminal.outIsTerminal) out.raw("\n");
}

async function runGet(
  task: Task<RecordFlags, RecordRow>,
  database = "",
  text = "",
): Promise<void> {
  const { flags, out } = task;
  const key = recordKey(text, flags);
  const value = await withDatabaseOf(task, database, (db) => db.read(key));
  if (value === undefined) throw noSuchRecord(database, key);
  if (out.format === "raw") rawValue(task as Task<RecordFlags>, value);
  else out.object(recordRow(key, value, flags));
}

async function runPut(
  task: Task<PutFlags, RowOf<typeof WRITTEN>>,
  database = "",
  text = "",
  valueText?: string,
): Promise<void> {
  const { world, flags, out } = task;
  const { mode, create } = flags;
  const key = recordKey(text, flags);
  const value = await valueOf(world, valueText, flags);
  if (value.length === 0) {
    throw usage(
      "Cannot store an empty value: it would delete the record",
      `\`ctdbx rec del\` deletes it`,
    );
  }
  const stored = await withDatabaseOf(task, database, async (db) => {
    if (mode !== "replace") {
      return await db.setIf(key, mode === "insert" ? "empty" : "present", value);
    }
    await db.put(key, value);
    return true;
  }, { create });
  if (!stored && mode === "modify") throw noSuchRecord(database, key);
  if (!stored) {
    throw new Failure(
      EXIT.conflict,
      `Cannot insert "${shortKey(key)}" into ${database}: the record exists`,
      "--mode replace overwrites it",
    );
  }
  if (!out.isTable) out.object({ ...namedRecord(database, key, flags), valueBytes: value.length });
}

async function valueOf(
  world: CommandWorld,
  text: string | undefined,
  flags: PutFlags,
): Promise<Uint8Array> {
  if (text !== undefined && flags.file !== undefined) {
    throw usage("Cannot take the value from two places: an argument and --file were given");
  }
  const source = flags.file ?? text;
  if (source === undefined) {
    throw usage(
      "Cannot store nothing: the value is missing",
      "give it as argument, or with --file",
    );
  }
  // A file or a pipe holds the bytes themselves, whatever the encoding of the arguments.
  if (source === "-") return await readInput(world, VALUE_MAX, "the value");
  if (flags.file === undefined) return recordValue(source, encodingOf(flags), "the value");
  return readValue(source);
}

async function runDelete(
  task: Task<RecordFlags, RowOf<typeof DELETED>>,
  database = "",
  text = "",
): Promise<void> {
  const { flags, out } = task;
  const key = recordKey(text, flags);
  // The procedure answers the value that was there: whether there was one is known for certain.
  const before = await withDatabaseOf(task, database, (db) => db.call(key, "delete", NO_ARGS));
  if (before.length === 0) throw noSuchRecord(database, key);
  if (!out.isTable) out.object({ ...namedRecord(database, key, flags), deleted: true });
}

async function runSwap(
  task: Task<RecordFlags, RowOf<typeof SWAPPED>>,
  database = "",
  text = "",
  oldText = "",
  nextText = "",
): Promise<void> {
  const { flags, out } = task;
  const key = recordKey(text, flags);
  const encoding = encodingOf(flags);
  const asValue = (value: string, what: string): Uint8Array | undefined =>
    value === "" ? undefined : recordValue(value, encoding, what);
  const old = asValue(oldText, "the old value");
  const next = asValue(nextText, "the new value");
  const swapped = await withDatabaseOf(
    task,
    database,
    (db) => db.compareAndSwap(key, old, next),
  );
  const named = namedRecord(database, key, flags);
  if (!out.isTable || !swapped) out.object({ ...named, swapped });
  if (swapped) return;
  throw new Failure(
    EXIT.conflict,
    `Cannot swap "${shortKey(key)}" in ${database}: its value is not the old one that was named`,
    `nothing was changed; \`ctdbx rec get ${database} KEY\` shows the value`,
  );
}
