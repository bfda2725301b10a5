/**
 * Messages of rtnetlink(7), as far as addresses and links go: bytes in, bytes out.
 *
 *   nlmsghdr, 16   | length u32 | type u16 | flags u16 | seq u32 | pid u32 |
 *   ifaddrmsg, 8   | family u8 | bits u8 | flags u8 | scope u8 | index u32 |      address messages
 *   ifinfomsg, 16  | family u8 | pad u8 | type u16 | index i32 | flags u32 | change u32 |      link messages
 *   attributes     | length u16 | type u16 | value, padded to 4 | ...
 *
 * Numbers are little endian, as on every machine that ctdbx runs on; addresses are in network order.
 *
 * Does NOT promise: to read attributes that it does not need. Upstream: linux/rtnetlink.h, linux/if_addr.h.
 */
import type { Link, Placed, SetAddress } from "./interfaces.ts";
import { addressOfKey, familyOf, type IpAddress, keyOfAddress } from "./wire/address.ts";

const HEADER_BYTES = 16;
const ADDRESS_BYTES = 8;
const LINK_BYTES = 16;
const ATTRIBUTE_BYTES = 4;
/** Message types. */
const ERROR = 2;
const DONE = 3;
const NEW_LINK = 16;
const GET_LINK = 18;
const NEW_ADDRESS = 20;
const DEL_ADDRESS = 21;
const GET_ADDRESS = 22;
/** Flags of a request: it is one; answer always; all of them; replace what is there; make what is not. */
const REQUEST = 1;
const ACK = 4;
const DUMP = 0x300;
const REPLACE = 0x100;
const CREATE = 0x400;
/** Flag of an answer: what it lists changed meanwhile. */
const INTERRUPTED = 0x10;
/** Address families. */
const INET = 2;
const INET6 = 10;
/** Attributes of addresses. */
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
/** Attributes of links: the name; what the answer may leave out: statistics. */
const IFLA_IFNAME = 3;
const IFLA_EXT_MASK = 29;
const SKIP_STATISTICS = 8;
/** IPv6: no search for doubles. */
const NODAD = 2;
/** Flags of a link: up; carrier there; waiting for somebody's leave. */
const UP = 1;
const LOWER_UP = 0x10000;
const DORMANT = 0x20000;
/** A life without end. */
const FOREVER = 0xffffffff;
/** A network of two addresses or one has no broadcast address. */
const BROADCAST_BITS_MAX = 30;
/** An interface that there cannot be, for asking whether one may change anything. */
const NO_INDEX = 0x7fffffff;

/** An answer. */
export type NetlinkAnswer =
  | { readonly kind: "link"; readonly link: Link }
  | { readonly kind: "address"; readonly set: SetAddress }
  /** The end of an operation; 0: it succeeded. */
  | { readonly kind: "end"; readonly errno: number }
  /** What was listed changed meanwhile: the list is to be asked for again. */
  | { readonly kind: "interrupted" };

/** Asks for all links. `seq`: u32, comes back with the answers. */
export function linksRequest(seq: number): Uint8Array {
  const mask = new Uint8Array(4);
  mask[0] = SKIP_STATISTICS;
  const body = new Uint8Array(LINK_BYTES);
  return message(GET_LINK, REQUEST | DUMP, seq, body, [[IFLA_EXT_MASK, mask]]);
}

/** Asks for all addresses. */
export function addressesRequest(seq: number): Uint8Array {
  return message(GET_ADDRESS, REQUEST | DUMP, seq, new Uint8Array(ADDRESS_BYTES), []);
}

/** Sets an address, or its life anew; `lifeS`: u32. */
export function putRequest(seq: number, placed: Placed, lifeS: number): Uint8Array {
  const { address, bits } = placed;
  const bytes = bytesOf(address);
  const isV4 = familyOf(address) === 4;
  const life = new DataView(new ArrayBuffer(16));
  life.setUint32(0, lifeS, true);
  life.setUint32(4, lifeS, true);
  const attributes: [number, Uint8Array][] = [[IFA_LOCAL, bytes], [IFA_ADDRESS, bytes]];
  if (isV4 && bits <= BROADCAST_BITS_MAX) {
    attributes.push([IFA_BROADCAST, broadcastOf(bytes, bits)]);
  }
  attributes.push([IFA_CACHEINFO, new Uint8Array(life.buffer)]);
  const body = addressBody(placed, isV4 ? 0 : NODAD);
  return message(NEW_ADDRESS, REQUEST | ACK | REPLACE | CREATE, seq, body, attributes);
}

/** Removes an address. */
export function removeRequest(seq: number, placed: Placed): Uint8Array {
  const bytes = bytesOf(placed.address);
  const attributes: [number, Uint8Array][] = [[IFA_LOCAL, bytes], [IFA_ADDRESS, bytes]];
  return message(DEL_ADDRESS, REQUEST | ACK, seq, addressBody(placed, 0), attributes);
}

/** Changes nothing; the kernel looks first whether the sender might. */
export function rightsRequest(seq: number): Uint8Array {
  const body = new Uint8Array(ADDRESS_BYTES);
  body[0] = INET;
  new DataView(body.buffer).setUint32(4, NO_INDEX, true);
  return message(DEL_ADDRESS, REQUEST | ACK, seq, body, []);
}

