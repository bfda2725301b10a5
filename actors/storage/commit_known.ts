/**
 * Pages that must be right before the file of a persistent database says how far it is: its head, and those on the way
 * to the number of the last transaction. By that number the file is cut, and its sums are settled: read from a page
 * that has rotted it would destroy what is good.
 *
 *   page ─▶ the sum that its entry has, or one that an intent has for it ─▶ known       any other ─▶ corrupt
 *
 * Does NOT promise: that a page is the one of the number; it is one that was written, and the others are verified by
 * the number then.
 */
import type { Image } from "../../transport/image.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { CorruptError } from "../../transport/wire/errors.ts";
import { isAreaPage } from "./commit_area.ts";
import { isSameSum, isZeroPage, PAGE, sumPages } from "./commit_pages.ts";
import type { CommitSums } from "./commit_sums.ts";
import type { TdbCore } from "./tdb_core.ts";
import { RECORD, RECORD_BYTES } from "./tdb_recovery.ts";

/** Throws CorruptError when one of these pages is none that was ever written there. */
export function requireKnown(image: Image, sums: CommitSums, pages: readonly number[]): void {
  const bad = unknownPage(image, sums, pages);
  if (bad === undefined) return;
  const text = `Cannot use page ${bad} of ${image.path}: its checksum is wrong`;
  throw new CorruptError("header", bad * PAGE, text);
}

/** The first of these pages that was never written so; undefined: all were. */
export function unknownPage(
  image: Image,
  sums: CommitSums,
  pages: readonly number[],
): number | undefined {
  const summed = pages.filter((page) =>
    !isAreaPage(sums.head, page) && (page + 1) * PAGE <= image.mapped
  );
  const intents = sums.intents();
  const { bytes } = threadMemory();
  const pageOf = (i: number): number => summed[i] ?? 0;
  let bad: number | undefined;
  const copy = (i: number, to: number): void => {
    const from = image.address + pageOf(i) * PAGE;
    bytes.copyWithin(to, from, from + PAGE);
  };
  sumPages(summed.length, pageOf, copy, (i, sum) => {
    const page = pageOf(i);
    const isIntended = intents.some(({ pages: changed }) =>
      changed.some((one) => one.page === page && isSameSum(one.sum, sum))
    );
    if (!isIntended && !isEntry(image, sums, page, sum)) bad ??= page;
  });
  return bad;
}

function isEntry(image: Image, sums: CommitSums, page: number, sum: Uint8Array): boolean {
  try {
    const entry = sums.entry(page);
    if (entry.dbseq === 0n && entry.sum.every((byte) => byte === 0)) {
      return isZeroPage(image.address + page * PAGE);
    }
    return isSameSum(entry.sum, sum);
  } catch (error) {
    if (error instanceof CorruptError) return false;
    throw error;
  }
}

/** The pages that a look-up reads: of the file's head, of its chain's (`head`, an offset), of the records there. */
export function pagesOnWay(core: TdbCore, head: number): number[] {
  const pages = new Set([0, Math.floor(head / PAGE)]);
  const seen = new Set<number>();
  for (let off = core.word(head); off !== 0 && !seen.has(off); off = core.word(off)) {
    // What points beyond the file the look-up itself tells.
    if (off + RECORD_BYTES > core.size) break;
    seen.add(off);
    const body = core.word(off + RECORD.keyLen) + core.word(off + RECORD.dataLen);
    const end = Math.min(off + RECORD_BYTES + body, core.size);
    for (let page = Math.floor(off / PAGE); page * PAGE < end; page++) pages.add(page);
  }
  return [...pages];
}
