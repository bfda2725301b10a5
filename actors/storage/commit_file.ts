/**
 * The file of a persistent database: committed transactions go in, in order, and each page is verified before its use.
 *
 *   entries ─▶ stage ─▶ (full, or no more) ─▶ applyStage ─▶ dbseq     fetch ─▶ pages of the chain verified ─▶ value
 *
 * The file is one that libtdb's tools open: at rest, and after a crash at any point (they undo what was under way).
 * Which transactions it holds stands in it: `__db_sequence_number__`. Handing over some that it has does nothing.
 *
 * An apply whose disk fails half-way ends the handle with code "state": opening anew decides what the file holds.
 *
 * Does NOT promise: that others keep away from writing; a page that a foreign tool changed is found as damaged.
 */
import type { Image, ImageStore } from "../../transport/image.ts";
import { type CommitTxn, type Entry, versionAt } from "../../transport/wire/commit/entry.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { DB } from "../../assembly/host/tdb_kernels.ts";
import { applyStage, badPages, verifyPages } from "./commit_apply.ts";
import { isAreaPage } from "./commit_area.ts";
import {
  type CommitFileOptions,
  headOf,
  makeCommitFile,
  openCommitFile,
  seekKey,
} from "./commit_open.ts";
import { isSameSum, PAGE, sumOfPage } from "./commit_pages.ts";
import { CommitSnapshot, type SnapshotHost } from "./commit_snapshot.ts";
import { areaNeed, CommitStage, HEADER } from "./commit_stage.ts";
import type { CommitSums } from "./commit_sums.ts";
import type { TdbCore } from "./tdb_core.ts";
import { RecordView, see } from "./tdb_record.ts";
import { RECORD, RECORD_BYTES } from "./tdb_recovery.ts";

/** A record. */
export interface CommitRecord {
  /** Its version: versionAt of the transaction that wrote it. */
  readonly rsn: bigint;
  readonly value: Uint8Array;
}

/** One transaction to be applied. */
interface Numbered {
  readonly dbseq: bigint;
  readonly version: bigint;
  readonly txn: CommitTxn;
}

/** Blocks that the number of the last transaction may make dirty beside the others. */
const SPARE_BLOCKS = 8;

/** An open file. */
export class CommitFile implements SnapshotHost {
  readonly core: TdbCore;
  readonly sums: CommitSums;
  readonly #stage: CommitStage;
  readonly #view: RecordView;
  readonly #snapshots = new Set<CommitSnapshot>();
  #dbseq: bigint;
  /** 1: the page was verified since the file was opened. */
  #verified: Uint8Array;
  #broken: CtdbxError | undefined;
  #isApplying = false;

  private constructor(core: TdbCore, sums: CommitSums, dbseq: bigint) {
    this.core = core;
    this.sums = sums;
    this.#dbseq = dbseq;
    this.#stage = new CommitStage(core);
    this.#view = new RecordView(core.memory.bytes);
    this.#verified = new Uint8Array(this.pages);
  }

  /** Opens a database, or makes it. Throws "corrupt", "no_space", "io", "busy", "version". */
  static async open(
    images: ImageStore,
    path: string,
    options: CommitFileOptions = {},
  ): Promise<CommitFile> {
    if (!images.exists(path)) await makeCommitFile(images, path, options);
    return CommitFile.reopen(images, path, options);
  }

  /** As open(), of one that is there. */
  static reopen(images: ImageStore, path: string, options: CommitFileOptions): CommitFile {
    const { core, sums, dbseq } = openCommitFile(images, path, options);
    return new CommitFile(core, sums, dbseq);
  }

  /** Is an apply between two of its steps? */
  get isApplying(): boolean {
    return this.#isApplying;
  }

  /** Number of the last transaction that it holds. */
  get dbseq(): bigint {
    return this.#dbseq;
  }

  /** Pages of the file. */
  get pages(): number {
    return this.core.image.mapped / PAGE;
  }

