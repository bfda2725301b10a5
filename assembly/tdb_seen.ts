/**
 * What a check knows of each record, in a bitmap with one bit for 4 bytes of the file.
 *
 * The smallest record covers 7 words, so each record owns 7 bits, which say more than "a record starts here":
 *
 *   bit   0 1 | 2 | 3     4    5        | 6 |  next record
 *         1 1   0   free  bad  visited    0    1 1 ...
 *
 * No two neighbours of the bits 2 to 6 are ever set together: "1 1" is found at starts only, and a pointer into
 * the middle of a record is told from one to its start. One load answers all, which matters when chains are
 * walked in the order of their hashes.
 *
 * Does NOT promise: an answer for overlapping records; whoever marks one must see that the 7 bits are clear.
 */

/** A record starts here. With nothing else: a live or dead one that no list led to yet. */
export const SEEN_START: u32 = 3;
/** It is free. */
export const SEEN_FREE: u32 = 8;
/** Something is wrong with it, reported already. */
export const SEEN_BAD: u32 = 16;
/** A list led to it. Not together with SEEN_BAD. */
export const SEEN_VISITED: u32 = 32;

/** Bytes of the bitmap for a database of `size` bytes, with room for the last unaligned access. */
export function seenBytes(size: u32): u32 {
  return (size >> 5) + 8;
}

/** The 7 bits of `off`. */
// @ts-ignore: decorator
@inline
export function seen(map: usize, off: u32): u32 {
  return (<u32> load<u16>(map + (off >> 5)) >> ((off >> 2) & 7)) & 127;
}

/** Sets the 7 bits of `off`. */
// @ts-ignore: decorator
@inline
export function setSeen(map: usize, off: u32, bits: u32): void {
  const at = map + (off >> 5);
  const shift = (off >> 2) & 7;
  store<u16>(at, (<u32> load<u16>(at) & ~(<u32> 127 << shift)) | (bits << shift));
}

/** Is this what stands at the start of a record? */
// @ts-ignore: decorator
@inline
export function starts(bits: u32): bool {
  return (bits & SEEN_START) == SEEN_START;
}
