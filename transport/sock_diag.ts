/**
 * Messages of sock_diag(7), as far as TCP connections go: bytes in, bytes out.
 *
 *   nlmsghdr, 16          | length u32 | type u16 | flags u16 | seq u32 | pid u32 |
 *   inet_diag_req_v2, 56  | family u8 | protocol u8 | ext u8 | pad u8 | states u32 | id, 48 |
 *   inet_diag_msg, 72     | family u8 | state u8 | timer u8 | retrans u8 | id, 48 | ... |
 *   id, 48                | ports, here and there, 4 | addresses, here and there, 32 | interface, 4 | cookie, 8 |
 *
 * Which connections are listed the kernel finds out by a small program that goes with the request: one condition, an
 * address. Connections of IPv4 are also found at sockets of IPv6, where their addresses begin with ::ffff:.
 *
 * Numbers are little endian but for ports and addresses.
 *
 * Does NOT promise: attributes, UDP. Upstream: linux/sock_diag.h, linux/inet_diag.h.
 */
import { addressOfKey, familyOf, type IpAddress, type IpKey } from "./wire/address.ts";
import { addressBytes, type Connection } from "./wire/raw/endpoint.ts";

const HEADER_BYTES = 16;
const REQUEST_BYTES = 56;
const MESSAGE_BYTES = 72;
const ID_BYTES = 48;
const ID_AT = 4;
/** Message types. */
const ERROR = 2;
const DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
/** Flags of a request. */
const REQUEST = 1;
const ACK = 4;
const DUMP = 0x300;
const TCP = 6;
/** The attribute that has the program, and its one condition: address and port. */
const BYTECODE = 1;
const SOURCE_CONDITION = 7;
const OP_BYTES = 4;
const CONDITION_BYTES = 8;
const ANY_PORT = 0xffffffff;
/** Address families. */
export const INET = 2;
export const INET6 = 10;
/** Sets of states, a bit each: established; all that has another end and is not over. */
export const ESTABLISHED = 1 << 1;
export const ALIVE = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 9) |
  (1 << 11) | (1 << 12);

/** A socket, by what the kernel needs to find it again. */
export interface SocketId {
  readonly family: number;
  /** 48 bytes. */
  readonly id: Uint8Array<ArrayBuffer>;
}

/** An answer. */
export type DiagAnswer =
  | { readonly kind: "socket"; readonly socket: SocketId }
  /** The end of an operation; 0: it succeeded. */
  | { readonly kind: "end"; readonly errno: number };

/** Asks for all TCP sockets of a family in these states; with `local` only those whose end here is that. */
export function dumpRequest(
  seq: number,
  family: number,
  states: number,
  local?: IpAddress,
): Uint8Array<ArrayBuffer> {
  const program = local === undefined ? new Uint8Array() : programOf(local);
  const message = head(SOCK_DIAG_BY_FAMILY, REQUEST | DUMP, seq, program.length);
  message.set([family, TCP], HEADER_BYTES);
  new DataView(message.buffer).setUint32(HEADER_BYTES + 4, states, true);
  message.set(program, HEADER_BYTES + REQUEST_BYTES);
  return message;
}

/** Ends a socket. */
export function destroyRequest(seq: number, { family, id }: SocketId): Uint8Array<ArrayBuffer> {
  const message = head(SOCK_DESTROY, REQUEST | ACK, seq, 0);
  message.set([family, TCP], HEADER_BYTES);
  new DataView(message.buffer).setUint32(HEADER_BYTES + 4, 0xffffffff, true);
  message.set(id, HEADER_BYTES + 8);
  return message;
}

/** The answers to `seq` in what was received; others, and messages that are cut off, are passed over. */
export function* diagAnswers(bytes: Uint8Array, seq: number): Generator<DiagAnswer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) return;
    const type = view.getUint16(at + 4, true);
    const body = at + HEADER_BYTES;
    const isOurs = view.getUint32(at + 8, true) === seq;
    const hasNumber = length >= HEADER_BYTES + 4;
    // Also the end of a dump says whether it is one: who does not have tcp_diag says there that there is none.
    if (isOurs && (type === DONE || type === ERROR && hasNumber)) {
      yield { kind: "end", errno: hasNumber ? 0 - view.getInt32(body, true) : 0 };
    }
    if (isOurs && type === SOCK_DIAG_BY_FAMILY && length >= HEADER_BYTES + MESSAGE_BYTES) {
      const id = new Uint8Array(ID_BYTES);
      id.set(bytes.subarray(body + ID_AT, body + ID_AT + ID_BYTES));
      yield { kind: "socket", socket: { family: bytes[body] as number, id } };
    }
    at += (length + 3) & ~3;
  }
}

/** The address of the end here; undefined as in connectionOf. */
export function addressHere({ family, id }: SocketId): IpAddress | undefined {
  return addressAt(new DataView(id.buffer, id.byteOffset, ID_BYTES), family, 4);
}

/** The ends of a socket; undefined: an address that ctdbx does not take, as ::1. */
export function connectionOf({ family, id }: SocketId): Connection | undefined {
  const view = new DataView(id.buffer, id.byteOffset, ID_BYTES);
  const server = addressAt(view, family, 4);
  const client = addressAt(view, family, 20);
  if (server === undefined || client === undefined) return undefined;
  return {
    client: { address: client, port: view.getUint16(2) },
    server: { address: server, port: view.getUint16(0) },
  };
}

function addressAt(view: DataView, family: number, at: number): IpAddress | undefined {
  if (family === INET) return addressOfKey([0, 0, 0, view.getUint32(at)]);
  const key: IpKey = [0, 4, 8, 12].map((offset) => view.getUint32(at + offset)) as
    & number[]
    & IpKey;
  const [first, second, third, last] = key;
  if (first !== 0 || second !== 0) return addressOfKey(key);
  if (third === 0xffff) return addressOfKey([0, 0, 0, last]);
  return third === 0 ? undefined : addressOfKey(key);
}

/** The attribute with one condition: | op, where to go on if it holds and if not | family, bits, port | address | */
function programOf(local: IpAddress): Uint8Array {
  const address = addressBytes(local);
  const size = OP_BYTES + CONDITION_BYTES + address.length;
  const bytes = new Uint8Array(4 + size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, bytes.length, true);
  view.setUint16(2, BYTECODE, true);
  bytes.set([SOURCE_CONDITION, size], 4);
  // Beyond the end of the program: the socket is passed over.
  view.setUint16(6, size + OP_BYTES, true);
  bytes.set([familyOf(local) === 4 ? INET : INET6, 8 * address.length], 8);
  view.setUint32(12, ANY_PORT, true);
  bytes.set(address, 16);
  return bytes;
}

function head(type: number, flags: number, seq: number, more: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEADER_BYTES + REQUEST_BYTES + more);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, seq, true);
  return message;
}
