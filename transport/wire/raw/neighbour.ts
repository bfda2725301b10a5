/**
 * What tells neighbours where an address is: gratuitous ARP (RFC 5227) and unsolicited neighbour advertisements
 * (RFC 4861, 7.2.6), as whole Ethernet frames.
 *
 *   ARP   ff:ff:ff:ff:ff:ff | own MAC | 0806 | 0001 0800 06 04 op | own MAC | address | target MAC | address | zeros
 *   NA    33:33:00:00:00:01 | own MAC | 86dd | IPv6 to ff02::1, hop limit 255 | ICMPv6 136, override, option 2: own MAC
 *
 * Of ARP there are two forms, as hosts differ in which they heed: a request for the own address, and a reply to
 * everybody. CTDB sends both, too.
 *
 * Does NOT promise: that anybody believes it; frames may get lost, so whoever sends repeats them.
 *
 * Upstream: ctdb/common/system_socket.c, arp_build and ip6_na_build; the bytes are the same.
 */
import { familyOf, type IpAddress, parseAddress } from "../address.ts";
import { internetChecksum } from "./checksum.ts";
import { addressBytes } from "./endpoint.ts";
import { ipv6Header, pseudoHeader6 } from "./ip.ts";

/** Bytes of a MAC address. */
export const MAC_BYTES = 6;
/** The shortest frame without its checksum: Ethernet takes no shorter one. */
const FRAME_MIN = 60;
const ETHERNET_BYTES = 14;
const TYPE_ARP = 0x0806;
const TYPE_IPV6 = 0x86dd;
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/** The Ethernet group of ff02::1. */
const ALL_NODES_MAC = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES = parseAddress("ff02::1");
const ICMPV6 = 58;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** Neither router nor solicited: whoever knows the address otherwise is to forget that. */
const OVERRIDE = 0x20;
const TARGET_LINK_ADDRESS = 2;
const ADVERTISEMENT_BYTES = 32;
const HOP_LIMIT = 255;

/** All frames that tell neighbours that `address` is at `mac`: two of ARP, or one advertisement. */
export function announcements(address: IpAddress, mac: Uint8Array): Uint8Array<ArrayBuffer>[] {
  if (familyOf(address) === 6) return [advertisement(address, mac)];
  return [gratuitousArp("request", address, mac), gratuitousArp("reply", address, mac)];
}

/** A gratuitous ARP of IPv4. Throws RangeError: no MAC address. */
export function gratuitousArp(
  form: "request" | "reply",
  address: IpAddress,
  mac: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const frame = ethernet(BROADCAST, mac, TYPE_ARP, FRAME_MIN);
  const own = addressBytes(address);
  // Ethernet, IPv4, lengths of their addresses, the operation.
  frame.set([0, 1, 8, 0, MAC_BYTES, own.length, 0, form === "request" ? 1 : 2], ETHERNET_BYTES);
  frame.set(mac, 22);
  frame.set(own, 28);
  if (form === "reply") frame.set(mac, 32);
  frame.set(own, 38);
  return frame;
}

/** An unsolicited neighbour advertisement of IPv6 to all nodes. Throws RangeError: no MAC address. */
export function advertisement(address: IpAddress, mac: Uint8Array): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(ADVERTISEMENT_BYTES);
  body.set([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE]);
  body.set(addressBytes(address), 8);
  body.set([TARGET_LINK_ADDRESS, 1], 24);
  body.set(mac, 26);
  const sum = internetChecksum(pseudoHeader6(address, ALL_NODES, ICMPV6, body.length), body);
  new DataView(body.buffer).setUint16(2, sum);
  const header = ipv6Header(address, ALL_NODES, ICMPV6, HOP_LIMIT, body.length);
  const frame = ethernet(
    ALL_NODES_MAC,
    mac,
    TYPE_IPV6,
    ETHERNET_BYTES + header.length + body.length,
  );
  frame.set(header, ETHERNET_BYTES);
  frame.set(body, ETHERNET_BYTES + header.length);
  return frame;
}

function ethernet(
  to: readonly number[],
  mac: Uint8Array,
  type: number,
  size: number,
): Uint8Array<ArrayBuffer> {
  if (mac.length !== MAC_BYTES) {
    throw new RangeError(`Cannot make a frame: a MAC address has ${MAC_BYTES} bytes`);
  }
  const frame = new Uint8Array(size);
  frame.set(to);
  frame.set(mac, MAC_BYTES);
  new DataView(frame.buffer).setUint16(2 * MAC_BYTES, type);
  return frame;
}
