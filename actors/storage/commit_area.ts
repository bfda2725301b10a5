/**
 * Where the old bytes of an apply lie: the fixed area of the file, or for a large transaction one at the file's end.
 *
 *   records ... | fixed area, whole pages, never moves | records ... | large area: there during one apply |
 *
 * Its pages have no sums: between applies they hold nothing that counts. Header and place are known from `.sum`.
 *
 * Does NOT promise: anything while an apply is under way; see commit_apply.ts.
 */
import { PAGE } from "../../assembly/host/memory.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { FILE_MAX } from "../../transport/wire/limits.ts";
import type { SumHead } from "./commit_sums.ts";
import type { TdbCore } from "./tdb_core.ts";
import { AT } from "./tdb_header.ts";
import type { Area } from "./tdb_old_bytes.ts";
import { RECORD, RECORD_BYTES } from "./tdb_recovery.ts";

/** Bytes of the fixed area of a new file: 1 MiB. */
export const UNDO_BYTES: number = 1024 * 1024;

/** Does a page belong to the fixed area? */
export function isAreaPage(head: SumHead, page: number): boolean {
  const offset = page * PAGE;
  return offset >= head.areaStart && offset < head.areaStart + RECORD_BYTES + head.areaCapacity;
}

/** The fixed area if `dataLen` bytes fit, else one behind `end`, a multiple of 4096. Throws "limit" at FILE_MAX. */
export function areaFor(head: SumHead, dataLen: number, end: number): Area {
  if (dataLen <= head.areaCapacity) {
    return { place: "kept", start: head.areaStart, capacity: head.areaCapacity, dataLen };
  }
  const bytes = Math.ceil((RECORD_BYTES + dataLen) / PAGE) * PAGE;
  if (end + bytes > FILE_MAX) {
    throw new CtdbxError("limit", `Cannot apply: the file would need more than ${FILE_MAX} bytes`);
  }
  return { place: "new", start: end, capacity: bytes - RECORD_BYTES, dataLen };
}

/**
 * Makes header words right that nothing in the file protects: where the area is, how large, and that it is idle. Other
 * tools clear the pointer when they take a large transaction back. Answers whether anything was wrong; not synced.
 */
export function fixArea(core: TdbCore, head: SumHead): boolean {
  const { areaStart, areaCapacity } = head;
  const wanted = [
    [AT.recoveryStart, areaStart],
    [areaStart + RECORD.next, 0],
    [areaStart + RECORD.recLen, areaCapacity],
    [areaStart + RECORD.magic, 0],
  ] as const;
  const wrong = wanted.filter(([at, value]) => core.word(at) !== value);
  for (const [at, value] of wrong) core.setWord(at, value);
  return wrong.length > 0;
}
