/**
 * What a program and the data thread of its node tell each other: frames on a stream, the same over NATS.
 *
 *   u32 bytes that follow | u8 kind | u32 id | body          little-endian
 *
 *   program ─▶ hello, ask, op, unlock, done, cancel, emptied, traverse, more, post, took, ran, transact, look, list
 *   program ◀─ ok, error, answer, ready, locked, record, end, items, change, run, database, bye, named, txn, values
 *
 * What comes often has a fixed layout (bodies.ts, txn_bodies.ts); what is rare is JSON, with u64 as digits and keys as
 * one character for each byte. An id is the program's, for one thing that it began; 0: none.
 *
 * Does NOT promise: that a body is sound; who takes it apart looks.
 */
import { Bigints } from "../bigints.ts";
import { KEY_MAX, VALUE_MAX } from "../limits.ts";

/** Version of all this, told in hello. */
export const CLIENT_PROTOCOL = 1;

/** Kinds of frames; those of the program are below 32. */
export const FRAME = {
  hello: 1,
  ask: 2,
  op: 3,
  unlock: 4,
  done: 5,
  cancel: 6,
  emptied: 7,
  traverse: 8,
  more: 9,
  post: 10,
  took: 11,
  ran: 12,
  transact: 13,
  look: 14,
  list: 15,
  ok: 32,
  error: 33,
  answer: 34,
  ready: 35,
  locked: 36,
  record: 37,
  end: 38,
  items: 39,
  change: 40,
  run: 41,
  database: 42,
  bye: 43,
  named: 44,
  txn: 45,
  values: 46,
} as const;

/** Bytes before a body. */
export const FRAME_HEAD = 9;
/** Longest frame, bytes after the length: a value and arguments, their key, and some words. */
export const FRAME_MAX: number = 2 * VALUE_MAX + KEY_MAX + 4096;
/** A buffer that has become larger than this is not kept. */
const KEPT_MAX = 1024 * 1024;
const START_SIZE = 64 * 1024;
const U32 = 2 ** 32;

const encoder = new TextEncoder();

/** Puts frames together in a buffer that is used again. */
export class FrameWriter {
  #bytes = new Uint8Array(START_SIZE);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  #start = 0;

  /** Bytes of whole frames that wait. */
  get size(): number {
    return this.#at;
  }

  begin(kind: number, id: number): this {
    this.#need(FRAME_HEAD);
    this.#start = this.#at;
    this.#at += 4;
    this.u8(kind);
    return this.u32(id);
  }

  /** Ends the frame. Throws RangeError if it is longer than FRAME_MAX; it is not there then. */
  end(): void {
    const length = this.#at - this.#start - 4;
    if (length > FRAME_MAX) {
      this.#at = this.#start;
      throw new RangeError(`Cannot send ${length} bytes: FRAME_MAX is ${FRAME_MAX}`);
    }
    const at = this.#at;
    this.#at = this.#start;
    this.u32(length);
    this.#at = at;
    this.#start = at;
  }

  /** Forgets a frame that was begun and not ended, if there is one. */
  drop(): void {
    this.#at = this.#start;
  }

  u8(value: number): this {
    this.#need(1);
    this.#bytes[this.#at++] = value;
    return this;
  }

