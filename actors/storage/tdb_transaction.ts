/**
 * A transaction: changes lie in blocks over the file until they are committed.
 *
 *   begin    TRANSACTION, everything for reading; the kernels write into frames (assembly/tdb_layout.ts)
 *   prepare  everything for writing, OPEN; old bytes of all dirty blocks into the recovery area; sync;
 *            its magic; sync                        -- from here a crash rolls back
 *   commit   the blocks into the file; sync; magic off; sync      -- from here it is done
 *
 * Others read the file all the while until prepare. The area is as large as needed, half as much again.
 *
 * Does NOT promise: nesting. A begin within a transaction is refused.
 * Upstream: tdb transaction; differs from upstream: blocks of 1 KiB, a tight area written before it is announced.
 */
import { BLOCK, DB, FLAG } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { FILE_MAX } from "../../transport/wire/limits.ts";
import { AT } from "./tdb_header.ts";
import type { TdbCore } from "./tdb_core.ts";
import { type Area, dataLength, layOut, oldRuns, type Run } from "./tdb_old_bytes.ts";
import { Overlay } from "./tdb_overlay.ts";
import {
  forgetBadArea,
  pending,
  RECORD,
  RECORD_BYTES,
  recover,
  RECOVERY_MAGIC,
  usableArea,
} from "./tdb_recovery.ts";

/** The file ends at whole pages. */
const PAGE = 4096;

/**
 * Smallest capacity of an area made here, bytes. libtdb saves whole pages, so that its transactions need several
 * times what ours do; one that finds the area too small moves it, and leaves it behind if it is cancelled then.
 */
export const AREA_MIN = 128 * 1024;
/** Space that a transaction with a new area must add before it: a record's header and more. */
const GAP_MIN = 64;

/** The one transaction that a handle can have open. */
export class TdbTransaction {
  readonly #core: TdbCore;
  readonly #overlay: Overlay;
  readonly #noSync: boolean;
  readonly #areaMin: number;
  #stage: "none" | "open" | "prepared" = "none";
  #broken: CtdbxError | undefined;
  #area: Area | undefined;
  #flags = 0;

  constructor(core: TdbCore, options: { noSync: boolean; areaMin: number }) {
    this.#core = core;
    this.#areaMin = options.areaMin;
    this.#overlay = new Overlay(core);
    this.#noSync = options.noSync;
  }

  get open(): boolean {
    return this.#stage !== "none";
  }

  /** Notes that an operation failed half-way: the transaction can only be cancelled. */
  spoil(error: CtdbxError): void {
    this.#broken ??= error;
  }

  /** Starts. Throws "state" inside a transaction or with a lock held. */
  async begin(): Promise<void> {
    const { locks } = this.#core;
    if (this.#stage !== "none") {
      throw new CtdbxError("state", "Cannot begin a transaction: one is open");
    }
    if (!locks.idle) throw new CtdbxError("state", "Cannot begin a transaction: a lock is held");
    this.#stage = "open";
    try {
      await locks.transaction();
      try {
        if (!locks.tryAll("read")) await locks.lockAll("read");
      } catch (error) {
        locks.unlockTransaction();
        throw error;
      }
    } catch (error) {
      this.#stage = "none";
      throw error;
    }
    this.#core.refresh();
    this.#lay();
  }

