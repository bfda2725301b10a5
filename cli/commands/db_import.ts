/**
 * `ctdbx db import DATABASE FILE`: records of a TDB file, of a dump's text or of JSON lines into a database.
 *
 *   file ── record_source.ts ──▶ record ── volatile: at most 64 at once, 16 MiB ──▶ put, or only where there is none
 *                                     '── persistent, replicated: in transactions (batch_storing.ts)
 *
 * It stops at the first record that cannot be stored and says how far it came; what is stored stays. Repeating the
 * import is safe: the same records are stored again.
 *
 * Does NOT promise: all or nothing; `ctdbx tx apply` does that, for as much as one transaction takes.
 */

import type { Command } from "commander";
import { Option } from "commander";
import type { Database } from "../../actors/client/types.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { BatchStoring } from "../batch_storing.ts";
import { shortKey } from "../bytes_text.ts";
import {
  type ConnectFlags,
  connectOptions,
  ONE_MS,
  recordFailure,
  withDatabaseOf,
} from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import type { DumpRecord } from "../dump_text.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, reportOf, usage } from "../failure.ts";
import { progress } from "../progress.ts";
import { overLimits } from "../record_limits.ts";
import {
  type HeaderWish,
  readSource,
  SOURCE_FORMATS,
  type SourceFormat,
} from "../record_source.ts";
import { object, type RowOf } from "../result.ts";
import { int, ms, text } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { LOCK_WAIT, whole } from "../world.ts";
import { databaseName } from "./db_change.ts";
import { WHOLE_WAIT } from "./db_records.ts";

interface ImportFlags extends ConnectFlags {
  readonly format?: SourceFormat;
  readonly mode: "replace" | "insert";
  readonly create: boolean;
  readonly stripHeader?: boolean;
  readonly keepHeader?: boolean;
  readonly parallel: number;
}

/** Bytes of values that are under way at once. */
const WAY_BYTES_MAX = 16 * 1024 * 1024;

const IMPORTED = object({
  database: text("Database", "its name"),
  stored: int("Stored", "records that were stored"),
  kept: int("Kept", "with --mode insert: records that were there already"),
  empty: int("Empty, left out", "deleted records of the source"),
  short: int("Too short, left out", "with --strip-header: values shorter than a header"),
  tookMs: ms("Took, ms", "all of it"),
}, {
  table: [
    "database",
    "stored",
    { name: "kept", whenSet: true, text: ({ kept }) => kept || undefined },
    { name: "empty", whenSet: true, text: ({ empty }) => empty || undefined },
    { name: "short", whenSet: true, text: ({ short }) => short || undefined },
    { name: "tookMs", text: ({ tookMs }) => Math.round(tookMs) },
  ],
});
type Imported = RowOf<typeof IMPORTED>;

const HELP = `
FILE is a TDB file, the text of \`db dump\`, \`tdb dump\` or tdbdump, or JSON lines as \`-o jsonl\` prints
them; - is standard input, for the latter two. A local file of CTDB, and its dump, has 24 bytes before
each value: --strip-header takes them off.
`;

/** Adds `import` to `ctdbx db`. */
export function addDbImportCommand(db: Command, world: CommandWorld): void {
  const formats = new Option("--format <format>", "what FILE is (default: its first bytes tell)");
  const modes = new Option("--mode <mode>", "insert: keep records that are there");
  const command = connectOptions(db.command("import <database> <file>"))
    .description("store the records of a TDB file, a dump or JSON lines")
    .addOption(formats.choices(SOURCE_FORMATS))
    .addOption(modes.choices(["replace", "insert"]).default("replace"))
    .addOption(
      new Option("--strip-header", "take CTDB's 24 bytes off each value").conflicts("keepHeader"),
    )
    .option("--keep-header", "store values as they are, also when they look as if they had those")
    .option("--no-create", "refuse a database that is not there")
    .option("--parallel <count>", "records under way at once", whole(1, 1024), 64)
    .addHelpText("after", HELP);
  declare<ImportFlags, Imported>(
    command,
    world,
    { result: IMPORTED, asks: "home", changes: true, timeout: WHOLE_WAIT },
    runImport,
  );
}

