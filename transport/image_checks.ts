/**
 * What every adapter of the Image port refuses in the same words: mistakes of the program, not
 * states of the world.
 *
 * Does NOT promise: types; numbers are taken to be numbers (NaN is refused).
 */

import type { LockRange } from "./image.ts";

/** Throws RangeError unless `size` can be a size in bytes. */
export function checkSize(doing: string, path: string, size: number): void {
  if (Number.isSafeInteger(size) && size >= 0) return;
  throw new RangeError(`Cannot ${doing} ${path}: size must be a count of bytes, is ${size}`);
}

/** Throws RangeError unless `timeoutMs` is 0 or more. */
export function checkTimeout(timeoutMs: number): void {
  if (timeoutMs >= 0) return;
  throw new RangeError(`Cannot wait: timeoutMs must be 0 or more, is ${timeoutMs}`);
}

/** Throws RangeError unless both are 0 or more. */
export function checkRange(range: LockRange): void {
  if (range.start >= 0 && range.length >= 0) return;
  throw new RangeError(`Cannot lock ${range.start}+${range.length}: both must be 0 or more`);
}

/** Throws RangeError unless [offset, offset+length) is mapped. */
export function checkMapped(
  doing: string,
  path: string,
  offset: number,
  length: number,
  mapped: number,
): void {
  if (offset >= 0 && length >= 0 && offset + length <= mapped) return;
  throw new RangeError(
    `Cannot ${doing} ${length} bytes at ${offset} of ${path}: ${mapped} are mapped`,
  );
}
