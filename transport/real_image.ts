/**
 * The Image port on real files, the door: opening, removing, renaming.
 *
 *   RealImageStore --open--> RealImage (real_file.ts): descriptor --- real_mapping.ts  its bytes
 *        |                                                        |--- real_mutex.ts   its mutexes
 *        '--- real_lock.ts: threads that wait for locks           '--- ffi.ts          the rest
 *
 * Does NOT promise: more than one store per thread (each would count its mapped bytes alone).
 */

import process from "node:process";
import { threadMemory } from "../assembly/host/memory.ts";
import { cPath, ERRNO, type Libc, OPEN, openLibc, systemError } from "./ffi.ts";
import type { Image, ImageOptions, ImageStore } from "./image.ts";
import { folderOf, RealImage, type RealShared, syncFolderOf } from "./real_file.ts";
import { LockThreads } from "./real_lock.ts";
import { Mappings } from "./real_mapping.ts";
import { MUTEX_SIZES } from "./real_mutex.ts";
import { CtdbxError } from "./wire/errors.ts";

/** File type bits of st_mode, and their value for a regular file. */
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** Opens real files. Make one per thread. Throws "unsupported" where there is no FFI. */
export class RealImageStore implements ImageStore {
  readonly #shared: RealShared;

  /** `libc`: one that is open already, or one that fails on purpose. */
  constructor(options: { readonly libc?: Libc } = {}) {
    const libc = options.libc ?? openLibc();
    this.#shared = {
      libc,
      mappings: new Mappings(libc, threadMemory()),
      threads: new LockThreads(libc),
      mutexSize: MUTEX_SIZES[process.arch] ?? 0,
    };
  }

  open(path: string, options: ImageOptions = {}): Image {
    const { libc } = this.#shared;
    const readOnly = options.readOnly === true;
    // NONBLOCK: a FIFO of that name must not hang us; it means nothing for files.
    let flags = (readOnly ? OPEN.RDONLY : OPEN.RDWR) | OPEN.CLOEXEC | OPEN.NONBLOCK;
    let created = false;
    if (options.create === true) {
      flags |= OPEN.CREAT | (options.exclusive === true ? OPEN.EXCL : 0);
      created = !this.exists(path);
    }
    const fd = libc.open(cPath(path), flags, 0o600);
    if (fd < 0) throw systemError(`Cannot open ${path}`, libc.errno());
    try {
      if ((libc.mode(fd) & S_IFMT) !== S_IFREG) {
        throw new CtdbxError("unsupported", `Cannot open ${path}: it is not a regular file`);
      }
      return new RealImage(this.#shared, path, fd, readOnly, created);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  exists(path: string): boolean {
    return this.#shared.libc.access(cPath(path), 0) === 0;
  }

  remove(path: string): void {
    const { libc } = this.#shared;
    if (libc.unlink(cPath(path)) === 0) return;
    const errno = libc.errno();
    if (errno !== ERRNO.ENOENT) throw systemError(`Cannot remove ${path}`, errno);
  }

  rename(from: string, to: string): void {
    const { libc } = this.#shared;
    if (libc.rename(cPath(from), cPath(to)) !== 0) {
      throw systemError(`Cannot rename ${from} to ${to}`, libc.errno());
    }
    syncFolderOf(libc, to);
    if (folderOf(from) !== folderOf(to)) syncFolderOf(libc, from);
  }
}
