/**
 * Taking over a whole database from another replica: only pages that differ travel.
 *
 *   shape and sums of a snapshot ─▶ which pages are not ours ─▶ put, put ... ─▶ finish: all verified, new files synced
 *   adopt: .sess beside, .id "installing" (from here on it will be done) ─▶ renames ─▶ .id: new base, new log
 *
 * A crash before "installing" leaves what was there, and the work begins anew; one behind it is carried on by
 * finishInstall at the next open.
 *
 * Does NOT promise: that this replica may do so; a member of the in-sync set never does (the machine sees to it).
 */
import { PAGE, threadMemory } from "../../assembly/host/memory.ts";
import type { Image, ImageStore } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { badPages } from "./commit_apply.ts";
import { isAreaPage } from "./commit_area.ts";
import type { CommitFile } from "./commit_file.ts";
import type { Position } from "./commit_frame.ts";
import type { CommitId } from "./commit_id.ts";
import { besidePath } from "./commit_open.ts";
import { isSameSum, sumOfPage, sumPages } from "./commit_pages.ts";
import { segmentPath } from "./commit_segment.ts";
import { putBytes, sessPath, writeCheckpoint } from "./commit_sess.ts";
import type { SnapshotShape } from "./commit_snapshot.ts";
import { CommitSums, type PageEntry, sumPath } from "./commit_sums.ts";
import { RECORD, RECORD_BYTES } from "./tdb_recovery.ts";

/** Pages that another's intents may name, at most. */
const INTENT_PAGES_MAX = 65536;
/** Pages of ours that are verified at once. */
const BATCH = 256;

/** A database that is being taken over. */
export class CommitInstall {
  readonly #images: ImageStore;
  readonly #path: string;
  readonly #shape: SnapshotShape;
  readonly #entries: readonly PageEntry[];
  readonly #image: Image;
  readonly #wanted = new Set<number>();

  /**
   * `entries`: of all pages, those of the area are not looked at. `own`: the database that is here. Throws
   * RangeError on a shape that is none, "no_space", "io".
   */
  constructor(
    images: ImageStore,
    path: string,
    shape: SnapshotShape,
    entries: readonly PageEntry[],
    own?: CommitFile,
  ) {
    requireShape(shape, entries.length);
    this.#images = images;
    this.#path = path;
    this.#shape = shape;
    this.#entries = entries;
    const beside = besidePath(path);
    images.remove(beside);
    this.#image = images.open(beside, { create: true });
    try {
      this.#image.extend(shape.fileBytes);
      this.#takeOwn(own);
    } catch (error) {
      this.#image.close();
      throw error;
    }
  }

