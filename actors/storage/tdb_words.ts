/**
 * Words in the thread's Memory in a file's own byte order, at any address and without a view made for it: a DataView
 * of a Memory costs more than what a small commit does otherwise.
 *
 * Does NOT promise: speed for many words; kernels do those.
 */

/** Puts a u32 at an address. */
export function putWord(bytes: Uint8Array, at: number, value: number, little: boolean): void {
  bytes[at] = little ? value : value >>> 24;
  bytes[at + 1] = little ? value >>> 8 : value >>> 16;
  bytes[at + 2] = little ? value >>> 16 : value >>> 8;
  bytes[at + 3] = little ? value >>> 24 : value;
}

/** The u32 at an address. */
export function wordAt(bytes: Uint8Array, at: number, little: boolean): number {
  const a = bytes[at] as number;
  const b = bytes[at + 1] as number;
  const c = bytes[at + 2] as number;
  const d = bytes[at + 3] as number;
  return (little ? a | (b << 8) | (c << 16) | (d << 24) : d | (c << 8) | (b << 16) | (a << 24)) >>>
    0;
}
