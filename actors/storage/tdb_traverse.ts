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
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Tdb } from "./tdb.ts";
import { ChainBound, ChainCopy, linked } from "./tdb_chain_copy.ts";
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
  if (exclusive) await core.locks.door.transaction();
  try {
    const still = core.locks.kind === "none" || core.locks.all !== undefined;
    return await (still ? inPlace(tdb, visit) : byChain(tdb, visit));
  } finally {
    if (exclusive) core.locks.door.unlockTransaction();
  }
}

async function inPlace(tdb: Tdb, visit: Visit): Promise<number> {
  const { core } = tdb;
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
      if (core.closed) tdb.guard.use();
    }
    if (core.field(DB.epoch) !== epoch && start !== 0 && !linked(core, chain, start)) {
      // The record to go on with is gone; the rest of its chain cannot be found again.
      chain++;
      start = 0;
    }
  }
  return visited;
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
      copy.clear();
      let next = copy.between
        ? first
        : copyRun(tdb, copy, first, Math.min(hashSize, first + RUN_CHAINS));
      if (next === first) {
        await guard.chain(first, "read");
        next = copyHeld(core, copy, first);
      }
      first = next;
      let position = 0;
      for (let i = 0; i < copy.count; i++) {
        position = copy.show(view, position);
        visited++;
        const answer = visit(view);
        const goOn = typeof answer === "object" ? await answer : answer;
        if (goOn === false) return visited;
        if (core.closed) tdb.guard.use();
      }
    }
    return visited;
  } finally {
    copy.release();
  }
}

/**
 * Copies chains from `first` on, at most to `end`, under one lock; answers where to go on. Empty chains need no
 * lock: it is as if we had come earlier. `first` itself: the lock is not to be had at once.
 */
function copyRun(tdb: Tdb, copy: ChainCopy, first: number, end: number): number {
  const { core, guard } = tdb;
  let from = first;
  while (from < end && core.word(FIRST_HEAD + 4 * from) === 0) from++;
  if (from === end) return end;
  if (!core.locks.tryRun(from, end - from)) return from;
  try {
    // Somebody died in a commit: the single lock takes that back first.
    if (guard.isPending()) return from;
    for (let chain = from; chain < end; chain++) if (!copy.take(chain)) return chain;
    return end;
  } finally {
    core.locks.unlockRun(from, end - from);
  }
}

/** Copies what fits of one chain, which is locked, and unlocks it. Answers where to go on. */
function copyHeld(core: TdbCore, copy: ChainCopy, chain: number): number {
  try {
    return copy.take(chain) ? chain + 1 : chain;
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

/** See Tdb.nextKey; the key is in scratch. */
export function nextRecord(tdb: Tdb, keyLen: number): Uint8Array | undefined {
  const { core } = tdb;
  const chain = core.kernel.tdbChain(core.db, KEY_AT, keyLen);
  const view = new RecordView(core.memory.bytes);
  const found = underLock(tdb, chain, () => {
    const off = core.kernel.tdbFindKept(core.db, KEY_AT, keyLen) >>> 0;
    if (off === FAULT) core.fail("read");
    if (off === 0) {
      throw new CtdbxError("not_found", `Cannot go on in ${core.image.path}: the key is gone`);
    }
    const next = live(core, core.word(off), chain);
    return next === 0 ? undefined : see(core, view, next).key();
  });
  return found ?? firstFrom(tdb, chain + 1);
}
