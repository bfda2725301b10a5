/**
 * The files of one copy of a persistent database, of a node that is no more, as one TDB file that has all of them.
 *
 *   FOLDER/NAME.tdb, .id, .log.N, .sum, .sess ── copied ─▶ recovered ─▶ the log's entries applied ─▶ NAME.tdb
 *
 * What is there is never changed: all is done to a copy, in a folder that is removed in the end.
 *
 * Does NOT promise: that what stands at the log's end was ever committed; it may have been, so it counts.
 */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CommitStore } from "../actors/storage/commit_store.ts";
import { isLostName } from "../actors/storage/commit_lost.ts";
import type { ImageStore } from "../transport/image.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure } from "./failure.ts";

/** What a copy was. */
export interface Adopted {
  /** The file, closed; it goes with the folder. */
  readonly path: string;
  /** Transactions in it. */
  readonly seqnum: bigint;
  /** Entries of the log that the file lacked. */
  readonly applied: number;
  /** The last entry that is whole, where the end of the log is damaged: what is behind is missing. */
  readonly damagedFrom: bigint | undefined;
}

/** Bytes of entries that are applied at once. */
const APPLY_BYTES = 1024 * 1024;
/** Which files are of one copy. */
const PARTS = /^\.(?:id|sum|sess|log\.[0-9]{1,10})$/;

/**
 * Makes one file of a copy, hands it to `use`, and removes it whatever happens. `folder`: where there is room for it.
 * Throws Failure (not found), CtdbxError.
 */
export async function withAdopted<T>(
  images: ImageStore,
  file: string,
  folder: string,
  use: (adopted: Adopted) => Promise<T>,
): Promise<T> {
  refuseOther(file);
  const scratch = makeScratch(folder);
  try {
    const path = join(scratch, basename(file));
    copyParts(file, path);
    return await use(await wholeOf(images, path));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function refuseOther(file: string): void {
  if (!existsSync(file)) throw new Failure(EXIT.notFound, `Cannot find ${file}`);
  if (existsSync(`${file}.id`)) return;
  throw new Failure(
    EXIT.conflict,
    `Cannot adopt ${file}: it is no copy of a persistent database, as there is no ${file}.id`,
    "`ctdbx db import` takes any TDB file",
  );
}

function makeScratch(folder: string): string {
  try {
    return mkdtempSync(join(folder, ".ctdbx-adopt-"));
  } catch (error) {
    throw systemFailure(error, `Cannot make a folder in ${folder}`);
  }
}

function copyParts(file: string, to: string): void {
  const name = basename(file);
  const folder = dirname(file);
  try {
    for (const each of readdirSync(folder)) {
      const rest = each.startsWith(name) ? each.slice(name.length) : undefined;
      const isPart = rest === "" || (rest !== undefined && PARTS.test(rest) && !isLostName(each));
      if (isPart) copyFileSync(join(folder, each), `${to}${rest}`);
    }
  } catch (error) {
    throw systemFailure(error, `Cannot copy the files of ${file}`);
  }
}

/** Recovers the file, and applies what the log has behind it. */
async function wholeOf(images: ImageStore, path: string): Promise<Adopted> {
  const fresh = { lineage: 0n, diskId: "0".repeat(32), logId: 1n };
  const store = await CommitStore.open(images, path, { fresh, locking: "none" });
  try {
    const { appliedSeq, start, last, proven } = store.opened;
    const first = appliedSeq ?? start.seq;
    for (let at = first; at < last.seq;) {
      const entries = store.log.shelf.readFrom(at + 1n, APPLY_BYTES);
      const end = entries.at(-1);
      if (end === undefined) break;
      store.apply(entries);
      at = end.seq;
    }
    const applied = Number(last.seq - first);
    const damagedFrom = proven === undefined ? undefined : last.seq;
    return { path, seqnum: store.file.dbseq, applied, damagedFrom };
  } finally {
    store.close();
  }
}
