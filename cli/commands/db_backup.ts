/**
 * `ctdbx db backup DATABASE FILE` and `db snapshot DATABASE [FILE]`: one state of a persistent or replicated database,
 * while writers go on.
 *
 *   snapshot of all that is committed ──▶ new TDB file beside the target ──▶ checked, fsync ──▶ FILE, FILE.json
 *
 * Does NOT promise: a state of two databases at once; each backup is of one.
 */

import type { Command } from "commander";
import type { Database, Snapshot } from "../../actors/client/types.ts";
import { ContentSum } from "../../transport/wire/commit/content.ts";
import { type BackupNote, sumOfFile, writeNote } from "../backup_file.ts";
import { type ConnectFlags, connectOptions, ONE_MS, withDatabaseOf } from "../connection.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, usage } from "../failure.ts";
import { NewDatabase } from "../new_database.ts";
import { progress } from "../progress.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, ms, text, u64 } from "../schema.ts";
import { targetOf } from "../target.ts";
import type { CommandWorld } from "../world.ts";
import { nextTurn } from "../world.ts";
import { Asked } from "./asking.ts";
import type { DbRow, StatusRow } from "./db_fields.ts";
import { stateRecords, WHOLE_WAIT } from "./db_records.ts";

interface BackupFlags extends ConnectFlags {
  readonly local?: boolean;
  readonly force?: boolean;
}

/** Records between two turns of the event loop. */
const TURN_RECORDS = 1024;

const BACKED = object({
  database: text("Database", "its name"),
  seqnum: u64("Sequence number", "the state is the one after this transaction"),
  records: int("Records", "how many it has"),
  content: text("Content", "a sum over all records, in whatever order they lie"),
  path: maybe(text("Written", "the new file; FILE.json lies beside it")),
  bytes: maybe(int("Bytes", "of the file", "bytes")),
  sha256: maybe(text("SHA-256", "of the file")),
  tookMs: ms("Took, ms", "all of it"),
}, {
  table: [
    "database",
    "seqnum",
    "records",
    "content",
    { name: "path", whenSet: true },
    { name: "bytes", whenSet: true },
    { name: "sha256", whenSet: true },
    { name: "tookMs", text: ({ tookMs }) => Math.round(tookMs) },
  ],
});
type Backed = RowOf<typeof BACKED>;

const HELP = `
FILE is a TDB file that tdbdump, tdbtool and \`ctdbx tdb\` read: the values as programs know them. \`db restore\`
puts it back; FILE.json beside it says what it must be. Writers go on meanwhile: the state is that of one moment.
`;

/** Adds them to `ctdbx db`. */
export function addDbBackupCommands(db: Command, world: CommandWorld): void {
  const spec = { result: BACKED, asks: "home", timeout: WHOLE_WAIT } as const;
  const backup = db.command("backup <database> <file>")
    .description("write one state of a persistent or replicated database into a file")
    .addHelpText("after", HELP);
  declare<BackupFlags, Backed>(
    common(backup).option("--force", "replace FILE if it is there"),
    world,
    spec,
    (task, database, file) => run(task, database, file),
  );
  const snapshot = db.command("snapshot <database> [file]")
    .description("say what one state has in it; with FILE, write it as `db backup` does");
  declare<BackupFlags, Backed>(
    common(snapshot).option("--force", "replace FILE if it is there"),
    world,
    spec,
    (task, database, file) => run(task, database, file),
  );
}

function common(command: Command): Command {
  return connectOptions(command)
    .option("--local", "what the node has, also while no primary serves");
}

async function run(
  task: Task<BackupFlags, Backed>,
  database = "",
  file: string | undefined = undefined,
): Promise<void> {
  const { flags, out, world } = task;
  const startMs = world.terminal.nowMs();
  const target = file === undefined ? undefined : targetOf(file, { force: flags.force });
  const about = await aboutOf(flags, database);
  const found = await withDatabaseOf(task, database, async (db) => {
    await requireKept(db);
    await using snapshot = await db.snapshot({ latest: flags.local !== true });
    const made = target === undefined ? undefined : await NewDatabase.begin(world, target, PLAIN);
    try {
      const sum = await copy(task, snapshot, made);
      const bytes = await made?.finish();
      const { kind } = await db.commits();
      return { kind, seqnum: `${snapshot.seqnum}`, sum, bytes };
    } catch (error) {
      made?.abandon();
      throw error;
    }
  }, { timeoutMs: ONE_MS });
  const { kind, sum: { count: records, text: content }, seqnum, bytes } = found;
  let sha256: string | undefined;
  if (file !== undefined) {
    const sums = await sumOfFile(file);
    sha256 = sums.sha256;
    const note = { format: "ctdbx-backup", version: 1, database, kind, ...about } as const;
    const madeAt = new Date().toISOString();
    writeNote(file, { ...note, seqnum, records, content, ...sums, madeAt });
  }
  const tookMs = world.terminal.nowMs() - startMs;
  out.object({ database, seqnum, records, content, path: file, bytes, sha256, tookMs });
}

const PLAIN = { hashSize: undefined, hash: "jenkins", mutex: false } as const;

/** Throws Failure: a volatile database has no state of one moment. */
async function requireKept(db: Database): Promise<void> {
  try {
    await db.commits();
  } catch (error) {
    if ((error as { readonly code?: string }).code !== "unsupported") throw error;
    throw usage(
      `Cannot take a state of ${db.name}: it is volatile, where each record stands alone`,
      "`ctdbx db export` writes its records as they come",
    );
  }
}

async function copy(
  { world, signal, flags }: Task<BackupFlags, Backed>,
  snapshot: Snapshot,
  made: NewDatabase | undefined,
): Promise<ContentSum> {
  const sum = new ContentSum();
  const bar = progress(world.terminal, made === undefined ? "reading" : "backing up");
  try {
    for await (const { key, value } of stateRecords(snapshot, flags)) {
      const bytes = value ?? NO_BYTES;
      sum.add(key, bytes);
      made?.put(key, bytes);
      if (sum.count % TURN_RECORDS !== 0) continue;
      bar.at(sum.count, 0);
      if (signal.aborted) throw new Failure(EXIT.other, "the time of --timeout is over");
      await made?.settle();
      await nextTurn();
    }
  } finally {
    bar.end();
  }
  return sum;
}

const NO_BYTES = new Uint8Array(0);

/** What the daemon of this machine says of the database; nothing over NATS. */
async function aboutOf(
  flags: BackupFlags,
  database: string,
): Promise<Pick<BackupNote, "id" | "lineage">> {
  if (flags.nats !== undefined) return { id: null, lineage: null };
  const asked = await Asked.of(flags);
  const rows = await asked.look("db status") as readonly (StatusRow & DbRow)[];
  const row = rows.find(({ name }) => name === database);
  const { lineage } = (row?.commit ?? {}) as { readonly lineage?: string };
  return { id: row?.id ?? null, lineage: lineage ?? null };
}
