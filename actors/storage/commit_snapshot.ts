/**
 * A persistent database as it was after one transaction, to be read while others are applied.
 *
 *   a second descriptor on the same mapped file ── the blocks that changed since lie over it, as they were
 *   apply: dirty blocks ─▶ those that no snapshot has yet are copied first ─▶ then the file changes
 *
 * It costs nothing until something changes, and then 1 KiB for each block, once. Beyond KEEP_BLOCKS_MAX it is given up:
 * whoever reads it is told.
 *
 * Does NOT promise: to outlive the handle it was made from.
 */
import { BLOCK, DB, FLAG } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type CommitRecord, recordAt } from "./commit_file.ts";
import { seekKey } from "./commit_open.ts";
import { PAGE } from "./commit_pages.ts";
import type { CommitSums, PageEntry } from "./commit_sums.ts";
import { SharedImage } from "./commit_shared_image.ts";
import { Tdb } from "./tdb.ts";
import { TdbCore } from "./tdb_core.ts";
import { TdbLocks } from "./tdb_locks.ts";
import { Overlay } from "./tdb_overlay.ts";
import { RecordView } from "./tdb_record.ts";

/** Blocks of 1 KiB that one snapshot keeps at most: 64 MiB. */
export const KEEP_BLOCKS_MAX: number = 64 * 1024;

/** What a snapshot is made from. */
export interface SnapshotHost {
  readonly core: TdbCore;
  readonly sums: CommitSums;
  forget(snapshot: CommitSnapshot): void;
}

/** What a whole file is like, for who copies it. */
export interface SnapshotShape {
  readonly dbseq: bigint;
  readonly fileBytes: number;
  readonly areaStart: number;
  readonly areaCapacity: number;
  readonly intentPages: number;
}

/** A database at rest. */
export class CommitSnapshot {
  readonly shape: SnapshotShape;
  readonly #host: SnapshotHost;
  readonly #core: TdbCore;
  readonly #overlay: Overlay;
  readonly #tdb: Tdb;
  readonly #blocks = new Set<number>();
  readonly #entries = new Map<number, PageEntry>();
  readonly #keepMax: number;
  #isLost = false;
  #isClosed = false;

  constructor(host: SnapshotHost, dbseq: bigint, keepMax: number = KEEP_BLOCKS_MAX) {
    const { core, sums } = host;
    const { areaStart, areaCapacity, intentPages } = sums.head;
    this.shape = { dbseq, fileBytes: core.image.mapped, areaStart, areaCapacity, intentPages };
    this.#host = host;
    this.#keepMax = keepMax;
    const image = new SharedImage(core.image);
    const locks = new TdbLocks(image, "none", core.header.hashSize, 0);
    this.#core = new TdbCore(image, core.header, locks, {
      maxDead: 0,
      seqnum: false,
      readOnly: true,
    });
    this.#overlay = new Overlay(this.#core);
    this.#overlay.start();
    this.#core.set(DB.flags, this.#core.flags | FLAG.overlay);
    this.#tdb = new Tdb(this.#core, { noSync: true, areaMin: 0 });
  }

  get dbseq(): bigint {
    return this.shape.dbseq;
  }

  /** Pages of the file as it was. */
  get pages(): number {
    return this.shape.fileBytes / PAGE;
  }

  /** Bytes that it keeps. */
  get keptBytes(): number {
    return this.#blocks.size * BLOCK;
  }

  #usable(): void {
    if (this.#isClosed) throw new CtdbxError("state", "Cannot use a snapshot: it is closed");
    if (!this.#isLost) return;
    const text =
      `Cannot use the snapshot at ${this.dbseq}: more than ${this.#keepMax} blocks changed`;
    throw new CtdbxError("limit", `${text}; take a new one`);
  }

  /** A record as it was; undefined: there was none. Throws "corrupt", "limit" when too much has changed since. */
  fetch(key: string): CommitRecord | undefined {
    this.#usable();
    const off = seekKey(this.#core, key);
    return off === 0
      ? undefined
      : recordAt(this.#core, new RecordView(this.#core.memory.bytes), off);
  }

  /** Visits all records as they were. Resolves to their number; rejects as fetch throws. */
  async traverse(visit: (record: RecordView) => boolean | void): Promise<number> {
    this.#usable();
    return await this.#tdb.traverse((record) => {
      this.#usable();
      return visit(record);
    });
  }

  /** A copy of a page as it was. */
  page(page: number): Uint8Array {
    this.#usable();
    const at = this.#core.spare(PAGE);
    this.#core.kernel.tdbGet(this.#core.db, page * PAGE, at, PAGE);
    return this.#core.memory.bytes.slice(at, at + PAGE);
  }

  /** What a page had to be. Throws CorruptError when the sum is lost. */
  entry(page: number): PageEntry {
    this.#usable();
    return this.#entries.get(page) ?? this.#host.sums.entry(page);
  }

  // --- for the file

  /** Blocks are about to change: those it does not have yet are copied. Never throws. */
  keep(offsets: readonly number[]): void {
    if (this.#isLost) return;
    const core = this.#core;
    core.follow();
    for (const offset of offsets) {
      if (offset >= this.shape.fileBytes || this.#blocks.has(offset)) continue;
      core.set(DB.faultKind, 0);
      core.kernel.tdbPut(core.db, offset, core.base + offset, BLOCK);
      if (core.field(DB.faultKind) !== 0 || this.#blocks.size >= this.#keepMax) return this.#lose();
      this.#blocks.add(offset);
      this.#keepEntry(Math.floor(offset / PAGE));
    }
  }

  #keepEntry(page: number): void {
    if (!this.#entries.has(page)) this.#entries.set(page, this.#host.sums.entry(page));
  }

  #lose(): void {
    this.#isLost = true;
    this.#blocks.clear();
    this.#entries.clear();
    this.#overlay.end();
    this.#overlay.release();
  }

  /** The file may lie elsewhere now. */
  follow(): void {
    if (!this.#isLost) this.#core.follow();
  }

  /** Gives its memory back. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.forget(this);
    if (!this.#isLost) this.#lose();
    this.#core.close();
  }
}
