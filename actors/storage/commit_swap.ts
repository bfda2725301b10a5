/**
 * Another file, with its sums, in place of a damaged one of the same history: identity, log and sessions stay.
 *
 *   PATH~fix~new, PATH~fix~new.sum: whole, synced ─▶ PATH~fix (from here on it will be done) ─▶ .sum ─▶ PATH
 *
 * A crash before PATH~fix has its name leaves what was there; one behind it is carried on at the next open. Nothing is
 * lost with the damaged file: what it had applied is in the new one, which is of a later place of the same history.
 *
 * Does NOT promise: that the new file fits to the log; who swaps has compared the place.
 */
import type { ImageStore } from "../../transport/image.ts";
import { CommitInstall } from "./commit_install.ts";
import type { CommitFile } from "./commit_file.ts";
import { besidePath } from "./commit_open.ts";
import type { SnapshotShape } from "./commit_snapshot.ts";
import { type PageEntry, sumPath } from "./commit_sums.ts";

/** The name that says: this file is whole, and takes the place of PATH. */
export function fixPath(path: string): string {
  return `${path}~fix`;
}

/** Begins to make a file that may take the place of `own`; its good pages are used. Throws as CommitInstall. */
export function beginSwap(
  images: ImageStore,
  path: string,
  shape: SnapshotShape,
  entries: readonly PageEntry[],
  own: CommitFile,
): CommitInstall {
  return new CommitInstall(images, fixPath(path), shape, entries, own);
}

/** A file that was made by beginSwap(), and has finished, takes the place of PATH, which must be closed. */
export function swapIn(images: ImageStore, path: string): void {
  images.rename(besidePath(fixPath(path)), fixPath(path));
  finishSwap(images, path);
}

/** Carries on what a crash has interrupted; nothing happens when nothing was. */
export function finishSwap(images: ImageStore, path: string): void {
  const fix = fixPath(path);
  if (!images.exists(fix)) return;
  const sums = sumPath(besidePath(fix));
  if (images.exists(sums)) images.rename(sums, sumPath(path));
  images.rename(fix, path);
}
