/**
 * A volatile database as a program on the node uses it, without the daemon: in the mapped file, in place.
 *
 *   mutex of the chain ─▶ 1 page valid? ─▶ 2 header: mine? ─▶ 3 touch, rsn + 1 ─▶ 4 page valid? ─▶ mutex back ─▶ answer
 *                            no: frozen      no: elsewhere                          no: unknown, unsure
 *
 *   done       it counts                              elsewhere  ask the daemon for the record, then again
 *   busy       another process has the chain: `free`  frozen     no valid page: `ready`, then again; nothing was done
 *   unsure     written, then the page was frozen: `settled` says whether it counts
 *   unknown    written, and the lease was over, or the life: it may count, or not
 *
 * Step 4 carries the safety: what was touched counts if the lease is valid afterwards, in the same life. Step 1 only
 * saves useless work, and looks at the clock once a turn of the event loop: in a loop without turns it takes the time
 * of the last step 4.
 *
 * Does NOT promise: what a callback saw before the answer `done`: do not let it out of the process before.
 */
import { ENTER, MAY, OFFSET_MIN, RECORD_HEADER } from "../../assembly/host/record_kernels.ts";
import type { Kernels } from "../../assembly/host/kernels.ts";
import { KEY_AT, VALUE_AT } from "../../assembly/host/tdb_kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Version } from "../../transport/wire/terms.ts";
import type { Clock } from "../../transport/world.ts";
import { ChainTurns } from "./chain_turns.ts";
import type { LocalLife, LocalNode } from "./local_node.ts";
import { DRAFT_AT, DRAFT_ROOM, RecordFile } from "./record_file.ts";
import { recordFilePath } from "./record_header.ts";
import { type HoldOptions, RecordHold } from "./record_hold.ts";
import { RecordView } from "./tdb_record.ts";
import { TdbScratch } from "./tdb_scratch.ts";

/** How an operation ended; see the head of this file. */
export type LocalAnswer = "done" | "elsewhere" | "busy" | "frozen" | "unsure" | "unknown";

/** The new value: that many bytes of the draft; these bytes; or none, the record stays as it is. */
export type NewValue = number | Uint8Array | undefined;

const NO_DATA = new Uint8Array(0);
/** Looks at a frozen page in one turn: a tenth of a second or so. A change of the view takes a round of messages. */
const LOOKS_MAX = 1_000_000;
/** A node that serves in a new life has all its files; should one be late, it is looked for so long, ms. */
const FILE_MS = 500;
/** What a change may say instead of a length. */
const LEFT = -1;
const NO_SPACE_NOW = -2;

/** One database. */
export class LocalRecords {
  readonly name: string;
  /** Where a new value may be laid, in the thread's Memory; good until the next operation of any database. */
  readonly draft: Uint8Array<ArrayBuffer>;
  /** Called with the key of each record that was emptied: the daemon purges those it knows of sooner. */
  onEmptied: ((key: Uint8Array) => void) | undefined;
  readonly #node: LocalNode;
  readonly #since: Version | undefined;
  readonly #clock: Clock;
  readonly #kernel: Kernels;
  readonly #scratch: TdbScratch;
  readonly #view: RecordView;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  #turns: ChainTurns;
  #file: RecordFile | undefined;
  #life: LocalLife;
  /** When step 4 was last; the time of step 1. */
  #nowMs = 0;

  private constructor(node: LocalNode, name: string, since: Version | undefined) {
    const memory = threadMemory();
    this.#node = node;
    this.name = name;
    this.#since = since;
    this.#clock = node.options.clock;
    this.#kernel = node.kernel;
    this.#scratch = new TdbScratch(memory);
    this.#bytes = memory.bytes;
    this.#words = memory.words;
    this.#view = new RecordView(memory.bytes);
    this.draft = memory.bytes.subarray(DRAFT_AT, DRAFT_AT + DRAFT_ROOM);
    this.#turns = new ChainTurns(this.#clock);
    this.#life = node.life;
    this.#life.keep();
  }

  /**
   * Opens a database of the node, in the epoch that the daemon names; of another epoch nothing is found in it. Throws
   * "not_found": the daemon has not made it in this life.
   */
  static async open(node: LocalNode, name: string, since?: Version): Promise<LocalRecords> {
    const records = new LocalRecords(node, name, since);
    try {
      await records.#open(node.look());
    } catch (error) {
      records.close();
      throw error;
    }
    return records;
  }

  // --- one operation, at once

