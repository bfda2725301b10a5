/**
 * Until when programs of this machine own resources by their node: one mapped page, which outlives the daemon.
 *
 *   0 "ctdbxgrp" | 8 u32 format | 16 u64 end of the last grant, ns of CLOCK_BOOTTIME; 0: nobody owns anything
 *
 * The daemon writes before it tells a program, so whoever reads it after the daemon's death knows when all is over:
 * the supervisor, before it says so, and the next daemon, before it speaks.
 *
 * Does NOT promise: to outlive the machine; it lies in the run folder, and grants end with the machine.
 */
import { threadMemory } from "../../assembly/host/memory.ts";
import type { Image, ImageStore } from "../../transport/image.ts";
import type { Clock } from "../../transport/world.ts";

/** Bytes of the page. */
export const GRANT_PAGE_BYTES = 4096;
/** "ctdbxgrp". */
const MAGIC = [0x62647463, 0x70726778] as const;
const FORMAT = 1;
const FORMAT_AT = 8;
const END_AT = 16;
const NS_PER_MS = 1e6;

/** One node's. */
export class GrantPage {
  readonly #image: Image;
  readonly #words: Int32Array;
  readonly #wides: BigInt64Array;
  #isClosed = false;

  private constructor(image: Image) {
    const { buffer } = threadMemory().memory;
    this.#image = image;
    this.#words = new Int32Array(buffer, image.address, GRANT_PAGE_BYTES / 4);
    this.#wides = new BigInt64Array(buffer, image.address, GRANT_PAGE_BYTES / 8);
  }

  /** Opens the page of this boot, and makes one where there is none, or none that is whole. Throws what files throw. */
  static open(images: ImageStore, path: string): GrantPage {
    const image = images.open(path, { create: true });
    if (image.mapped !== GRANT_PAGE_BYTES) {
      // One that is not whole was never finished, and nothing was granted by it.
      image.truncate(0);
      image.extend(GRANT_PAGE_BYTES);
    }
    const page = new GrantPage(image);
    if (page.#isWhole()) return page;
    Atomics.store(page.#wides, END_AT >>> 3, 0n);
    Atomics.store(page.#words, FORMAT_AT >>> 2, FORMAT);
    Atomics.store(page.#words, 0, MAGIC[0]);
    Atomics.store(page.#words, 1, MAGIC[1]);
    return page;
  }

  /**
   * Is all over that the file says, by the machine's clock? Without a file it is; by one that is not whole, or of
   * another version, that is not known, and it is not. Only reads: a daemon may have it. Throws what files throw.
   */
  static isOver(images: ImageStore, path: string, clock: Clock): boolean {
    if (!images.exists(path)) return true;
    // Not as readOnly: Bun loads a wide word atomically by an instruction that needs a page which can be written.
    const image = images.open(path);
    if (image.mapped !== GRANT_PAGE_BYTES) {
      image.close();
      return false;
    }
    const page = new GrantPage(image);
    try {
      return page.#isWhole() && clock.nowMs() >= page.endMs;
    } finally {
      page.close();
    }
  }

  #isWhole(): boolean {
    return Atomics.load(this.#words, 0) === MAGIC[0] && Atomics.load(this.#words, 1) === MAGIC[1] &&
      Atomics.load(this.#words, FORMAT_AT >>> 2) === FORMAT;
  }

  /** When the last grant ends, ms of CLOCK_BOOTTIME; 0: nobody owns anything. After `close` it stays as it is. */
  get endMs(): number {
    if (this.#isClosed) return 0;
    return Number(Atomics.load(this.#wides, END_AT >>> 3)) / NS_PER_MS;
  }

  set endMs(endMs: number) {
    if (this.#isClosed) return;
    // Rounded up: nothing is over before it is.
    Atomics.store(this.#wides, END_AT >>> 3, BigInt(Math.ceil(Math.max(0, endMs) * NS_PER_MS)));
  }

  close(): void {
    this.#isClosed = true;
    this.#image.close();
  }
}
