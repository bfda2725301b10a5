/**
 * Copies of records, made under the lock of their chains and shown without it.
 *
 *   in memory: { keyLength u32, valueLength u32, key, value, padding to 4 } ... , up to COPY_MAX bytes and one record
 *
 * A chain that does not fit is copied in pieces: in between a lock on the last record of a piece keeps its place,
 * as every traverse of the format does it.
 *
 * Does NOT promise: anything about records that come or move meanwhile.
 * Upstream: tdb traverse.
 */
import { DB, FAULT } from "../../assembly/host/tdb_kernels.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import type { TdbCore } from "./tdb_core.ts";
import { FIRST_HEAD } from "./tdb_header.ts";
import type { RecordView } from "./tdb_record.ts";

/** Bytes after which a copy is full; the record that passes it still comes in whole. */
const COPY_MAX = 4 * 1024 * 1024;
/** Bytes of a record's header, and where its length stands in it. */
const RECORD_BYTES = 24;
const AT_REC_LEN = 4;

/**
 * Ends a walk along a chain that meets itself: a mark is left at the 1st, 2nd, 4th, 8th ... record that is passed, and
 * who comes to the mark again has gone round. At the latest its records have more bytes than the file.
 */
export class ChainBound {
  readonly #core: TdbCore;
  #chain: number;
  #passed: number;
  #bytes = 0;
  #mark = 0;
  #markAt = 1;
  #epoch = 0;

  /** `passed` records of `chain` have been seen. */
  constructor(core: TdbCore, chain = -1, passed = 0) {
    this.#core = core;
    this.#chain = chain;
    this.#passed = passed;
  }

  get passed(): number {
    return this.#passed;
  }

  /** Notes a record at `off`. Throws CorruptError "loop". */
  pass(chain: number, off: number): void {
    if (chain !== this.#chain) this.#begin(chain);
    this.#passed++;
    const epoch = this.#core.field(DB.epoch);
    // What was changed meanwhile may have moved a record that was passed.
    if (epoch !== this.#epoch) this.#forget(epoch);
    // Records do not overlap: those of a chain have no more bytes than the file.
    this.#bytes += RECORD_BYTES + this.#core.word(off + AT_REC_LEN);
    if (off === this.#mark || this.#bytes > this.#core.size) {
      const text = `Cannot traverse ${this.#core.image.path}: chain ${chain} meets itself`;
      throw new CorruptError("loop", off, text);
    }
    if (this.#passed < this.#markAt) return;
    this.#mark = off;
    this.#markAt = 2 * this.#passed;
  }

  #begin(chain: number): void {
    this.#chain = chain;
    this.#passed = 0;
    this.#forget(this.#core.field(DB.epoch));
  }

  #forget(epoch: number): void {
    this.#epoch = epoch;
    this.#bytes = 0;
    this.#mark = 0;
    this.#markAt = this.#passed;
  }
}

/** Is the record at `off` live and in the chain? */
export function linked(core: TdbCore, chain: number, off: number): boolean {
  const bound = new ChainBound(core);
  for (let at = core.word(FIRST_HEAD + 4 * chain);; at = core.word(at)) {
    at = core.kernel.tdbLive(core.db, at, chain) >>> 0;
    if (at === off) return true;
    if (at === 0 || at === FAULT) return false;
    bound.pass(chain, at);
  }
}

/** Is the record at `off`, live or dead, in the chain? */
function inChain(core: TdbCore, chain: number, off: number): boolean {
  const bound = new ChainBound(core);
  for (let at = core.word(FIRST_HEAD + 4 * chain);; at = core.word(at)) {
    if (at === off) return true;
    if (at === 0 || at % 4 !== 0 || at < core.header.dataStart || at > core.size - RECORD_BYTES) {
      return false;
    }
    bound.pass(chain, at);
  }
}

/** Records of one chain or more. */
export class ChainCopy {
  readonly #core: TdbCore;
  #address = 0;
  #room = 0;
  #used = 0;
  /** The record that the last piece of a chain ended with, and how many came before; 0: no chain is cut. */
  #stand = 0;
  #passed = 0;
  /** Records in it. */
  count = 0;

  constructor(core: TdbCore) {
    this.#core = core;
  }

  /** Is a chain copied in part? Then `take` of the same chain goes on with it. */
  get between(): boolean {
    return this.#stand !== 0;
  }

  clear(): void {
    this.#used = 0;
    this.count = 0;
  }

  /**
   * Adds the live records of a chain, which is held. False: it is full; empty it and call again. Without a single
   * lock for it (an instant's collision) it takes in the whole chain.
   */
  take(chain: number): boolean {
    const core = this.#core;
    const bound = new ChainBound(core, chain, this.#passed);
    let off = this.#begin(chain);
    for (let again = 0;;) {
      const live = core.kernel.tdbLive(core.db, off, chain) >>> 0;
      if (live === FAULT) {
        if (core.fault("traverse") === undefined && again++ === 0) continue;
        core.fail("traverse");
      }
      if (live === 0) return true;
      bound.pass(chain, live);
      this.#add(live);
      if (this.#used >= COPY_MAX && core.locks.records.tryStand(live)) {
        this.#stand = live;
        this.#passed = bound.passed;
        return false;
      }
      off = core.word(live);
    }
  }

  /** Where to begin: at the chain's head, or behind the record where the last piece ended. */
  #begin(chain: number): number {
    const core = this.#core;
    const stand = this.#stand;
    if (stand === 0) return core.word(FIRST_HEAD + 4 * chain);
    this.#leave();
    // Taken out all the same (by this handle itself): the rest of the chain cannot be found again.
    return inChain(core, chain, stand) ? core.word(stand) : 0;
  }

  #leave(): void {
    if (this.#stand === 0) return;
    const stand = this.#stand;
    this.#stand = 0;
    this.#passed = 0;
    if (!this.#core.closed) this.#core.locks.records.leave(stand);
  }

  #add(off: number): void {
    const { kernel, db, memory } = this.#core;
    const keyLength = this.#core.word(off + 8);
    const valueLength = this.#core.word(off + 12);
    const bytes = 8 + Math.ceil((keyLength + valueLength) / 4) * 4;
    if (this.#used + bytes > this.#room) this.#grow(this.#used + bytes);
    const at = this.#address + this.#used;
    memory.words[at >>> 2] = keyLength;
    memory.words[(at >>> 2) + 1] = valueLength;
    kernel.tdbGet(db, off + 24, at + 8, keyLength + valueLength);
    this.#used += bytes;
    this.count++;
  }

  #grow(bytes: number): void {
    const { regions, bytes: memory } = this.#core.memory;
    const room = Math.max(64 * 1024, 2 * bytes);
    const address = regions.take(room);
    if (address === undefined) {
      throw new CtdbxError("limit", "Cannot traverse: no memory for a chain");
    }
    memory.copyWithin(address, this.#address, this.#address + this.#used);
    this.#free();
    this.#address = address;
    this.#room = room;
  }

  /** Shows the record at a position; answers the next position. */
  show(view: RecordView, position: number): number {
    const { words } = this.#core.memory;
    const at = this.#address + position;
    view.keyLength = words[at >>> 2] as number;
    view.valueLength = words[(at >>> 2) + 1] as number;
    view.keyOffset = at + 8;
    view.valueOffset = at + 8 + view.keyLength;
    return position + 8 + Math.ceil((view.keyLength + view.valueLength) / 4) * 4;
  }

  release(): void {
    this.#leave();
    this.#free();
  }

  #free(): void {
    if (this.#room !== 0) this.#core.memory.regions.give(this.#address, this.#room);
    this.#room = 0;
  }
}
