/**
 * The FileSync port: fdatasync by the runtime's own threads, with a descriptor of its own for each file.
 *
 * What was written through a mapping of this process is covered: the pages are the file's.
 *
 * Does NOT promise: order between files; that a disk which says "done" has done it.
 */
import { close, fdatasync, open } from "node:fs";
import { nodeError } from "./real_errors.ts";
import type { FileSync } from "./world.ts";

/** Files that are kept open, beside those that are being synced. */
const OPEN_MAX = 256;

/** A file that is synced now and then. */
interface Kept {
  readonly fd: Promise<number>;
  /** Syncs under way. */
  busy: number;
  isGone: boolean;
}

/** One thread's. */
export class RealFileSync implements FileSync {
  readonly #kept = new Map<string, Kept>();

  async sync(path: string): Promise<void> {
    const what = `Cannot sync ${path}`;
    const kept = this.#keep(path);
    kept.busy += 1;
    try {
      const fd = await kept.fd;
      await new Promise<void>((resolve, reject) => {
        fdatasync(fd, (error) => error === null ? resolve() : reject(error));
      });
    } catch (error) {
      // Whoever asks next opens it anew.
      this.forget(path);
      throw nodeError(what, error);
    } finally {
      kept.busy -= 1;
      closeUnused(kept);
    }
  }

  forget(path: string): void {
    const kept = this.#kept.get(path);
    if (kept === undefined) return;
    this.#kept.delete(path);
    kept.isGone = true;
    closeUnused(kept);
  }

  #keep(path: string): Kept {
    const known = this.#kept.get(path);
    if (known !== undefined) return known;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < OPEN_MAX) break;
      this.forget(oldest);
    }
    const fd = new Promise<number>((resolve, reject) => {
      open(path, "r+", (error, opened) => error === null ? resolve(opened) : reject(error));
    });
    // Who syncs hears of it.
    fd.catch(() => {});
    const made: Kept = { fd, busy: 0, isGone: false };
    this.#kept.set(path, made);
    return made;
  }
}

function closeUnused({ fd, busy, isGone }: Kept): void {
  if (!isGone || busy > 0) return;
  fd.then((opened) => close(opened, () => {}), () => {});
}
