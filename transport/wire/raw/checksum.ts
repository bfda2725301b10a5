/**
 * The checksum of the Internet protocols (RFC 1071): the complement of the sum of all 16-bit words, whose carries are
 * added at its low end.
 *
 *   4500 0028 ... ──▶ sum, carries added at the low end ──▶ complement
 *
 * Does NOT promise: speed; packets here have tens of bytes.
 */

/** The checksum of these parts as if they were one; each but the last has an even length. 0 .. 65535. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) {
      sum += ((part[at] as number) << 8) | (part[at + 1] ?? 0);
    }
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
