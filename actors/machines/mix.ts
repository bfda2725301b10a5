/**
 * Mixing: from numbers and texts to numbers that look random, the same on every node and runtime.
 *
 *   mix(x)          one u32 to another, one to one: xor-shift and multiply, twice   (vectors: test/actors/machines/mix)
 *   textHash(text)  the UTF-16 code units of a text, one after another, through the same steps
 *
 * Nodes compare what comes out of these functions, so they are part of the protocol: a change of one is a change of it.
 *
 * Does NOT promise: anything against somebody who looks for two inputs with one result.
 */

/** Odd multipliers whose bits are spread evenly; any such pair would do, this one is the protocol's. */
const FIRST = 0x21f0aaad;
const SECOND = 0x735a2d97;
/** What a text of no characters starts from, with seed 0. */
const START = 0x9e3779b9;

/** Mixes a u32 (of any other number, its low 32 bits). A bijection: different inputs give different results. */
export function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, FIRST);
  mixed = Math.imul(mixed ^ (mixed >>> 15), SECOND);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Hashes a text to a u32; each `seed` (u32) is a function of its own. */
export function textHash(text: string, seed: number): number {
  let state = mix(seed ^ START);
  for (let i = 0; i < text.length; i++) {
    state = Math.imul(state ^ text.charCodeAt(i), FIRST);
    state ^= state >>> 15;
  }
  return mix(state ^ text.length);
}
