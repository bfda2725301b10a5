/**
 * Emptying a database, and laying it out anew.
 *
 *   wipe:    all heads 0, [data start .. end) one free record, or two around the recovery area
 *   repack:  in one transaction: every record copied out, wipe, every record stored again
 *
 * Does NOT promise: that wipe outside a transaction is atomic; that repack shortens the file.
 * Upstream: tdb wipe and repack.
 */
import { DB } from "../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Tdb } from "./tdb.ts";
import type { TdbCore } from "./tdb_core.ts";
import { AT } from "./tdb_header.ts";
import { RECORD_BYTES, usableArea } from "./tdb_recovery.ts";

/** Removes all records. */
export async function wipe(tdb: Tdb): Promise<void> {
  const { core } = tdb;
  if (tdb.inTransaction) {
    wipeHeld(core);
    return;
  }
  await tdb.lockAll("write");
  try {
    wipeHeld(core);
  } finally {
    tdb.unlockAll();
  }
}

/** Wipes under the lock on everything, or in a transaction. */
function wipeHeld(core: TdbCore): void {
  // Another handle may have made the file longer than we know.
  if (!core.inTransaction) core.refresh();
  core.kernel.tdbClearHeads(core.db);
  core.setWord(AT.freeHead, 0);
  core.set(DB.indexOpen, 0);
  const start = core.header.dataStart;
  // Records begin at multiples of 4; what is left behind the last of them is nobody's.
  const end = core.size - core.size % 4;
  const area = usableArea(core);
  if (area === undefined) {
    if (core.recoveryStart !== 0) core.setWord(AT.recoveryStart, 0);
    core.kernel.tdbAddSpace(core.db, start, end - start, 1);
  } else {
    const behind = area.start + RECORD_BYTES + area.capacity;
    core.kernel.tdbAddSpace(core.db, start, area.start - start, 1);
    core.kernel.tdbAddSpace(core.db, behind, end - behind, 1);
  }
  core.setWord(AT.sequenceNumber, (core.word(AT.sequenceNumber) + 1) >>> 0);
  if (core.inTransaction && core.field(DB.faultKind) !== 0) core.fail("wipe");
}

/** Lays all records out anew. */
export async function repack(tdb: Tdb): Promise<void> {
  if (tdb.inTransaction) throw new CtdbxError("state", "Cannot repack: a transaction is open");
  await tdb.transaction(async () => {
    const { core } = tdb;
    const room = core.size;
    const at = core.memory.regions.take(room);
    if (at === undefined) {
      throw new CtdbxError("limit", `Cannot repack: no memory for ${room} bytes`);
    }
    const { bytes, words } = core.memory;
    try {
      let used = 0;
      await tdb.traverse((record) => {
        const length = record.keyLength + record.valueLength;
        words[(at + used) >>> 2] = record.keyLength;
        words[((at + used) >>> 2) + 1] = record.valueLength;
        bytes.copyWithin(at + used + 8, record.keyOffset, record.keyOffset + length);
        used += 8 + Math.ceil(length / 4) * 4;
      });
      await wipe(tdb);
      // From the last to the first: each is put at the head of its chain, which keeps their order.
      const places: number[] = [];
      for (let place = 0; place < used;) {
        places.push(place);
        const length = (words[(at + place) >>> 2] as number) +
          (words[((at + place) >>> 2) + 1] as number);
        place += 8 + Math.ceil(length / 4) * 4;
      }
      for (const place of places.reverse()) {
        const keyLength = words[(at + place) >>> 2] as number;
        const valueLength = words[((at + place) >>> 2) + 1] as number;
        const key = at + place + 8;
        const value = key + keyLength;
        tdb.store(bytes.subarray(key, value), bytes.subarray(value, value + valueLength), "insert");
      }
    } finally {
      core.memory.regions.give(at, room);
    }
  });
}
