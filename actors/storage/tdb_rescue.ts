/**
 * rescue(): all records that can still be found in a database, whatever state its lists are in.
 *
 * Reachable records (those that fetch could find) are reported as they are. Others are found by a scan for their
 * magic at every multiple of 4; they are reported unless a reachable record has the same key, or they lie inside
 * a free record, the recovery area or another record.
 *
 * Does NOT promise: which of several finds with one key is the newest. Needs a file that opens: header and
 * unfinished transactions must be sound.
 * Upstream: tdb rescue.
 */
import { RESCUE, RESCUE_BYTES } from "../../assembly/host/rescue_kernels.ts";
import { seenBytes } from "../../assembly/host/check_kernels.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import type { Tdb } from "./tdb.ts";
import type { TdbCore } from "./tdb_core.ts";

/** Finds per kernel call. */
const BATCH = 4096;
/** Places of 4 or 16 bytes that a call scans. */
const SLICE = 1 << 24;

/** Where a record was found. */
export interface Where {
  /** Logical offset of its header. */
  readonly offset: number;
  /** Does its chain lead to it? */
  readonly reachable: boolean;
}

/** What rescue() did. */
export interface RescueReport {
  /** Records reported. */
  readonly reachable: number;
  readonly unreachable: number;
  /** Unreachable records not reported, because a reachable one has their key. */
  readonly shadowed: number;
  /** Places not judged, because the file holds more overlapping records than a sound one can. */
  readonly skipped: number;
  /** Bytes scanned. */
  readonly size: number;
}

/** Memory of one rescue, given back at its end. */
class Room {
  readonly #core: TdbCore;
  readonly #taken: { at: number; bytes: number }[] = [];
  readonly state: number;
  readonly out: number;
  #table: number | undefined;

  constructor(core: TdbCore) {
    this.#core = core;
    const map = Math.ceil(seenBytes(core.size) / 4) * 4;
    this.state = this.#take(RESCUE_BYTES + BATCH * 8 + 2 * map);
    this.out = this.state + RESCUE_BYTES;
    const maps = this.out + BATCH * 8;
    core.memory.bytes.fill(0, this.state, maps + 2 * map);
    core.memory.words[(this.state + RESCUE.reach) >>> 2] = maps;
    core.memory.words[(this.state + RESCUE.cover) >>> 2] = maps + map;
  }

  #take(bytes: number): number {
    const at = this.#core.memory.regions.take(bytes);
    if (at === undefined) {
      const path = this.#core.image.path;
      throw new CtdbxError("limit", `Cannot rescue ${path}: no memory for ${bytes} bytes`);
    }
    this.#taken.push({ at, bytes });
    return at;
  }

  get(field: number): number {
    return this.#core.memory.words[(this.state + field) >>> 2] as number;
  }

  /** The reachable records sorted by key; made for the first unreachable one. */
  table(): number {
    if (this.#table !== undefined) return this.#table;
    const table = this.#take(8 * this.get(RESCUE.reachable) + 8);
    this.#core.kernel.tdbRescueSort(this.#core.db, this.state, table);
    this.#table = table;
    return table;
  }

  release(): void {
    for (const { at, bytes } of this.#taken) this.#core.memory.regions.give(at, bytes);
    this.#taken.length = 0;
  }
}

/** Copies of key and value of the record at an offset. */
function read(core: TdbCore, offset: number): { key: Uint8Array; value: Uint8Array } {
  const key = core.base + offset + 24;
  const value = key + core.word(offset + 8);
  const { bytes } = core.memory;
  return {
    key: bytes.slice(key, value),
    value: bytes.slice(value, value + core.word(offset + 12)),
  };
}

/**
 * Finds records and hands each to `found` (copies), by ascending offset. Throws "busy" when the database cannot be
 * locked for reading, "state" in a transaction, "limit" without memory. `found` must not use the database.
 */
export function rescue(
  tdb: Tdb,
  found: (key: Uint8Array, value: Uint8Array, where: Where) => void,
): RescueReport {
  if (tdb.inTransaction) {
    throw new CtdbxError("state", `Cannot rescue ${tdb.path}: a transaction is open`);
  }
  if (!tdb.tryLockAll("read")) {
    throw new CtdbxError("busy", `Cannot rescue ${tdb.path}: it is in use`);
  }
  try {
    const room = new Room(tdb.core);
    try {
      return run(tdb.core, room, found);
    } finally {
      room.release();
    }
  } finally {
    tdb.unlockAll();
  }
}

function run(
  core: TdbCore,
  room: Room,
  found: (key: Uint8Array, value: Uint8Array, where: Where) => void,
): RescueReport {
  const { kernel, db } = core;
  const { words } = core.memory;
  const report = { reachable: 0, unreachable: 0, shadowed: 0 };
  const end = Math.floor(core.size / 4) * 4;
  kernel.tdbRescueWalk(db, room.state);
  while (room.get(RESCUE.at) < end) {
    const count = kernel.tdbRescueScan(db, room.state, SLICE, room.out, BATCH);
    for (let index = 0; index < count; index++) {
      const offset = words[(room.out >>> 2) + 2 * index] as number;
      const reachable = words[(room.out >>> 2) + 2 * index + 1] === 1;
      if (!reachable && kernel.tdbRescueKnown(db, room.state, room.table(), offset) === 1) {
        report.shadowed++;
        continue;
      }
      report[reachable ? "reachable" : "unreachable"]++;
      const { key, value } = read(core, offset);
      found(key, value, { offset, reachable });
    }
  }
  return { ...report, skipped: room.get(RESCUE.skipped), size: core.size };
}
