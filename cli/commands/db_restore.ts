/**
 * `ctdbx db restore DATABASE FILE`: the records of a backup in place of all that a persistent or replicated database
 * has.
 *
 *   FILE, FILE.json ──▶ all of it read and verified ──▶ --yes ──▶ wipe: a new history, the former files go to the trash
 *        ──▶ one transaction, or of up to 1000 records each ──▶ a state is read back: is it what FILE has?
 *
 * FILE is what `db backup` wrote, a file of STATE/trash, or the file of a database of ours or of CTDB whose node is
 * stopped: 24 bytes before each value, and the number of the last transaction, are taken off those.
 *
 * Does NOT promise: that programs see nothing of it before its end. They see an empty database, and then all of it;
 * what is more than one transaction takes (15 MiB, 100 000 records) they see fill. Stopped half-way, it is repeated.
 */

import type { Command } from "commander";
import { Option } from "commander";
import { ContentSum } from "../../transport/wire/commit/content.ts";
import { SEQ_KEY } from "../../actors/storage/commit_stage.ts";
import { check } from "../../actors/storage/tdb_check.ts";
import { type BackupNote, readNote, requireFile } from "../backup_file.ts";
import { BatchStoring, wholeBatch } from "../batch_storing.ts";
import { type ConnectFlags, ONE_MS, withDatabaseOf } from "../connection.ts";
import { withDatabase } from "../database.ts";
import { declare, type Task } from "../declare.ts";
import type { DumpRecord } from "../dump_text.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, requireName, usage } from "../failure.ts";
import { progress } from "../progress.ts";
import { readSource } from "../record_source.ts";
import { object, type RowOf } from "../result.ts";
import { int, maybe, ms, text, u64 } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { LOCK_WAIT } from "../world.ts";
import { Asked } from "./asking.ts";
import { databaseName } from "./db_change.ts";
import { type DbRow, named, type StatusRow } from "./db_fields.ts";
import { stateRecords, WHOLE_WAIT } from "./db_records.ts";

/** Options of a restore. */
export interface RestoreFlags extends ConnectFlags {
  readonly type: "persistent" | "replicated";
}

/** What a restore shows. */
export const RESTORED = object({
  database: text("Database", "its name"),
  records: int("Records", "that it has now"),
  content: text("Content", "a sum over all records, in whatever order they lie"),
  seqnum: u64("Sequence number", "of the new history"),
  from: maybe(u64("Was", "sequence number that the backup was of")),
  before: int("Before", "transactions of the history that was there"),
  trash: maybe(text("Former files", "folder at each node, below its state folder")),
  tookMs: ms("Took, ms", "all of it"),
}, {
  table: [
    "database",
    "records",
    "content",
    "seqnum",
    { name: "from", whenSet: true },
    { name: "trash", whenSet: true },
    { name: "tookMs", text: ({ tookMs }) => Math.round(tookMs) },
  ],
});
/** What a restore shows. */
export type Restored = RowOf<typeof RESTORED>;

/** What a restore destroys, for --yes. */
export const RESTORE_DESTROYS = "all records of the database are replaced";

const WIPE_HINT =
  "`ctdbx db trash restore` brings the former records back; repeating the restore is safe";

/** Adds it to `ctdbx db`. */
export function addDbRestoreCommand(db: Command, world: CommandWorld): void {
  const restore = db.command("restore <database> <file>")
    .description("put a backup in place of all that a database has");
  const types = new Option("--type <type>", "how one that is not there is made");
  declare<RestoreFlags, Restored>(
    restore.addOption(types.choices(["persistent", "replicated"]).default("persistent")),
    world,
    {
      result: RESTORED,
      asks: "node",
      changes: true,
      destroys: RESTORE_DESTROYS,
      timeout: WHOLE_WAIT,
    },
    (task, database, file) => restoreFrom(task, database, file),
  );
}

