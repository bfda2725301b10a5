/**
 * Checksums of bytes that lie in a buffer of JavaScript, made by the kernels.
 *
 *   bytes ──copy──▶ the thread's Memory ──▶ CRC32C, MD5
 *
 * Does NOT promise: protection against intent; both notice accidents.
 */
import { kernels } from "../../../assembly/host/kernels.ts";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { OUT_AT, VALUE_AT, VALUE_ROOM } from "../../../assembly/host/tdb_kernels.ts";
import { CtdbxError } from "../errors.ts";

/** Runs `use` with [from, end) of `bytes` in the Memory; what is too long for the scratch area gets a region. */
function inMemory<T>(
  bytes: Uint8Array,
  from: number,
  end: number,
  use: (at: number, length: number) => T,
): T {
  const { regions, bytes: memory } = threadMemory();
  const length = end - from;
  if (length <= VALUE_ROOM) {
    memory.set(bytes.subarray(from, end), VALUE_AT);
    return use(VALUE_AT, length);
  }
  const at = regions.take(length);
  if (at === undefined) throw new CtdbxError("limit", `Cannot sum ${length} bytes: no memory`);
  try {
    memory.set(bytes.subarray(from, end), at);
    return use(at, length);
  } finally {
    regions.give(at, length);
  }
}

/** CRC32C of [from, end), u32. Throws "limit" when the thread's memory is used up. */
export function crcOf(bytes: Uint8Array, from: number, end: number): number {
  return inMemory(bytes, from, end, (at, length) => kernels().crc32c(0, at, length) >>> 0);
}

/** MD5 of [from, end): its first 8 bytes as a u64, little endian. Throws "limit" likewise. */
export function chainOf(bytes: Uint8Array, from: number, end: number): bigint {
  return inMemory(bytes, from, end, (at, length) => {
    kernels().md5(at, length, OUT_AT);
    const { words } = threadMemory();
    const low = words[OUT_AT >>> 2] as number;
    const high = words[(OUT_AT >>> 2) + 1] as number;
    return BigInt(high) << 32n | BigInt(low);
  });
}