  #usable(): void {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.core.closed) {
      throw new CtdbxError("state", `Cannot use ${this.core.image.path}: it is closed`);
    }
  }

  // --- applying

  /**
   * Applies the transactions of committed entries that the file does not have, in batches that its recovery area takes;
   * one that is larger goes alone. Answers dbseq. Throws "state" when one is missing in between, "busy" when a program
   * reads for too long, "corrupt" on a page that is not what it must be, "no_space": then the batches before are in
   * it, and the file is as it was after them.
   */
  apply(entries: readonly Entry[]): bigint {
    for (const image of this.applying(entries)) image.sync(0, image.mapped);
    return this.#dbseq;
  }

  /**
   * The same in steps, for who has files synced elsewhere: each image that is yielded must be on the disk before it
   * goes on. Between steps records may be read; what needs the file at rest throws "busy". Who does not run it to its
   * end can only close the file. Throws "busy" while another one is under way.
   */
  *applying(entries: readonly Entry[]): Generator<Image, void> {
    this.#atRest();
    const todo = this.#missing(entries);
    if (todo.length > 0) this.#verifyRest();
    for (let done = 0; done < todo.length;) done += yield* this.#batch(todo, done);
  }

  #atRest(): void {
    this.#usable();
    if (!this.#isApplying) return;
    throw new CtdbxError("busy", `Cannot use ${this.core.image.path} now: it is being changed`);
  }

  #missing(entries: readonly Entry[]): Numbered[] {
    const todo: Numbered[] = [];
    let next = this.#dbseq + 1n;
    for (const { lineage, dbseqFirst, txns } of entries) {
      for (const [i, txn] of txns.entries()) {
        const dbseq = dbseqFirst + BigInt(i);
        if (dbseq < next) continue;
        if (dbseq > next) {
          throw new CtdbxError("state", `Cannot apply transaction ${dbseq}: ${next} is missing`);
        }
        todo.push({ dbseq, version: versionAt(lineage, dbseq), txn });
        next++;
      }
    }
    return todo;
  }

  /** Applies some from `from` on; answers how many. */
  *#batch(todo: readonly Numbered[], from: number): Generator<Image, number> {
    const { locks } = this.core;
    if (!locks.tryAll("write")) {
      throw new CtdbxError("busy", `Cannot apply to ${this.core.image.path}: it is being read`);
    }
    try {
      let count = this.#fill(todo, from, todo.length - from);
      if (count > 1 && !this.#fits(0)) {
        // The last one was too much: without it the others fit.
        this.#stage.end();
        count = this.#fill(todo, from, count - 1);
      }
      this.#isApplying = true;
      yield* this.#carryOut(todo[from] as Numbered, todo[from + count - 1] as Numbered);
      return count;
    } finally {
      this.#isApplying = false;
      this.#stage.end();
      locks.unlockAll();
    }
  }

  /** Stages transactions until half of the area is used, `max` at most. */
  #fill(todo: readonly Numbered[], from: number, max: number): number {
    this.#stage.begin();
    let count = 0;
    while (count < max) {
      const { txn, version } = todo[from + count] as Numbered;
      for (const { key, value } of txn.writes) {
        if (value === undefined) this.#stage.remove(key);
        else this.#stage.put(key, value, version);
      }
      count++;
      if (!this.#fits(this.#stage.blocks)) break;
    }
    this.#stage.putDbseq((todo[from + count - 1] as Numbered).dbseq);
    return count;
  }

  /** Does what is staged fit into the fixed area and a slot, with `more` blocks? */
  #fits(more: number): boolean {
    const blocks = this.#stage.blocks + more + (more > 0 ? SPARE_BLOCKS : 0);
    return areaNeed(blocks) <= this.sums.head.areaCapacity &&
      blocks <= this.sums.head.intentPages;
  }

  *#carryOut(first: Numbered, last: Numbered): Generator<Image, void> {
    const { core, sums } = this;
    let isBetween = false;
    try {
      const beforeShow = (offsets: readonly number[]): void => {
        for (const snapshot of this.#snapshots) snapshot.keep(offsets);
      };
      const applying = { core, sums, stage: this.#stage, beforeShow };
      yield* applyStage(applying, first.dbseq, last.dbseq, {
        begun: () => {
          isBetween = true;
          // The mapping may have moved, and programs read between the steps.
          this.#follow();
        },
        shown: () => {
          this.#dbseq = last.dbseq;
          this.#fitVerified();
          this.#stage.hide();
        },
      });
      isBetween = false;
    } finally {
      // Also when a sync has failed, or nobody goes on.
      if (isBetween) this.#break();
      this.#stage.end();
    }
    this.#fitVerified();
    this.#follow();
  }

  #follow(): void {
    for (const snapshot of this.#snapshots) snapshot.follow();
  }

  /** What is new was made here. */
  #fitVerified(): void {
    const { pages } = this;
    if (pages === this.#verified.length) return;
    const fit = new Uint8Array(pages).fill(1);
    fit.set(this.#verified.subarray(0, pages));
    this.#verified = fit;
  }

  #break(): void {
    const { path } = this.core.image;
    const text = `Cannot use ${path}: an apply failed half-way; it must be opened anew`;
    this.#broken = new CtdbxError("state", text);
  }

  // --- reading

  /** A record; undefined: there is none. Throws CorruptError when a page on the way is not what it must be. */
  fetch(key: string): CommitRecord | undefined {
    this.#usable();
    this.#verifyChain(key);
    const off = seekKey(this.core, key);
    return off === 0 ? undefined : recordAt(this.core, this.#view, off);
  }

  /** The version of a record, as transactions compare it; 0: there is none. */
  versionOf(key: string): bigint {
    return this.fetch(key)?.rsn ?? 0n;
  }

  /** Verifies the pages that a look-up of this key reads: the head of its chain, and all records there. */
  #verifyChain(key: string): void {
    const head = headOf(this.core, key);
    this.#verifyRange(head, 4);
    const seen = new Set<number>();
    for (let off = this.core.word(head); off !== 0;) {
      // A chain that meets itself is the kernel's to tell.
      if (seen.has(off) || off + RECORD_BYTES > this.core.size) return;
      seen.add(off);
      this.#verifyRange(off, RECORD_BYTES);
      const body = this.core.word(off + RECORD.keyLen) + this.core.word(off + RECORD.dataLen);
      this.#verifyRange(off, Math.min(RECORD_BYTES + body, this.core.size - off));
      off = this.core.word(off);
    }
  }

  #verifyRange(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / PAGE);
    const pages: number[] = [];
    for (let page = Math.floor(offset / PAGE); page <= last; page++) {
      if (this.#verified[page] !== 1) pages.push(page);
    }
    if (pages.length === 0) return;
    verifyPages(this.core, this.sums, pages);
    for (const page of pages) this.#verified[page] = 1;
  }

  /**
   * What an apply may read is more than what it changes: before the first one everything is verified, at once. Who
   * does not want to wait for a large file calls scrub() in slices before.
   */
  #verifyRest(): void {
    if (this.#verified.includes(0)) {
      const [bad] = this.scrub(0, this.pages).bad;
      if (bad !== undefined) verifyPages(this.core, this.sums, [bad]);
    }
  }

  // --- checking and repairing

  /** Pages that were verified since the file was opened: their number. */
  get verified(): number {
    return this.#verified.reduce((sum, one) => sum + one, 0);
  }

  /** Verifies `count` pages from `from` on. Answers the bad ones, and where to go on; undefined: that was the end. */
  scrub(from: number, count: number): { bad: number[]; next: number | undefined } {
    this.#atRest();
    const end = Math.min(this.pages, from + count);
    const pages = Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i);
    const bad = badPages(this.core, this.sums, pages);
    for (const page of pages) this.#verified[page] = bad.includes(page) ? 0 : 1;
    return { bad, next: end < this.pages ? end : undefined };
  }

  /** A copy of a page, verified. Throws CorruptError. */
  page(page: number): Uint8Array {
    this.#atRest();
    verifyPages(this.core, this.sums, [page]);
    const from = this.core.base + page * PAGE;
    return this.core.memory.bytes.slice(from, from + PAGE);
  }

  /**
   * Puts a page in place of a bad one, from whomever it comes: only what has the sum that the page must have is taken.
   * It is on the disk when this returns. Throws "denied" on another, CorruptError when the sum itself is lost.
   */
  putPage(page: number, content: Uint8Array): void {
    this.#atRest();
    const { core, sums } = this;
    if (page < 0 || page >= this.pages || isAreaPage(sums.head, page)) {
      throw new RangeError(`Cannot put page ${page}: there is no such page with a sum`);
    }
    const entry = sums.entry(page);
    const isZero = entry.dbseq === 0n && content.every((byte) => byte === 0);
    if (!isZero && !isSameSum(entry.sum, sumOfPage(page, content))) {
      throw new CtdbxError("denied", `Cannot put page ${page}: it is not what it must be`);
    }
    const { memory } = core;
    const at = memory.regions.take(PAGE);
    if (at === undefined) throw new CtdbxError("limit", "Cannot put a page: no memory");
    try {
      memory.bytes.set(content, at);
      core.image.write(page * PAGE, at, PAGE);
      core.image.sync(page * PAGE, PAGE);
    } finally {
      memory.regions.give(at, PAGE);
    }
    core.set(DB.indexOpen, 0);
    this.#verified[page] = 1;
  }

  // --- snapshots

  /**
   * The database as it is now, to be read while transactions are applied. End it with close(). `keepMax`: blocks of
   * 1 KiB that it may keep.
   */
  snapshot(keepMax?: number): CommitSnapshot {
    this.#atRest();
    this.#verifyRest();
    const snapshot = new CommitSnapshot(this, this.#dbseq, keepMax);
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  forget(snapshot: CommitSnapshot): void {
    this.#snapshots.delete(snapshot);
  }

  /** Ends its snapshots, unmaps and closes. Idempotent. */
  close(): void {
    if (this.core.closed) return;
    for (const snapshot of [...this.#snapshots]) snapshot.close();
    this.#stage.release();
    this.core.close();
    this.sums.close();
  }
}

/** The record at an offset. Throws CorruptError on a value without a header. */
export function recordAt(core: TdbCore, view: RecordView, off: number): CommitRecord {
  see(core, view, off);
  const { valueOffset, valueLength } = view;
  if (valueLength < HEADER) {
    throw new CorruptError("length", off, `Cannot read ${core.image.path}: a value without header`);
  }
  const rsn = new DataView(core.memory.memory.buffer, valueOffset, 8).getBigUint64(0, true);
  const value = core.memory.bytes.slice(valueOffset + HEADER, valueOffset + valueLength);
  return { rsn, value };
}
