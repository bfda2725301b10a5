/**
 * Writing into one buffer and reading from bytes, field after field, little endian, unaligned.
 *
 *   out   room(n): n bytes and ROOM more are there;  u8 .. u64: no further check;  text, blob: make room themselves
 *   in    every read is within its bytes, or throws RangeError; whoever reads catches it once
 *
 * Texts that come again and again (keys, names) are read as the same string, and u64 as the same bigint: a small memory
 * of the last ones saves making them, and makes maps of them quick.
 *
 * Does NOT promise: sense; it knows bytes, not records.
 */
import { Bigints } from "./bigints.ts";

/** Bytes that are free after each `room`, for fields of fixed size. */
export const ROOM = 512;
/** Buffers above this are given back after use, bytes. */
const KEEP_MAX = 1024 * 1024;
const FIRST_SIZE = 64 * 1024;
/** Longest text that is remembered, and how many are; a power of two. */
const TEXT_MAX = 64;
const TEXTS = 1024;
/** Characters made at once. */
const CHUNK = 4096;
const EMPTY = new Uint8Array(0);

/** Bytes that are written, in a buffer that is used again. */
export class Out {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_SIZE);
  view: DataView = new DataView(this.bytes.buffer);
  /** Where the next field goes. */
  at = 0;

  /** Begins anew. What was written before is no longer good. */
  clear(): void {
    this.at = 0;
    if (this.bytes.length > KEEP_MAX) this.#use(new Uint8Array(FIRST_SIZE));
  }

  /** Makes sure that `size` bytes fit, and ROOM more. */
  room(size: number): void {
    const need = this.at + size + ROOM;
    if (need <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(need, 2 * this.bytes.length));
    larger.set(this.bytes.subarray(0, this.at));
    this.#use(larger);
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  u64(value: bigint): void {
    this.view.setBigUint64(this.at, value, true);
    this.at += 8;
  }

  /** u16 size, and a byte for each character, U+0000 .. U+00FF. Throws RangeError on others, and on more than 65535. */
  text(text: string): void {
    const { length } = text;
    if (length > 0xffff) throw new RangeError(`Cannot write a text of ${length} characters`);
    this.room(2 + length);
    this.u16(length);
    const { bytes, at } = this;
    let all = 0;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      all |= code;
      bytes[at + i] = code;
    }
    if (all > 0xff) throw new RangeError("Cannot write a text: a character is above U+00FF");
    this.at = at + length;
  }

  /** u32 size, and the bytes. */
  blob(blob: Uint8Array): void {
    const { length } = blob;
    this.room(4 + length);
    this.u32(length);
    this.bytes.set(blob, this.at);
    this.at += length;
  }

  /** Moves what was written from `from` on by `by` bytes, to make room before it. */
  shift(from: number, by: number): void {
    this.room(by);
    this.bytes.copyWithin(from + by, from, this.at);
    this.at += by;
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}

/** What is wrong with bytes that are all there. */
export class BodyFault extends Error {}

/** Bytes that are read. A read behind their end throws RangeError. */
export class In {
  bytes: Uint8Array = EMPTY;
  at = 0;
  #view: DataView = new DataView(EMPTY.buffer);
  readonly #texts: string[] = new Array(TEXTS).fill("");
  /** By size: lists to make texts of. */
  readonly #codes: number[][] = [];
  readonly #bigints = new Bigints();

  /** Begins to read these. */
  open(bytes: Uint8Array, at: number): void {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  /** Lets go of what was read. */
  close(): void {
    this.open(EMPTY, 0);
  }

  /** Bytes that are left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.#view.getUint8(this.at++);
  }

  u16(): number {
    const { at } = this;
    this.at = at + 2;
    return this.#view.getUint16(at, true);
  }

  u32(): number {
    const { at } = this;
    this.at = at + 4;
    return this.#view.getUint32(at, true);
  }

  u64<T extends bigint>(): T {
    const { at } = this;
    const low = this.#view.getUint32(at, true);
    const high = this.#view.getUint32(at + 4, true);
    this.at = at + 8;
    return this.#bigints.of(low, high) as T;
  }

  /** u16 size and a byte for each character. */
  text(): string {
    const size = this.u16();
    const { bytes, at } = this;
    const end = at + size;
    if (end > bytes.length) throw new RangeError("a text is cut off");
    this.at = end;
    if (size > TEXT_MAX) return longText(bytes.subarray(at, end));
    let hash = size;
    for (let i = at; i < end; i++) hash = Math.imul(hash, 31) + (bytes[i] ?? 0) | 0;
    const place = (hash ^ hash >>> 15) & (TEXTS - 1);
    const known = this.#texts[place] ?? "";
    if (known.length === size && isText(known, bytes, at)) return known;
    const text = this.#made(bytes, at, size);
    this.#texts[place] = text;
    return text;
  }

  /** A text of at most TEXT_MAX; a list of numbers makes it in half the time that a piece of the bytes takes. */
  #made(bytes: Uint8Array, at: number, size: number): string {
    const codes = this.#codes[size] ??= new Array<number>(size).fill(0);
    for (let i = 0; i < size; i++) codes[i] = bytes[at + i] ?? 0;
    return String.fromCharCode.apply(undefined, codes);
  }

  /** u32 size and the bytes, which stay where they are. */
  blob(): Uint8Array {
    const size = this.u32();
    const { bytes, at } = this;
    if (size > bytes.length - at) throw new RangeError("bytes are cut off");
    this.at = at + size;
    return size === 0 ? EMPTY : bytes.subarray(at, at + size);
  }
}

function isText(text: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[at + i]) return false;
  return true;
}

function longText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(undefined, bytes.subarray(at, at + CHUNK) as never);
  }
  return text;
}
