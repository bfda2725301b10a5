/**
 * The Disk port on the file system.
 *
 *   write    bytes beyond the old end -> bytes over the old ones -> cut to length -> fdatasync -> folder, if new
 *            (only these need space, so a full disk is noticed while nothing of the old file has changed)
 *   replace  PATH~new -> fdatasync -> rename -> fsync of the folder
 *
 * Work is done by the runtime's own threads: a disk that hangs holds nobody up but who waits for `done`. Calls for one
 * path queue up; different paths do not wait for each other.
 *
 * Does NOT promise: anything about a file that another process writes at the same time; that read() sees what a write
 * without its `done` has got done.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
} from "node:fs";
import { open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { checkContents, checkPath, UNFINISHED } from "./disk_checks.ts";
import { type DiskFile, openFile } from "./real_disk_file.ts";
import { nodeError, systemCode } from "./real_errors.ts";
import { CtdbxError } from "./wire/errors.ts";
import type { Disk } from "./world.ts";

const FOLDER_MODE = 0o700;

/** The disk of this machine. */
export class RealDisk implements Disk {
  /** The last piece of work for each path that has any. */
  readonly #queues = new Map<string, Promise<void>>();

  read(path: string): Uint8Array | undefined {
    checkPath(path);
    const what = `Cannot read ${path}`;
    let fd: number;
    try {
      // A pipe would wait here for somebody who writes.
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw nodeError(what, error);
    }
    try {
      return readAll(what, fd);
    } catch (error) {
      throw nodeError(what, error);
    } finally {
      closeSync(fd);
    }
  }

  write(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void {
    const what = `Cannot write ${path}`;
    checkPath(path);
    checkContents(what, bytes.length);
    this.#queue(path, what, bytes.slice(), writeInPlace, done);
  }

  replace(path: string, bytes: Uint8Array, done: (error?: CtdbxError) => void): void {
    const what = `Cannot replace ${path}`;
    checkPath(path);
    checkContents(what, bytes.length);
    this.#queue(path, what, bytes.slice(), writeBeside, done);
  }

  remove(path: string): void {
    checkPath(path);
    try {
      unlinkSync(path);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw nodeError(`Cannot remove ${path}`, error);
    }
  }

  list(folder: string): string[] {
    checkPath(folder);
    try {
      return readdirSync(folder).filter((name) => !name.endsWith(UNFINISHED)).sort();
    } catch (error) {
      if (systemCode(error) === "ENOENT") return [];
      throw nodeError(`Cannot list ${folder}`, error);
    }
  }

  makeFolder(path: string): void {
    checkPath(path);
    try {
      mkdirSync(path, { recursive: true, mode: FOLDER_MODE });
    } catch (error) {
      throw nodeError(`Cannot make folder ${path}`, error);
    }
  }

  #queue(
    path: string,
    what: string,
    bytes: Uint8Array,
    work: (path: string, bytes: Uint8Array) => Promise<void>,
    done: (error?: CtdbxError) => void,
  ): void {
    const before = this.#queues.get(path) ?? Promise.resolve();
    const mine = before.then(() => work(path, bytes)).then(
      () => undefined,
      (error: unknown) => nodeError(what, error),
    );
    const settled = mine.then(() => {
      if (this.#queues.get(path) === settled) this.#queues.delete(path);
    });
    this.#queues.set(path, settled);
    // Apart from the queue: what `done` throws is its caller's, and the next piece of work goes on.
    void mine.then((error) => error === undefined ? done() : done(error));
  }
}

function readAll(what: string, fd: number): Uint8Array {
  const stat = fstatSync(fd);
  if (stat.isDirectory()) throw new CtdbxError("io", `${what}: it is a folder`);
  if (!stat.isFile()) throw new CtdbxError("io", `${what}: it is no regular file`);
  checkContents(what, stat.size);
  const bytes = new Uint8Array(stat.size);
  let size = 0;
  while (size < bytes.length) {
    const got = readSync(fd, bytes, size, bytes.length - size, size);
    if (got === 0) break; // it was shortened meanwhile
    size += got;
  }
  return bytes.subarray(0, size);
}

async function writeInPlace(path: string, bytes: Uint8Array): Promise<void> {
  const [file, isNew] = await openOrMake(path);
  try {
    try {
      await overwrite(file, bytes);
    } catch (error) {
      if (isNew) await unlink(path);
      throw error;
    }
  } finally {
    await file.close();
  }
  if (isNew) await syncFolder(dirname(path));
}

async function openOrMake(path: string): Promise<[DiskFile, boolean]> {
  try {
    return [await openFile(path, "existing"), false];
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    return [await openFile(path, "new"), true];
  }
}

/** The new contents and nothing else; or, if that fails, the old ones. */
async function overwrite(file: DiskFile, bytes: Uint8Array): Promise<void> {
  const size = await file.size();
  const shared = Math.min(size, bytes.length);
  const old = new Uint8Array(shared);
  await readBack(file, old);
  try {
    await writeAll(file, bytes, size, bytes.length);
    await writeAll(file, bytes, 0, shared);
    if (bytes.length < size) await file.truncate(bytes.length);
  } catch (error) {
    // Best effort: a disk that cannot take back what it held before is broken, and the first error says so.
    await writeAll(file, old, 0, shared).catch(() => {});
    await file.truncate(size).catch(() => {});
    throw error;
  }
  await file.datasync();
}

async function writeBeside(path: string, bytes: Uint8Array): Promise<void> {
  const beside = path + UNFINISHED;
  const file = await openFile(beside, "anew");
  try {
    try {
      await writeAll(file, bytes, 0, bytes.length);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Writes bytes[from, to) to the same places of the file, however few the system takes at a time. */
async function writeAll(
  file: DiskFile,
  bytes: Uint8Array,
  from: number,
  to: number,
): Promise<void> {
  for (let at = from; at < to;) {
    const wrote = await file.write(bytes.subarray(at, to), at);
    if (wrote === 0) throw new CtdbxError("io", "Cannot write: the system took nothing");
    at += wrote;
  }
}

async function readBack(file: DiskFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const got = await file.read(bytes.subarray(at), at);
    if (got === 0) return;
    at += got;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
