/**
 * The record of an address in the database of connections: who has it, and which clients.
 *
 *   | version u8, 1 | family u8, 4 or 6 | zero u16 | owner u32 | told u32 | seen u32 | those told, those seen |
 *   a connection: | address of the client, 4 or 16 | its port u16 | port of the server u16 |        all big endian
 *
 * `told` are those that somebody has named, and takes away again; `seen` those that the owner's kernel had at its last
 * look. Both are in the order of their bytes, so that equal sets are equal records.
 *
 * Does NOT promise: that the connections are still there.
 */
import {
  addressOfKey,
  familyOf,
  type IpAddress,
  type IpKey,
  keyOfAddress,
} from "../../../transport/wire/address.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Connection } from "../../../transport/wire/raw/endpoint.ts";
import { type Pnn, PNN_UNKNOWN } from "../../../transport/wire/terms.ts";

/** Connections of an address that are told, and as many that are seen: more are not kept. */
export const CONNECTIONS_MAX = 4096;

const VERSION = 1;
const HEAD_BYTES = 16;
const PORTS_BYTES = 4;
/** Keys are made of u32, in hex. */
const WORD_DIGITS = 8;

/** What is known of an address. */
export interface ConnectionRecord {
  /** The node that took it last; PNN_UNKNOWN: none has. */
  readonly owner: Pnn;
  /** By the ends, client and port of the server, in hex: see keyOf. */
  readonly told: ReadonlySet<string>;
  readonly seen: ReadonlySet<string>;
}

/** Nothing is known. */
export const NO_CONNECTIONS: ConnectionRecord = {
  owner: PNN_UNKNOWN,
  told: new Set(),
  seen: new Set(),
};

/** A connection within the record of its address: its bytes, in hex. */
export function keyOf({ client, server }: Connection): string {
  const [first, second, third, last] = keyOfAddress(client.address);
  const ends = hexOf(last) + hexOf(client.port * 0x10000 + server.port);
  return familyOf(client.address) === 4 ? ends : hexOf(first) + hexOf(second) + hexOf(third) + ends;
}

/** The connection of a key. */
export function connectionOfKey(address: IpAddress, key: string): Connection {
  const words: number[] = [];
  for (let at = 0; at < key.length; at += WORD_DIGITS) words.push(wordAt(key, at));
  const ports = words.pop() ?? 0;
  while (words.length < 4) words.unshift(0);
  return {
    client: { address: addressOfKey(words as unknown as IpKey), port: ports >>> 16 },
    server: { address, port: ports & 0xffff },
  };
}

/** The keys of a record, each once: those that were told first. */
export function keysOf({ told, seen }: ConnectionRecord): string[] {
  return [...new Set([...told, ...seen])];
}

/** How many connections a record has. */
export function countOf({ told, seen }: ConnectionRecord): number {
  let count = told.size;
  for (const key of seen) if (!told.has(key)) count += 1;
  return count;
}

/** All connections of a record, as keysOf. */
export function connectionsOf(address: IpAddress, record: ConnectionRecord): Connection[] {
  return keysOf(record).map((key) => connectionOfKey(address, key));
}

/** Have they the same keys? */
export function isSameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  if (one === other) return true;
  if (one.size !== other.size) return false;
  for (const key of one) if (!other.has(key)) return false;
  return true;
}

/** The bytes of a record. Throws RangeError: more connections than CONNECTIONS_MAX. */
export function encodeRecord(
  address: IpAddress,
  { owner, told, seen }: ConnectionRecord,
): Uint8Array<ArrayBuffer> {
  if (told.size > CONNECTIONS_MAX || seen.size > CONNECTIONS_MAX) {
    throw new RangeError(`Cannot keep the connections: CONNECTIONS_MAX is ${CONNECTIONS_MAX}`);
  }
  const keys = [...[...told].sort(), ...[...seen].sort()];
  const size = entryBytes(address);
  const bytes = new Uint8Array(HEAD_BYTES + size * keys.length);
  const view = new DataView(bytes.buffer);
  bytes.set([VERSION, familyOf(address)]);
  view.setUint32(4, owner);
  view.setUint32(8, told.size);
  view.setUint32(12, seen.size);
  let to = HEAD_BYTES;
  for (const key of keys) {
    for (let at = 0; at < key.length; at += WORD_DIGITS, to += 4) {
      view.setUint32(to, wordAt(key, at));
    }
  }
  return bytes;
}

/** Reads a record. Throws CtdbxError "corrupt": somebody else has written it; "version": a newer release has. */
export function decodeRecord(address: IpAddress, bytes: Uint8Array): ConnectionRecord {
  const what = `Cannot read the connections of ${address}`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > 0 && (bytes[0] as number) > VERSION) {
    throw new CtdbxError("version", `${what}: a newer release has written them`);
  }
  const size = entryBytes(address);
  const isHead = bytes.length >= HEAD_BYTES && bytes[0] === VERSION &&
    bytes[1] === familyOf(address);
  const [told, seen] = isHead ? [view.getUint32(8), view.getUint32(12)] : [0, 0];
  const isWhole = isHead && told <= CONNECTIONS_MAX && seen <= CONNECTIONS_MAX &&
    bytes.length === HEAD_BYTES + size * (told + seen);
  if (!isWhole) throw new CtdbxError("corrupt", `${what}: the record is none of ctdbx`);
  const keyAt = (index: number): string => {
    const from = HEAD_BYTES + size * index;
    let key = "";
    for (let at = from; at < from + size; at += 4) key += hexOf(view.getUint32(at));
    return key;
  };
  const keys = Array.from({ length: told + seen }, (_, index) => keyAt(index));
  return {
    owner: view.getUint32(4) as Pnn,
    told: new Set(keys.slice(0, told)),
    seen: new Set(keys.slice(told)),
  };
}

function entryBytes(address: IpAddress): number {
  return (familyOf(address) === 4 ? 4 : 16) + PORTS_BYTES;
}

/** A u32 in hex. */
function hexOf(word: number): string {
  return word.toString(16).padStart(WORD_DIGITS, "0");
}

function wordAt(key: string, at: number): number {
  return parseInt(key.slice(at, at + WORD_DIGITS), 16);
}
