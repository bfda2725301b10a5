/**
 * `ctdbx tdb get | put | del | keys`: single records, and the list of keys.
 *
 *   argument --encoding--> bytes --lock of its chain--> one operation --> bytes as they are, or shown
 *
 * Does NOT promise: that two commands see the same database; each one locks for itself.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { KEY_MAX, VALUE_MAX } from "../../transport/wire/limits.ts";
import type { Encoding } from "../bytes_text.ts";
import { escapeBytes, fromText, joined, shortKey, shown, toBase64, toHex } from "../bytes_text.ts";
import { withDatabase } from "../database.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, systemFailure, usage } from "../failure.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { object, type RowOf, rows } from "../result.ts";
import { flag, int, text, word } from "../schema.ts";
import type { CommandWorld, EncodingFlags, OpenFlags } from "../world.ts";
import { encodingOf, encodingOptions, LOCK_WAIT, openOptions, readInput, whole } from "../world.ts";

/** Bytes that are asked for at once. */
const PIECE_BYTES = 1024 * 1024;

interface KeyFlags extends EncodingFlags, OpenFlags {
  readonly nul?: boolean;
}

interface PutFlags extends KeyFlags {
  readonly mode: "replace" | "insert" | "modify";
  readonly file?: string;
}

interface KeysFlags extends EncodingFlags, OpenFlags {
  readonly prefix?: string;
  readonly limit?: number;
}

const ENCODING = word("ENCODING", "how the bytes are written", [
  "text",
  "hex",
  "base64",
  "escaped",
]);
const KEY = text("KEY", "its bytes, as `encoding` says");
const RECORD_FIELDS = {
  key: KEY,
  value: text("VALUE", "its bytes, as `encoding` says"),
  encoding: ENCODING,
};
/** One record. */
export const RECORD = object(RECORD_FIELDS);
/** Records. */
export const RECORDS = rows(RECORD_FIELDS);
/** One of them. */
export type RecordRow = RowOf<typeof RECORDS>;

const WRITTEN = object({
  path: text("File", "as it was named"),
  key: KEY,
  encoding: ENCODING,
  valueBytes: int("Value bytes", "of the value that is stored now", "bytes"),
});
const DELETED = object({
  path: text("File", "as it was named"),
  key: KEY,
  encoding: ENCODING,
  deleted: flag("Deleted", "it was there, and is gone"),
});
const KEYS = rows({
  key: KEY,
  encoding: ENCODING,
  valueBytes: int("VALUE BYTES", "of its value", "bytes"),
});

/** Adds the commands to `ctdbx tdb`. */
export function addRecordCommands(tdb: Command, world: CommandWorld): void {
  const timeout = LOCK_WAIT;
  const get = tdb.command("get <file> <key>").description("print the value of a record");
  declare<KeyFlags, RecordRow>(
    keyOptions(get, "key and output", true),
    world,
    { result: RECORD, raw: "the value's bytes as they are", timeout },
    runGet,
  );

  const put = tdb.command("put <file> <key> [value]")
    .description("store a record; a value of - is read from standard input");
  const mode = new Option("--mode <mode>", "insert: it must be new; modify: it must be there");
  declare<PutFlags, RowOf<typeof WRITTEN>>(
    keyOptions(put, "key and value", false)
      .addOption(mode.choices(["replace", "insert", "modify"]).default("replace"))
      .option("--file <path>", "take the value from this file, - for standard input"),
    world,
    { result: WRITTEN, timeout, changes: true },
    runPut,
  );

  const del = tdb.command("del <file> <key>").alias("delete").description("delete a record");
  declare<KeyFlags, RowOf<typeof DELETED>>(
    keyOptions(del, "key", false),
    world,
    { result: DELETED, timeout, changes: true },
    runDelete,
  );

  const keys = tdb.command("keys <file>").description("list the keys, escaped, one a line");
  declare<KeysFlags, RowOf<typeof KEYS>>(
    encodingOptions(openOptions(keys, true), "prefix and output")
      .option("--prefix <text>", "only keys that begin with this")
      .option("--limit <count>", "at most so many", whole(0, 4294967295)),
    world,
    { result: KEYS, raw: "the keys, one a line", timeout },
    runKeys,
  );
}

function keyOptions(command: Command, of: string, looksOnly: boolean): Command {
  return encodingOptions(openOptions(command, looksOnly), of)
    .option("--nul", "append a NUL byte to the key; many of Samba's keys have one");
}

/** The bytes of a key argument. */
export function keyBytes(text: string, encoding: Encoding, nul: boolean | undefined): Uint8Array {
  const key = fromText(text, encoding, "the key");
  const whole = nul ? Uint8Array.of(...key, 0) : key;
  if (whole.length > KEY_MAX) {
    throw usage(`Cannot use the key: ${whole.length} bytes, KEY_MAX is ${KEY_MAX}`);
  }
  return whole;
}

/** "There is no such record", with the usual cause in the hint. */
export function noRecord(file: string, key: Uint8Array): Failure {
  const nul = key[key.length - 1] === 0 ? "without" : "with";
  return new Failure(
    EXIT.notFound,
    `Cannot find "${shortKey(key)}" in ${file}: there is no such record`,
    `\`ctdbx tdb keys ${file}\` lists the keys; is it one ${nul} a NUL at its end?`,
  );
}

