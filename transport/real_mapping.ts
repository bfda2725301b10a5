/**
 * A file's place in the thread's Memory: reserve, map, move, blank.
 *
 *   address            address+mapped      page end          address + reserved
 *      | file bytes, MAP_SHARED | zeros to page | anonymous pages: slack to grow into |
 *
 * Pages that leave the file get anonymous memory laid over them. They are never unmapped: a hole in
 * a Memory is a crash, and the runtime may hand the range to its next Memory with the file still in
 * it.
 *
 * Does NOT promise: that a page stays readable when another process shortens the file (SIGBUS): see
 * docs of refresh().
 */

import { PAGE, roundUp, type ThreadMemory } from "../assembly/host/memory.ts";
import { type Libc, MAP, systemError } from "./ffi.ts";
import { MAPPED_MAX } from "./image.ts";
import { CtdbxError } from "./wire/errors.ts";

/** The smallest region, bytes. */
const RESERVE_MIN = 1024 * 1024;
/** A region is made this much larger than its file, so that growing is seldom moving. */
const RESERVE_FACTOR = 1.5;

/** The mappings of one thread, and what they sum up to. */
export class Mappings {
  readonly libc: Libc;
  readonly thread: ThreadMemory;
  /** Address of the Memory's byte 0 in the process. */
  readonly base: number;
  readonly open = new Set<RealMapping>();

  constructor(libc: Libc, thread: ThreadMemory) {
    this.libc = libc;
    this.thread = thread;
    this.base = libc.addressOf(thread.bytes);
  }

  /** Bytes of files mapped now, whole pages. */
  bytes(): number {
    let sum = 0;
    for (const mapping of this.open) sum += roundUp(mapping.mapped, PAGE);
    return sum;
  }

  /** Takes a free region; when there is none, after the others have given up their slack. */
  take(bytes: number): number | undefined {
    const { regions } = this.thread;
    const address = regions.take(bytes);
    if (address !== undefined) return address;
    for (const mapping of this.open) mapping.trim();
    return regions.take(bytes);
  }
}

/** One file's mapping. The descriptor stays the caller's. */
export class RealMapping {
  readonly #all: Mappings;
  readonly #path: string;
  readonly #fd: number;
  readonly #prot: number;
  #address = 0;
  #mapped = 0;
  #reserved = 0;

  constructor(all: Mappings, path: string, fd: number, readOnly: boolean) {
    this.#all = all;
    this.#path = path;
    this.#fd = fd;
    this.#prot = readOnly ? MAP.READ : MAP.READ | MAP.WRITE;
    this.reserve(0);
    all.open.add(this);
  }

  get address(): number {
    return this.#address;
  }

  get mapped(): number {
    return this.#mapped;
  }

  /**
   * Makes room for `size` bytes, moving if there is no other way. Throws "limit"; nothing has
   * changed then.
   */
  reserve(size: number): void {
    const pages = Math.max(roundUp(size, PAGE), PAGE);
    const others = this.#all.bytes() - (this.#reserved === 0 ? 0 : roundUp(this.#mapped, PAGE));
    if (others + pages > MAPPED_MAX) throw this.#limit(size, others);
    if (pages <= this.#reserved) return;
    const { regions } = this.#all.thread;
    const wish = Math.max(roundUp(pages * RESERVE_FACTOR, PAGE), RESERVE_MIN);
    for (const want of [wish, pages]) {
      if (this.#reserved > 0) {
        if (regions.takeAt(this.#address + this.#reserved, want - this.#reserved)) {
          this.#reserved = want;
          return;
        }
      }
      const address = want === wish ? regions.take(want) : this.#all.take(want);
      if (address !== undefined) return this.#move(address, want);
    }
    this.#moveOverlapping(size, pages);
  }

  /** Maps what a file of `size` bytes has and blanks what it has not. Throws "limit". */
  fit(size: number): void {
    this.reserve(size);
    const before = roundUp(this.#mapped, PAGE);
    const after = roundUp(size, PAGE);
    if (after > before) this.#map(this.#address, before, after - before);
    else if (after < before) this.#blank(this.#address + after, before - after);
    this.#mapped = size;
  }

  /** Gives the slack back, so that another file can have it. */
  trim(): void {
    const keep = Math.max(roundUp(this.#mapped, PAGE), PAGE);
    if (keep >= this.#reserved) return;
    this.#all.thread.regions.give(this.#address + keep, this.#reserved - keep);
    this.#reserved = keep;
  }

  /** Leaves the Memory as if the file had never been there. Idempotent. */
  close(): void {
    if (this.#reserved === 0) return;
    this.#blank(this.#address, this.#reserved);
    this.#all.thread.regions.give(this.#address, this.#reserved);
    this.#all.open.delete(this);
    this.#mapped = 0;
    this.#reserved = 0;
  }

  /** To a region of its own elsewhere: map there first, so that a failure changes nothing. */
  #move(address: number, reserved: number): void {
    const { regions } = this.#all.thread;
    const pages = roundUp(this.#mapped, PAGE);
    try {
      if (pages > 0) this.#map(address, 0, pages);
    } catch (error) {
      regions.give(address, reserved);
      throw error;
    }
    if (this.#reserved > 0) {
      this.#blank(this.#address, this.#reserved);
      regions.give(this.#address, this.#reserved);
    }
    this.#address = address;
    this.#reserved = reserved;
  }

  /**
   * The last resort of a file that fills most of the Memory: the new place may overlap the old one.
   */
  #moveOverlapping(size: number, pages: number): void {
    const { regions } = this.#all.thread;
    const others = this.#all.bytes() - roundUp(this.#mapped, PAGE);
    if (this.#reserved === 0) throw this.#limit(size, others);
    const kept = roundUp(this.#mapped, PAGE);
    this.#blank(this.#address, this.#reserved);
    regions.give(this.#address, this.#reserved);
    const address = regions.take(pages);
    if (address === undefined) regions.takeAt(this.#address, this.#reserved);
    else [this.#address, this.#reserved] = [address, pages];
    if (kept > 0) this.#map(this.#address, 0, kept);
    if (address === undefined) throw this.#limit(size, others);
  }

  #map(address: number, offset: number, length: number): void {
    const { libc, base } = this.#all;
    const [prot, flags] = [this.#prot, MAP.SHARED | MAP.FIXED];
    if (libc.mmap(base + address + offset, length, prot, flags, this.#fd, offset) >= 0) return;
    const errno = libc.errno();
    this.#blank(address + offset, length); // whatever the failure left: no hole
    throw systemError(`Cannot map ${length} bytes of ${this.#path}`, errno);
  }

  #blank(address: number, length: number): void {
    const { libc, base } = this.#all;
    const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED | MAP.NORESERVE;
    if (libc.mmap(base + address, length, MAP.READ | MAP.WRITE, flags, -1, 0) >= 0) return;
    throw systemError(`Cannot unmap ${length} bytes of ${this.#path}`, libc.errno());
  }

  #limit(size: number, others: number): CtdbxError {
    const { longest } = this.#all.thread.regions.free();
    return new CtdbxError(
      "limit",
      `Cannot map ${this.#path}: ${size} bytes, ${others} mapped already; the limit is ` +
        `${MAPPED_MAX} bytes (3.5 GiB) mapped per thread; longest free run ${longest}`,
    );
  }
}
