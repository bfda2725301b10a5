/**
 * The small files of one simulated machine, and what a power cut makes of them.
 *
 *   current  what a reader sees now            durable  what is on the platter: as of the last sync
 *   power cut: a new name may be gone, a removed one back, each 512-byte sector is old or new, by the dice
 *
 * Does NOT promise: the order in which sectors reach the platter: that is its purpose.
 */
import { CtdbxError } from "../wire/errors.ts";
import type { Dice } from "../world.ts";
import { SECTOR } from "./file.ts";

/** One file. */
interface SmallFile {
  current: Uint8Array;
  durable: Uint8Array;
  /** Its name survives a power cut. */
  isNamed: boolean;
}

/** Files, folders and room. */
export class DiskFiles {
  /** Bytes that all files may have together; Infinity: no limit. */
  room = Infinity;
  readonly #files = new Map<string, SmallFile>();
  readonly #folders = new Set<string>(["/"]);
  /** Removed, but the folder was not synced since. */
  readonly #removed = new Map<string, SmallFile>();

  get(path: string): Uint8Array | undefined {
    return this.#files.get(path)?.current;
  }

  isFolder(path: string): boolean {
    return this.#folders.has(path);
  }

  /** Names in a folder, sorted. Throws "not_found" when it is a file. */
  list(folder: string): string[] {
    if (this.#files.has(folder)) {
      throw new CtdbxError("not_found", `Cannot list ${folder}: it is no folder`);
    }
    const start = folder === "/" ? "/" : `${folder}/`;
    const names = [...this.#files.keys(), ...this.#folders].flatMap((path) => {
      const rest = path.startsWith(start) ? path.slice(start.length) : "";
      return rest === "" || rest.includes("/") ? [] : [rest];
    });
    return names.sort();
  }

  makeFolder(path: string): void {
    const parts = path.split("/").slice(1);
    for (let count = 1; count <= parts.length; count++) {
      const folder = `/${parts.slice(0, count).join("/")}`;
      if (this.#files.has(folder)) {
        throw new CtdbxError("exists", `Cannot make folder ${path}: ${folder} is a file`);
      }
      this.#folders.add(folder);
    }
  }

  remove(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    if (file.isNamed) this.#removed.set(path, file);
  }

  /** Throws what a system would say to a write there. `what` is the sentence so far. */
  checkWrite(what: string, path: string, size: number): void {
    if (this.#folders.has(path)) throw new CtdbxError("io", `${what}: it is a folder`);
    if (!this.#folders.has(folderOf(path))) {
      throw new CtdbxError("not_found", `${what}: there is no such folder`);
    }
    let used = 0;
    for (const [other, { current }] of this.#files) used += other === path ? 0 : current.length;
    if (used + size > this.room) throw new CtdbxError("no_space", `${what}: no space left`);
  }

  /** The write is done and synced, its name, too. */
  put(path: string, bytes: Uint8Array): void {
    this.#files.set(path, { current: bytes, durable: bytes, isNamed: true });
    for (const removed of [...this.#removed.keys()]) {
      if (folderOf(removed) === folderOf(path)) this.#removed.delete(removed);
    }
  }

  /** Adds to a file, without a sync; made when absent. */
  append(path: string, bytes: Uint8Array): void {
    const file = this.#files.get(path);
    const before = file?.current ?? new Uint8Array(0);
    const current = new Uint8Array(before.length + bytes.length);
    current.set(before);
    current.set(bytes, before.length);
    this.#files.set(path, {
      current,
      durable: file?.durable ?? new Uint8Array(0),
      isNamed: file?.isNamed ?? false,
    });
  }

  /** A write in place was under way when its process died: any mixture, which the system keeps. */
  tear(path: string, bytes: Uint8Array, dice: Dice): void {
    const file = this.#files.get(path);
    const old = file?.current ?? new Uint8Array(0);
    const current = mixture(old, bytes, dice);
    const durable = file?.durable ?? new Uint8Array(0);
    this.#files.set(path, { current, durable, isNamed: file?.isNamed ?? false });
  }

  /** The power goes. */
  cut(dice: Dice): void {
    for (const [path, file] of [...this.#files]) {
      if (!file.isNamed && dice.chance(1, 2)) {
        this.#files.delete(path);
        continue;
      }
      const survivor = mixture(file.durable, file.current, dice);
      this.#files.set(path, { current: survivor, durable: survivor, isNamed: true });
    }
    for (const [path, file] of this.#removed) {
      if (!this.#files.has(path) && dice.chance(1, 2)) this.#files.set(path, file);
    }
    this.#removed.clear();
  }
}

/** The folder that a path lies in. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Each sector from one or the other; the length of either. */
function mixture(one: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  if (one === other) return one;
  const size = dice.chance(1, 2) ? one.length : other.length;
  const bytes = new Uint8Array(size);
  bytes.set(one.subarray(0, size));
  for (let at = 0; at < Math.min(size, other.length); at += SECTOR) {
    // Behind the end of the old one there is nothing that could have stayed.
    if (at < one.length && dice.chance(1, 2)) continue;
    bytes.set(other.subarray(at, Math.min(at + SECTOR, size)), at);
  }
  return bytes;
}
