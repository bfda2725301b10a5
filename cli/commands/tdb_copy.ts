/**
 * `ctdbx tdb backup | convert`: a new file with the records of one moment of an old one.
 *
 *   old: read lock on everything  --each record-->  new file: check, fsync, rename
 *
 * Writers of the old file wait while the copy is made: about half a microsecond a record.
 *
 * Does NOT promise: an equal layout. The copy has the same records in the least space.
 */

import type { Command } from "commander";
import { Option } from "commander";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { HASH_SIZE_MAX } from "../../transport/wire/limits.ts";
import { shortKey } from "../bytes_text.ts";
import { withDatabase } from "../database.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import type { NewOptions } from "../new_database.ts";
import { NewDatabase } from "../new_database.ts";
import { declare, type Task } from "../declare.ts";
import { progress } from "../progress.ts";
import { readHeader, RECORD_HEADER_BYTES, withHeader } from "../record_header.ts";
import { requireStorable } from "../record_limits.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, text } from "../schema.ts";
import { refuseSame, targetOf } from "../target.ts";
import type { CommandWorld, OpenFlags } from "../world.ts";
import { LOCK_WAIT, nextTurn, openOptions, whole, wide } from "../world.ts";

interface BackupFlags extends OpenFlags {
  readonly hashSize?: number;
  readonly verify?: boolean;
  readonly force?: boolean;
}

interface ConvertFlags extends OpenFlags {
  readonly addHeader?: boolean;
  readonly stripHeader?: boolean;
  readonly dmaster: number;
  readonly rsn: bigint;
  readonly force?: boolean;
}

const COPIED = object({
  path: text("Written", "the new file"),
  records: int("Records", "how many it has"),
  bytes: int("Bytes", "of the new file", "bytes"),
  hashSize: int("Hash chains", "how many it has"),
  emptyDropped: maybe(int("Empty records dropped", "that were only a header")),
  shortSkipped: maybe(int("Too short, left out", "shorter than a header")),
});
type Copied = RowOf<typeof COPIED>;

/** Adds the commands to `ctdbx tdb`. */
export function addCopyCommands(tdb: Command, world: CommandWorld): void {
  const spec = { result: COPIED, timeout: LOCK_WAIT, changes: true };
  const backup = tdb.command("backup <file> [to]")
    .description("copy a database, also one in use, to a checked file (default: FILE.bak)");
  declare<BackupFlags, Copied>(
    openOptions(backup, true)
      .option("--hash-size <chains>", "hash chains of the copy", whole(1, HASH_SIZE_MAX))
      .option("--verify", "also compare every record of the copy, still under the lock")
      .option("--force", "replace the target if it exists and nobody holds a lock on it"),
    world,
    spec,
    (task, file = "", to = `${file}.bak`) => runBackup(task, file, to),
  );

  const convert = tdb.command("convert <file> <to>")
    .description("write a new file with the 24-byte record headers of a cluster added or removed");
  declare<ConvertFlags, Copied>(
    openOptions(convert, true)
      .addOption(
        new Option("--add-header", "put a header before every value").conflicts("stripHeader"),
      )
      .option("--strip-header", "remove the headers, and the records that are only a header")
      .option("--dmaster <pnn>", "node in added headers", whole(0, 4294967295), 0)
      .addOption(rsnOption(0n))
      .option("--force", "replace the target if it exists and nobody holds a lock on it"),
    world,
    spec,
    runConvert,
  );
}

/** `--rsn`. Help cannot write a bigint by itself, so its default is said in words. */
export function rsnOption(rsn: bigint): Option {
  return new Option("--rsn <number>", "record sequence number in added headers")
    .argParser(wide)
    .default(rsn, `${rsn}`);
}

/** A new file like an old one. */
export function optionsLike(
  tdb: Tdb,
  hashSize?: number,
): NewOptions & { readonly hashSize: number } {
  const { header } = tdb;
  return {
    hashSize: hashSize ?? header.hashSize,
    hash: header.hash,
    mutex: header.mutexSize > 0,
    byteOrder: header.byteOrder,
    like: tdb.path,
  };
}

/** Runs `use` with all chains locked for reading, so that the whole database is of one moment. */
export async function atOneMoment<T>(tdb: Tdb, use: () => Promise<T>): Promise<T> {
  if (tdb.readOnly || tdb.locking === "none") return await use();
  await tdb.lockAll("read");
  try {
    return await use();
  } finally {
    tdb.unlockAll();
  }
}

