/**
 * The gate before the decoder: walks over the heads of a CBOR item and refuses what no message of ours holds, before
 * anything is made of it. A default decoder can be kept busy for a minute by one megabyte.
 *
 *   head byte = major(3) | info(5)    0 uint  1 negative  2 bytes  3 text  4 array  5 map  6 tag  7 simple, float
 *
 * Refused: tags; indefinite lengths; undefined and other simple values; counts and lengths beyond the bytes that are
 * left; more than DEPTH_MAX levels; maps with other keys than text, with over MAP_FIELDS_MAX keys, or with one twice;
 * text that is no UTF-8; anything but one map, up to the last byte. With a guide, also: another type, a longer text or
 * list than the declaration has in that place; more than FOREIGN_ITEMS_MAX heads in fields that it does not have.
 *
 * Work is linear in the bytes: each head and each byte of text is looked at once, bytes of binary never; a key costs at
 * most MAP_FIELDS_MAX comparisons more. `work` counts it, for the tests.
 *
 * Does NOT promise: that the values are what a message needs; the declared check says that.
 */

import type { Guide } from "./guide.ts";
import { keyHash } from "./key_hash.ts";
import { DEPTH_MAX, FIELD_NAME_MAX, FOREIGN_ITEMS_MAX, MAP_FIELDS_MAX } from "./limits.ts";

/** What else a scan looks at. */
export interface ScanOptions {
  /** What the declaration expects; undefined: anything. */
  readonly guide?: Guide | undefined;
  /** Bytes at most that lie outside of byte strings. */
  readonly plainMax?: number;
}

/** What is wrong, and at which byte. */
export interface ScanFault {
  readonly why: string;
  readonly at: number;
}

/** Keys of a level in its table: twice as many as a map may have, a power of two. */
const TABLE = 2 * MAP_FIELDS_MAX;
/** From this length on, the runtime's own check of UTF-8 is faster than a loop. */
const LONG_TEXT = 64;
/** No length or count: the head is not one that we take. */
const NONE = -1;