/** A record as a row: in JSON one of three encodings, in tables and CSV escaped as tdbdump does it. */
export function recordRow(
  key: Uint8Array,
  value: Uint8Array,
  flags: EncodingFlags & CommonFlags,
): RecordRow {
  const wanted = flags.hex ? "hex" : flags.base64 ? "base64" : undefined;
  const forPeople = flags.output !== "json" && flags.output !== "jsonl";
  if (flags.escaped || (forPeople && wanted === undefined)) {
    return { key: escapeBytes(key), value: escapeBytes(value), encoding: "escaped" };
  }
  const { strings, encoding } = shown([key, value], wanted);
  const [shownKey = "", shownValue = ""] = strings;
  return { key: shownKey, value: shownValue, encoding };
}

async function runGet(
  { world, flags, out }: Task<KeyFlags, RecordRow>,
  file = "",
  text = "",
): Promise<void> {
  const key = keyBytes(text, encodingOf(flags), flags.nul);
  const value = await withDatabase(
    world,
    file,
    flags,
    "look",
    (tdb) => tdb.readOnly ? tdb.fetch(key) : tdb.withChain(key, () => tdb.fetch(key), "read"),
  );
  if (value === undefined) throw noRecord(file, key);
  if (out.format !== "raw") return out.object(recordRow(key, value, flags));
  if (flags.hex || flags.base64 || flags.escaped) {
    const show = flags.hex ? toHex : flags.base64 ? toBase64 : escapeBytes;
    return out.raw(`${show(value)}\n`);
  }
  // Exactly the bytes, so that `get > file` and `put --file file` are inverse; a person gets a new line.
  out.raw(value);
  if (world.terminal.outIsTerminal) out.raw("\n");
}

async function runPut(
  { world, flags, out }: Task<PutFlags, RowOf<typeof WRITTEN>>,
  file = "",
  text = "",
  valueText?: string,
): Promise<void> {
  const key = keyBytes(text, encodingOf(flags), flags.nul);
  const value = await valueOf(world, valueText, flags);
  try {
    await withDatabase(
      world,
      file,
      flags,
      "change",
      (tdb) => tdb.withChain(key, () => tdb.store(key, value, flags.mode)),
    );
  } catch (error) {
    if (!(error instanceof CtdbxError)) throw error;
    if (error.code === "exists") {
      throw new Failure(
        EXIT.conflict,
        `Cannot insert "${shortKey(key)}" into ${file}: the record exists`,
        "--mode replace overwrites it",
      );
    }
    if (error.code === "not_found" && flags.mode === "modify") throw noRecord(file, key);
    throw error;
  }
  if (!out.isTable) out.object({ path: file, ...keyShown(key), valueBytes: value.length });
}

/** A key in the form in which data has it. */
function keyShown(key: Uint8Array): Pick<RecordRow, "key" | "encoding"> {
  const { strings: [text = ""], encoding } = shown([key], undefined);
  return { key: text, encoding };
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
  if (flags.file === undefined) return fromText(source, encodingOf(flags), "the value");
  return readValue(source);
}

/** The bytes of a file, or of what else can be read to an end that comes soon enough. */
export function readValue(path: string): Uint8Array {
  const cannot = `Cannot read ${path}`;
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    if (statSync(path).isDirectory()) throw usage(`${cannot}: it is a directory`, "name a file");
    const file = openSync(path, "r");
    try {
      // Sizes of devices, pipes and growing files say nothing: what counts is what arrives.
      while (size <= VALUE_MAX) {
        const piece = new Uint8Array(Math.min(PIECE_BYTES, VALUE_MAX + 1 - size));
        const got = readSync(file, piece, 0, piece.length, null);
        if (got === 0) break;
        pieces.push(piece.subarray(0, got));
        size += got;
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, cannot);
  }
  if (size > VALUE_MAX) {
    throw usage(`Cannot store ${path}: more than VALUE_MAX, ${VALUE_MAX} bytes`);
  }
  return joined(pieces);
}

async function runDelete(
  { world, flags, out }: Task<KeyFlags, RowOf<typeof DELETED>>,
  file = "",
  text = "",
): Promise<void> {
  const key = keyBytes(text, encodingOf(flags), flags.nul);
  const was = await withDatabase(
    world,
    file,
    flags,
    "change",
    (tdb) => tdb.withChain(key, () => tdb.delete(key)),
  );
  if (!was) throw noRecord(file, key);
  if (!out.isTable) out.object({ path: file, ...keyShown(key), deleted: true });
}

async function runKeys(
  { world, flags, out }: Task<KeysFlags, RowOf<typeof KEYS>>,
  file = "",
): Promise<void> {
  const prefix = flags.prefix === undefined
    ? new Uint8Array(0)
    : fromText(flags.prefix, encodingOf(flags), "the prefix");
  const limit = flags.limit ?? Infinity;
  const wanted = flags.hex ? "hex" : flags.base64 ? "base64" : undefined;
  const isRaw = out.format === "raw";
  const escaped = flags.escaped || isRaw || out.isTable || out.format === "csv";
  let count = 0;
  await withDatabase(world, file, flags, "look", (tdb) =>
    tdb.traverse((record) => {
      if (count >= limit) return false;
      const start = record.keyOffset;
      const part = record.bytes.subarray(start, start + Math.min(record.keyLength, prefix.length));
      if (!prefix.every((byte, index) => part[index] === byte)) return true;
      const key = record.key();
      const { strings, encoding } = escaped && wanted === undefined
        ? { strings: [escapeBytes(key)], encoding: "escaped" as const }
        : shown([key], wanted);
      count += 1;
      const [shownKey = ""] = strings;
      if (isRaw) out.raw(`${shownKey}\n`);
      else out.row({ key: shownKey, encoding, valueBytes: record.valueLength });
      return count < limit;
    }));
}
