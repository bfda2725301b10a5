/**
 * Visiting all records, and going from key to key.
 *
 * Where chains are locked one by one, a chain's records are copied out under its lock and visited without it:
 * two lock calls a chain, none a record, and the callback may do what it likes. Where nothing can change but by
 * the callback (no locking, or everything held), records are visited in place, many offsets per kernel call; a
 * callback that changed something makes the rest of the chain be looked at again.
 *
 * Does NOT promise: to visit a record that moves or comes while the traverse runs.
 * Upstream: tdb traverse; differs from upstream: no record locks, no read-only handle meanwhile.
 */
import { DB, FAULT, KEY_AT, OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Tdb } from "./tdb.ts";
import type { TdbCore } from "./tdb_core.ts";
import { FIRST_HEAD } from "./tdb_header.ts";
import { RecordView, see } from "./tdb_record.ts";

/** Called with each record; false (or a promise of it) ends the traverse. */
export type Visit = (record: RecordView) => boolean | void | Promise<boolean | void>;

/** How to traverse. */
export interface TraverseOptions {
  /** Hold the transaction lock all the while, as other writing traverses do. Default false. */
  readonly write?: boolean;
}

/** Offsets per kernel call. */
const BATCH = 1024;

/** Visits all records; see Tdb.traverse. */
export async function traverse(tdb: Tdb, visit: Visit, options: TraverseOptions): Promise<number> {
  const { core } = tdb;
  const exclusive = options.write === true && !tdb.inTransaction;
  if (exclusive) await core.locks.transaction();
  try {
    const still = core.locks.kind === "none" || core.locks.all !== undefined;
    return await (still ? inPlace(core, visit) : byChain(core, visit));
  } finally {
    if (exclusive) core.locks.unlockTransaction();
  }
}

async function inPlace(core: TdbCore, visit: Visit): Promise<number> {
  const { words } = core.memory;
  const view = new RecordView(core.memory.bytes);
  const offsets = new Uint32Array(2 * BATCH);
  let visited = 0;
  let chain = 0;
  let start = 0;
  while (chain < core.header.hashSize) {
    const count = core.kernel.tdbBatch(core.db, chain, start, BATCH, OUT_AT) | 0;
    if (count < 0) {
      if (core.fault("traverse") === undefined) continue;
      core.fail("traverse");
    }
    chain = words[OUT_AT >>> 2] as number;
    start = words[(OUT_AT >>> 2) + 1] as number;
    const from = (OUT_AT + 8) >>> 2;
    offsets.set(words.subarray(from, from + 2 * count));
    const epoch = core.field(DB.epoch);
    for (let i = 0; i < count; i++) {
      const off = offsets[2 * i] as number;
      const own = offsets[2 * i + 1] as number;
      if (core.field(DB.epoch) !== epoch) {
        if (own !== (offsets[2 * i - 1] as number)) {
          // A chain not begun yet: read it as it is now.
          chain = own;
          start = 0;
          break;
        }
        if (!linked(core, own, off)) continue;
      }
      visited++;
      const answer = visit(see(core, view, off));
      const goOn = typeof answer === "object" ? await answer : answer;
      if (goOn === false) return visited;
    }
    if (core.field(DB.epoch) !== epoch && start !== 0 && !linked(core, chain, start)) {
      // The record to go on with is gone; the rest of its chain cannot be found again.
      chain++;
      start = 0;
    }
  }
  return visited;
}

/** Is the record at `off` live and in the chain? */
function linked(core: TdbCore, chain: number, off: number): boolean {
  let at = core.word(FIRST_HEAD + 4 * chain);
  for (;;) {
    at = core.kernel.tdbLive(core.db, at, chain) >>> 0;
    if (at === off) return true;
    if (at === 0 || at === FAULT) return false;
    at = core.word(at);
  }
}

/** A chain's records, copied: {keyLength u32, valueLength u32, key, value, padding} each. */
class ChainCopy {
  readonly #core: TdbCore;
  #address = 0;
  #room = 0;
  #used = 0;
  count = 0;

