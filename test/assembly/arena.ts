/**
 * A piece of the thread's Memory for tests of kernels: filled with guard bytes, and able to tell
 * where a kernel wrote.
 *
 *   region  | guard ... | place(bytes, offset) | guard ... | out | guard ... |
 *
 * Does NOT promise: to notice a write of the very byte that stood there; guard bytes differ by
 * place for that.
 */

import { MEMORY_BYTES, threadMemory } from "../../assembly/host/memory.ts";

/** A run of addresses that changed, [start, end). */
export interface Change {
  readonly start: number;
  readonly end: number;
}

/** Takes a region of the Memory, and remembers what stood in it. */
export class Arena {
  readonly address: number;
  readonly size: number;
  #before: Uint8Array;

  /**
   * `size` in bytes, a multiple of 4096; `atEnd`: the last bytes of the Memory, beyond which every
   * access traps.
   */
  constructor(size: number, atEnd = false) {
    const { regions } = threadMemory();
    const last = MEMORY_BYTES - size;
    const address = atEnd ? (regions.takeAt(last, size) ? last : undefined) : regions.take(size);
    if (address === undefined) {
      throw new RangeError(`Cannot make an arena: ${size} bytes are taken`);
    }
    this.address = address;
    this.size = size;
    this.#before = new Uint8Array(size);
    this.reset();
  }

  /** Guard bytes everywhere; what changed() compares with. */
  reset(): void {
    const { bytes } = threadMemory();
    for (let index = 0; index < this.size; index++) {
      bytes[this.address + index] = (index * 167 + (index >> 8) * 59 + 13) & 255;
    }
    this.remember();
  }

  /** What stands there now is what changed() compares with. */
  remember(): void {
    this.#before = threadMemory().bytes.slice(this.address, this.address + this.size);
  }

  /** Puts bytes at an offset of the arena. Returns their address. */
  place(content: Uint8Array, offset: number): number {
    if (offset + content.length > this.size) throw new RangeError("Cannot place: beyond the arena");
    threadMemory().bytes.set(content, this.address + offset);
    return this.address + offset;
  }

  /** Copies `length` bytes from an address. */
  read(address: number, length: number): Uint8Array {
    return threadMemory().bytes.slice(address, address + length);
  }

  /** First to last changed byte as addresses, or undefined: nothing changed. */
  changed(): Change | undefined {
    const { bytes } = threadMemory();
    let start = 0;
    while (start < this.size && bytes[this.address + start] === this.#before[start]) start++;
    if (start === this.size) return undefined;
    let end = this.size;
    while (bytes[this.address + end - 1] === this.#before[end - 1]) end--;
    return { start: this.address + start, end: this.address + end };
  }

  /** Gives the region back. */
  close(): void {
    threadMemory().regions.give(this.address, this.size);
  }
}
