/**
 * TypeScript twins of assembly/hash.ts: what the kernels are measured against, and an oracle in
 * tests.
 *
 * Written for the engines' compilers (int32 arithmetic, no allocation, words through a DataView)
 * but with another shape than the kernels: tails byte by byte, the old hash as its definition says.
 * An error is unlikely to be in both.
 *
 *   bytes and view show one buffer from the same first byte; the key is [start, start + length)
 *
 * Does NOT promise: any check of its arguments beyond the runtime's.
 */

/** One buffer, seen twice: a Uint8Array for bytes and a DataView for unaligned words. */
export interface Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Both views of the buffer behind `bytes`, from its first byte. */
export function bytesOf(bytes: Uint8Array): Bytes {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** One little-endian word from `at`; bytes from `end` on count as zero. */
function tailWord(bytes: Uint8Array, at: number, end: number): number {
  let word = 0;
  for (let shift = 0; shift < 32 && at < end; shift += 8, at++) word |= (bytes[at] ?? 0) << shift;
  return word;
}

/** Jenkins lookup3 with initial value 0. Returns u32. */
export function jenkins(from: Bytes, start: number, length: number): number {
  const view = from.view;
  let a = (0xdeadbeef + length) | 0;
  let b = a;
  let c = a;
  if (length === 0) return c >>> 0;
  const end = start + length;
  let at = start;
  while (end - at > 12) {
    a = (a + view.getInt32(at, true)) | 0;
    b = (b + view.getInt32(at + 4, true)) | 0;
    c = (c + view.getInt32(at + 8, true)) | 0;
    a = ((a - c) | 0) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rotate(b, 4);
    b = (b + a) | 0;
    at += 12;
  }
  a = (a + tailWord(from.bytes, at, end)) | 0;
  b = (b + tailWord(from.bytes, at + 4, end)) | 0;
  c = (c + tailWord(from.bytes, at + 8, end)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) >>> 0;
}

/** TDB's old hash, by its definition: the sum of byte i << (5*i mod 24). Returns u32. */
export function oldHash(from: Bytes, start: number, length: number): number {
  const bytes = from.bytes;
  let sum = Math.imul(0x238f13af, length);
  let shift = 0;
  for (let at = start; at < start + length; at++) {
    sum = (sum + ((bytes[at] ?? 0) << shift)) | 0;
    shift += 5;
    if (shift >= 24) shift -= 24;
  }
  return (Math.imul(1103515243, sum) + 12345) >>> 0;
}
