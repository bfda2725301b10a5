/**
 * A database for tests of kernels: the bytes of a file in a region of the Memory, and a descriptor filled by hand.
 *
 *   region  | guard 4 KiB | file | guard 4 KiB |
 *
 * Does NOT promise: a judgement of the header; only files whose header is sound can be rigged. No growth.
 */

import { kernels, setHooks } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import {
  DATABASES_MAX,
  DB,
  DB_BYTES,
  DESCRIPTORS_AT,
  FLAG,
} from "../../assembly/host/tdb_kernels.ts";
import {
  CHECK,
  CHECK_ANSWER,
  CHECK_BYTES,
  PROBLEM_BYTES,
  REASONS,
  seenBytes,
} from "../../assembly/host/check_kernels.ts";

const GUARD = 4096;
const GUARD_BYTE = 0xa5;
const VERSION = 0x2601196d;
/** H(LIVE) in magic2_hash: old hash, either byte order. */
const OLD_MAGICS = [0, 0x3afef920, 0x566f1e0f];

/** A rigged database. */
export class Rig {
  /** Address of the descriptor. */
  readonly db: number;
  /** Address of logical offset 0. */
  readonly base: number;
  readonly size: number;
  /** Address of a check's state, where a test gives one. */
  state = 0;
  readonly #address: number;
  readonly #bytes: number;
  readonly #number: number;

  /** `file`: all bytes of a file, mutex area included. `flags`: more bits of DB.flags. */
  constructor(file: Uint8Array, flags = 0) {
    const { regions, bytes } = threadMemory();
    this.#bytes = 2 * GUARD + Math.ceil(file.length / 4096) * 4096;
    const address = regions.take(this.#bytes);
    if (address === undefined) throw new RangeError("Cannot rig: no memory");
    this.#address = address;
    bytes.fill(GUARD_BYTE, address, address + this.#bytes);
    bytes.set(file, address + GUARD);
    const view = new DataView(file.buffer, file.byteOffset);
    const little = view.getUint32(32, true) === VERSION;
    const shift = view.getUint32(60, little) === 1 ? view.getUint32(64, little) : 0;
    const hashSize = view.getUint32(36, little);
    this.base = address + GUARD + shift;
    this.size = file.length - shift;
    // The highest number, which openTdb takes last.
    this.#number = DATABASES_MAX - 1;
    this.db = DESCRIPTORS_AT + this.#number * DB_BYTES;
    bytes.fill(0, this.db, this.db + DB_BYTES);
    this.set(DB.base, this.base);
    this.set(DB.size, this.size);
    this.set(DB.fileSize, this.size);
    this.set(DB.hashSize, hashSize);
    this.set(DB.dataStart, 172 + 4 * hashSize);
    this.set(DB.number, this.#number);
    const jenkins = OLD_MAGICS.includes(view.getUint32(56, little)) ? 0 : FLAG.jenkins;
    this.set(DB.flags, flags | jenkins | (little ? 0 : FLAG.swapped));
    setHooks(this.#number, {
      grow: () => 0,
      lockFree: () => 1,
      unlockFree: () => undefined,
      memory: () => 0,
      probe: () => 1,
    });
  }

  /** Sets a field of the descriptor. */
  set(field: number, value: number): void {
    threadMemory().words[(this.db + field) >>> 2] = value;
  }

  /** A field of the descriptor. */
  field(field: number): number {
    return threadMemory().words[(this.db + field) >>> 2] as number;
  }

  /** The word at a logical offset, in the Memory's order. Forgets the fault of the call before. */
  word(offset: number): number {
    return kernels().tdbWord(this.db, offset) >>> 0;
  }

  setWord(offset: number, value: number): void {
    kernels().tdbSetWord(this.db, offset, value);
  }

  /** Gives the region back. Throws when a byte around the file was changed. */
  close(): void {
    const { bytes, regions } = threadMemory();
    setHooks(this.#number, undefined);
    const end = this.base + this.size;
    const last = this.#address + this.#bytes;
    const before = bytes.subarray(this.#address, this.#address + GUARD);
    const after = bytes.subarray(end, last);
    const isWhole = [before, after].every((guard) => guard.every((byte) => byte === GUARD_BYTE));
    regions.give(this.#address, this.#bytes);
    if (!isWhole) throw new Error("A kernel wrote beside the file");
  }
}

/** What the check kernel left in its state. */
export interface RawCheck {
  readonly live: number;
  readonly dead: number;
  readonly free: number;
  readonly problems: readonly string[];
  readonly slices: number;
}

/** Runs the check kernel over a rig in slices of `budget`. */
export function rawCheck(rig: Rig, budget: number, flags = 0): RawCheck {
  const { regions, bytes, words } = threadMemory();
  const table = 100;
  const room = CHECK_BYTES + table * PROBLEM_BYTES + seenBytes(rig.size);
  const state = regions.take(room);
  if (state === undefined) throw new RangeError("Cannot check: no memory");
  bytes.fill(0, state, state + room);
  const set = (field: number, value: number): void => {
    words[(state + field) >>> 2] = value;
  };
  const get = (field: number): number => words[(state + field) >>> 2] as number;
  set(CHECK.flags, flags);
  set(CHECK.table, state + CHECK_BYTES);
  set(CHECK.tableMax, table);
  set(CHECK.map, state + CHECK_BYTES + table * PROBLEM_BYTES);
  let slices = 0;
  while (kernels().tdbCheck(rig.db, state, budget) !== CHECK_ANSWER.done) slices++;
  const problems = Array.from({ length: Math.min(table, get(CHECK.problems)) }, (_, index) => {
    const at = (state + CHECK_BYTES + index * PROBLEM_BYTES) >>> 2;
    return `${REASONS[(words[at] as number) - 1]} ${words[at + 1]}`;
  });
  const found = { live: get(CHECK.live), dead: get(CHECK.dead), free: get(CHECK.free) };
  regions.give(state, room);
  return { ...found, problems, slices };
}