  u16(value: number): this {
    this.#need(2);
    const bytes = this.#bytes;
    bytes[this.#at++] = value;
    bytes[this.#at++] = value >>> 8;
    return this;
  }

  u32(value: number): this {
    this.#need(4);
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.#at = at + 4;
    return this;
  }

  u64(value: bigint): this {
    this.#need(8);
    this.#view.setBigUint64(this.#at, value, true);
    this.#at += 8;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#need(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  /** Its length as u16 first. */
  short(value: Uint8Array): this {
    return this.u16(value.length).bytes(value);
  }

  /** A key of the machine: a character for each byte; its length as u16 first. */
  key(key: string): this {
    const { length } = key;
    this.u16(length);
    this.#need(length);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let index = 0; index < length; index++) bytes[at++] = key.charCodeAt(index);
    this.#at = at;
    return this;
  }

  text(value: string): this {
    return this.bytes(encoder.encode(value));
  }

  /** A whole frame of JSON; bigint as digits. */
  json(kind: number, id: number, value: unknown): void {
    this.begin(kind, id).text(JSON.stringify(value, digits)).end();
  }

  /** The frames that wait; good until the next one begins. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    this.#start = 0;
    if (this.#bytes.length > KEPT_MAX) this.#use(new Uint8Array(START_SIZE));
    return taken;
  }

  #need(count: number): void {
    const need = this.#at + count;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#use(grown);
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

function digits(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}

/** Takes a frame. The body lies in what came, and is good for as long as that. */
export type OnFrame = (kind: number, id: number, body: FrameBody) => void;

/** Cuts a stream into frames. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  readonly #bigints = new Bigints();
  /** The beginning of a frame that is not whole. */
  #part = new Uint8Array(0);
  #filled = 0;
  readonly #max: number;

  /** `max`: bytes of a frame after its length. */
  constructor(onFrame: OnFrame, max: number = FRAME_MAX) {
    this.#onFrame = onFrame;
    this.#max = max;
  }

  /** Takes bytes. Throws RangeError on a frame that is too short or too long: the stream is of no use then. */
  add(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#filled > 0) {
        at = this.#fill(bytes, at);
        continue;
      }
      const left = bytes.length - at;
      const length = left < 4 ? undefined : this.#checked(word(bytes, at));
      if (length === undefined || left < length + 4) {
        this.#part = new Uint8Array(Math.max(length === undefined ? 4 : length + 4, 4));
        at = this.#fill(bytes, at);
        continue;
      }
      this.#give(bytes, at, at + 4 + length);
      at += 4 + length;
    }
  }

  #fill(bytes: Uint8Array, at: number): number {
    const take = Math.min(this.#part.length - this.#filled, bytes.length - at);
    this.#part.set(bytes.subarray(at, at + take), this.#filled);
    this.#filled += take;
    if (this.#filled < this.#part.length) return at + take;
    if (this.#filled === 4) {
      const whole = new Uint8Array(4 + this.#checked(word(this.#part, 0)));
      whole.set(this.#part);
      this.#part = whole;
      return at + take;
    }
    const whole = this.#part;
    this.#part = new Uint8Array(0);
    this.#filled = 0;
    this.#give(whole, 0, whole.length);
    return at + take;
  }

  #checked(length: number): number {
    if (length >= FRAME_HEAD - 4 && length <= this.#max) return length;
    throw new RangeError(`a frame of ${length} bytes; ${FRAME_HEAD - 4} to ${this.#max} are taken`);
  }

  #give(bytes: Uint8Array, at: number, end: number): void {
    const body = new FrameBody(bytes, at + 9, end, this.#bigints);
    this.#onFrame(bytes[at + 4] ?? 0, word(bytes, at + 5), body);
  }
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) | (bytes[at + 1] as number) << 8 |
    (bytes[at + 2] as number) << 16 | (bytes[at + 3] as number) << 24) >>> 0;
}

const decoder = new TextDecoder("utf-8", { fatal: true });
/** Characters of a key that one call makes. */
const CHUNK = 8192;

/** Bytes as a key of the machine: a character for each. */
export function keyOfBytes(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return String.fromCharCode(...bytes);
  let key = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    key += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return key;
}

/** A key of the machine as bytes. */
export function bytesOfKey(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let at = 0; at < key.length; at++) bytes[at] = key.charCodeAt(at);
  return bytes;
}

/** The body of a frame, taken from its front. Everything throws RangeError where it ends too soon. */
export class FrameBody {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #bigints: Bigints;
  #at: number;

  constructor(bytes: Uint8Array, at: number, end: number, bigints: Bigints) {
    this.#bytes = bytes;
    this.#bigints = bigints;
    this.#at = at;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#bytes[this.#step(1)] as number;
  }

  u16(): number {
    const at = this.#step(2);
    return (this.#bytes[at] as number) | (this.#bytes[at + 1] as number) << 8;
  }

  u32(): number {
    return word(this.#bytes, this.#step(4));
  }

  u64(): bigint {
    const low = this.u32();
    return this.#bigints.of(low, this.u32());
  }

  /** A number that fits into a double, of 64 bits. */
  size(): number {
    const low = this.u32();
    return this.u32() * U32 + low;
  }

  /** In place. */
  bytes(length: number = this.left): Uint8Array {
    const at = this.#step(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A copy. */
  copy(length: number = this.left): Uint8Array {
    const at = this.#step(length);
    return this.#bytes.slice(at, at + length);
  }

  /** With its length as u16 first; in place. */
  short(): Uint8Array {
    return this.bytes(this.u16());
  }

  /** A key of the machine. */
  key(): string {
    return keyOfBytes(this.short());
  }

  /** The rest, or so many bytes, as UTF-8. Throws RangeError if it is none. */
  text(length: number = this.left): string {
    const bytes = this.bytes(length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new RangeError("a text is no UTF-8");
    }
  }

  /** The rest as a JSON object. Throws RangeError if it is none. */
  json(): Record<string, unknown> {
    let value: unknown;
    try {
      value = JSON.parse(this.text());
    } catch {
      throw new RangeError("a body is no JSON");
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
    throw new RangeError("a body must be an object");
  }

  #step(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw new RangeError("a frame ends too soon");
    this.#at = at + count;
    return at;
  }
}
