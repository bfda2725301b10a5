/**
 * A transaction: changes lie in blocks over the file until they are committed.
 *
 *   none --begin--> opening --> open --prepare--> preparing --> prepared --commit--> none
 *   In between (opening, preparing) locks are waited for, and the handle is good for nothing else.
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
import { BLOCK, DB, FLAG, OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { chooseArea } from "./tdb_area.ts";
import { AT } from "./tdb_header.ts";
import type { TdbCore } from "./tdb_core.ts";
import { type Area, layOut, oldRuns } from "./tdb_old_bytes.ts";
import { Overlay } from "./tdb_overlay.ts";
import {
  forgetBadArea,
  pending,
  RECORD,
  RECORD_BYTES,
  recover,
  RECOVERY_MAGIC,
} from "./tdb_recovery.ts";
import { putWord } from "./tdb_words.ts";

/**
 * Smallest capacity of an area made here, bytes. libtdb saves whole pages, so that its transactions need several
 * times what ours do; one that finds the area too small moves it, and leaves it behind if it is cancelled then.
 */
export const AREA_MIN = 128 * 1024;

/** Where a transaction is. */
type Stage = "none" | "opening" | "open" | "preparing" | "prepared";
/** Why the handle cannot be used in a stage. */
const BLOCKED: Partial<Record<Stage, string>> = {
  opening: "a transaction is beginning",
  preparing: "its transaction is being prepared",
};

/** The one transaction that a handle can have open. */
export class TdbTransaction {
  readonly #core: TdbCore;
  readonly #overlay: Overlay;
  readonly #noSync: boolean;
  readonly #areaMin: number;
  #stage: Stage = "none";
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
    return this.#stage !== "none" && this.#stage !== "opening";
  }

  #enter(stage: Stage): void {
    this.#stage = stage;
    this.#core.blocked = BLOCKED[stage];
    this.#core.sealed = stage === "prepared";
    // The next operation asks.
    this.#core.looked = false;
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
    this.#enter("opening");
    try {
      await locks.door.transaction();
      try {
        if (!locks.tryAll("read")) await locks.lockAll("read");
      } catch (error) {
        if (!this.#core.closed) locks.door.unlockTransaction();
        throw error;
      }
    } catch (error) {
      this.#enter("none");
      throw error;
    }
    this.#enter("open");
    this.#core.refresh();
    this.#lay();
  }

  /** Lays the overlay over the file: from now on the kernels write into it. */
  #lay(): void {
    this.#broken = undefined;
    this.#flags = this.#core.flags;
    this.#overlay.start();
    this.#core.set(DB.flags, (this.#flags | FLAG.overlay) & ~FLAG.lockFree);
    this.#core.locks.staged = true;
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
      this.#enter("prepared");
      return;
    }
    const { locks } = this.#core;
    this.#enter("preparing");
    try {
      await locks.upgradeAll();
      if (!locks.door.tryOpen()) await locks.door.open();
    } catch (error) {
      if (!this.#core.closed) this.#end();
      throw error;
    }
    try {
      this.#writeArea();
      this.#enter("prepared");
    } catch (error) {
      this.#rollBackAfter(error);
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
      this.#rollBackAfter(error);
    }
    try {
      // Fails: the change is made, but whether it survives a power loss is not known.
      this.#sync();
    } finally {
      this.#core.locks.door.unlockOpen();
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
      // What waits for locks finds the handle closed when it goes on; nothing is in the file yet.
      if (this.#core.blocked === undefined) this.cancel();
    } finally {
      this.#overlay.release();
    }
  }

  /** Forgets all changes. Nothing happens without a transaction. Throws "state" while it is on the way. */
  cancel(): void {
    if (this.#stage === "none") return;
    const why = BLOCKED[this.#stage];
    if (why !== undefined) throw new CtdbxError("state", `Cannot cancel: ${why}`);
    if (this.#stage === "prepared" && this.#area !== undefined) this.#rollBack();
    else this.#end();
  }

  /** Ends an open transaction whose work failed: nothing of it stays, and nothing hides the first error. */
  giveUp(): void {
    if (this.#core.closed || this.#core.blocked !== undefined) return;
    try {
      this.cancel();
    } catch {
      // What cannot be taken back now (the file was shortened, the disk fails) is taken back at the next open.
    }
  }

  /** Takes the transaction back, then throws `first`; a second failure does not hide it. */
  #rollBackAfter(first: unknown): never {
    try {
      this.#rollBack();
    } catch (second) {
      if (!(first instanceof CtdbxError)) throw first;
      if (!(second instanceof CtdbxError)) throw second;
      const { path } = this.#core.image;
      const later = `taking it back waits for the next open: ${second.message}`;
      const text = `Cannot commit in ${path}: ${first.message}; ${later}`;
      throw new CtdbxError(first.code, text, { cause: first });
    }
    throw first;
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
      core.locks.door.unlockOpen();
      this.#end();
    }
  }

  #require(stage: "open" | "prepared", action: string): void {
    if (this.#stage !== stage) {
      const now = this.#stage === "none"
        ? "there is no transaction"
        : BLOCKED[this.#stage] ?? "it is prepared already";
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
    core.locks.staged = false;
    core.set(DB.flags, this.#flags);
    core.set(DB.indexOpen, 0);
    core.set(DB.epoch, core.field(DB.epoch) + 1);
    core.follow();
  }

  #end(): void {
    const core = this.#core;
    if (core.inTransaction) this.#lift();
    this.#area = undefined;
    this.#enter("none");
    core.locks.unlockAll();
    core.locks.door.unlockTransaction();
  }

  /**
   * Steps up to the point from which a crash rolls back. Each state on the way is a sound file: a new area is
   * announced when it is whole (one word switches), a longer one gets its length when the file has it.
   */
  #writeArea(): Area {
    const core = this.#core;
    const shift = core.header.mutexSize;
    const area = chooseArea(core, this.#overlay, this.#areaMin);
    const runs = oldRuns(this.#overlay.offsets(), core.field(DB.fileSize));
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
    const { memory, header, image } = this.#core;
    // Not where keys and values wait: an operation may be under way that found a dead commit first.
    putWord(memory.bytes, OUT_AT, value, header.byteOrder === "little");
    image.write(header.mutexSize + offset, OUT_AT, 4);
  }

  #magic(start: number, magic: number): void {
    this.#direct(start + RECORD.magic, magic);
  }

  /** Dirty blocks that cover the area or the pointer to it must not undo them. */
  #patch(area: Area, at: number): void {
    const core = this.#core;
    const last = area.start + RECORD_BYTES + area.dataLen;
    putWord(
      core.memory.bytes,
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
