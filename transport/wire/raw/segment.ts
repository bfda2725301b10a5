/**
 * TCP segments without data, as whole packets: tickles and resets.
 *
 *   new owner ── tickle: ACK, seq 0, ack 0 ──▶ client: "not mine", ACK with the right numbers ──▶ new owner: RST
 *
 * So the client learns at once that its connection is gone, also when it has nothing to send. No one but a host that
 * has the connection answers a tickle. A reset is heeded only with the number that its receiver waits for next.
 *
 * Does NOT promise: that a firewall between lets an ACK of unknown numbers pass.
 *
 * Upstream: ctdb/common/system_socket.c, tcp4_build and tcp6_build; the bytes are the same.
 */
import { familyOf } from "../address.ts";
import { internetChecksum } from "./checksum.ts";
import type { Endpoint } from "./endpoint.ts";
import { ipv4Header, ipv6Header, pseudoHeader4, pseudoHeader6 } from "./ip.ts";

/** What a segment says. */
export interface SegmentWish {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** u32. Default 0. */
  readonly seq?: number;
  /** u32. Default 0. */
  readonly ack?: number;
  /** A reset; without: an ACK alone. */
  readonly isReset?: boolean;
}

const TCP = 6;
const TCP_BYTES = 20;
/** Of IPv4 and IPv6, as upstream. */
const TTLS = { 4: 255, 6: 64 } as const;
const RST = 0x04;
const ACK = 0x10;
/** Upstream: easily seen in what a sniffer shows. */
const WINDOW = 1234;

/** The packet. Throws RangeError: ends of different families. */
export function segment({ from, to, seq = 0, ack = 0, isReset = false }: SegmentWish): Uint8Array<
  ArrayBuffer
> {
  const family = familyOf(from.address);
  if (family !== familyOf(to.address)) {
    throw new RangeError("Cannot make a segment: its ends are of different families");
  }
  const tcp = new Uint8Array(TCP_BYTES);
  const view = new DataView(tcp.buffer);
  view.setUint16(0, from.port);
  view.setUint16(2, to.port);
  view.setUint32(4, seq);
  view.setUint32(8, ack);
  tcp.set([(TCP_BYTES / 4) << 4, isReset ? ACK | RST : ACK], 12);
  view.setUint16(14, WINDOW);
  const [pseudo, header] = family === 4
    ? [pseudoHeader4, ipv4Header] as const
    : [pseudoHeader6, ipv6Header] as const;
  const sum = internetChecksum(pseudo(from.address, to.address, TCP, TCP_BYTES), tcp);
  view.setUint16(16, sum);
  const head = header(from.address, to.address, TCP, TTLS[family], TCP_BYTES);
  const packet = new Uint8Array(head.length + TCP_BYTES);
  packet.set(head);
  packet.set(tcp, head.length);
  return packet;
}

/** The ACK with numbers that are none: `to` answers with the right ones if it has the connection. */
export function tickle(from: Endpoint, to: Endpoint): Uint8Array<ArrayBuffer> {
  return segment({ from, to });
}