  /** Calls `visit` with the value in place. An empty value: the record is deleted, or was never written. */
  read(key: Uint8Array, visit: (value: RecordView) => void): LocalAnswer {
    return this.#touch(key, 0, (value) => {
      visit(value);
      return undefined;
    });
  }

  /**
   * Calls `change` with the value in place, and stores what it answers. What is answered as a number lies in `draft`.
   * An empty one deletes the record.
   */
  update(key: Uint8Array, change: (value: RecordView, draft: Uint8Array) => NewValue): LocalAnswer {
    return this.#touch(key, 1, change);
  }

  /** Stores a value. */
  write(key: Uint8Array, value: Uint8Array): LocalAnswer {
    return this.#touch(key, 1, () => value);
  }

  /** Empties a record: that is what deleting is, until the vacuum comes. */
  delete(key: Uint8Array): LocalAnswer {
    return this.#touch(key, 1, () => NO_DATA);
  }

  #touch(
    key: Uint8Array,
    isWrite: number,
    change: (value: RecordView, draft: Uint8Array) => NewValue,
  ): LocalAnswer {
    const file = this.#file;
    if (file === undefined) return "frozen";
    if (!file.core.looked) this.#newTurn(file);
    const keyLen = this.#scratch.key(key);
    const chain = file.chainOf(keyLen);
    if (!file.enterChain(chain)) return "busy";
    let length: number;
    let may: number;
    try {
      const off = this.#enter(file, keyLen, isWrite);
      if (off < OFFSET_MIN) return off === ENTER.elsewhere ? "elsewhere" : "frozen";
      length = this.#change(file, off, keyLen, change);
      may = this.#after();
      if (length === NO_SPACE_NOW) return "busy";
    } finally {
      file.leaveChain(chain);
    }
    if (length === 0) this.onEmptied?.(key);
    if (may === MAY.valid) return "done";
    if (length < 0) return "frozen";
    return may === MAY.frozen ? "unsure" : "unknown";
  }

  /** Steps 1 and 2: the offset of the record, or what recordEnter says. */
  #enter(file: RecordFile, keyLen: number, isWrite: number): number {
    for (;;) {
      const off = this.#kernel.recordEnter(
        file.db,
        KEY_AT,
        keyLen,
        this.#life.lease,
        this.#nowMs,
        isWrite,
      ) >>> 0;
      if (off !== ENTER.fault) return off;
      file.again("find");
    }
  }

  /** Step 3: length of the new value, LEFT: it was left, NO_SPACE_NOW: nothing was done. */
  #change(
    file: RecordFile,
    off: number,
    keyLen: number,
    change: (value: RecordView, draft: Uint8Array) => NewValue,
  ): number {
    const view = this.#view;
    const at = file.core.base + off;
    view.keyOffset = at + 24;
    view.keyLength = keyLen;
    view.valueOffset = at + 24 + keyLen + RECORD_HEADER;
    view.valueLength = (this.#words[(at + 12) >>> 2] as number) - RECORD_HEADER;
    const value = change(view, this.draft);
    if (value === undefined) return LEFT;
    if (typeof value === "number") {
      if (!(value >= 0 && value <= DRAFT_ROOM && Number.isInteger(value))) {
        throw new RangeError(`Cannot store: a draft has 0 to ${DRAFT_ROOM} bytes, not ${value}`);
      }
      return this.#write(file, off, VALUE_AT, value);
    }
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(
        `Cannot store: a change answers bytes or their number, not a ${typeof value}`,
      );
    }
    if (value.length <= DRAFT_ROOM) {
      this.#bytes.set(value, DRAFT_AT);
      return this.#write(file, off, VALUE_AT, value.length);
    }
    let stored = NO_SPACE_NOW;
    file.withDraft(value, (from) => stored = this.#write(file, off, from, value.length));
    return stored;
  }

  #write(file: RecordFile, off: number, from: number, length: number): number {
    try {
      file.write(off, from, length + RECORD_HEADER);
      return length;
    } catch (error) {
      // The value needs space, and somebody has the free list for longer than he should.
      if (error instanceof CtdbxError && error.code === "busy") return NO_SPACE_NOW;
      throw error;
    }
  }

  /** Step 4: one of MAY. */
  #after(): number {
    this.#nowMs = this.#clock.nowMs();
    return this.#kernel.recordMay(this.#life.lease, this.#nowMs);
  }

  #newTurn(file: RecordFile): void {
    file.use();
    this.#nowMs = this.#clock.nowMs();
  }

  // --- what may wait

  /**
   * Takes the mutex of a record for the caller's own code; others of its chain wait meanwhile, in this process and in
   * others. Answers why not, if so: "busy" after `timeoutMs`.
   */
  async fetchLock(
    key: Uint8Array,
    options: HoldOptions,
  ): Promise<RecordHold | "elsewhere" | "busy" | "frozen"> {
    const file = this.#file;
    if (file === undefined) return "frozen";
    const life = this.#life;
    const own = key.slice();
    file.use();
    const chain = file.chainOf(this.#scratch.key(own));
    const leave = await this.#waitChain(file, chain, options.timeoutMs);
    if (leave === undefined) return "busy";
    try {
      if (file !== this.#file) {
        leave();
        return "frozen";
      }
      this.#newTurn(file);
      const keyLen = this.#scratch.key(own);
      file.chainOf(keyLen);
      const off = this.#enter(file, keyLen, options.isRead === true ? 0 : 1);
      if (off < OFFSET_MIN) {
        leave();
        return off === ENTER.elsewhere ? "elsewhere" : "frozen";
      }
    } catch (error) {
      leave();
      throw error;
    }
    const tell = () => this.onEmptied?.(own);
    return new RecordHold({ node: this.#node, life, file, key: own, options, leave, tell });
  }

  /** Waits until the chain of a key was free once; false: not in `timeoutMs`. */
  async free(key: Uint8Array, timeoutMs: number): Promise<boolean> {
    const file = this.#file;
    if (file === undefined) return true;
    file.use();
    const leave = await this.#waitChain(file, file.chainOf(this.#scratch.key(key)), timeoutMs);
    leave?.();
    return leave !== undefined;
  }

  /** Takes a chain in turn; answers how to leave it. Undefined: not in time. */
  async #waitChain(
    file: RecordFile,
    chain: number,
    timeoutMs: number,
  ): Promise<(() => void) | undefined> {
    const turns = this.#turns;
    const untilMs = this.#clock.nowMs() + timeoutMs;
    file.keep();
    let hasTurn = false;
    try {
      await turns.enter(chain, timeoutMs);
      hasTurn = true;
      await file.waitChain(chain, Math.max(0, untilMs - this.#clock.nowMs()));
    } catch (error) {
      if (hasTurn) turns.leave(chain);
      file.unkeep();
      if (error instanceof CtdbxError && error.code === "timeout") return undefined;
      throw error;
    }
    return () => {
      file.leaveChain(chain);
      turns.leave(chain);
      file.unkeep();
    };
  }

  /**
   * Waits until records may be used again, in the same life of the node or in the file of a new one, which is opened
   * then. False: not in `timeoutMs`, the node has no such file in this life, or it was closed.
   */
  async ready(timeoutMs: number): Promise<boolean> {
    const untilMs = this.#clock.nowMs() + timeoutMs;
    const leftMs = () => Math.max(0, untilMs - this.#clock.nowMs());
    for (;;) {
      const life = await this.#node.ready(leftMs());
      if (life === undefined || this.#isClosed) return false;
      if (life === this.#life && this.#file !== undefined) return true;
      if (await this.#openIfThere(life)) return true;
      const path = this.#path(life);
      const { images } = this.#node.options;
      const isThere = () => this.#isClosed || images.exists(path) || this.#node.look() !== life;
      if (!await this.#node.poll(Math.min(leftMs(), FILE_MS), isThere)) return false;
    }
  }

  /** After `unsure`, in the same turn: did it count? False: unknown. */
  async settled(timeoutMs: number): Promise<boolean> {
    return await this.#node.settled(this.#life, timeoutMs);
  }

  /** The same for who cannot wait: looks at the page until it says so, for LOOKS_MAX looks at most. */
  settledNow(): boolean {
    let may = this.#node.may(this.#life);
    for (let look = 0; may === MAY.frozen && look < LOOKS_MAX; look++) {
      may = this.#node.may(this.#life);
    }
    return may === MAY.valid;
  }

  #path({ pnn, incarnation }: LocalLife): string {
    return recordFilePath(this.#node.options.folder, this.name, pnn, incarnation, this.#since);
  }

  async #openIfThere(life: LocalLife): Promise<boolean> {
    try {
      await this.#open(life);
      return true;
    } catch (error) {
      if (error instanceof CtdbxError && error.code === "not_found") return false;
      throw error;
    }
  }

  /** Changes to the file of a life. */
  async #open(life: LocalLife): Promise<void> {
    life.keep();
    let file: RecordFile;
    try {
      file = await RecordFile.open(this.#node.options.images, this.#path(life));
    } catch (error) {
      life.unkeep();
      throw error;
    }
    if (this.#isClosed) {
      file.close();
      life.unkeep();
      throw new CtdbxError("state", `Cannot open ${this.name}: it was closed meanwhile`);
    }
    this.#file?.close();
    this.#life.unkeep();
    this.#file = file;
    this.#life = life;
    this.#turns = new ChainTurns(this.#clock);
  }

  /** Unmaps the file when the last hold has ended. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file?.close();
    this.#file = undefined;
    this.#life.unkeep();
  }
  #isClosed = false;
}
