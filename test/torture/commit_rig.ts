/**
 * Entries that follow one another, and a replica's log with its id, for the tests of commit logs and files.
 *
 * Does NOT promise: what a machine would write; any entries that are linked do.
 */
import { CommitId, type ReplicaId } from "../../actors/storage/commit_id.ts";
import { CommitLog } from "../../actors/storage/commit_log.ts";
import { NOTHING, type Position } from "../../actors/storage/commit_frame.ts";
import type { ImageStore } from "../../transport/image.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import {
  type CommitTxn,
  type CommitWrite,
  type Entry,
  sealEntry,
} from "../../transport/wire/commit/entry.ts";

/** The history that all begin with: the seventh of its database. */
export const LINEAGE = 7n;

/** The database of these tests. */
export const PATH = "/db/some.tdb";
export const ZERO: Position = NOTHING;

/** A replica that has nothing yet. */
export const FRESH: ReplicaId = {
  lineage: LINEAGE,
  diskId: "00112233445566778899aabbccddeeff",
  highTerm: 0n,
  logId: 99n,
  first: 1,
  firstAt: 0n,
  base: ZERO,
  installing: undefined,
  isFresh: true,
  parent: { lineage: 0n, seq: 0n },
  proven: undefined,
};

/** What stands behind an entry. */
export function behind(entry: Entry): Position {
  const dbseq = entry.dbseqFirst + BigInt(entry.txns.length) - 1n;
  return { seq: entry.seq, chain: entry.chain, dbseq, term: entry.term };
}

/** The group that follows `last`: one transaction for each list of writes. */
export function group(
  last: Position,
  writes: readonly (readonly CommitWrite[])[],
  term = 1n,
): Entry {
  const txns: CommitTxn[] = writes.map((list, i) => ({
    sid: 1n,
    n: Number(last.dbseq) + i + 1,
    doneUpTo: 0,
    writes: list,
  }));
  const { seq, chain, dbseq } = last;
  const head = { lineage: LINEAGE, term, seq: seq + 1n, dbseqFirst: dbseq + 1n, prevChain: chain };
  return sealEntry({ kind: txns.length === 0 ? "start" : "group", ...head, txns });
}

/** A write of `size` bytes that depend on `salt`. */
export function put(key: string, size: number, salt = 0): CommitWrite {
  return { key, value: Uint8Array.from({ length: size }, (_, i) => (i * 31 + salt * 7) & 0xff) };
}

/** The id and the log of a replica, as its owner opens them. */
export function openLog(
  images: ImageStore,
  segmentBytes: number,
): { id: CommitId; log: CommitLog } {
  const id = CommitId.open(images, PATH, FRESH);
  try {
    const { logId, first, firstAt, base } = id.value;
    const log = CommitLog.open(images, PATH, { logId, first, firstAt, base, segmentBytes });
    log.shelf.removeStray();
    return { id, log };
  } catch (error) {
    id.close();
    throw error;
  }
}

/** Drops what nobody needs below `seq`, as its owner does: first written down, then removed. */
export function dropBelow(id: CommitId, log: CommitLog, seq: bigint): number {
  const { count, first, firstAt } = log.shelf.droppable(seq);
  if (count === 0) return 0;
  id.update({ first, firstAt });
  log.shelf.drop(count);
  return count;
}

/** A simulated disk. */
export function simDisk(seed: number): SimImageStore {
  return new SimImageStore({ seed, reserveBytes: 64 * 1024 });
}
