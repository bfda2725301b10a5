/**
 * One struct flock that is rewritten in place for every call, so that a lock costs no allocation.
 *
 * Does NOT promise: big-endian machines (neither runtime exists there).
 */

/** Bytes of struct flock on 64-bit Linux. */
const FLOCK_BYTES = 32;
const TWO_32 = 4294967296;

/** The words of a struct flock; its own ArrayBuffer, so that its address never changes. */
export function makeFlock(): Uint32Array<ArrayBuffer> {
  return new Uint32Array(new ArrayBuffer(FLOCK_BYTES));
}

/**
 * Fills it: l_whence SEEK_SET and l_pid 0 stay as they are, as OFD locks demand. Offsets below
 * 2^53.
 */
export function fillFlock(flock: Uint32Array, type: number, start: number, length: number): void {
  flock[0] = type;
  flock[2] = start >>> 0;
  flock[3] = start < TWO_32 ? 0 : Math.floor(start / TWO_32);
  flock[4] = length >>> 0;
  flock[5] = length < TWO_32 ? 0 : Math.floor(length / TWO_32);
}
