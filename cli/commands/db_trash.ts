/**
 * `ctdbx db trash ls | restore | empty`: files of persistent databases that were detached or wiped, restored over, or
 * put aside as they were damaged. They lie at each node that had a copy, below its state folder, until people remove
 * them.
 *
 *   STATE/trash/NAME.SINCE/NAME.tdb ...            of a history that is over
 *   STATE/trash/NAME.SINCE.damagedN/NAME.tdb ...   of a copy that could not be used
 *
 * The daemon is not needed for ls and empty.
 *
 * Does NOT promise: that every node has the same there: each has what its copy had.
 */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { withDatabase } from "../database.ts";
import { declare, type Task } from "../declare.ts";
import { EXIT } from "../exit_codes.ts";
import { Failure, systemFailure, usage } from "../failure.ts";
import type { HomeFlags } from "../home_option.ts";
import { object, type RowOf, rows } from "../result.ts";
import { int, maybe, text, u64, word } from "../schema.ts";
import type { CommandWorld } from "../world.ts";
import { LOCK_WAIT, whole } from "../world.ts";
import { askedNode } from "./asking.ts";
import {
  RESTORE_DESTROYS,
  RESTORED,
  type Restored,
  type RestoreFlags,
  restoreFrom,
} from "./db_restore.ts";
import { WHOLE_WAIT } from "./db_records.ts";
import { SEQ_KEY } from "../../actors/storage/commit_stage.ts";

interface EmptyFlags extends HomeFlags {
  readonly olderThan?: number;
}

const FIELDS = {
  folder: text("Folder", "its name in the trash; `db trash restore` takes it"),
  database: text("Database", "its name"),
  since: u64("Since", "the document's version that had attached it, or wiped it last"),
  why: word("Why", "over: detached, wiped or restored over; damaged: put aside", [
    "over",
    "damaged",
  ]),
  movedAt: text("Moved", "when it came here: RFC 3339"),
  seqnum: maybe(u64("Sequence number", "transactions in its file; null: it cannot be read")),
  files: int("Files", "how many"),
  bytes: int("Bytes", "of all of them", "bytes"),
};
const TRASH = rows(FIELDS, {
  table: ["folder", "why", "movedAt", { name: "seqnum", whenSet: true }, "files", "bytes"],
});
type TrashRow = RowOf<typeof TRASH>;
const EMPTIED = object({
  folders: int("Removed", "folders"),
  files: int("Files", "in them"),
  bytes: int("Bytes", "of all of them", "bytes"),
});

const FORM = /^(.+)\.([0-9]{1,20})(\.damaged[0-9]+)?$/;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Adds `trash` to `ctdbx db`. */
export function addDbTrashCommands(db: Command, world: CommandWorld): void {
  const trash = db.command("trash")
    .description("files of databases that are gone, at the asked node");
  declare<HomeFlags, TrashRow>(
    trash.command("ls").alias("list").description("what is there"),
    world,
    { result: TRASH, asks: "home" },
    async ({ flags, out, world }) => {
      for (const row of await rowsOf(world, await folderOf(flags))) out.row(row);
    },
  );
  declare<RestoreFlags, Restored>(
    trash.command("restore <folder> [database]")
      .description("put its records in place of all that a database has; as `db restore`"),
    world,
    {
      result: RESTORED,
      asks: "node",
      changes: true,
      destroys: RESTORE_DESTROYS,
      timeout: WHOLE_WAIT,
    },
    runRestore,
  );
  declare<EmptyFlags, RowOf<typeof EMPTIED>>(
    trash.command("empty [folder]").description("remove what is there, or one of it, for good")
      .option("--older-than <days>", "only what was moved so long ago", whole(0, 36500)),
    world,
    { result: EMPTIED, asks: "home", changes: true, destroys: "the files are removed for good" },
    runEmpty,
  );
}

async function folderOf(flags: HomeFlags): Promise<string> {
  return join((await askedNode(flags)).state, "trash");
}

/** Throws Failure (not found). */
function partOf(
  base: string,
  folder: string,
): { readonly path: string; readonly database: string } {
  const [, database] = FORM.exec(folder) ?? [];
  const path = join(base, folder);
  if (database !== undefined && !folder.includes("/") && existsSync(path)) {
    return { path, database };
  }
  const known = namesIn(base).join(", ") || "nothing";
  throw new Failure(EXIT.notFound, `Cannot find ${folder} in ${base}: there is ${known}`);
}

function namesIn(base: string): string[] {
  try {
    return existsSync(base) ? readdirSync(base).filter((name) => FORM.test(name)).sort() : [];
  } catch (error) {
    throw systemFailure(error, `Cannot read ${base}`);
  }
}

async function rowsOf(world: CommandWorld, base: string): Promise<TrashRow[]> {
  const all: TrashRow[] = [];
  for (const folder of namesIn(base)) {
    const [, database = "", since = "0", damaged] = FORM.exec(folder) ?? [];
    const path = join(base, folder);
    const stats = readdirSync(path).map((name) => statSync(join(path, name)));
    const why = damaged === undefined ? "over" : "damaged";
    all.push({
      ...{ folder, database, since, why },
      movedAt: statSync(path).mtime.toISOString(),
      seqnum: await seqnumOf(world, join(path, `${database}.tdb`)),
      files: stats.length,
      bytes: stats.reduce((sum, { size }) => sum + size, 0),
    });
  }
  return all;
}

/** Undefined: it cannot be read. */
async function seqnumOf(world: CommandWorld, path: string): Promise<string | undefined> {
  const flags = { lock: true, readOnly: true, timeout: LOCK_WAIT.seconds } as const;
  try {
    return await withDatabase(world, path, flags, "look", (tdb) => {
      const value = tdb.fetch(new TextEncoder().encode(SEQ_KEY));
      if (value === undefined || value.length < 8) return undefined;
      const view = new DataView(value.buffer, value.byteOffset + value.length - 8, 8);
      return `${view.getBigUint64(0, true)}`;
    });
  } catch {
    // What is in the trash may be damaged: that is why it is there.
    return undefined;
  }
}

async function runRestore(
  task: Task<RestoreFlags, Restored>,
  folder = "",
  given: string | undefined = undefined,
): Promise<void> {
  const { path, database } = partOf(await folderOf(task.flags), folder);
  await restoreFrom(task, given ?? database, join(path, `${database}.tdb`));
}

async function runEmpty(
  { flags, out, confirm }: Task<EmptyFlags, RowOf<typeof EMPTIED>>,
  folder: string | undefined = undefined,
): Promise<void> {
  const { olderThan } = flags;
  const base = await folderOf(flags);
  if (folder !== undefined && olderThan !== undefined) {
    throw usage("Cannot use --older-than: one folder is named");
  }
  const untilMs = olderThan === undefined ? Infinity : Date.now() - olderThan * DAY_MS;
  const paths = folder === undefined
    ? namesIn(base).map((name) => join(base, name)).filter((path) =>
      statSync(path).mtimeMs <= untilMs
    )
    : [partOf(base, folder).path];
  const files = paths.flatMap((path) => readdirSync(path).map((name) => join(path, name)));
  const bytes = files.reduce((sum, path) => sum + statSync(path).size, 0);
  if (paths.length > 0) {
    await confirm(`Removes ${files.length} files of ${paths.length} folders in ${base}`);
  }
  for (const path of paths) {
    try {
      rmSync(path, { recursive: true });
    } catch (error) {
      throw systemFailure(error, `Cannot remove ${path}`);
    }
  }
  out.object({ folders: paths.length, files: files.length, bytes });
}
