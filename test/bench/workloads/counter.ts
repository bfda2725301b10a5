/**
 * Counters in values: u64, little-endian, the first 8 bytes.
 *
 * Does NOT promise: sums beyond 2^53 from valueOf.
 */

import type { Change } from "./world.ts";

/** The counter at the beginning of a value; 0 without one. */
export function counterOf(value: Uint8Array | undefined): number {
  if (value === undefined || value.length < 8) return 0;
  const view = new DataView(value.buffer, value.byteOffset, 8);
  return view.getUint32(0, true) + 0x100000000 * view.getUint32(4, true);
}

/** A change that adds to the counter of a value of `bytes` bytes; it makes the value when there is none. */
export function adding(amount: number, bytes = 8): Change {
  const next = new Uint8Array(bytes);
  const view = new DataView(next.buffer);
  return (value) => {
    if (value === undefined || value.length !== bytes) next.fill(0);
    else next.set(value);
    const low = view.getUint32(0, true) + amount;
    view.setUint32(0, low, true);
    if (low > 0xffffffff) view.setUint32(4, view.getUint32(4, true) + 1, true);
    return next;
  };
}
