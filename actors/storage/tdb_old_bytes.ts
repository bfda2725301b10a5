/**
 * What a transaction saves before it writes: which bytes, and how they lie in the recovery area.
 *
 *   dirty blocks  [1024,2048) [2048,3072) [9216,10240)   ->   runs [1024,3072) [9216,10240)
 *   area          header | 1024, 2048, bytes | 9216, 1024, bytes | 24 + capacity
 *
 * The saved header points to the new area itself, so that a recovery that dies half-way is still found; what it
 * pointed to before is in the area's hash word, which other readers leave alone.
 *
 * Does NOT promise: anything about when; see tdb_transaction.ts.
 */
import { BLOCK, DB } from "../../assembly/host/tdb_kernels.ts";
import type { TdbCore } from "./tdb_core.ts";
import { AT } from "./tdb_header.ts";
import { RECORD, RECORD_BYTES, RECOVERY_MAGIC } from "./tdb_recovery.ts";
import { putWord, wordAt } from "./tdb_words.ts";

/** A run of dirty bytes, logical offsets. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the old bytes go: into the area that is there, into the same made longer at the end of the file, or into
 * a new one at its end.
 */
export interface Area {
  readonly place: "kept" | "longer" | "new";
  readonly start: number;
  readonly capacity: number;
  readonly dataLen: number;
}

/** Bytes of the entries for these runs, the last word included. */
export function dataLength(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + 8 + run.end - run.start, 4);
}

/** The dirty runs below the old size, joined; `offsets` are those of dirty blocks, ascending. */
export function oldRuns(offsets: readonly number[], oldSize: number): Run[] {
  const runs: { start: number; end: number }[] = [];
  for (const offset of offsets) {
    if (offset >= oldSize) break;
    const end = Math.min(offset + BLOCK, oldSize);
    const last = runs.at(-1);
    if (last !== undefined && last.end === offset) last.end = end;
    else runs.push({ start: offset, end });
  }
  return runs;
}

/** Lays header and entries out at an address; the magic is that of an idle area unless the area is new. */
export function layOut(core: TdbCore, at: number, area: Area, runs: readonly Run[]): void {
  const { bytes } = core.memory;
  const little = core.header.byteOrder === "little";
  const isNew = area.place === "new";
  putWord(bytes, at + RECORD.next, 0, little);
  putWord(bytes, at + RECORD.recLen, area.capacity, little);
  putWord(bytes, at + RECORD.keyLen, core.field(DB.fileSize), little);
  putWord(bytes, at + RECORD.dataLen, area.dataLen, little);
  const before = isNew ? wordAt(bytes, core.base + AT.recoveryStart, little) : 0;
  putWord(bytes, at + RECORD.hash, before, little);
  putWord(bytes, at + RECORD.magic, isNew ? RECOVERY_MAGIC : 0, little);
  let next = at + RECORD_BYTES;
  for (const run of runs) {
    putWord(bytes, next, run.start, little);
    putWord(bytes, next + 4, run.end - run.start, little);
    bytes.copyWithin(next + 8, core.base + run.start, core.base + run.end);
    if (run.start === 0) putWord(bytes, next + 8 + AT.recoveryStart, area.start, little);
    next += 8 + run.end - run.start;
  }
  putWord(bytes, next, RECORD_BYTES + area.capacity, little);
}
