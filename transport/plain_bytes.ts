/**
 * Bytes as everybody here takes them: a Uint8Array and nothing more.
 *
 * Sockets of both runtimes give Buffers. A Buffer's `slice` is no copy: whoever keeps a slice keeps the whole piece in
 * memory, and whoever changes his slice changes what others see. So adapters hand out plain ones.
 *
 * Does NOT promise: a copy.
 */

/** The same bytes, in the same memory, as a plain Uint8Array. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
