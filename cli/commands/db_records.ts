/**
 * `ctdbx db traverse | dump`: all records of a database, from all nodes, as they come.
 *
 *   traverse   a table, or -o json, jsonl, csv; --keys-only, --count; with --prefix and --limit
 *   dump       the text of tdbdump, which `db import`, `tdb restore` and Samba's tdbrestore read
 *
 * A reader that is slow holds up the traverse, and no memory fills up.
 *
 * Does NOT promise: one moment: each record that is there all the time comes once, with a value that it had meanwhile.
 */

import type { Command } from "commander";
import { Option } from "commander";
import type {
  Database,
  RecordEntry,
  Snapshot,
  TraverseOptions,
} from "../../actors/client/types.ts";
import { escapeBytes, fromText, shown } from "../bytes_text.ts";
import { type ConnectFlags, connectOptions, ONE_MS, withDatabaseOf } from "../connection.ts";
import { type CommonFlags, declare, type Task } from "../declare.ts";
import { DumpWriter } from "../dump_text.ts";
import { progress } from "../progress.ts";
import { object, type Result, type RowOf } from "../result.ts";
import { rows } from "../result.ts";
import { int, text, word } from "../schema.ts";
import type { CommandWorld, EncodingFlags } from "../world.ts";
import { encodingOf, encodingOptions, whole } from "../world.ts";
import { type RecordRow, recordRow, RECORDS } from "./tdb_records.ts";

/** Which records. */
export interface WhichFlags extends ConnectFlags, EncodingFlags {
  readonly prefix?: string;
  readonly limit?: number;
}

interface TraverseFlags extends WhichFlags {
  readonly keysOnly?: boolean;
  readonly count?: boolean;
}

const KEYS = rows({
  key: text("KEY", "its bytes, as `encoding` says"),
  encoding: word("ENCODING", "how the bytes are written", ["text", "hex", "base64", "escaped"]),
});
const COUNTED = object({
  database: text("Database", "its name"),
  records: int("Records", "how many there are"),
});

/** The --timeout of commands that go through a whole database. */
export const WHOLE_WAIT = {
  text: "end after so long, whatever is not done",
  seconds: 3600,
} as const;

/** Adds them to `ctdbx db`. */
export function addDbRecordCommands(db: Command, world: CommandWorld): void {
  const traverse = db.command("traverse <database>").description("show all records, of all nodes");
  declare<TraverseFlags, object>(
    whichOptions(traverse)
      .option("--keys-only", "leave the values out")
      .addOption(new Option("--count", "only how many there are").conflicts("keysOnly")),
    world,
    {
      result: ({ count, keysOnly }) =>
        (count ? COUNTED : keysOnly ? KEYS : RECORDS) as unknown as Result,
      asks: "home",
      timeout: WHOLE_WAIT,
    },
    runTraverse,
  );
  const dump = db.command("dump <database>").description("print all records, as tdbdump does");
  declare<WhichFlags, RecordRow>(
    whichOptions(dump),
    world,
    { result: RECORDS, raw: "tdbdump's text", asks: "home", timeout: WHOLE_WAIT },
    runDump,
  );
}

/** Adds the options that say which records. */
export function whichOptions(command: Command): Command {
  return encodingOptions(connectOptions(command), "prefix and output")
    .option("--prefix <text>", "only records whose keys begin with this")
    .option("--limit <count>", "at most so many", whole(1, 4294967295));
}

/** The same as the library takes it. */
export function whichRecords(flags: WhichFlags & CommonFlags): TraverseOptions {
  const { prefix, limit } = flags;
  return {
    timeoutMs: wholeMs(flags),
    ...prefix === undefined ? {} : { prefix: fromText(prefix, encodingOf(flags), "the prefix") },
    ...limit === undefined ? {} : { limit },
  };
}

/** How long a whole database may take, ms. */
function wholeMs({ timeout = WHOLE_WAIT.seconds }: CommonFlags): number {
  return Math.max(1, Math.round(1000 * timeout));
}

/** All records of a state, for as long as --timeout says: not for as long as one operation may take. */
export function stateRecords(
  state: Pick<Snapshot, "entries">,
  flags: CommonFlags,
): AsyncIterableIterator<RecordEntry> {
  return state.entries({ timeoutMs: wholeMs(flags) });
}

async function runTraverse(
  task: Task<TraverseFlags, object>,
  database = "",
): Promise<void> {
  const { flags, out } = task;
  const which = whichRecords(flags);
  if (flags.count === true) {
    const count = (db: Database) => db.count(which);
    const records = await withDatabaseOf(task, database, count, { timeoutMs: ONE_MS });
    if (out.isTable) return out.say(`${records}\n`);
    return out.object({ database, records });
  }
  const keysOnly = flags.keysOnly ?? false;
  await withDatabaseOf(task, database, async (db) => {
    for await (const { key, value } of db.traverse({ ...which, keysOnly })) {
      out.row(keysOnly ? keyRow(key, flags) : recordRow(key, value, flags));
    }
  }, { timeoutMs: ONE_MS });
}

function keyRow(key: Uint8Array, flags: TraverseFlags & CommonFlags): RowOf<typeof KEYS> {
  const wanted = flags.hex ? "hex" : flags.base64 ? "base64" : undefined;
  const forPeople = flags.output !== "json" && flags.output !== "jsonl";
  if (flags.escaped || (forPeople && wanted === undefined)) {
    return { key: escapeBytes(key), encoding: "escaped" };
  }
  const { strings: [text = ""], encoding } = shown([key], wanted);
  return { key: text, encoding };
}

async function runDump(task: Task<WhichFlags, RecordRow>, database = ""): Promise<void> {
  const { flags, out, world } = task;
  const isRaw = out.format === "raw";
  const dumper = new DumpWriter({ write: (data) => out.raw(data), flush: () => out.flush() });
  // A line that runs over and over would go through the text on a terminal.
  const bar = world.terminal.outIsTerminal ? undefined : progress(world.terminal, "dumping");
  let done = 0;
  try {
    await withDatabaseOf(task, database, async (db) => {
      for await (const { key, value } of db.traverse(whichRecords(flags))) {
        if (isRaw) dumper.pair(key, value);
        else out.row(recordRow(key, value, flags));
        bar?.at(++done, 0);
      }
    }, { timeoutMs: ONE_MS });
  } finally {
    bar?.end();
  }
}
