/**
 * Pages of a persistent database's file, for who mends them: what a page must be, whether a page here is what another
 * node misses, and files that are put aside.
 *
 *   bad page ─▶ wantedSum ─▶ (another copy: pageWith) ─▶ putPage of the file, which compares once more
 *   nothing can be mended ─▶ setAside: .id first, so that what is left never counts as the copy that it was
 *
 * Does NOT promise: that what is put aside is of any use; people look at it.
 */
import type { ImageStore } from "../../transport/image.ts";
import { CorruptError } from "../../transport/wire/errors.ts";
import { isAreaPage } from "./commit_area.ts";
import type { CommitFile } from "./commit_file.ts";
import { isSameSum } from "./commit_pages.ts";

/** What a page must be; undefined: that is lost, too. */
export function wantedSum(file: CommitFile, page: number): Uint8Array | undefined {
  try {
    return file.sums.entry(page).sum;
  } catch (error) {
    if (error instanceof CorruptError) return undefined;
    throw error;
  }
}

/** A page of the file if it is one with this sum, verified; undefined: it is another one, or bad. */
export function pageWith(
  file: CommitFile,
  page: number,
  sum: Uint8Array,
): Uint8Array | undefined {
  if (page >= file.pages || isAreaPage(file.sums.head, page)) return undefined;
  const own = wantedSum(file, page);
  if (own === undefined || own.length !== sum.length || !isSameSum(own, sum)) return undefined;
  try {
    return file.page(page);
  } catch (error) {
    if (error instanceof CorruptError) return undefined;
    throw error;
  }
}

/**
 * Moves all files of a copy, which must be closed, to `to`; its folder is there. `ends`: of the names of files beside
 * PATH, as they are listed. Answers how many. Throws "io": doing it again goes on.
 */
export function setAside(
  images: ImageStore,
  path: string,
  to: string,
  ends: readonly string[],
): number {
  let count = 0;
  for (const end of new Set([".id", ".sum", ".sess", "", ...ends])) {
    if (!images.exists(path + end)) continue;
    images.rename(path + end, to + end);
    count += 1;
  }
  return count;
}
