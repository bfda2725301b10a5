/**
 * The place where a new file goes: what may be there, and how the finished file gets there.
 *
 *   nothing there          link(2): of several at once one wins, the others find it taken
 *   empty file (create)    locked, still empty: renamed over it
 *   --force                nobody holds a lock on it: renamed over it, locked
 *   device, FIFO, socket, folder: refused, whatever was said.      A link is followed, the real file replaced.
 *
 * Does NOT promise: to see a program of libtdb that has the file open and does nothing just now: such a one
 * holds no lock. It goes on with the old file, which has no name any more.
 */

import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  statSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { dirname } from "node:path";
import type { Image, ImageStore } from "../transport/image.ts";
import { CtdbxError } from "../transport/wire/errors.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, reportOf, requireName, systemFailure, usage } from "./failure.ts";

/** What may be at the place already. */
type Replace = "nothing" | "empty" | "any";

/** ACTIVE, which ctdbx and CLEAR_IF_FIRST users hold while it is open; and all chains. */
const ACTIVE = { start: 4, length: 1 };
const EVERYTHING = { start: 168, length: 0 };

/** Errors of link(2) where the file system has no links. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/** A place that was looked at; made by targetOf(). */
export class Target {
  /** As it was named. */
  readonly path: string;
  /** Where that leads, links followed. */
  readonly real: string;
  readonly #replace: Replace;

  constructor(path: string, real: string, replace: Replace) {
    this.path = path;
    this.real = real;
    this.#replace = replace;
  }

  /** Throws exit 4 when a lock on the file to be replaced is held by anybody. */
  requireUnused(store: ImageStore): void {
    if (this.#replace !== "nothing" && statsOf(this.real) !== undefined) this.#lock(store).close();
  }

  /** Puts the finished file `temp`, of the same folder, in its place, durably. Throws as targetOf() does. */
  put(store: ImageStore, temp: string): void {
    const there = statsOf(this.real);
    refuse(this.path, there, this.#replace);
    if (there === undefined) this.#link(store, temp);
    else this.#over(store, temp);
  }

  #lock(store: ImageStore): Image {
    let image: Image;
    try {
      image = store.open(this.real);
    } catch (error) {
      if (!(error instanceof CtdbxError)) throw error;
      const why = "to see whether it is in use it would have to be opened";
      const { exit, message } = reportOf(error);
      throw new Failure(
        exit,
        `Cannot replace ${this.path}: ${message}`,
        `${why}; or remove it first`,
      );
    }
    if (image.tryLock(ACTIVE, "write") && image.tryLock(EVERYTHING, "write")) return image;
    image.close();
    throw new Failure(
      EXIT.conflict,
      `Cannot replace ${this.path}: it is in use by another process`,
      "end what uses it, or choose another name; --force does not help here",
    );
  }

  /** The lock is held until after the rename: who comes second finds it, or a file that is not empty. */
  #over(store: ImageStore, temp: string): void {
    const image = this.#lock(store);
    try {
      if (this.#replace === "empty" && (image.size() > 0 || (statsOf(this.real)?.size ?? 0) > 0)) {
        throw taken(this.path);
      }
      store.rename(temp, this.real);
    } finally {
      image.close();
    }
  }

  #link(store: ImageStore, temp: string): void {
    try {
      linkSync(temp, this.real);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EEXIST") throw taken(this.path);
      if (!NO_LINKS.includes(code)) throw systemFailure(error, `Cannot write ${this.path}`);
      this.#claim();
      store.rename(temp, this.real);
      return;
    }
    syncFolder(dirname(this.real));
    store.remove(temp);
  }

  /** Without links: an empty file of our own takes the name first. */
  #claim(): void {
    try {
      closeSync(openSync(this.real, "wx", 0o600));
    } catch (error) {
      if (codeOf(error) === "EEXIST") throw taken(this.path);
      throw systemFailure(error, `Cannot write ${this.path}`);
    }
  }
}

/** How to treat what is there. */
export interface TargetOptions {
  /** Replace a file. */
  readonly force?: boolean | undefined;
  /** Replace an empty file, which is what mktemp and touch leave: nothing is lost by that. */
  readonly overEmpty?: boolean;
}

/** Looks at a place. Throws exit 4 when a file is in the way, exit 2 when something else is. */
export function targetOf(path: string, { force, overEmpty }: TargetOptions): Target {
  requireName(`Cannot write ${path}`, path);
  if (path === "-") {
    const hint = "`ctdbx db dump` and `ctdbx tdb dump` write there; ./- is a file of that name";
    throw usage("Cannot write to -: a new file is put in its place whole, not streamed", hint);
  }
  const there = statsOf(path);
  const replace: Replace = force ? "any" : overEmpty && there?.size === 0 ? "empty" : "nothing";
  refuse(path, there, replace);
  return new Target(path, there === undefined ? path : realpathSync(path), replace);
}

/** Refuses to write a file over itself. */
export function refuseSame(from: string, to: string): void {
  const one = statsOf(from);
  const other = statsOf(to);
  if (one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino) {
    throw usage(`Cannot write ${to}: it is the file that is read`, "name another target");
  }
}

function refuse(path: string, there: Stats | undefined, replace: Replace): void {
  const cannot = `Cannot write ${path}`;
  if (there === undefined) {
    if (!isDanglingLink(path)) return;
    throw usage(`${cannot}: it is a link that leads nowhere`, "name the file itself");
  }
  if (there.isDirectory()) throw usage(`${cannot}: it is a directory`, "name a file");
  if (!there.isFile()) {
    throw usage(`${cannot}: it is not a regular file`, "devices and pipes are never replaced");
  }
  if (replace === "any" || (replace === "empty" && there.size === 0)) return;
  throw taken(path);
}

function taken(path: string): Failure {
  return new Failure(
    EXIT.conflict,
    `Cannot write ${path}: it exists`,
    "choose another name, or replace it with --force",
  );
}

/** What a path leads to; undefined: nothing. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw systemFailure(error, `Cannot look at ${path}`);
  }
}

function isDanglingLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Makes a new name durable. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw systemFailure(error, `Cannot sync ${folder}`);
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? "";
}
