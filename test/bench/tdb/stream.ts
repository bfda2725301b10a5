/**
 * What both sides of the TDB benchmark agree on: the order of keys, the bytes of keys and values, and the hash
 * of a file's content. test/bench/tdb_peer.c has the same in C.
 *
 *   key    | counter, 8 bytes LE | counter * 0x9E3779B97F4A7C15, 8 bytes LE |
 *   value  | low word | high word | (i * 7 + 1) & 255 ...                   |
 *
 * Does NOT promise: randomness beyond what a benchmark needs.
 */

/** Bytes of a key. */
export const KEY_BYTES = 16;
/** Words of a key. */
const KEY_WORDS = 4;
const SEED = 88172645463325252n;
const GOLDEN_LOW = 0x7f4a7c15;
const GOLDEN_HIGH = 0x9e3779b9;

/** xorshift64 (13, 7, 17) in two halves, as bigint would cost more than what is measured. */
export class Dice {
  #low = 0;
  #high = 0;

  constructor() {
    this.reset();
  }

  /** Back to the seed. */
  reset(): void {
    this.#low = Number(SEED & 0xffffffffn) | 0;
    this.#high = Number(SEED >> 32n) | 0;
  }

  /** A number from 0 up to, not including, `below` (at most 2^21: the product must be exact). */
  draw(below: number): number {
    let low = this.#low;
    let high = this.#high;
    high ^= (high << 13) | (low >>> 19);
    low ^= low << 13;
    low ^= (low >>> 7) | (high << 25);
    high ^= high >>> 7;
    high ^= (high << 17) | (low >>> 15);
    low ^= low << 17;
    this.#low = low;
    this.#high = high;
    return Math.floor((high >>> 0) * below / 0x100000000);
  }
}

/** Writes the key of `counter` (u32) as four words at `at`. */
export function putKey(words: Uint32Array, at: number, counter: number): void {
  const upper = (counter >>> 16) * GOLDEN_LOW;
  const lower = (counter & 0xffff) * GOLDEN_LOW;
  const carried = Math.floor((upper + Math.floor(lower / 65536)) / 65536);
  words[at] = counter;
  words[at + 1] = 0;
  words[at + 2] = Math.imul(counter, GOLDEN_LOW);
  words[at + 3] = (carried + Math.imul(counter, GOLDEN_HIGH)) | 0;
}

/** Keys (and lengths) in the order of use, so that the clock sees none of the drawing. */
export class KeyStream {
  readonly words: Uint32Array;
  readonly lengths: Uint32Array;

  constructor(count: number) {
    this.words = new Uint32Array(count * KEY_WORDS);
    this.lengths = new Uint32Array(count);
  }

  /** Counters 0 .. count-1 in order. */
  inOrder(count: number): void {
    for (let index = 0; index < count; index++) putKey(this.words, index * KEY_WORDS, index);
  }

  /** `count` counters drawn from [first, first + records). With `value`: lengths of 1..3 times that, too. */
  drawn(dice: Dice, count: number, first: number, records: number, value = 0): void {
    for (let index = 0; index < count; index++) {
      putKey(this.words, index * KEY_WORDS, first + dice.draw(records));
      if (value > 0) this.lengths[index] = value + dice.draw(2 * value + 1);
    }
  }
}

/** Bytes that every value starts as; the first 8 are overwritten by a counter. */
export function fillValue(bytes: Uint8Array): void {
  for (let index = 0; index < bytes.length; index++) bytes[index] = index * 7 + 1;
}

/** Hash of a file's records whatever their order: equal content, equal text. */
export class ContentHash {
  records = 0;
  #sum = 0;
  #mixed = 0;

  /** Adds a record, given as two runs of bytes in one array. */
  add(bytes: Uint8Array, key: number, keyLength: number, value: number, valueLength: number): void {
    let hash = 0x811c9dc5;
    for (let at = key; at < key + keyLength; at++) {
      hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
    }
    for (let at = value; at < value + valueLength; at++) {
      hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
    }
    this.#sum = (this.#sum + hash) | 0;
    this.#mixed ^= Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
    this.records += 1;
  }

  /** 16 hex digits. */
  get text(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#sum) + hex(this.#mixed);
  }
}