  /** Pages that are to be had from others, ascending. */
  get wanted(): number[] {
    return [...this.#wanted];
  }

  #isArea(page: number): boolean {
    return isAreaPage({ ...this.#shape, largeAt: 0 }, page);
  }

  /** Copies what is the same here; a page of ours that is bad is not. */
  #takeOwn(own: CommitFile | undefined): void {
    const same: number[] = [];
    for (const [page, entry] of this.#entries.entries()) {
      if (this.#isArea(page) || isNever(entry)) continue;
      this.#wanted.add(page);
      if (own !== undefined && isOwn(own, page, entry)) same.push(page);
    }
    if (own === undefined) return;
    for (let from = 0; from < same.length; from += BATCH) {
      const some = same.slice(from, from + BATCH);
      const bad = new Set(badPages(own.core, own.sums, some));
      for (const page of some) {
        if (bad.has(page)) continue;
        this.#image.write(page * PAGE, own.core.base + page * PAGE, PAGE);
        this.#wanted.delete(page);
      }
    }
  }

  /** Takes a page. Throws "denied" when it is not what the snapshot says, RangeError on one that is not wanted. */
  put(page: number, content: Uint8Array): void {
    const entry = this.#entries[page];
    if (entry === undefined || !this.#wanted.has(page)) {
      throw new RangeError(`Cannot take page ${page}: it is not wanted`);
    }
    if (content.length !== PAGE || !isSameSum(sumOfPage(page, content), entry.sum)) {
      throw new CtdbxError("denied", `Cannot take page ${page}: it is not what it must be`);
    }
    putBytes(this.#image, page * PAGE, content);
    this.#wanted.delete(page);
  }

  /** Verifies all of it and makes it durable beside what is there. Throws "state" while pages are wanted. */
  finish(): void {
    if (this.#wanted.size > 0) {
      throw new CtdbxError("state", `Cannot finish: ${this.#wanted.size} pages are wanted`);
    }
    this.#putArea();
    this.#verify();
    const name = sumPath(besidePath(this.#path));
    const head = { ...this.#shape, largeAt: 0 };
    const sums = CommitSums.make(this.#images, name, head, this.#entries.length);
    try {
      for (const [page, entry] of this.#entries.entries()) {
        if (!this.#isArea(page) && !isNever(entry)) sums.put(page, entry);
      }
      sums.sync();
    } finally {
      sums.close();
    }
    this.#image.sync(0, this.#image.mapped);
    this.close();
  }

  /** An idle recovery area. */
  #putArea(): void {
    const { areaStart, areaCapacity, fileBytes } = this.#shape;
    const header = new Uint8Array(RECORD_BYTES);
    const view = new DataView(header.buffer);
    view.setUint32(RECORD.recLen, areaCapacity, true);
    view.setUint32(RECORD.keyLen, fileBytes, true);
    putBytes(this.#image, areaStart, header);
  }

  #verify(): void {
    const pages = [...this.#entries.keys()].filter((page) => !this.#isArea(page));
    const { bytes } = threadMemory();
    const pageOf = (i: number): number => pages[i] ?? 0;
    const copy = (i: number, to: number): void => {
      const from = this.#image.address + pageOf(i) * PAGE;
      bytes.copyWithin(to, from, from + PAGE);
    };
    sumPages(pages.length, pageOf, copy, (i, sum) => {
      const entry = this.#entries[pageOf(i)] as PageEntry;
      if (isNever(entry) || isSameSum(entry.sum, sum)) return;
      throw new CtdbxError(
        "io",
        `Cannot finish ${this.#image.path}: page ${pageOf(i)} is not right`,
      );
    });
  }

  /** Gives it up, or ends it after finish(). Idempotent. */
  close(): void {
    this.#image.close();
  }
}

function requireShape(shape: SnapshotShape, pages: number): void {
  const { fileBytes, areaStart, areaCapacity, intentPages } = shape;
  const areaBytes = RECORD_BYTES + areaCapacity;
  const whole = [fileBytes, areaStart, areaBytes].every((each) =>
    Number.isInteger(each) && each > 0 && each % PAGE === 0
  );
  const isSane = Number.isInteger(intentPages) && intentPages > 0 &&
    intentPages <= INTENT_PAGES_MAX;
  if (whole && isSane && areaStart + areaBytes <= fileBytes && pages * PAGE === fileBytes) return;
  throw new RangeError(`Cannot take over ${fileBytes} bytes, ${pages} pages: no such file`);
}

/** Was the page never written? Then it is all zeros. */
function isNever(entry: PageEntry): boolean {
  return entry.dbseq === 0n && entry.sum.every((byte) => byte === 0);
}

function isOwn(own: CommitFile, page: number, entry: PageEntry): boolean {
  if (page >= own.pages || isAreaPage(own.sums.head, page)) return false;
  try {
    return isSameSum(own.sums.entry(page).sum, entry.sum);
  } catch (error) {
    // The sum of ours is lost: the page is had from the other.
    if (error instanceof CtdbxError && error.code === "corrupt") return false;
    throw error;
  }
}

/** What a replica is once it has taken a database over. */
export interface Adopted {
  readonly position: Position;
  readonly lineage: bigint;
  /** A new one, random: what is left of the old log never counts. */
  readonly logId: bigint;
  /** The session table there. */
  readonly table: Uint8Array;
}

/** Puts finished files in place of what was there, which must be closed. Throws "no_space", "io" before it counts. */
export function adopt(images: ImageStore, path: string, id: CommitId, adopted: Adopted): void {
  const { position, lineage, logId, table } = adopted;
  writeCheckpoint(images, nextSessPath(path), { ...position, table });
  id.update({ installing: position, lineage, logId });
  finishInstall(images, path, id);
}

function nextSessPath(path: string): string {
  return `${sessPath(path)}.next`;
}

/** Carries on what a crash has interrupted; nothing happens when nothing was. */
export function finishInstall(images: ImageStore, path: string, id: CommitId): void {
  const { installing } = id.value;
  if (installing === undefined) return;
  const beside = besidePath(path);
  const moves = [
    [sumPath(beside), sumPath(path)],
    [beside, path],
    [nextSessPath(path), sessPath(path)],
  ] as const;
  for (const [from, to] of moves) if (images.exists(from)) images.rename(from, to);
  let first = id.value.first;
  while (images.exists(segmentPath(path, first))) first++;
  id.update({ installing: undefined, base: installing, first, firstAt: 0n });
}