async function runImport(
  task: Task<ImportFlags, Imported>,
  given = "",
  file = "",
): Promise<void> {
  const { flags, out, world, signal } = task;
  const { mode, create, parallel, format } = flags;
  const database = databaseName(given);
  const header: HeaderWish = flags.stripHeader ? "strip" : flags.keepHeader ? "keep" : "ask";
  const wish = { path: file, format, header, lockSeconds: LOCK_WAIT.seconds };
  const bar = progress(world.terminal, "importing");
  const startMs = world.terminal.nowMs();
  try {
    await withDatabaseOf(task, database, async (db, cluster) => {
      const onDone = (n: number): void => bar.at(n, 0);
      const known = (await cluster.databases()).find(({ name }) => name === database);
      const storing = known === undefined || known.kind === "volatile"
        ? new Storing(db, { mode, parallel, signal, onDone })
        : new BatchStoring(db, { mode, signal, onDone });
      let passed = { empty: 0, short: 0 };
      try {
        passed = await readSource(world, wish, (record) => storing.take(record));
        await storing.end();
      } catch (error) {
        throw await storing.failure(file, error);
      }
      const { stored, kept } = storing;
      const tookMs = world.terminal.nowMs() - startMs;
      out.object({ database, stored, kept, ...passed, tookMs });
      if (passed.short > 0) throw shortOnes(file, passed.short);
    }, { create, timeoutMs: ONE_MS });
  } finally {
    bar.end();
  }
}

function shortOnes(file: string, short: number): Failure {
  return new Failure(
    EXIT.partial,
    `Cannot import all of ${file}: ${short} values are shorter than a header and were left out`,
    "was this file ever part of a cluster?",
  );
}

interface StoringOptions {
  readonly mode: "replace" | "insert";
  /** Records under way at once. */
  readonly parallel: number;
  /** The time is over. */
  readonly signal: AbortSignal;
  readonly onDone: (count: number) => void;
}

/** Stores records, several at once; the first that cannot be stored ends it. */
export class Storing {
  stored = 0;
  kept = 0;
  readonly #db: Database;
  readonly #options: StoringOptions;
  readonly #way = new Set<Promise<void>>();
  /** Keys under way: a later value of one waits for the earlier. */
  readonly #keys = new Map<string, Promise<void>>();
  #bytes = 0;
  #first: { readonly key: Uint8Array; readonly error: unknown } | undefined;

  constructor(db: Database, options: StoringOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** Begins to store a record; waits while too much is under way. Throws what an earlier one ended with. */
  async take({ key, value }: DumpRecord): Promise<void> {
    this.#check();
    const why = key.length === 0 ? "its key is empty" : overLimits(key.length, value.length);
    if (why !== undefined) {
      throw usage(`Cannot import the record "${shortKey(key)}": ${why}`);
    }
    const name = String.fromCharCode(...key.subarray(0, 256));
    while (this.#keys.has(name)) await this.#keys.get(name);
    const { parallel } = this.#options;
    while (this.#way.size >= parallel || (this.#bytes > WAY_BYTES_MAX && this.#way.size > 0)) {
      await Promise.race(this.#way);
      this.#check();
    }
    const size = key.length + value.length;
    this.#bytes += size;
    const work = this.#store(key, value).finally(() => {
      this.#bytes -= size;
      this.#way.delete(work);
      this.#keys.delete(name);
    });
    this.#way.add(work);
    this.#keys.set(name, work);
  }

  /** Waits for all. Throws what the first that failed ended with. */
  async end(): Promise<void> {
    while (this.#way.size > 0) await Promise.race(this.#way);
    this.#check();
  }

  /** The error of the whole, when all that was under way has ended. */
  async failure(file: string, error: unknown): Promise<unknown> {
    while (this.#way.size > 0) await Promise.race(this.#way);
    const { error: cause = error } = this.#first ?? {};
    const done = this.stored + this.kept;
    const { exit, message, hint } = reportOf(recordFailure(cause));
    // Nothing was done at all: the reason stands for itself.
    if (done === 0 && exit !== EXIT.unknownOutcome) return recordFailure(cause);
    const code = exit === EXIT.unknownOutcome ? exit : EXIT.partial;
    return new Failure(
      code,
      `Cannot import all of ${file}: ${done} records are done, then: ${message}`,
      `${hint === undefined ? "" : `${hint}; `}repeating the import is safe`,
    );
  }

  async #store(key: Uint8Array, value: Uint8Array): Promise<void> {
    try {
      const isNew = this.#options.mode === "insert" ? await this.#insert(key, value) : true;
      if (!isNew) this.kept += 1;
      else {
        if (this.#options.mode === "replace") await this.#db.put(key, value);
        this.stored += 1;
      }
      this.#options.onDone(this.stored + this.kept);
    } catch (error) {
      this.#first ??= { key, error: told(key, error) };
    }
  }

  #insert(key: Uint8Array, value: Uint8Array): Promise<boolean> {
    return this.#db.setIf(key, "empty", value);
  }

  #check(): void {
    if (this.#first !== undefined) throw this.#first.error;
    if (!this.#options.signal.aborted) return;
    throw new Failure(EXIT.other, "the time of --timeout is over", "a longer one waits longer");
  }
}

/** The error, with the key that it is about. */
function told(key: Uint8Array, error: unknown): unknown {
  if (!(error instanceof CtdbxError)) return error;
  const message = `${error.message} (record "${shortKey(key)}")`;
  return new CtdbxError(error.code, message, { cause: error });
}
