/**
 * Headers of IPv4 and IPv6, and what checksums of the layer above take from them.
 *
 * Does NOT promise: options, fragments, extension headers.
 */
import type { IpAddress } from "../address.ts";
import { internetChecksum } from "./checksum.ts";
import { addressBytes } from "./endpoint.ts";

/** Bytes of a header. */
export const IPV4_BYTES = 20;
export const IPV6_BYTES = 40;

/** A header of IPv4 for `length` bytes behind it; identification 0: the kernel fills it in. */
export function ipv4Header(
  from: IpAddress,
  to: IpAddress,
  protocol: number,
  ttl: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(IPV4_BYTES);
  const view = new DataView(header.buffer);
  header[0] = 0x45;
  view.setUint16(2, IPV4_BYTES + length);
  header.set([ttl, protocol], 8);
  header.set(addressBytes(from), 12);
  header.set(addressBytes(to), 16);
  view.setUint16(10, internetChecksum(header));
  return header;
}

/** A header of IPv6 for `length` bytes behind it. */
export function ipv6Header(
  from: IpAddress,
  to: IpAddress,
  protocol: number,
  hopLimit: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(IPV6_BYTES);
  header[0] = 0x60;
  new DataView(header.buffer).setUint16(4, length);
  header.set([protocol, hopLimit], 6);
  header.set(addressBytes(from), 8);
  header.set(addressBytes(to), 24);
  return header;
}

/** What a checksum above IPv4 covers beside its own bytes (RFC 793, 3.1). */
export function pseudoHeader4(
  from: IpAddress,
  to: IpAddress,
  protocol: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(12);
  header.set(addressBytes(from));
  header.set(addressBytes(to), 4);
  header[9] = protocol;
  new DataView(header.buffer).setUint16(10, length);
  return header;
}

/** What a checksum above IPv6 covers beside its own bytes (RFC 8200, 8.1). */
export function pseudoHeader6(
  from: IpAddress,
  to: IpAddress,
  protocol: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(IPV6_BYTES);
  header.set(addressBytes(from));
  header.set(addressBytes(to), 16);
  new DataView(header.buffer).setUint32(32, length);
  header[39] = protocol;
  return header;
}
