/**
 * Brings a stage of transactions into a persistent database's file, as a TDB transaction that a crash takes back.
 *
 *   grow ─▶ verify the pages that change ─▶ .sum: intent, sync ─▶ old bytes into the area, sync ─▶ magic, sync
 *        ─▶ blocks, sync ─▶ magic off, sync ─▶ .sum: page entries, not synced
 *
 * What fails before the intent leaves the file as it was. What fails behind it is decided at the next open: the file
 * then holds all of the stage or nothing. Each sync is a step of a generator: others may read the file between two.
 *
 * Does NOT promise: to keep others out, see CommitFile; nor speed for one transaction alone, it shares five syncs.
 */
import { DB, OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import type { Image } from "../../transport/image.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { areaFor, isAreaPage } from "./commit_area.ts";
import { isSameSum, isZeroPage, PAGE, sumPages } from "./commit_pages.ts";
import type { CommitStage } from "./commit_stage.ts";
import type { CommitSums } from "./commit_sums.ts";
import type { TdbCore } from "./tdb_core.ts";
import { AT } from "./tdb_header.ts";
import { type Area, dataLength, layOut, oldRuns } from "./tdb_old_bytes.ts";
import { RECORD, RECORD_BYTES, RECOVERY_MAGIC } from "./tdb_recovery.ts";
import { putWord } from "./tdb_words.ts";

/** What an apply works with. */
export interface Applying {
  readonly core: TdbCore;
  readonly sums: CommitSums;
  readonly stage: CommitStage;
  /** Called with the dirty blocks before any of them changes in the file. */
  readonly beforeShow: (offsets: readonly number[]) => void;
}

/** What happens to the file meanwhile. */
export interface ApplyNews {
  /** From here on a failure no longer leaves the file as it was. */
  readonly begun: () => void;
  /** From here on who reads the file sees the transactions. */
  readonly shown: () => void;
}

/** A page and what it is to be. */
interface NewPage {
  readonly page: number;
  readonly sum: Uint8Array;
}

/**
 * Carries the stage out; the transactions `from` to `to` are in it. Each image that is yielded must have been synced
 * before it goes on.
 */
export function* applyStage(
  { core, sums, stage, beforeShow }: Applying,
  from: bigint,
  to: bigint,
  news: ApplyNews,
): Generator<Image, void> {
  const fileBytes = core.size;
  const oldBytes = core.image.mapped;
  const offsets = stage.offsets();
  const runs = oldRuns(offsets, oldBytes);
  const area = areaFor(sums.head, dataLength(runs), fileBytes);
  const longest = area.place === "new" ? area.start + RECORD_BYTES + area.capacity : fileBytes;
  if (fileBytes % PAGE !== 0) throw new CtdbxError("state", `Cannot apply: ${fileBytes} bytes`);
  const pages = [...new Set(offsets.map((offset) => Math.floor(offset / PAGE)))];
  verifyPages(core, sums, pages.filter((page) => page * PAGE < oldBytes));
  growTo({ core, sums }, oldBytes, longest);
  const changed = newPages(stage, pages, sums);
  yield* saveOld({ core, stage }, area, runs, () => {
    news.begun();
    return sums.intend({ from, to, fileBytes, pages: changed });
  });
  beforeShow(offsets);
  stage.each((offset, at, length) => core.image.write(offset, at, length));
  news.shown();
  yield core.image;
  core.image.touch();
  putDirect(core, area.start + RECORD.magic, 0);
  yield core.image;
  for (const { page, sum } of changed) sums.put(page, { sum, dbseq: to });
  if (area.place === "kept") return;
  putDirect(core, AT.recoveryStart, sums.head.areaStart);
  yield* sums.endLarge(to, fileBytes);
  // Before the file is cut: what points to the area behind must be gone.
  yield core.image;
  core.image.truncate(fileBytes);
}

/** Makes both files long enough; a failure leaves the database as long as it was. */
function growTo({ core, sums }: Pick<Applying, "core" | "sums">, from: number, to: number): void {
  if (to <= from) return;
  try {
    sums.grow(Math.ceil(to / PAGE));
    core.image.extend(to);
  } catch (error) {
    if (error instanceof CtdbxError && core.image.mapped > from) core.image.truncate(from);
    throw error;
  } finally {
    core.set(DB.base, core.base);
  }
}

/** Throws CorruptError when a page of the file is not what it must be. */
export function verifyPages(core: TdbCore, sums: CommitSums, pages: readonly number[]): void {
  const [bad] = badPages(core, sums, pages);
  if (bad === undefined) return;
  const text = `Cannot use page ${bad} of ${core.image.path}: its checksum is wrong`;
  throw new CorruptError("header", bad * PAGE, text);
}

/** Which of these pages are not what they must be; those of the area are left out. */
export function badPages(core: TdbCore, sums: CommitSums, pages: readonly number[]): number[] {
  const summed = pages.filter((page) => !isAreaPage(sums.head, page));
  const bad: number[] = [];
  const { bytes } = core.memory;
  sumPages(
    summed.length,
    (i) => summed[i] ?? 0,
    (i, to) => {
      const from = core.base + (summed[i] ?? 0) * PAGE;
      bytes.copyWithin(to, from, from + PAGE);
    },
    (i, sum) => {
      const page = summed[i] ?? 0;
      if (!isRight(core, sums, page, sum)) bad.push(page);
    },
  );
  return bad;
}

function isRight(core: TdbCore, sums: CommitSums, page: number, sum: Uint8Array): boolean {
  try {
    const entry = sums.entry(page);
    if (entry.dbseq === 0n && entry.sum.every((byte) => byte === 0)) {
      return isZeroPage(core.base + page * PAGE);
    }
    return isSameSum(entry.sum, sum);
  } catch (error) {
    if (error instanceof CorruptError) return false;
    throw error;
  }
}

/** The sums of pages as they will be. */
function newPages(stage: CommitStage, pages: readonly number[], sums: CommitSums): NewPage[] {
  const summed = pages.filter((page) => !isAreaPage(sums.head, page));
  const made: NewPage[] = [];
  sumPages(
    summed.length,
    (i) => summed[i] ?? 0,
    (i, to) => stage.copyPage((summed[i] ?? 0) * PAGE, PAGE, to),
    (i, sum) => made.push({ page: summed[i] ?? 0, sum: sum.slice() }),
  );
  return made;
}

/**
 * Old bytes into the area, then the word that makes a crash take the transaction back. `intend` is done first, when all
 * that is needed of the stage has been taken: it is hidden from then on, and the file is seen as it was.
 */
function* saveOld(
  { core, stage }: Pick<Applying, "core" | "stage">,
  area: Area,
  runs: ReturnType<typeof oldRuns>,
  intend: () => Generator<Image, void>,
): Generator<Image, void> {
  const bytes = RECORD_BYTES + area.dataLen;
  const at = core.memory.regions.take(bytes);
  if (at === undefined) throw new CtdbxError("limit", `Cannot apply: no memory for ${bytes} bytes`);
  try {
    layOut(core, at, area, runs);
    // The block of the header must not undo the pointer.
    if (stage.offsets()[0] === 0) core.setWord(AT.recoveryStart, area.start);
    stage.hide();
    yield* intend();
    core.image.write(area.start, at, bytes);
    yield core.image;
    if (area.place === "new") putDirect(core, AT.recoveryStart, area.start);
    else putDirect(core, area.start + RECORD.magic, RECOVERY_MAGIC);
    yield core.image;
  } finally {
    core.memory.regions.give(at, bytes);
  }
}

/** Writes one word straight into the file, past the stage, as one step. */
function putDirect(core: TdbCore, offset: number, value: number): void {
  putWord(core.memory.bytes, OUT_AT, value, true);
  core.image.write(offset, OUT_AT, 4);
}
