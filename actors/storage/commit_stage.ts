/**
 * Transactions on their way into a persistent database's file: laid over it in blocks, as any TDB transaction is.
 *
 *   begin ─▶ put, remove, ... ─▶ blocks() ─▶ (commit_apply.ts brings them into the file) ─▶ end
 *
 * Each value gets CTDB's record header: rsn = its version (versionAt), dmaster 0, flags 0, so that replicas are equal.
 * A deleted record is gone; its rsn never comes again, in no history.
 *
 * Does NOT promise: that anybody else is kept out; who applies holds the locks.
 */
import { threadMemory } from "../../assembly/host/memory.ts";
import {
  ANSWER,
  BLOCK,
  DB,
  FLAG,
  KEY_AT,
  MODE,
  VALUE_AT,
  VALUE_ROOM,
} from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { KEY_MAX, tooLong } from "../../transport/wire/limits.ts";
import type { TdbCore } from "./tdb_core.ts";
import { Overlay } from "./tdb_overlay.ts";

/** Bytes of CTDB's record header. */
export const HEADER = 24;
/** Upstream: CTDB_DB_SEQNUM_KEY, with its NUL. */
export const SEQ_KEY = "__db_sequence_number__\0";

/** Puts a key where kernels look; answers its length. One character a byte. Throws "limit". */
export function putKey(key: string): number {
  if (key.length > KEY_MAX) throw tooLong("key", key.length, "KEY_MAX", KEY_MAX);
  const { bytes } = threadMemory();
  for (let i = 0; i < key.length; i++) bytes[KEY_AT + i] = key.charCodeAt(i);
  return key.length;
}

/** The overlay of one file. */
export class CommitStage {
  readonly #core: TdbCore;
  readonly #overlay: Overlay;
  #flags = 0;
  #isOpen = false;

  constructor(core: TdbCore) {
    this.#core = core;
    this.#overlay = new Overlay(core);
  }

  /** Blocks that are dirty. */
  get blocks(): number {
    return this.#core.field(DB.frames);
  }

  /** Offsets of dirty blocks, ascending. */
  offsets(): number[] {
    return this.#overlay.offsets();
  }

  /** Hands out each dirty block, ascending. */
  each(use: (offset: number, from: number, length: number) => void): void {
    this.#overlay.write(use);
  }

  begin(): void {
    const core = this.#core;
    core.refresh();
    this.#flags = core.flags;
    this.#overlay.start();
    this.#isOpen = true;
    core.set(DB.flags, (this.#flags | FLAG.overlay) & ~FLAG.lockFree);
    core.locks.staged = true;
  }

  /** The file itself is seen again, whatever it holds now; the blocks are kept, for each(). */
  hide(): void {
    const core = this.#core;
    core.locks.staged = false;
    core.set(DB.flags, this.#flags);
    core.set(DB.indexOpen, 0);
    core.set(DB.epoch, core.field(DB.epoch) + 1);
    core.follow();
  }

  /** Takes the overlay away. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#overlay.end();
    this.hide();
  }

  /** The file closes. */
  release(): void {
    this.end();
    this.#overlay.release();
  }

  /** Stores a value with its header. Throws "corrupt", "limit" (FILE_MAX, memory): then end() takes all back. */
  put(key: string, value: Uint8Array, rsn: bigint): void {
    const { regions, bytes, memory } = threadMemory();
    const length = HEADER + value.length;
    const at = length <= VALUE_ROOM ? VALUE_AT : regions.take(length);
    if (at === undefined) throw new CtdbxError("limit", `Cannot apply ${length} bytes: no memory`);
    try {
      bytes.fill(0, at, at + HEADER);
      new DataView(memory.buffer, at, 8).setBigUint64(0, rsn, true);
      bytes.set(value, at + HEADER);
      const { kernel, db } = this.#core;
      const keyLen = putKey(key);
      const hash = kernel.tdbHash(db, KEY_AT, keyLen);
      const answer = kernel.tdbStore(db, KEY_AT, keyLen, hash, at, length, MODE.replace);
      if (answer !== ANSWER.done) this.#core.fail("apply");
    } finally {
      if (at !== VALUE_AT) regions.give(at, length);
    }
  }

  /** Deletes a record; nothing happens when there is none. Throws as put does. */
  remove(key: string): void {
    const { kernel, db } = this.#core;
    const keyLen = putKey(key);
    const answer = kernel.tdbRemove(db, KEY_AT, keyLen, kernel.tdbHash(db, KEY_AT, keyLen));
    if (answer !== ANSWER.done && answer !== ANSWER.notFound) this.#core.fail("apply");
  }

  /** What the database's sequence number is after this. */
  putDbseq(dbseq: bigint): void {
    const value = new Uint8Array(8);
    new DataView(value.buffer).setBigUint64(0, dbseq, true);
    this.put(SEQ_KEY, value, dbseq);
  }

  /** Copies a page as it will be: `to` gets `PAGE` bytes, zeros beyond the file. `isFile`: without the overlay. */
  copyPage(offset: number, bytes: number, to: number): void {
    const { bytes: memory } = threadMemory();
    memory.fill(0, to, to + bytes);
    const length = Math.max(0, Math.min(bytes, this.#core.size - offset));
    if (length > 0) this.#core.kernel.tdbGet(this.#core.db, offset, to, length);
  }
}

/** Bytes of a recovery area's entries for so many blocks, at most. */
export function areaNeed(blocks: number): number {
  return blocks * (BLOCK + 8) + 4;
}
