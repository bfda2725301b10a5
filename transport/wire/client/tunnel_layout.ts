/**
 * Packets of a tunnel: the stream of a program's frames, over a bus of messages.
 *
 *   0 u8 0x43 | 1 u8 kind | 2 session (16) | 18 u32 number | 22 u32 got | 26 bytes          little-endian
 *
 *   seek    program ─▶ any node      who serves?              offer   node ─▶ program   bytes: its tag
 *   data    number 1, 2, ..; got: all up to this one have come
 *   sign    nothing new: only what has come (number 0)
 *   missed  a packet is missing: again, from got + 1 on
 *   end     the session is over at this end; bytes: why
 *
 * Does NOT promise: that a session exists.
 */

/** The first byte. */
export const TUNNEL_MAGIC = 0x43;
/** Bytes before those of the stream. */
export const TUNNEL_HEAD = 26;
/** Bytes of a session's id. */
export const SESSION_BYTES = 16;
/** Kinds of packets. */
export const PACKET = { seek: 1, offer: 2, data: 3, sign: 4, missed: 5, end: 6 } as const;

const KIND_MAX = PACKET.end;

/** One packet. */
export interface Packet {
  readonly kind: number;
  /** As 32 hex digits. */
  readonly session: string;
  readonly number: number;
  readonly got: number;
  /** In place. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
const SESSION = /^[0-9a-f]{32}$/;

/** The bytes of a packet. Throws RangeError on a session that is none. */
export function writePacket(
  kind: number,
  session: string,
  number = 0,
  got = 0,
  bytes: Uint8Array = NO_BYTES,
): Uint8Array {
  if (!SESSION.test(session)) throw new RangeError("a session has 32 hex digits");
  const packet = new Uint8Array(TUNNEL_HEAD + bytes.length);
  const view = new DataView(packet.buffer);
  packet[0] = TUNNEL_MAGIC;
  packet[1] = kind;
  for (let at = 0; at < SESSION_BYTES; at++) {
    packet[2 + at] = Number.parseInt(session.slice(2 * at, 2 * at + 2), 16);
  }
  view.setUint32(18, number, true);
  view.setUint32(22, got, true);
  packet.set(bytes, TUNNEL_HEAD);
  return packet;
}

/** Reads a packet; undefined: it is none. */
export function readPacket(payload: Uint8Array): Packet | undefined {
  const [magic, kind = 0] = payload;
  if (payload.length < TUNNEL_HEAD || magic !== TUNNEL_MAGIC) return undefined;
  if (kind < 1 || kind > KIND_MAX) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  let session = "";
  for (let at = 2; at < 2 + SESSION_BYTES; at++) {
    session += (payload[at] ?? 0).toString(16).padStart(2, "0");
  }
  const number = view.getUint32(18, true);
  const isNumbered = kind === PACKET.data;
  if (isNumbered !== (number > 0)) return undefined;
  const bytes = payload.subarray(TUNNEL_HEAD);
  return { kind, session, number, got: view.getUint32(22, true), bytes };
}