/** Scans; one thread can use one gate for all its messages. */
export class Gate {
  /** Steps of the last scan: heads, bytes of text, comparisons of keys. */
  work = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #fault: string | undefined;
  /** Where the scan must be at the latest; byte strings move it on. */
  #plainEnd = 0;
  #foreign = 0;
  /** What may stand where the scan is; undefined: anything. */
  #guide: Guide | undefined;
  /** Per level: the guide of its array or map. */
  readonly #guides: (Guide | undefined)[] = new Array(DEPTH_MAX + 1);
  /** Per level: values that are still to come, and whether it is a map. */
  readonly #left = new Int32Array(DEPTH_MAX + 1);
  readonly #map = new Int32Array(DEPTH_MAX + 1);
  /** Per level: the hashes of its map's keys; an entry counts when it is of this map. */
  readonly #keyHash = new Int32Array((DEPTH_MAX + 1) * TABLE);
  readonly #keyOf = new Int32Array((DEPTH_MAX + 1) * TABLE);
  /** Number of the last map that was begun; 0 stands for an array. */
  #maps = 0;
  /** Number of the map that the last value began; 0: it began an array. */
  #begun = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** What is wrong with the bytes of a message; undefined: they may be decoded. */
  scan(bytes: Uint8Array, { guide, plainMax = Infinity }: ScanOptions = {}): ScanFault | undefined {
    this.#bytes = bytes;
    this.#guide = guide;
    this.#plainEnd = plainMax;
    this.#foreign = FOREIGN_ITEMS_MAX;
    this.#at = 0;
    this.#maps = 0;
    this.#fault = undefined;
    this.#keyOf.fill(0);
    this.work = 0;
    this.#walk();
    if (this.#fault === undefined && this.#at < bytes.length) this.#fault = "bytes after its end";
    this.#bytes = new Uint8Array(0);
    return this.#fault === undefined ? undefined : { why: this.#fault, at: this.#at };
  }

  #walk(): void {
    const bytes = this.#bytes;
    const left = this.#left;
    if (bytes[0] === undefined || bytes[0] >> 5 !== 5) return this.#refuse("not a map");
    let depth = 0;
    left[0] = 1;
    this.#map[0] = 0;
    const root = this.#guide;
    const isGuided = root !== undefined;
    this.#guides[0] = root === undefined ? undefined : { ...root, items: root };
    while (depth >= 0) {
      if (left[depth] === 0) {
        depth -= 1;
        continue;
      }
      left[depth] = (left[depth] ?? 0) - 1;
      if (this.#map[depth] === 0) this.#guide = this.#guides[depth]?.items;
      else if (!this.#key(depth)) return;
      if (isGuided && this.#guide === undefined && (this.#foreign -= 1) < 0) {
        return this.#refuse("too much in unknown fields");
      }
      const count = this.#value();
      if (this.#fault !== undefined) return;
      if (count === NONE) continue;
      depth += 1;
      if (depth > DEPTH_MAX) return this.#refuse(`deeper than ${DEPTH_MAX} levels`);
      left[depth] = count;
      this.#map[depth] = this.#begun;
      this.#guides[depth] = this.#guide;
    }
  }

  /** Passes one value; answers how many items follow in it, NONE when it has none. */
  #value(): number {
    this.work += 1;
    const bytes = this.#bytes;
    const head = bytes[this.#at];
    if (head === undefined) return this.#refuseNone("ends in the middle");
    if (this.#guide !== undefined && ((this.#guide.majors >> (head >> 5)) & 1) === 0) {
      return this.#refuseNone("another type than declared");
    }
    if (this.#at >= this.#plainEnd) return this.#refuseNone("too much around the body");
    const info = head & 31;
    switch (head >> 5) {
      case 0:
      case 1:
        return this.#whole(info);
      case 2:
        return this.#binary(info);
      case 3:
        return this.#text(info);
      case 4:
        return this.#many(info, 1);
      case 5:
        return this.#many(info, 2);
      case 6:
        return this.#refuseNone("tag");
      default:
        return this.#simple(info);
    }
  }

  #whole(info: number): number {
    if (info > 27) return this.#refuseNone("integer of an unknown form");
    return this.#skip(info < 24 ? 1 : 1 + (1 << (info - 24)));
  }

  #simple(info: number): number {
    // 20 false, 21 true, 22 null; 25, 26, 27 floats of 2, 4, 8 bytes.
    if (info >= 20 && info <= 22) return this.#skip(1);
    if (info >= 25 && info <= 27) return this.#skip(1 + (1 << (info - 24)));
    return this.#refuseNone(info === 31 ? "break without a beginning" : "simple value");
  }

  #binary(info: number): number {
    const length = this.#length(info);
    if (length === NONE) return NONE;
    if (this.#guide !== undefined && length > this.#guide.bytesMax) {
      return this.#refuseNone("longer than declared");
    }
    this.#plainEnd += length;
    return this.#skip(length);
  }

  #text(info: number): number {
    const length = this.#length(info);
    if (length === NONE) return NONE;
    if (this.#guide !== undefined && length > this.#guide.bytesMax) {
      return this.#refuseNone("longer than declared");
    }
    const end = this.#at + length;
    if (end > this.#bytes.length) return this.#refuseNone("length beyond its end");
    if (end > this.#plainEnd) return this.#refuseNone("too much around the body");
    this.work += length;
    if (!this.#isUtf8(this.#at, end)) return this.#refuseNone("text that is no UTF-8");
    this.#at = end;
    return NONE;
  }

  /** An array (each 1) or a map (each 2). */
  #many(info: number, each: number): number {
    const count = this.#length(info);
    if (count === NONE) return NONE;
    if (each === 1 && this.#guide !== undefined && count > this.#guide.countMax) {
      return this.#refuseNone("more items than declared");
    }
    if (count * each > this.#bytes.length - this.#at) {
      return this.#refuseNone("count beyond its end");
    }
    if (each === 2 && count > MAP_FIELDS_MAX) {
      return this.#refuseNone(`map of more than ${MAP_FIELDS_MAX} fields`);
    }
    this.#begun = each === 2 ? this.#maps += 1 : 0;
    return count;
  }

  /** Reads the length or count of a head and passes the head. */
  #length(info: number): number {
    if (info < 24) {
      this.#at += 1;
      return info;
    }
    if (info === 31) return this.#refuseNone("indefinite length");
    // 27 would be a length of over 4 GiB; 28 to 30 are no lengths.
    if (info > 26) return this.#refuseNone("length of an unknown form");
    const size = 1 << (info - 24);
    if (this.#at + 1 + size > this.#bytes.length) return this.#refuseNone("ends in the middle");
    let length = 0;
    for (let i = 1; i <= size; i++) length = length * 256 + (this.#bytes[this.#at + i] ?? 0);
    this.#at += 1 + size;
    return length;
  }

  /** Passes a key of the map of this level. False when it is refused. */
  #key(depth: number): boolean {
    this.work += 1;
    const head = this.#bytes[this.#at];
    if (head === undefined) return this.#refuseKey("ends in the middle");
    if (head >> 5 !== 3) return this.#refuseKey("key that is no text");
    const length = this.#length(head & 31);
    if (length === NONE) return false;
    const from = this.#at;
    if (length > FIELD_NAME_MAX) return this.#refuseKey("name of a field too long");
    if (from + length > this.#bytes.length) return this.#refuseKey("length beyond its end");
    this.work += length;
    if (!this.#isUtf8(from, from + length)) return this.#refuseKey("text that is no UTF-8");
    const hash = keyHash(this.#bytes, from, from + length);
    if (!this.#isNew(depth, hash)) return this.#refuseKey("key twice");
    this.#guide = this.#guides[depth]?.fields.get(hash);
    this.#at = from + length;
    return true;
  }

  /**
   * Enters a key into the table of its level; false when the map has it already. Keys count as equal when their hashes
   * are: comparing texts would let crafted keys cost more. Declared names are tested not to meet.
   */
  #isNew(depth: number, hash: number): boolean {
    const map = this.#map[depth] ?? 0;
    for (let probe = hash ^ (hash >>> 15);; probe++) {
      this.work += 1;
      const entry = depth * TABLE + (probe & (TABLE - 1));
      if (this.#keyOf[entry] !== map) {
        this.#keyOf[entry] = map;
        this.#keyHash[entry] = hash;
        return true;
      }
      if (this.#keyHash[entry] === hash) return false;
    }
  }

  #isUtf8(from: number, end: number): boolean {
    if (end - from >= LONG_TEXT) {
      try {
        this.#decoder.decode(this.#bytes.subarray(from, end));
        return true;
      } catch {
        return false;
      }
    }
    return isUtf8(this.#bytes, from, end);
  }

  #skip(length: number): number {
    if (this.#at + length > this.#bytes.length) return this.#refuseNone("length beyond its end");
    this.#at += length;
    return NONE;
  }

  #refuse(why: string): void {
    this.#fault = why;
  }

  #refuseNone(why: string): number {
    this.#fault = why;
    return NONE;
  }

  #refuseKey(why: string): boolean {
    this.#fault = why;
    return false;
  }
}

/** Are these bytes UTF-8: shortest forms, no surrogates, nothing above U+10FFFF? */
function isUtf8(bytes: Uint8Array, from: number, end: number): boolean {
  for (let at = from; at < end;) {
    const lead = bytes[at] ?? 0;
    at += 1;
    if (lead < 0x80) continue;
    const more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
    if (more === 0 || at + more > end) return false;
    const second = bytes[at] ?? 0;
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) return false;
    for (let i = 1; i < more; i++) {
      if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return false;
    }
    at += more;
  }
  return true;
}
