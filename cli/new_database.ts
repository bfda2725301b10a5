/**
 * A database that appears under its name only when it is complete: all or nothing.
 *
 *   .NAME.DICE.ctdbx-new  filled without locks and syncs  ->  checked  ->  fsync  ->  NAME (target.ts)
 *
 * With the hash size left open it starts small and is copied into a larger file each time that its chains get
 * long, and once more at the end if it became too large: a record is moved twice at most, on average.
 *
 * Does NOT promise: to remove the unfinished file when the process is killed with SIGKILL; its name says what it is.
 */

import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fchownSync, fsyncSync, openSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { suggestHashSize } from "../actors/storage/hash_size.ts";
import type { Tdb } from "../actors/storage/tdb.ts";
import { check } from "../actors/storage/tdb_check.ts";
import { HASH_SIZE_DEFAULT } from "../actors/storage/tdb_header.ts";
import type { TdbOptions } from "../actors/storage/tdb_open.ts";
import { openTdb } from "../actors/storage/tdb_open.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure } from "./failure.ts";
import type { Target } from "./target.ts";
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
  readonly #target: Target;
  readonly #world: CommandWorld;
  readonly #options: NewOptions;
  readonly #temp: string;
  #tdb: Tdb;
  #count = 0;
  readonly #watch: SignalWatch;

  private constructor(
    world: CommandWorld,
    target: Target,
    options: NewOptions,
    temp: string,
    tdb: Tdb,
    watch: SignalWatch,
  ) {
    this.#target = target;
    this.#world = world;
    this.#options = options;
    this.#temp = temp;
    this.#tdb = tdb;
    this.#watch = watch;
    watch.cleanUp = () => this.abandon();
  }

  /** Begins a new database that will be at `target`. */
  static async begin(
    world: CommandWorld,
    target: Target,
    options: NewOptions,
  ): Promise<NewDatabase> {
    // Again at the end; but better said before the work than after it.
    target.requireUnused(world.store);
    const temp = tempBeside(target.real);
    const watch = new SignalWatch(() => discard(world, temp));
    try {
      const tdb = await make(world, temp, options, options.hashSize ?? HASH_SIZE_DEFAULT);
      return new NewDatabase(world, target, options, temp, tdb, watch);
    } catch (error) {
      watch.end();
      throw error;
    }
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
          `Cannot finish ${this.#target.path}: the new file does not pass its check: ${
            first?.text ?? "count"
          }`,
        );
      }
      this.#tdb.close();
      const { size } = statSync(this.#temp);
      seal(this.#temp, this.#options.like);
      this.#target.put(this.#world.store, this.#temp);
      this.#watch.end();
      return size;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Removes what was made. Never throws. */
  abandon(): void {
    this.#tdb.close();
    this.#watch.end();
    discard(this.#world, this.#temp);
    discard(this.#world, `${this.#temp}2`);
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
  claim(path);
  const how: TdbOptions = {
    create: true,
    hashSize,
    hash: options.hash,
    byteOrder: options.byteOrder ?? "little",
    locking: options.mutex ? "mutex" : "none",
    noSync: true,
  };
  try {
    return await openTdb(world.store, path, how);
  } catch (error) {
    // Of a name that nobody else has: what is there is what was begun.
    discard(world, path);
    throw error;
  }
}

/** Takes a new name. What the folder has against it is said here, in the words of the command line. */
export function claim(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    throw systemFailure(error, `Cannot write into the folder ${dirname(path)}`);
  }
}

/** Removes a file of our own, if it is there. Never throws. */
export function discard(world: CommandWorld, path: string): void {
  try {
    world.store.remove(path);
  } catch {
    // It is in the way of nobody, and the error that led here matters more.
  }
}

/** Cleans up and ends the process when it is asked to end, from the first byte of the new file on. */
export class SignalWatch {
  cleanUp: () => void;
  readonly #listeners = (["SIGINT", "SIGTERM"] as const).map((name) =>
    [name, () => {
      this.cleanUp();
      process.exit(128 + constants.signals[name]);
    }] as const
  );

  constructor(cleanUp: () => void) {
    this.cleanUp = cleanUp;
    for (const [name, listener] of this.#listeners) process.on(name, listener);
  }

  end(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }
}

/**
 * A name beside `path` that nobody else uses: two containers may have one process number and share a folder.
 * Begins as `path` does, but not with so much of it that it were too long.
 */
export function tempBeside(path: string): string {
  const name = [...basename(path)].slice(0, 40).join("");
  return join(dirname(path), `.${name}.${randomBytes(6).toString("hex")}.ctdbx-new`);
}

/** Makes a file durable, what was written through a mapping included; with mode and owner of `like`. */
export function seal(path: string, like: string | undefined): void {
  try {
    // Opened first: with the mode of `like` it might not be ours to open any more.
    const file = openSync(path, "r+");
    try {
      if (like !== undefined) takeAfter(file, statSync(like));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw systemFailure(error, `Cannot finish ${path}`);
  }
}

function takeAfter(file: number, { mode, uid, gid }: Stats): void {
  fchmodSync(file, mode & 0o777);
  try {
    fchownSync(file, uid, gid);
  } catch {
    // Only root may give files away; the copy then belongs to who made it.
  }
}