/** Puts what a file has in place of all that a database has. Throws Failure. */
export async function restoreFrom(
  task: Task<RestoreFlags, Restored>,
  given = "",
  file = "",
): Promise<void> {
  const { flags, out, world, confirm } = task;
  const startMs = world.terminal.nowMs();
  const database = databaseName(given);
  requireName("Cannot restore", file);
  const note = readNote(file);
  const source = await readBackup(world, file, note);
  const asked = await Asked.of(flags);
  const row = await rowOf(asked, database);
  if (row !== undefined && row.kind === "volatile") {
    throw usage(
      `Cannot restore ${database}: it is volatile`,
      "`ctdbx db import` stores the records of a file in it",
    );
  }
  const before = row?.commit?.seqnum ?? row?.commit?.dbseq ?? "0";
  const isEmpty = row === undefined || BigInt(before) === 0n;
  if (!isEmpty) {
    await confirm(
      `Puts ${source.sum.count} records of ${file} in place of all records of ${database}, on all nodes`,
    );
    await asked.ask("db wipe", { name: database, why: "a backup is restored" });
  } else if (row === undefined) {
    await asked.ask("db attach", { name: database, kind: note?.kind ?? flags.type });
  }
  const seqnum = await fill(task, database, source);
  const tookMs = world.terminal.nowMs() - startMs;
  out.object({
    ...{ database, records: source.sum.count, content: source.sum.text, seqnum: `${seqnum}` },
    from: note?.seqnum,
    before: Number(before),
    trash: isEmpty || row?.since == null ? undefined : `trash/${database}.${row.since}`,
    tookMs,
  });
}

type Row = DbRow & { readonly commit?: StatusRow["commit"] & { readonly dbseq?: string } };

async function rowOf(asked: Asked, database: string): Promise<Row | undefined> {
  const [found] = named(await asked.look("db status") as readonly Row[], database);
  return found;
}

/** A file that was read through, and what its records add up to. */
interface Backup {
  readonly file: string;
  readonly sum: ContentSum;
  /** Values have CTDB's 24 bytes before them. */
  readonly hasHeaders: boolean;
}

/** Reads and verifies all of it. Throws Failure. */
async function readBackup(
  world: CommandWorld,
  file: string,
  note: BackupNote | undefined,
): Promise<Backup> {
  if (note !== undefined) await requireFile(file, note);
  const flags = { lock: true, readOnly: true, timeout: LOCK_WAIT.seconds } as const;
  const hasHeaders = await withDatabase(world, file, flags, "look", async (tdb) => {
    const { problems } = await check(tdb);
    const [first] = problems;
    if (first === undefined) return tdb.exists(SEQ_BYTES);
    throw new Failure(
      EXIT.corrupt,
      `Cannot use ${file}: it is damaged at byte ${first.offset}: ${first.text}`,
      "`ctdbx tdb rescue` saves what can be read; nothing was changed",
    );
  });
  const sum = new ContentSum();
  await readAll(world, { file, hasHeaders }, ({ key, value }) => sum.add(key, value));
  if (note === undefined || note.content === sum.text) return { file, sum, hasHeaders };
  throw new Failure(
    EXIT.corrupt,
    `Cannot use ${file}: its ${sum.count} records are not the ${note.records} that were backed up`,
    "take another backup; nothing was changed",
  );
}

const SEQ_BYTES = new TextEncoder().encode(SEQ_KEY);

async function readAll(
  world: CommandWorld,
  { file, hasHeaders }: Pick<Backup, "file" | "hasHeaders">,
  take: (record: DumpRecord) => Promise<void> | void,
): Promise<void> {
  const header = hasHeaders ? "strip" : "keep";
  const wish = { path: file, format: "tdb", header, lockSeconds: LOCK_WAIT.seconds } as const;
  await readSource(world, wish, (record) => {
    const { key } = record;
    const isNumber = key.length === SEQ_BYTES.length &&
      key.every((byte, i) => byte === SEQ_BYTES[i]);
    return isNumber ? undefined : take(record);
  });
}

/** Stores all of it, and compares what is there then. Answers the sequence number. Throws Failure. */
async function fill(
  task: Task<RestoreFlags, Restored>,
  database: string,
  backup: Backup,
): Promise<bigint> {
  const { world, signal, flags } = task;
  const { sum } = backup;
  const bar = progress(world.terminal, "restoring");
  try {
    return await withDatabaseOf(task, database, async (db) => {
      const onDone = (count: number): void => bar.at(count, sum.count);
      const batch = wholeBatch(sum.count, sum.bytes);
      const storing = new BatchStoring(db, { mode: "replace", signal, onDone, batch });
      try {
        await readAll(world, backup, (record) => storing.take(record));
        await storing.end();
      } catch (error) {
        throw storing.failure(backup.file, error);
      }
      const now = new ContentSum();
      await using snapshot = await db.snapshot({ latest: true });
      for await (const { key, value } of stateRecords(snapshot, flags)) {
        now.add(key, value ?? new Uint8Array(0));
      }
      if (now.text === sum.text) return snapshot.seqnum;
      throw new Failure(
        EXIT.partial,
        `Cannot say that ${database} is restored: it has ${now.count} records, not the ${sum.count} of ${backup.file}`,
        `did programs write meanwhile? ${WIPE_HINT}`,
      );
    }, { timeoutMs: ONE_MS });
  } finally {
    bar.end();
  }
}
