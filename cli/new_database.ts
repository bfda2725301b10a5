/**
 * A database that appears under its name only when it is complete: all or nothing.
 *
 *   .NAME.PID.ctdbx-new   filled without locks and syncs  ->  checked  ->  fsync  ->  renamed to NAME
 *
 * With the hash size left open it starts small and is copied into a larger file each time that its chains get
 * long, and once more at the end if it became too large: a record is moved twice at most, on average.
 *
 * Does NOT promise: to remove the unfinished file when the process is killed with SIGKILL; its name says what it is.
 */

import { accessSync, chmodSync, chownSync, closeSync, constants } from "node:fs";
import { existsSync, fsyncSync, openSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { suggestHashSize } from "../actors/storage/hash_size.ts";
import type { Tdb } from "../actors/storage/tdb.ts";
import { check } from "../actors/storage/tdb_check.ts";
import { HASH_SIZE_DEFAULT } from "../actors/storage/tdb_header.ts";
import type { TdbOptions } from "../actors/storage/tdb_open.ts";
import { openTdb } from "../actors/storage/tdb_open.ts";
import { looksLikeTdb } from "./database.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure, usage } from "./failure.ts";
import type { CommandWorld } from "./world.ts";
import { nextTurn } from "./world.ts";

/** What the new file is like. */
export interface NewOptions {
  /** Chains; undefined: chosen by the number of records. */
  readonly hashSize: number | undefined;
  readonly hash: "jenkins" | "old";
  readonly mutex: boolean;
  readonly byteOrder?: "little" | "big";
  /** A file whose mode and owner it takes; else mode 0600. */
  readonly like?: string;
}

/** Records per chain at which a file of open hash size is made anew, and what it then has room for. */
const CROWDED = 4;
const ROOM = 16;

/** A database under construction. */
export class NewDatabase {
  readonly path: string;
  readonly #world: CommandWorld;
  readonly #options: NewOptions;
  readonly #temp: string;
  #tdb: Tdb;
  #count = 0;
  readonly #onSignal: () => void;

  private constructor(
    world: CommandWorld,
    path: string,
    options: NewOptions,
    temp: string,
    tdb: Tdb,
  ) {
    this.path = path;
    this.#world = world;
    this.#options = options;
    this.#temp = temp;
    this.#tdb = tdb;
    this.#onSignal = () => {
      this.abandon();
      process.exit(130);
    };
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
  }

  /** Begins a new database that will be `path`. */
  static async begin(
    world: CommandWorld,
    path: string,
    options: NewOptions,
  ): Promise<NewDatabase> {
    requireFolder(path);
    const temp = join(dirname(path), `.${basename(path)}.${process.pid}.ctdbx-new`);
    const tdb = await make(world, temp, options, options.hashSize ?? HASH_SIZE_DEFAULT);
    return new NewDatabase(world, path, options, temp, tdb);
  }

  /** Records stored so far, a key that came twice counted once. */
  get count(): number {
    return this.#count;
  }

  /** Stores a record. False: the key is there; the new value has replaced the old one if `replace`. */
  put(key: Uint8Array, value: Uint8Array, replace = true): boolean {
    if (this.#tdb.exists(key)) {
      if (replace) this.#tdb.store(key, value);
      return false;
    }
    this.#tdb.store(key, value);
    this.#count += 1;
    return true;
  }

  /** Is this record there, with exactly this value? */
  holds(key: Uint8Array, value: Uint8Array): boolean {
    const found = this.#tdb.fetch(key);
    return found?.length === value.length && found.every((byte, index) => byte === value[index]);
  }

  /** To be called between records: makes the file anew when its chains have become long. */
  async settle(): Promise<void> {
    const { hashSize } = this.#tdb.header;
    if (this.#options.hashSize !== undefined || this.#count <= CROWDED * hashSize) return;
    await this.#rehash(suggestHashSize(ROOM * this.#count));
  }

  /** Checks the file, makes it durable, and puts it in its place. Returns its size in bytes. */
  async finish(): Promise<number> {
    try {
      // A signal that came while data was awaited is heard now, before half of it counts as all.
      await nextTurn();
      const { hashSize } = this.#tdb.header;
      // A file that was made large for growth that did not come is made to measure.
      if (this.#options.hashSize === undefined && hashSize > 2 * this.#count) {
        const fitting = suggestHashSize(this.#count);
        if (fitting < hashSize) await this.#rehash(fitting);
      }
      const report = await check(this.#tdb, { strict: true });
      const first = report.problems[0];
      if (first !== undefined || report.live !== this.#count) {
        throw new Failure(
          EXIT.other,
          `Cannot finish ${this.path}: the new file does not pass its check: ${
            first?.text ?? "count"
          }`,
        );
      }
      this.#tdb.close();
      const { size } = statSync(this.#temp);
      if (this.#options.like !== undefined) takeAfter(this.#temp, this.#options.like);
      syncFile(this.#temp);
      this.#world.store.rename(this.#temp, this.path);
      this.#endWatch();
      return size;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Removes what was made. Never throws. */
  abandon(): void {
    this.#tdb.close();
    this.#endWatch();
    for (const path of [this.#temp, `${this.#temp}2`]) {
      try {
        this.#world.store.remove(path);
      } catch {
        // The file is in the way of nobody.
      }
    }
  }

  #endWatch(): void {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
  }

  async #rehash(hashSize: number): Promise<void> {
    const next = `${this.#temp}2`;
    const larger = await make(this.#world, next, this.#options, hashSize);
    try {
      await this.#tdb.traverse((record) => larger.store(record.key(), record.value(), "insert"));
    } catch (error) {
      larger.close();
      throw error;
    }
    this.#tdb.close();
    // An open mapping follows the inode, not the name.
    this.#world.store.rename(next, this.#temp);
    this.#tdb = larger;
  }
}

async function make(
  world: CommandWorld,
  path: string,
  options: NewOptions,
  hashSize: number,
): Promise<Tdb> {
  world.store.remove(path);
  const how: TdbOptions = {
    create: true,
    exclusive: true,
    hashSize,
    hash: options.hash,
    byteOrder: options.byteOrder ?? "little",
    locking: options.mutex ? "mutex" : "none",
    noSync: true,
  };
  return await openTdb(world.store, path, how);
}

/** Refuses a target whose folder is not there or takes no files. */
function requireFolder(path: string): void {
  const folder = dirname(path);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw systemFailure(error, `Cannot write ${path} into the folder ${folder}`);
  }
}

/** Refuses to overwrite `path` unless it is absent or `force`. */
export function refuseExisting(path: string, force: boolean | undefined): void {
  if (force || !existsSync(path)) {
    if (existsSync(path) && statSync(path).isDirectory()) {
      throw usage(`Cannot write ${path}: it is a directory`, "name a file");
    }
    return;
  }
  throw new Failure(
    EXIT.conflict,
    `Cannot write ${path}: it exists`,
    "choose another name, or replace it with --force",
  );
}

/** Refuses to replace what is no TDB file: an older backup may go, a mistyped name may not. */
export function refuseForeign(path: string, force: boolean | undefined): void {
  if (!existsSync(path) || (statSync(path).isFile() && looksLikeTdb(path))) return;
  refuseExisting(path, force);
}

/** Mode, and owner where that is permitted. */
function takeAfter(path: string, like: string): void {
  const { mode, uid, gid } = statSync(like);
  chmodSync(path, mode & 0o7777);
  try {
    chownSync(path, uid, gid);
  } catch {
    // Only root may give files away; the copy then belongs to who made it.
  }
}

/** Makes a file's contents durable, what was written through a mapping included. */
function syncFile(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } catch (error) {
    throw systemFailure(error, `Cannot sync ${path}`);
  } finally {
    closeSync(file);
  }
}
