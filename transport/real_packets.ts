/**
 * The Packets port on this machine: packet sockets for frames, raw sockets for IP packets.
 *
 *   AF_PACKET ── frame ──▶ link        AF_INET, AF_INET6 with IPPROTO_RAW ── packet with its header ──▶ routing
 *
 * Sockets are made when they are first used, so that a node without rights for them starts.
 *
 * Does NOT promise: other network namespaces than the one in which the process was when a socket was made.
 */
import { ERRNO, type Libc, openLibc, systemError } from "./ffi.ts";
import type { LinkAddress, Packets } from "./packets.ts";
import { familyOf, type IpAddress } from "./wire/address.ts";
import { CtdbxError } from "./wire/errors.ts";
import { addressBytes } from "./wire/raw/endpoint.ts";
import { MAC_BYTES } from "./wire/raw/neighbour.ts";

/** socket(2). */
const AF_INET = 2;
const AF_INET6 = 10;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
/** The header comes with the packet. */
const IPPROTO_RAW = 255;
/** struct sockaddr_ll, sockaddr_in, sockaddr_in6, bytes. */
const LINK_BYTES = 20;
const IPV4_BYTES = 16;
const IPV6_BYTES = 28;
/** ioctl(2) on struct ifreq: 16 bytes of name, then what is asked for. */
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
/** The kind of interface whose addresses have 6 bytes. */
const ARPHRD_ETHER = 1;
/** Errors of a way that is not there, or a queue that is full. */
const ENODEV = 19;
const ENXIO = 6;
const ENETDOWN = 100;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;
const ENOBUFS = 105;
const NO_WAY: readonly number[] = [ENODEV, ENXIO, ENETDOWN, ENETUNREACH, EHOSTUNREACH];
const FULL: readonly number[] = [ERRNO.EAGAIN, ENOBUFS];

type Kind = "link" | "v4" | "v6" | "ask";
const SOCKETS: Readonly<Record<Kind, readonly [number, number, number]>> = {
  link: [AF_PACKET, SOCK_RAW, 0],
  v4: [AF_INET, SOCK_RAW, IPPROTO_RAW],
  v6: [AF_INET6, SOCK_RAW, IPPROTO_RAW],
  ask: [AF_INET, SOCK_DGRAM, 0],
};

/** Packets of this network namespace. */
export class RealPackets implements Packets {
  readonly #libc: Libc;
  readonly #sockets = new Map<Kind, number>();

  constructor(libc: Libc = openLibc()) {
    this.#libc = libc;
  }

  requireRights(): void {
    this.#socket("link");
    this.#socket("v4");
  }

  linkOf(name: string): LinkAddress | undefined {
    const encoded = new TextEncoder().encode(name);
    if (encoded.length === 0 || encoded.length >= NAME_BYTES) return undefined;
    const index = this.#ask(encoded, SIOCGIFINDEX);
    const hardware = this.#ask(encoded, SIOCGIFHWADDR);
    if (index === undefined || hardware === undefined) return undefined;
    if (hardware.getUint16(NAME_BYTES, true) !== ARPHRD_ETHER) return undefined;
    const at = NAME_BYTES + 2;
    return {
      index: index.getInt32(NAME_BYTES, true),
      mac: new Uint8Array(hardware.buffer.slice(at, at + MAC_BYTES)),
    };
  }

  sendFrame({ index }: LinkAddress, frame: Uint8Array): void {
    const to = new Uint8Array(LINK_BYTES);
    const view = new DataView(to.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setInt32(4, index, true);
    to[11] = MAC_BYTES;
    to.set(frame.subarray(0, MAC_BYTES), 12);
    this.#send("link", `Cannot send a frame on interface ${index}`, frame, to);
  }

  sendPacket(address: IpAddress, packet: Uint8Array): void {
    const isV4 = familyOf(address) === 4;
    // The port must be 0: IPv6 takes it for a protocol.
    const to = new Uint8Array(isV4 ? IPV4_BYTES : IPV6_BYTES);
    new DataView(to.buffer).setUint16(0, isV4 ? AF_INET : AF_INET6, true);
    to.set(addressBytes(address), isV4 ? 4 : 8);
    this.#send(isV4 ? "v4" : "v6", `Cannot send a packet to ${address}`, packet, to);
  }

  close(): void {
    for (const fd of this.#sockets.values()) this.#libc.close(fd);
    this.#sockets.clear();
  }

  /** The struct, filled in; undefined: no such interface. */
  #ask(name: Uint8Array, request: number): DataView<ArrayBuffer> | undefined {
    const wish = new Uint8Array(new ArrayBuffer(IFREQ_BYTES));
    wish.set(name);
    const fd = this.#socket("ask");
    if (this.#libc.ioctl(fd, request, wish) === 0) return new DataView(wish.buffer);
    const errno = this.#libc.errno();
    if (errno === ENODEV) return undefined;
    throw systemError(`Cannot look at interface ${new TextDecoder().decode(name)}`, errno);
  }

  #send(kind: Kind, what: string, bytes: Uint8Array, to: Uint8Array): void {
    const fd = this.#socket(kind);
    if (this.#libc.sendto(fd, bytes, to) >= 0) return;
    const errno = this.#libc.errno();
    if (NO_WAY.includes(errno)) throw new CtdbxError("not_found", `${what}: there is no way`);
    if (FULL.includes(errno)) throw new CtdbxError("busy", `${what}: its queue is full`);
    throw systemError(what, errno);
  }

  #socket(kind: Kind): number {
    const known = this.#sockets.get(kind);
    if (known !== undefined) return known;
    const fd = this.#libc.socket(...SOCKETS[kind]);
    if (fd >= 0) {
      this.#sockets.set(kind, fd);
      return fd;
    }
    const errno = this.#libc.errno();
    const isDenied = errno === ERRNO.EPERM || errno === ERRNO.EACCES;
    const what = "Cannot send raw packets";
    if (!isDenied) throw systemError(what, errno);
    throw new CtdbxError("denied", `${what}: root, or CAP_NET_RAW, may do that`, { cause: errno });
  }
}