  constructor(core: TdbCore) {
    this.#core = core;
  }

  /** Copies the live records of a chain; the caller holds it. */
  take(chain: number): void {
    const core = this.#core;
    this.#used = 0;
    this.count = 0;
    let off = core.word(FIRST_HEAD + 4 * chain);
    for (let again = 0;;) {
      const live = core.kernel.tdbLive(core.db, off, chain) >>> 0;
      if (live === FAULT) {
        if (core.fault("traverse") === undefined && again++ === 0) continue;
        core.fail("traverse");
      }
      if (live === 0) return;
      this.#add(live);
      off = core.word(live);
      if (this.#used > core.size) core.fail("traverse");
    }
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
    this.release();
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
    if (this.#room !== 0) this.#core.memory.regions.give(this.#address, this.#room);
    this.#room = 0;
  }
}

async function byChain(core: TdbCore, visit: Visit): Promise<number> {
  const view = new RecordView(core.memory.bytes);
  const copy = new ChainCopy(core);
  let visited = 0;
  try {
    for (let chain = 0; chain < core.header.hashSize; chain++) {
      // Without the lock: an empty chain stays unvisited, as if we had come earlier.
      if (core.word(FIRST_HEAD + 4 * chain) === 0) continue;
      if (!core.locks.tryChain(chain, "read")) await core.locks.chain(chain, "read");
      try {
        copy.take(chain);
      } finally {
        core.locks.unlockChain(chain);
      }
      let position = 0;
      for (let i = 0; i < copy.count; i++) {
        position = copy.show(view, position);
        visited++;
        const answer = visit(view);
        const goOn = typeof answer === "object" ? await answer : answer;
        if (goOn === false) return visited;
      }
    }
    return visited;
  } finally {
    copy.release();
  }
}

/** The first live record from a chain on, as a copy of its key. */
function firstFrom(core: TdbCore, chain: number): Uint8Array | undefined {
  const view = new RecordView(core.memory.bytes);
  for (let at = chain; at < core.header.hashSize; at++) {
    const head = core.word(FIRST_HEAD + 4 * at);
    if (head === 0) continue;
    const key = underLock(core, at, () => {
      const off = live(core, core.word(FIRST_HEAD + 4 * at), at);
      return off === 0 ? undefined : see(core, view, off).key();
    });
    if (key !== undefined) return key;
  }
  return undefined;
}

function live(core: TdbCore, off: number, chain: number): number {
  for (let again = 0;; again++) {
    const found = core.kernel.tdbLive(core.db, off, chain) >>> 0;
    if (found !== FAULT) return found;
    if (again > 0 || core.fault("read") !== undefined) core.fail("read");
  }
}

function underLock<T>(core: TdbCore, chain: number, work: () => T): T {
  if (!core.locks.enter(chain, "read")) {
    throw new CtdbxError(
      "busy",
      `Cannot read ${core.image.path}: chain ${chain} is locked elsewhere`,
    );
  }
  try {
    return work();
  } finally {
    core.locks.leave(chain);
  }
}

/** See Tdb.firstKey. */
export function firstRecord(tdb: Tdb): Uint8Array | undefined {
  return firstFrom(tdb.core, 0);
}

/** See Tdb.nextKey. */
export function nextRecord(tdb: Tdb, key: Uint8Array): Uint8Array | undefined {
  const { core } = tdb;
  core.memory.bytes.set(key, KEY_AT);
  const hash = core.kernel.tdbHash(core.db, KEY_AT, key.length) >>> 0;
  const chain = hash % core.header.hashSize;
  const view = new RecordView(core.memory.bytes);
  const found = underLock(core, chain, () => {
    const off = core.kernel.tdbFind(core.db, KEY_AT, key.length, hash) >>> 0;
    if (off === FAULT) core.fail("read");
    if (off === 0) {
      throw new CtdbxError("not_found", `Cannot go on in ${core.image.path}: the key is gone`);
    }
    const next = live(core, core.word(off), chain);
    return next === 0 ? undefined : see(core, view, next).key();
  });
  return found ?? firstFrom(core, chain + 1);
}
