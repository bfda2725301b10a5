/**
 * summary() and freelistSizes(): what a database is made of.
 *
 * Counted by the pass of a check without its hashes, so that damaged files end it as well as sound ones.
 *
 * Does NOT promise: that the database is sound; records with wrong lengths are not counted.
 * Upstream: tdb summary, tdb freelist size; differs from upstream: nothing is changed, nothing loops.
 */
import { CHECK_FLAG } from "../../assembly/host/check_kernels.ts";
import { ANSWER, OUT_AT } from "../../assembly/host/tdb_kernels.ts";
import { runCheck, type RunOptions, type Tally } from "./check_run.ts";
import { adviseHashSize, type HashAdvice } from "./hash_size.ts";
import type { Tdb } from "./tdb.ts";

/** Sizes of one sort of thing, bytes. All 0 when there is none. */
export interface Sizes extends Tally {
  readonly average: number;
}

/** Shares of the file, percent of its size. */
export interface Shares {
  readonly keys: number;
  readonly values: number;
  readonly padding: number;
  readonly dead: number;
  readonly free: number;
  /** Headers and tailers of all records. */
  readonly frames: number;
  /** File header and heads of the chains. */
  readonly heads: number;
  readonly recovery: number;
  readonly unused: number;
}

/** What summary() counts. */
export interface Summary {
  readonly size: number;
  readonly records: number;
  readonly keys: Sizes;
  readonly values: Sizes;
  readonly padding: Sizes;
  /** Dead and free records, without their headers (24 bytes each). */
  readonly dead: Sizes;
  readonly free: Sizes;
  /** Free records directly behind a free one, not merged. */
  readonly uncoalesced: number;
  readonly hashSize: number;
  /** Live and dead records in chains. */
  readonly chains: { readonly longest: number; readonly average: number; readonly empty: number };
  readonly recoveryBytes: number;
  readonly unusedBytes: number;
  readonly shares: Shares;
  readonly advice: HashAdvice;
}

function sizesOf(tally: Tally): Sizes {
  return { ...tally, average: tally.count === 0 ? 0 : tally.bytes / tally.count };
}

/** Counts a database under a read lock on everything. Throws "timeout" for the lock, "limit" without memory. */
export async function summary(tdb: Tdb, options: RunOptions = {}): Promise<Summary> {
  await tdb.lockAll("read");
  try {
    const { core } = tdb;
    const { size } = core;
    const { hashSize, dataStart } = core.header;
    const found = await runCheck(core, CHECK_FLAG.counts, options);
    const { keys, values, padding, dead, free, recoveryBytes, unusedBytes } = found;
    const share = (bytes: number): number => 100 * bytes / size;
    const records = keys.count + dead.count + free.count;
    return {
      size,
      records: keys.count,
      keys: sizesOf(keys),
      values: sizesOf(values),
      padding: sizesOf(padding),
      dead: sizesOf(dead),
      free: sizesOf(free),
      uncoalesced: found.uncoalesced,
      hashSize,
      chains: {
        longest: found.longestChain,
        average: (keys.count + dead.count) / hashSize,
        empty: found.emptyChains,
      },
      recoveryBytes,
      unusedBytes,
      shares: {
        keys: share(keys.bytes),
        values: share(values.bytes),
        padding: share(padding.bytes),
        // rec_len without the tailer, which is a frame's.
        dead: share(dead.bytes - 4 * dead.count),
        free: share(free.bytes - 4 * free.count),
        frames: share(28 * records),
        heads: share(dataStart),
        recovery: share(recoveryBytes),
        unused: share(unusedBytes),
      },
      advice: adviseHashSize(keys.count, hashSize),
    };
  } finally {
    tdb.unlockAll();
  }
}

/** Sizes of what is on the free list: rec_len, bytes. */
export interface FreelistSizes {
  readonly count: number;
  readonly bytes: number;
  readonly smallest: number;
  readonly largest: number;
}

/**
 * Walks the free list. Call it with everything or nothing locked; it changes nothing and takes no lock of its
 * own, as a walk sees old or new links. Throws CorruptError kind "loop", "freelist", "offset" ...
 */
export function freelistSizes(tdb: Tdb): FreelistSizes {
  const { core } = tdb;
  if (core.kernel.tdbFreeSizes(core.db, OUT_AT) !== ANSWER.done) core.fail("walk the free list");
  const at = OUT_AT >>> 2;
  const word = (index: number): number => core.memory.words[at + index] as number;
  return {
    count: word(0),
    smallest: word(1),
    largest: word(2),
    bytes: word(5) * 2 ** 32 + word(4),
  };
}
