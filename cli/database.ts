/**
 * Opening the file that a command names, with errors that say what, where and what to do.
 *
 * Commands that only look open the file for reading AND writing where they may: libtdb's locks need that, and
 * without locks one reads a database in the middle of somebody's change. Where writing is not permitted they
 * go on without locks and say so. A pending recovery is carried out by the open, as by any user of the format.
 *
 *   look:    read-write --denied--> read-only, no locks, note on stderr
 *   change:  read-write
 *
 * Does NOT promise: that the file is still the one that was looked at first; the open decides.
 */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Tdb } from "../actors/storage/tdb.ts";
import type { TdbOptions } from "../actors/storage/tdb_open.ts";
import { openTdb } from "../actors/storage/tdb_open.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, requireName, systemFailure, usage } from "./failure.ts";
import type { CommandWorld, OpenFlags } from "./world.ts";
import { LOCK_WAIT } from "./world.ts";

/** What the command means to do with the file. */
export type Purpose = "look" | "change";

/** Opens a database, hands it to `use`, and closes it whatever happens. */
export async function withDatabase<T>(
  world: CommandWorld,
  path: string,
  flags: OpenFlags,
  purpose: Purpose,
  use: (tdb: Tdb) => Promise<T> | T,
): Promise<T> {
  const tdb = await openDatabase(world, path, flags, purpose);
  try {
    return await use(tdb);
  } finally {
    tdb.close();
  }
}

/** Opens a database. Throws Failure and CtdbxError. */
export async function openDatabase(
  world: CommandWorld,
  path: string,
  flags: OpenFlags,
  purpose: Purpose,
): Promise<Tdb> {
  lookAtFile(path, purpose);
  const options: TdbOptions = {
    lockTimeoutMs: (flags.timeout ?? LOCK_WAIT.seconds) * 1000,
    ...(flags.lock ? {} : { locking: "none" as const }),
  };
  if (flags.readOnly && purpose === "look") return await openReadOnly(world, path);
  try {
    return await openTdb(world.store, path, options);
  } catch (error) {
    const mayNotWrite = error instanceof CtdbxError &&
      (error.code === "denied" || error.code === "read_only");
    if (purpose !== "look" || !mayNotWrite) throw error;
    const tdb = await openReadOnly(world, path);
    world.terminal.err.write(
      `ctdbx: note: no permission to write ${path}: reading without locks; what others change ` +
        "meanwhile may look damaged\n",
    );
    return tdb;
  }
}

async function openReadOnly(world: CommandWorld, path: string): Promise<Tdb> {
  try {
    return await openTdb(world.store, path, { readOnly: true });
  } catch (error) {
    if (!(error instanceof CtdbxError) || error.code !== "state") throw error;
    throw new Failure(
      EXIT.conflict,
      error.message,
      "a transaction was interrupted: open it once with write access (`ctdbx tdb info FILE`)",
    );
  }
}

/** Says clearly what is wrong with a path that is no readable TDB file. */
export function lookAtFile(path: string, purpose: Purpose): void {
  const cannot = `Cannot ${purpose === "look" ? "read" : "change"} ${path}`;
  requireName(cannot, path);
  let size: number;
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) {
      throw usage(`${cannot}: it is a directory`, "name the .tdb file in it");
    }
    if (!stats.isFile()) throw usage(`${cannot}: it is not a regular file`);
    size = stats.size;
    // Not access(): Deno's own version of it denies root what root may do.
    closeSync(openSync(path, purpose === "look" ? "r" : "r+"));
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw systemFailure(error, cannot);
  }
  if (size === 0) {
    throw new Failure(
      EXIT.corrupt,
      `${cannot}: the file is empty`,
      `\`ctdbx tdb create ${path} --force\` makes it an empty database`,
    );
  }
  if (!looksLikeTdb(path)) {
    throw new Failure(
      EXIT.corrupt,
      `${cannot}: not a TDB file, it does not begin with "TDB file"`,
      "check the name; if this was a TDB once, its first block has been overwritten",
    );
  }
}

const MAGIC = "TDB file\n\0";

/** Does the file begin as every TDB does? True also where it may not be read: then the open says why. */
export function looksLikeTdb(path: string): boolean {
  const head = new Uint8Array(MAGIC.length);
  try {
    const file = openSync(path, "r");
    try {
      if (readSync(file, head, 0, head.length, 0) < head.length) return false;
    } finally {
      closeSync(file);
    }
  } catch {
    return true;
  }
  return String.fromCharCode(...head) === MAGIC;
}
