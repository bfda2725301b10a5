/**
 * One simulated file: what a reader sees now, what the disk has, and what a power cut makes of the
 * two.
 *
 *   current  |AAAA|BBBB|CCCC|      region of the thread's Memory while open, a buffer between
 *   durable  |AAAA|aaaa|           as of the last sync, plus sectors that were written back early
 *            cut: each 512-byte sector that differs is one or the other, by the dice;
 *                 the size is any of those since the last sync
 *
 * All images of a file share its region: they see one another's writes as mappings of one file do.
 *
 * Does NOT promise: order of sectors, or atomicity of more than one of them: that is its purpose.
 */

import { PAGE, roundUp, type ThreadMemory } from "../../assembly/host/memory.ts";
import { CtdbxError } from "../wire/errors.ts";
import type { Dice } from "./dice.ts";
import { SimMutexes } from "./mutexes.ts";
import { RangeLocks } from "./range_locks.ts";

/** What a disk writes whole or not at all, bytes. */
export const SECTOR = 512;
/** A write reaches the disk by itself, before any sync, once in so many times. */
const WRITE_BACK_OF = 4;

/** Files of all simulations that have a region of a thread's Memory. */
const PLACED = new Set<SimFile>();

/** Takes the regions of all files that are still open: whoever simulated them is gone, and has not closed them. */
export function forgetOpenFiles(): void {
  for (const file of PLACED) file.forget();
}

/** A file and its images. */
export class SimFile {
  readonly locks = new RangeLocks();
  readonly mutexes = new SimMutexes();
  readonly #thread: ThreadMemory;
  readonly #reserveBytes: number;
  /** Contents while no image is open. */
  #closed = new Uint8Array(0);
  #durable = new Uint8Array(0);
  #durableSize = 0;
  /** Sizes since the last sync. */
  #sizes: number[] = [];
  /** Its name survives a power cut. */
  #named = false;
  #images = 0;
  #address = 0;
  #reserved = 0;
  #size = 0;

  constructor(thread: ThreadMemory, reserveBytes: number) {
    this.#thread = thread;
    this.#reserveBytes = reserveBytes;
  }

  get address(): number {
    return this.#address;
  }

  get size(): number {
    return this.#size;
  }

  get isOpen(): boolean {
    return this.#images > 0;
  }

  /** The contents now; a view that is valid until the next call of anything. */
  current(): Uint8Array {
    if (!this.isOpen) return this.#closed;
    return this.#thread.bytes.subarray(this.#address, this.#address + this.#size);
  }

  attach(): void {
    if (this.#images === 0) {
      this.#place(this.#size);
      this.#thread.bytes.set(this.#closed, this.#address);
      this.#closed = new Uint8Array(0);
      PLACED.add(this);
    }
    this.#images++;
  }

  detach(): void {
    if (this.#images === 1) {
      this.#closed = this.current().slice();
      this.#leave();
      PLACED.delete(this);
    }
    this.#images--;
  }

  /** Closes it for all images, which are not to be used again. */
  forget(): void {
    if (!this.isOpen) return;
    this.#images = 1;
    this.detach();
  }

  /** New bytes are zero, also those that were cut off before. Throws "limit" without room. */
  resize(size: number): void {
    if (size > this.#reserved) this.#move(size);
    if (size < this.#size) this.current().fill(0, size);
    this.#size = size;
    this.#sizes.push(size);
    this.mutexes.dropFrom(size);
  }

  /** Copies bytes of the Memory in; the dice say whether the disk has them at once. */
  write(offset: number, from: number, length: number, dice: Dice): void {
    this.#thread.bytes.copyWithin(this.#address + offset, from, from + length);
    if (!dice.chance(1, WRITE_BACK_OF)) return;
    const start = offset - offset % SECTOR;
    const end = Math.min(roundUp(offset + length, SECTOR), this.#size);
    if (this.#durable.length < end) {
      const grown = new Uint8Array(end);
      grown.set(this.#durable);
      this.#durable = grown;
    }
    this.#durable.set(this.current().subarray(start, end), start);
  }

  sync(): void {
    const now = this.current();
    // The same buffer while the size stays: a new one for each sync keeps the collector busy.
    if (this.#durable.length === now.length) this.#durable.set(now);
    else this.#durable = now.slice();
    this.#durableSize = this.#size;
    this.#sizes = [];
    this.#named = true;
  }

  /** The folder was synced. */
  name(): void {
    this.#named = true;
  }

  /**
   * A power cut. False: the file is gone, nobody had synced it or its folder. All images are
   * closed.
   */
  cut(dice: Dice): boolean {
    if (!this.#named && dice.chance(1, 2)) return false;
    const sizes = [this.#durableSize, ...this.#sizes];
    const size = sizes[dice.below(sizes.length)] ?? 0;
    const survivor = new Uint8Array(size);
    survivor.set(this.#durable.subarray(0, size));
    for (let start = 0; start < Math.min(size, this.#closed.length); start += SECTOR) {
      const sector = this.#closed.subarray(start, Math.min(start + SECTOR, size));
      if (differs(sector, survivor, start) && dice.chance(1, 2)) survivor.set(sector, start);
    }
    this.#closed = survivor;
    this.#size = size;
    this.sync();
    this.mutexes.cut();
    return true;
  }

  #place(size: number): void {
    const bytes = roundUp(Math.max(size * 1.5, this.#reserveBytes, PAGE), PAGE);
    const address = this.#thread.regions.take(bytes);
    if (address === undefined) {
      throw new CtdbxError("limit", `Cannot map ${size} bytes: no free run of ${bytes} bytes`);
    }
    this.#thread.bytes.fill(0, address, address + bytes);
    this.#address = address;
    this.#reserved = bytes;
  }

  #leave(): void {
    this.#thread.bytes.fill(0, this.#address, this.#address + this.#reserved);
    this.#thread.regions.give(this.#address, this.#reserved);
    this.#reserved = 0;
  }

  #move(size: number): void {
    const contents = this.current().slice();
    const [address, reserved] = [this.#address, this.#reserved];
    this.#place(size);
    this.#thread.bytes.set(contents, this.#address);
    this.#thread.bytes.fill(0, address, address + reserved);
    this.#thread.regions.give(address, reserved);
  }
}

function differs(sector: Uint8Array, other: Uint8Array, start: number): boolean {
  for (let i = 0; i < sector.length; i++) if (sector[i] !== other[start + i]) return true;
  return false;
}
