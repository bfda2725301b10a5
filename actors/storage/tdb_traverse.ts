/**
 * Visiting all records, and going from key to key.
 *
 * Where chains are locked, their records are copied out under the lock (of many chains at once where it is
 * a byte range) and visited without it: no lock call per record, and the callback may do what it likes.
 * Where nothing can change but by the callback (no locking, or everything held), records are visited in
 * place, many offsets per kernel call; a callback that changed something makes the rest of the chain be
 * looked at again.
 *
 * Does NOT promise: to visit a record that moves or comes while the traverse runs.
 * Upstream: tdb traverse; differs from upstream: no record locks, no read-only handle meanwhile.
 */
import { DB, FAULT, KEY_AT, OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
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
/** Records of a chain before its bound is looked at, and the least bytes that a record has. */
const CHAIN_FREE = 64;
const RECORD_MIN = 28;

/** Visits all records; see Tdb.traverse. */
export async function traverse(tdb: Tdb, visit: Visit, options: TraverseOptions): Promise<number> {
  const { core } = tdb;
  const exclusive = options.write === true && !tdb.inTransaction;
  if (exclusive) await core.locks.transaction();
  try {
    const still = core.locks.kind === "none" || core.locks.all !== undefined;
    return await (still ? inPlace(core, visit) : byChain(tdb, visit));
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
  const bound = new ChainBound(core);
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
      bound.pass(own, off);
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

/** Ends a walk along a chain that has more records than the file has room for. */
class ChainBound {
  readonly #core: TdbCore;
  #chain = -1;
  #passed = 0;

  constructor(core: TdbCore) {
    this.#core = core;
  }

  /** Notes a record at `off`. Throws CorruptError "loop". */
  pass(chain: number, off: number): void {
    if (chain !== this.#chain) {
      this.#chain = chain;
      this.#passed = 0;
    }
    if (++this.#passed <= CHAIN_FREE) return;
    if (this.#passed <= this.#core.size / RECORD_MIN) return;
    const text = `Cannot traverse ${this.#core.image.path}: chain ${chain} meets itself`;
    throw new CorruptError("loop", off, text);
  }
}

/** Is the record at `off` live and in the chain? */
function linked(core: TdbCore, chain: number, off: number): boolean {
  let at = core.word(FIRST_HEAD + 4 * chain);
  for (const bound = new ChainBound(core);; bound.pass(chain, at)) {
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

  clear(): void {
    this.#used = 0;
    this.count = 0;
  }

  /** Adds the live records of a chain; the caller holds it. */
  take(chain: number): void {
    const core = this.#core;
    const bound = new ChainBound(core);
    let off = core.word(FIRST_HEAD + 4 * chain);
    for (let again = 0;;) {
      const live = core.kernel.tdbLive(core.db, off, chain) >>> 0;
      if (live === FAULT) {
        if (core.fault("traverse") === undefined && again++ === 0) continue;
        core.fail("traverse");
      }
      if (live === 0) return;
      bound.pass(chain, live);
      this.#add(live);
      off = core.word(live);
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

/** Chains that are copied under one lock where that is possible. */
const RUN_CHAINS = 128;

async function byChain(tdb: Tdb, visit: Visit): Promise<number> {
  const { core, guard } = tdb;
  const { hashSize } = core.header;
  const view = new RecordView(core.memory.bytes);
  const copy = new ChainCopy(core);
  let visited = 0;
  try {
    for (let first = 0; first < hashSize;) {
      let next = copyRun(tdb, copy, first, Math.min(hashSize, first + RUN_CHAINS));
      if (next === first) {
        await guard.chain(first, "read");
        copyHeld(core, copy, first);
        next = first + 1;
      }
      first = next;
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

/**
 * Copies the chains from `first` to `end` under one lock; answers where to go on. Empty chains need no lock: it
 * is as if we had come earlier. `first` itself: the lock is not to be had at once.
 */
function copyRun(tdb: Tdb, copy: ChainCopy, first: number, end: number): number {
  const { core, guard } = tdb;
  copy.clear();
  let from = first;
  while (from < end && core.word(FIRST_HEAD + 4 * from) === 0) from++;
  if (from === end) return end;
  if (!core.locks.tryRun(from, end - from)) return from;
  try {
    // Somebody died in a commit: the single lock takes that back first.
    if (guard.isPending()) return from;
    for (let chain = from; chain < end; chain++) copy.take(chain);
    return end;
  } finally {
    core.locks.unlockRun(from, end - from);
  }
}

/** Copies one chain, which is locked, and unlocks it. */
function copyHeld(core: TdbCore, copy: ChainCopy, chain: number): void {
  try {
    copy.take(chain);
  } finally {
    core.locks.unlockChain(chain);
  }
}

/** The first live record from a chain on, as a copy of its key. */
function firstFrom(tdb: Tdb, chain: number): Uint8Array | undefined {
  const { core } = tdb;
  const view = new RecordView(core.memory.bytes);
  for (let at = chain; at < core.header.hashSize; at++) {
    const head = core.word(FIRST_HEAD + 4 * at);
    if (head === 0) continue;
    const key = underLock(tdb, at, () => {
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

function underLock<T>(tdb: Tdb, chain: number, work: () => T): T {
  if (!tdb.guard.tryChain(chain, "read")) {
    throw new CtdbxError("busy", `Cannot read ${tdb.path}: chain ${chain} is locked elsewhere`);
  }
  try {
    return work();
  } finally {
    tdb.core.locks.unlockChain(chain);
  }
}

/** See Tdb.firstKey. */
export function firstRecord(tdb: Tdb): Uint8Array | undefined {
  return firstFrom(tdb, 0);
}

/** See Tdb.nextKey. */
export function nextRecord(tdb: Tdb, key: Uint8Array): Uint8Array | undefined {
  const { core } = tdb;
  core.memory.bytes.set(key, KEY_AT);
  const hash = core.kernel.tdbHash(core.db, KEY_AT, key.length) >>> 0;
  const chain = hash % core.header.hashSize;
  const view = new RecordView(core.memory.bytes);
  const found = underLock(tdb, chain, () => {
    const off = core.kernel.tdbFind(core.db, KEY_AT, key.length, hash) >>> 0;
    if (off === FAULT) core.fail("read");
    if (off === 0) {
      throw new CtdbxError("not_found", `Cannot go on in ${core.image.path}: the key is gone`);
    }
    const next = live(core, core.word(off), chain);
    return next === 0 ? undefined : see(core, view, next).key();
  });
  return found ?? firstFrom(tdb, chain + 1);
}
