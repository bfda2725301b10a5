/**
 * TypeScript twin of assembly/md5.ts: MD5 of one message, after RFC 1321.
 *
 * The constants come from their definition (the sine), the word order and the rotations from the
 * RFC's rule. Four loops of four steps a turn: unrolling all 64 steps was tried and is not faster.
 *
 * Does NOT promise: security (MD5 has none), nor any check of its arguments beyond the runtime's.
 */

import type { Bytes } from "./hash.ts";

/** floor(2^32 * |sin(i + 1)|), i = 0..63. */
const SINES = Int32Array.from(
  { length: 64 },
  (_, step) => Math.floor(2 ** 32 * Math.abs(Math.sin(step + 1))) | 0,
);

/** The 16 words of the chunk in work. Scratch: no call leaves anything in it that another reads. */
const WORDS = new Int32Array(16);

function turn(a: number, b: number, f: number, word: number, step: number, by: number): number {
  const sum = (a + f + (WORDS[word & 15] ?? 0) + (SINES[step] ?? 0)) | 0;
  return (b + ((sum << by) | (sum >>> (32 - by)))) | 0;
}

/** Takes the chunk in WORDS into the four words of `state`. */
function chunk(state: Int32Array): void {
  let a = state[0] ?? 0;
  let b = state[1] ?? 0;
  let c = state[2] ?? 0;
  let d = state[3] ?? 0;
  for (let i = 0; i < 16; i += 4) {
    a = turn(a, b, d ^ (b & (c ^ d)), i, i, 7);
    d = turn(d, a, c ^ (a & (b ^ c)), i + 1, i + 1, 12);
    c = turn(c, d, b ^ (d & (a ^ b)), i + 2, i + 2, 17);
    b = turn(b, c, a ^ (c & (d ^ a)), i + 3, i + 3, 22);
  }
  for (let i = 0; i < 16; i += 4) {
    a = turn(a, b, c ^ (d & (b ^ c)), 5 * i + 1, i + 16, 5);
    d = turn(d, a, b ^ (c & (a ^ b)), 5 * i + 6, i + 17, 9);
    c = turn(c, d, a ^ (b & (d ^ a)), 5 * i + 11, i + 18, 14);
    b = turn(b, c, d ^ (a & (c ^ d)), 5 * i + 16, i + 19, 20);
  }
  for (let i = 0; i < 16; i += 4) {
    a = turn(a, b, b ^ c ^ d, 3 * i + 5, i + 32, 4);
    d = turn(d, a, a ^ b ^ c, 3 * i + 8, i + 33, 11);
    c = turn(c, d, d ^ a ^ b, 3 * i + 11, i + 34, 16);
    b = turn(b, c, c ^ d ^ a, 3 * i + 14, i + 35, 23);
  }
  for (let i = 0; i < 16; i += 4) {
    a = turn(a, b, c ^ (b | ~d), 7 * i, i + 48, 6);
    d = turn(d, a, b ^ (a | ~c), 7 * i + 7, i + 49, 10);
    c = turn(c, d, a ^ (d | ~b), 7 * i + 14, i + 50, 15);
    b = turn(b, c, d ^ (c | ~a), 7 * i + 21, i + 51, 21);
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
}

/** MD5 of [start, start + length), 16 bytes. */
export function md5(from: Bytes, start: number, length: number): Uint8Array {
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const end = start + length;
  let at = start;
  for (; end - at >= 64; at += 64) {
    for (let word = 0; word < 16; word++) WORDS[word] = from.view.getInt32(at + 4 * word, true);
    chunk(state);
  }
  WORDS.fill(0);
  for (let index = 0; index <= end - at; index++) {
    const byte = index === end - at ? 0x80 : from.bytes[at + index] ?? 0;
    WORDS[index >> 2] = (WORDS[index >> 2] ?? 0) | (byte << (8 * (index & 3)));
  }
  if (end - at >= 56) {
    chunk(state);
    WORDS.fill(0);
  }
  WORDS[14] = length << 3;
  WORDS[15] = length / 2 ** 29;
  chunk(state);
  const digest = new Uint8Array(16);
  const words = new DataView(digest.buffer);
  state.forEach((word, index) => words.setInt32(4 * index, word, true));
  return digest;
}
