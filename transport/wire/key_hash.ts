/**
 * The hash by which the gate tells the fields of a map apart.
 *
 *   FNV-1a, 32 bits, over the bytes of the name
 *
 * Does NOT promise: that two names never meet. Two names of one record must not, and a test looks.
 */

/** Hash of the name that lies in these bytes, i32. */
export function keyHash(bytes: Uint8Array, from: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = from; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash;
}
