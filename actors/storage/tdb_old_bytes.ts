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
import { AT, HEADER_BYTES } from "./tdb_header.ts";
import { RECORD_BYTES, RECOVERY_MAGIC } from "./tdb_recovery.ts";

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
  const { bytes, memory } = core.memory;
  const file = new DataView(memory.buffer, core.base, HEADER_BYTES);
  const view = new DataView(memory.buffer, at, RECORD_BYTES + area.dataLen);
  const little = core.header.byteOrder === "little";
  const magic = area.place === "new" ? RECOVERY_MAGIC : 0;
  const before = area.place === "new" ? file.getUint32(AT.recoveryStart, little) : 0;
  const head = [0, area.capacity, core.field(DB.fileSize), area.dataLen, before, magic];
  head.forEach((value, index) => view.setUint32(index * 4, value, little));
  let next = RECORD_BYTES;
  for (const run of runs) {
    view.setUint32(next, run.start, little);
    view.setUint32(next + 4, run.end - run.start, little);
    bytes.copyWithin(at + next + 8, core.base + run.start, core.base + run.end);
    if (run.start === 0) view.setUint32(next + 8 + AT.recoveryStart, area.start, little);
    next += 8 + run.end - run.start;
  }
  view.setUint32(next, RECORD_BYTES + area.capacity, little);
}
