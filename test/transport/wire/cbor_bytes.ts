/**
 * CBOR written byte by byte, well-formed or not: what a sender might put on the bus.
 *
 *   item(5, 1) text("a") item(0, 7)  ->  a1 61 61 07
 *
 * Does NOT promise: that the parts belong together; that is the point.
 */

import { Buffer } from "node:buffer";

/** Major types, the upper three bits of a head. */
export const MAJOR = {
  uint: 0,
  negative: 1,
  bytes: 2,
  text: 3,
  array: 4,
  map: 5,
  tag: 6,
  simple: 7,
};

/** A head: major type and argument, in the shortest form or in `size` (1, 2, 4, 8) bytes. */
export function head(
  major: number,
  argument: number | bigint,
  size?: 0 | 1 | 2 | 4 | 8,
): Uint8Array {
  const value = BigInt(argument);
  const shortest = value < 24n
    ? 0
    : value < 256n
    ? 1
    : value < 65536n
    ? 2
    : value < 2n ** 32n
    ? 4
    : 8;
  const width = size ?? shortest;
  if (width === 0) return Uint8Array.of((major << 5) | Number(value));
  const bytes = new Uint8Array(1 + width);
  bytes[0] = (major << 5) | (24 + Math.log2(width));
  for (let i = 0; i < width; i++) bytes[width - i] = Number((value >> BigInt(8 * i)) & 255n);
  return bytes;
}

/** Pieces in a row. */
export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** A text. */
export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return joined(head(MAJOR.text, bytes.length), bytes);
}

/** A text of these bytes, UTF-8 or not. */
export function rawText(...bytes: readonly number[]): Uint8Array {
  return joined(head(MAJOR.text, bytes.length), Uint8Array.from(bytes));
}

/** A byte string. */
export function bytes(value: Uint8Array): Uint8Array {
  return joined(head(MAJOR.bytes, value.length), value);
}

/** A map of names to what is encoded already; names may come twice. */
export function map(...entries: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const pieces = entries.flatMap(([name, value]) => [text(name), value]);
  return joined(head(MAJOR.map, entries.length), ...pieces);
}

/** An array of what is encoded already. */
export function array(...items: readonly Uint8Array[]): Uint8Array {
  return joined(head(MAJOR.array, items.length), ...items);
}

/** Some of the simple values and floats. */
export const FALSE = Uint8Array.of(0xf4);
export const TRUE = Uint8Array.of(0xf5);
export const NULL = Uint8Array.of(0xf6);
export const UNDEFINED = Uint8Array.of(0xf7);
export const BREAK = Uint8Array.of(0xff);
export const ZERO = Uint8Array.of(0);
export const NAN = Uint8Array.of(0xf9, 0x7e, 0);
export const INFINITE = Uint8Array.of(0xf9, 0x7c, 0);

/** A value of plain data as CBOR: what a program of another make would send. Whole numbers as integers. */
export function encoded(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return bytes(value);
  if (Array.isArray(value)) return array(...value.map(encoded));
  switch (typeof value) {
    case "string":
      return text(value);
    case "boolean":
      return value ? TRUE : FALSE;
    case "bigint":
      return value >= 0n ? head(MAJOR.uint, value) : head(MAJOR.negative, -1n - value);
    case "number":
      return Number.isSafeInteger(value) ? encoded(BigInt(value)) : double(value);
    case "object":
      if (value === null) return NULL;
      return map(...Object.entries(value).map(([name, part]) => [name, encoded(part)] as const));
    default:
      return UNDEFINED;
  }
}

function double(value: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = 0xfb;
  new DataView(bytes.buffer).setFloat64(1, value);
  return bytes;
}