function addressBody({ address, bits, index }: Placed, flags: number): Uint8Array {
  const body = new Uint8Array(ADDRESS_BYTES);
  body.set([familyOf(address) === 4 ? INET : INET6, bits, flags, 0]);
  new DataView(body.buffer).setUint32(4, index, true);
  return body;
}

function message(
  type: number,
  flags: number,
  seq: number,
  body: Uint8Array,
  attributes: readonly (readonly [number, Uint8Array])[],
): Uint8Array {
  const sizes = attributes.map(([, value]) => padded(ATTRIBUTE_BYTES + value.length));
  const length = HEADER_BYTES + body.length + sizes.reduce((sum, size) => sum + size, 0);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, seq, true);
  bytes.set(body, HEADER_BYTES);
  let at = HEADER_BYTES + body.length;
  for (const [attribute, value] of attributes) {
    view.setUint16(at, ATTRIBUTE_BYTES + value.length, true);
    view.setUint16(at + 2, attribute, true);
    bytes.set(value, at + ATTRIBUTE_BYTES);
    at += padded(ATTRIBUTE_BYTES + value.length);
  }
  return bytes;
}

/** The answers to `seq` in what was received; others, and messages that are cut off, are passed over. */
export function* answersOf(bytes: Uint8Array, seq: number): Generator<NetlinkAnswer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) return;
    const part = new DataView(view.buffer, view.byteOffset + at, length);
    at += padded(length);
    if (part.getUint32(8, true) !== seq) continue;
    if ((part.getUint16(6, true) & INTERRUPTED) !== 0) yield { kind: "interrupted" };
    const answer = answerOf(part);
    if (answer !== undefined) yield answer;
  }
}

function answerOf(part: DataView): NetlinkAnswer | undefined {
  switch (part.getUint16(4, true)) {
    case ERROR:
      return { kind: "end", errno: part.byteLength < 20 ? 0 : -part.getInt32(16, true) };
    case DONE:
      return { kind: "end", errno: part.byteLength < 20 ? 0 : -part.getInt32(16, true) };
    case NEW_LINK:
      return linkOf(part);
    case NEW_ADDRESS:
      return setAddressOf(part);
  }
  return undefined;
}

function linkOf(part: DataView): NetlinkAnswer | undefined {
  if (part.byteLength < HEADER_BYTES + LINK_BYTES) return undefined;
  const name = attributesOf(part, HEADER_BYTES + LINK_BYTES).get(IFLA_IFNAME);
  if (name === undefined) return undefined;
  const flags = part.getUint32(HEADER_BYTES + 8, true);
  return {
    kind: "link",
    link: {
      name: new TextDecoder().decode(name).replace(/\0.*$/s, ""),
      index: part.getInt32(HEADER_BYTES + 4, true),
      hasLink: (flags & UP) !== 0 && (flags & LOWER_UP) !== 0 && (flags & DORMANT) === 0,
    },
  };
}

function setAddressOf(part: DataView): NetlinkAnswer | undefined {
  if (part.byteLength < HEADER_BYTES + ADDRESS_BYTES) return undefined;
  const attributes = attributesOf(part, HEADER_BYTES + ADDRESS_BYTES);
  const address = addressOf(attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS));
  if (address === undefined) return undefined;
  const cache = attributes.get(IFA_CACHEINFO);
  const lifeS = cache === undefined || cache.length < 8
    ? FOREVER
    : new DataView(cache.buffer, cache.byteOffset).getUint32(4, true);
  const set = {
    address,
    bits: part.getUint8(HEADER_BYTES + 1),
    index: part.getUint32(HEADER_BYTES + 4, true),
    ...lifeS === FOREVER ? {} : { lifeS },
  };
  return { kind: "address", set };
}

function attributesOf(part: DataView, from: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = from; at + ATTRIBUTE_BYTES <= part.byteLength;) {
    const length = part.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > part.byteLength) break;
    const start = part.byteOffset + at + ATTRIBUTE_BYTES;
    const value = new Uint8Array(part.buffer, start, length - ATTRIBUTE_BYTES);
    // The two highest bits say how the value is built.
    found.set(part.getUint16(at + 2, true) & 0x3fff, value);
    at += padded(length);
  }
  return found;
}

/** Undefined: none that a node could host; `::` and its like have no text here. */
function addressOf(bytes: Uint8Array | undefined): IpAddress | undefined {
  if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 4) return addressOfKey([0, 0, 0, view.getUint32(0)]);
  const [first, second, third] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
  if (first === 0 && second === 0 && (third === 0 || third === 0xffff)) return undefined;
  return addressOfKey([first, second, third, view.getUint32(12)]);
}

/** 4 or 16 bytes in network order. */
function bytesOf(address: IpAddress): Uint8Array {
  const words = familyOf(address) === 4 ? keyOfAddress(address).slice(3) : keyOfAddress(address);
  const view = new DataView(new ArrayBuffer(4 * words.length));
  for (const [index, word] of words.entries()) view.setUint32(4 * index, word);
  return new Uint8Array(view.buffer);
}

function broadcastOf(bytes: Uint8Array, bits: number): Uint8Array {
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  view.setUint32(0, (view.getUint32(0) | (0xffffffff >>> bits)) >>> 0);
  return out;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