  /** Lays the overlay over the file: from now on the kernels write into it. */
  #lay(): void {
    this.#broken = undefined;
    this.#flags = this.#core.flags;
    this.#overlay.start();
    this.#core.set(DB.flags, (this.#flags | FLAG.overlay) & ~FLAG.lockFree);
  }

  /** Makes the transaction durable but not yet visible; afterwards commit cannot fail for lack of space. */
  async prepare(): Promise<void> {
    this.#require("open", "prepare");
    const broken = this.#broken;
    if (broken !== undefined) {
      this.cancel();
      throw new CtdbxError(broken.code, `Cannot prepare: an operation failed`, { cause: broken });
    }
    if (this.#overlay.empty) {
      this.#stage = "prepared";
      return;
    }
    try {
      await this.#core.locks.upgradeAll();
      if (!this.#core.locks.tryOpen()) await this.#core.locks.open();
    } catch (error) {
      this.cancel();
      throw error;
    }
    try {
      this.#writeArea();
      this.#stage = "prepared";
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /** Ends it: all changes or, with an error before the last step, none. */
  async commit(): Promise<void> {
    if (this.#stage === "open") await this.prepare();
    this.#require("prepared", "commit");
    const area = this.#area;
    if (area === undefined) {
      this.#end();
      return;
    }
    try {
      this.#show(area);
    } catch (error) {
      this.#rollBack();
      throw error;
    }
    try {
      // Fails: the change is made, but whether it survives a power loss is not known.
      this.#sync();
    } finally {
      this.#core.locks.unlockOpen();
      this.#end();
    }
  }

  /** Brings the blocks into the file and takes the magic off. */
  #show(area: Area): void {
    const { image, header } = this.#core;
    this.#overlay.write((offset, from, length) => {
      image.write(header.mutexSize + offset, from, length);
    });
    this.#sync();
    image.touch();
    this.#magic(area.start, 0);
  }

  /**
   * Mends what a crash around a commit leaves: an area that is none; bytes at the end that belong to no record
   * become free space, in a transaction of its own. The caller holds everything for writing, and OPEN.
   */
  heal(): void {
    const core = this.#core;
    core.refresh();
    core.set(DB.indexOpen, 0);
    forgetBadArea(core);
    if (core.kernel.tdbTail(core.db) === 0) return;
    this.#lay();
    try {
      core.reclaimTail(1);
      this.#show(this.#writeArea());
      this.#sync();
    } finally {
      this.#area = undefined;
      this.#lift();
    }
  }

  /** The database closes: gives the overlay's memory back. */
  release(): void {
    try {
      this.cancel();
    } finally {
      this.#overlay.release();
    }
  }

  /** Forgets all changes. Nothing happens without a transaction. */
  cancel(): void {
    if (this.#stage === "none") return;
    if (this.#stage === "prepared" && this.#area !== undefined) this.#rollBack();
    else this.#end();
  }

  /** As after a crash: old bytes back, what was added to the file becomes free space. Everything is held. */
  #rollBack(): void {
    const core = this.#core;
    this.#lift();
    try {
      core.refresh();
      if (pending(core)) recover(core, { noSync: this.#noSync });
      this.heal();
    } finally {
      core.locks.unlockOpen();
      this.#end();
    }
  }

  #require(stage: "open" | "prepared", action: string): void {
    if (this.#stage !== stage) {
      const now = this.#stage === "none" ? "there is no transaction" : "it is prepared already";
      throw new CtdbxError("state", `Cannot ${action}: ${now}`);
    }
  }

  #sync(): void {
    if (!this.#noSync) this.#core.image.sync(0, this.#core.image.mapped);
  }

  /** Takes the overlay away: the file itself is seen again. */
  #lift(): void {
    const core = this.#core;
    this.#overlay.end();
    core.set(DB.flags, this.#flags);
    core.set(DB.indexOpen, 0);
    core.set(DB.epoch, core.field(DB.epoch) + 1);
    core.follow();
  }

  #end(): void {
    const core = this.#core;
    if (core.inTransaction) this.#lift();
    this.#area = undefined;
    this.#stage = "none";
    core.locks.unlockAll();
    core.locks.unlockTransaction();
  }

  #oldRuns(): Run[] {
    return oldRuns(this.#overlay.offsets(), this.#core.field(DB.fileSize));
  }

  #chooseArea(): Area {
    const core = this.#core;
    for (let round = 0; round < 16; round++) {
      const dataLen = dataLength(this.#oldRuns());
      const old = usableArea(core);
      if (old !== undefined && dataLen <= old.capacity) return { place: "kept", ...old, dataLen };
      if (old !== undefined && old.start + RECORD_BYTES + old.capacity === core.size) {
        return this.#placeArea("longer", old.start, dataLen);
      }
      if (old === undefined && core.size - core.field(DB.fileSize) >= GAP_MIN) {
        return this.#placeArea("new", Math.ceil(core.size / 4) * 4, dataLen);
      }
      // Before a new area lies space that this transaction adds: until the area is announced the file seems to
      // end in unused zeros, which every reader of the format takes as such.
      if (old === undefined) {
        if (core.growOverlay(RECORD_BYTES + GAP_MIN) === 0) throw this.#tooLarge();
      } else {
        core.setWord(AT.recoveryStart, 0);
        core.kernel.tdbAddSpace(core.db, old.start, RECORD_BYTES + old.capacity, 1);
      }
      if (core.field(DB.faultKind) !== 0) core.fail("commit");
    }
    throw new CtdbxError("io", "Cannot commit: the recovery area does not settle");
  }

  #tooLarge(): CtdbxError {
    return new CtdbxError("limit", `Cannot commit: FILE_MAX is ${FILE_MAX} bytes`);
  }

  #placeArea(place: "longer" | "new", start: number, dataLen: number): Area {
    const roomy = Math.max(this.#areaMin, dataLen + (dataLen >>> 1));
    const end = Math.ceil((start + RECORD_BYTES + roomy) / PAGE) * PAGE;
    if (end > FILE_MAX) throw this.#tooLarge();
    this.#core.set(DB.size, end);
    return { place, start, capacity: end - start - RECORD_BYTES, dataLen };
  }

  /**
   * Steps up to the point from which a crash rolls back. Each state on the way is a sound file: a new area is
   * announced when it is whole (one word switches), a longer one gets its length when the file has it.
   */
  #writeArea(): Area {
    const core = this.#core;
    const shift = core.header.mutexSize;
    const area = this.#chooseArea();
    const runs = this.#oldRuns();
    if (area.place !== "kept") {
      this.#extend();
      this.#sync();
    }
    if (area.place === "longer") {
      this.#direct(area.start + RECORD.recLen, area.capacity);
      this.#sync();
    }
    const bytes = RECORD_BYTES + area.dataLen;
    const at = core.memory.regions.take(bytes);
    if (at === undefined) {
      throw new CtdbxError("limit", `Cannot commit: no memory for ${bytes} bytes`);
    }
    try {
      layOut(core, at, area, runs);
      core.image.write(shift + area.start, at, bytes);
      this.#sync();
      if (area.place === "new") this.#direct(AT.recoveryStart, area.start);
      else this.#magic(area.start, RECOVERY_MAGIC);
      this.#sync();
      this.#area = area;
      this.#patch(area, at);
    } finally {
      core.memory.regions.give(at, bytes);
    }
    // What the records need beyond: a crash takes it back from here on.
    if (area.place === "kept") this.#extend();
    return area;
  }

  #extend(): void {
    const core = this.#core;
    const wanted = core.header.mutexSize + core.size;
    if (wanted > core.image.mapped) core.image.extend(wanted);
    core.set(DB.base, core.base);
  }

  /** Writes one word straight into the file, past the overlay, as one step. */
  #direct(offset: number, value: number): void {
    const core = this.#core;
    const at = core.memory.regions.take(4) as number;
    new DataView(core.memory.memory.buffer).setUint32(
      at,
      value,
      core.header.byteOrder === "little",
    );
    core.image.write(core.header.mutexSize + offset, at, 4);
    core.memory.regions.give(at, 4);
  }

  #magic(start: number, magic: number): void {
    this.#direct(start + RECORD.magic, magic);
  }

  /** Dirty blocks that cover the area or the pointer to it must not undo them. */
  #patch(area: Area, at: number): void {
    const core = this.#core;
    const last = area.start + RECORD_BYTES + area.dataLen;
    new DataView(core.memory.memory.buffer).setUint32(
      at + RECORD.magic,
      RECOVERY_MAGIC,
      core.header.byteOrder === "little",
    );
    for (const offset of this.#overlay.offsets()) {
      if (offset === 0) core.setWord(AT.recoveryStart, area.start);
      const from = Math.max(offset, area.start);
      const to = Math.min(offset + BLOCK, last);
      if (from < to) core.kernel.tdbPut(core.db, from, at + from - area.start, to - from);
    }
  }
}
