/**
 * Where a transaction puts its recovery area.
 *
 *   kept: the file's own is large enough | longer: it is the last thing in the file | new: at the end, behind
 *   space that the transaction adds
 *
 * The area is as large as needed, half as much again. Choosing works on the overlay only: until the area is
 * written nothing in the file has changed.
 *
 * Does NOT promise: to find the smallest place.
 * Upstream: tdb transaction; differs from upstream: a tight area.
 */
import { PAGE } from "../../assembly/host/memory.ts";
import { DB } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { FILE_MAX } from "../../transport/wire/limits.ts";
import type { TdbCore } from "./tdb_core.ts";
import { AT } from "./tdb_header.ts";
import { type Area, dataLength, oldRuns } from "./tdb_old_bytes.ts";
import type { Overlay } from "./tdb_overlay.ts";
import { RECORD_BYTES, usableArea } from "./tdb_recovery.ts";

/** Space that a transaction with a new area must add before it: a record's header and more. */
const GAP_MIN = 64;
/** Freeing an old area dirties blocks, which need a larger one: it settles in a few rounds. */
const ROUNDS_MAX = 16;

/** The area for the blocks that the overlay holds. `areaMin`: its least capacity, bytes. Throws "limit". */
export function chooseArea(core: TdbCore, overlay: Overlay, areaMin: number): Area {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const dataLen = dataLength(oldRuns(overlay.offsets(), core.field(DB.fileSize)));
    const old = usableArea(core);
    if (old !== undefined && dataLen <= old.capacity) return { place: "kept", ...old, dataLen };
    if (old !== undefined && old.start + RECORD_BYTES + old.capacity === core.size) {
      return placeArea(core, "longer", old.start, dataLen, areaMin);
    }
    if (old === undefined && core.size - core.field(DB.fileSize) >= GAP_MIN) {
      return placeArea(core, "new", Math.ceil(core.size / 4) * 4, dataLen, areaMin);
    }
    // Before a new area lies space that this transaction adds: until the area is announced the file seems to
    // end in unused zeros, which every reader of the format takes as such.
    if (old === undefined) {
      if (core.growOverlay(RECORD_BYTES + GAP_MIN, 1) === 0) throw tooLarge(core);
    } else {
      core.setWord(AT.recoveryStart, 0);
      core.kernel.tdbAddSpace(core.db, old.start, RECORD_BYTES + old.capacity, 1);
    }
    if (core.field(DB.faultKind) !== 0) core.fail("commit");
  }
  throw new CtdbxError(
    "io",
    `Cannot commit in ${core.image.path}: the recovery area does not settle`,
  );
}

function placeArea(
  core: TdbCore,
  place: "longer" | "new",
  start: number,
  dataLen: number,
  areaMin: number,
): Area {
  const roomy = Math.max(areaMin, dataLen + (dataLen >>> 1));
  const end = Math.ceil((start + RECORD_BYTES + roomy) / PAGE) * PAGE;
  if (end > FILE_MAX) throw tooLarge(core);
  core.set(DB.size, end);
  return { place, start, capacity: end - start - RECORD_BYTES, dataLen };
}

function tooLarge(core: TdbCore): CtdbxError {
  return new CtdbxError(
    "limit",
    `Cannot commit in ${core.image.path}: FILE_MAX is ${FILE_MAX} bytes`,
  );
}