/** Records between two turns of the event loop. */
const TURN_RECORDS = 8192;

/**
 * Puts every record of `tdb` into a new database. `change` may give another value, or undefined to leave the
 * record out. `compare` reads everything again. The lock on everything must be held.
 */
async function fill(
  database: NewDatabase,
  tdb: Tdb,
  bar: { at(done: number, total: number): void },
  change: (key: Uint8Array, value: Uint8Array) => Uint8Array | undefined,
  compare: boolean,
): Promise<void> {
  let done = 0;
  await tdb.traverse((record) => {
    const key = record.key();
    const value = change(key, record.value());
    done += 1;
    bar.at(done, 0);
    if (value !== undefined) {
      requireStorable(`Cannot copy ${tdb.path}`, key, value);
      if (!database.put(key, value, false)) throw comesTwice(tdb.path, key);
    }
    // Signals are heard only when the event loop turns.
    return done % TURN_RECORDS === 0 ? nextTurn() : undefined;
  });
  if (!compare) return;
  await tdb.traverse((record) => {
    if (database.holds(record.key(), record.value())) return;
    throw new Failure(
      EXIT.other,
      `Cannot verify the copy: the record "${shortKey(record.key())}" differs`,
      "the file system or the memory of this machine is at fault; nothing was written",
    );
  });
}

function comesTwice(path: string, key: Uint8Array): Failure {
  return new Failure(
    EXIT.corrupt,
    `Cannot copy ${path}: two records have the key "${shortKey(key)}"`,
    "`ctdbx tdb check` shows where; `ctdbx tdb rescue --to NEW` keeps one of each",
  );
}

async function runBackup(
  { world, flags, out }: Task<BackupFlags, Copied>,
  file: string,
  to: string,
): Promise<void> {
  await withDatabase(world, file, flags, "look", async (tdb) => {
    refuseSame(file, to);
    const target = targetOf(to, flags);
    const options = optionsLike(tdb, flags.hashSize);
    const database = await NewDatabase.begin(world, target, options);
    const bar = progress(world.terminal, "copying");
    try {
      const verify = flags.verify ?? false;
      await atOneMoment(tdb, () => fill(database, tdb, bar, (_, value) => value, verify));
    } catch (error) {
      database.abandon();
      throw error;
    } finally {
      bar.end();
    }
    const bytes = await database.finish();
    out.object({ path: to, records: database.count, bytes, hashSize: options.hashSize });
  });
}

async function runConvert(
  { world, flags, out }: Task<ConvertFlags, Copied>,
  file = "",
  to = "",
): Promise<void> {
  if (!flags.addHeader && !flags.stripHeader) {
    throw usage("Cannot convert: say which way", "--add-header or --strip-header");
  }
  let emptyDropped = 0;
  let shortSkipped = 0;
  const { rsn, dmaster } = flags;
  const strip = (value: Uint8Array): Uint8Array | undefined => {
    if (readHeader(value) === undefined) shortSkipped += 1;
    else if (value.length === RECORD_HEADER_BYTES) emptyDropped += 1;
    else return value.subarray(RECORD_HEADER_BYTES);
    return undefined;
  };
  const change = (_: Uint8Array, value: Uint8Array): Uint8Array | undefined =>
    flags.addHeader ? withHeader(value, { rsn, dmaster, flags: 0 }) : strip(value);

  await withDatabase(world, file, flags, "look", async (tdb) => {
    refuseSame(file, to);
    const target = targetOf(to, flags);
    const options = optionsLike(tdb);
    const database = await NewDatabase.begin(world, target, options);
    const bar = progress(world.terminal, "converting");
    try {
      await atOneMoment(tdb, () => fill(database, tdb, bar, change, false));
    } catch (error) {
      database.abandon();
      throw error;
    } finally {
      bar.end();
    }
    const bytes = await database.finish();
    const counts = flags.stripHeader ? { emptyDropped, shortSkipped } : {};
    const { hashSize } = options;
    out.object({ path: to, records: database.count, bytes, hashSize, ...counts });
  });
  if (shortSkipped > 0) {
    throw new Failure(
      EXIT.partial,
      `Cannot convert all of ${file}: ${shortSkipped} values are shorter than a header ` +
        `(${RECORD_HEADER_BYTES} bytes) and were left out`,
      "was this file ever part of a cluster?",
    );
  }
}
