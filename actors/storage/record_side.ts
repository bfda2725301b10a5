/**
 * What the daemon knows of each copy beside what stands in the file: its transfer, its birth, whom it belongs to, the
 * proofs of calls.
 *
 *   entry, 8 words:  0 u32 hash of the key | 1 dmaster | 2-3 tid.gen | 4 tid.seq | 5-6 birth.gen | 7 birth.seq
 *   chunks of 65 536 entries; free ones are a list through word 0, with FREE_MARK in word 1
 *
 * 32 bytes a record. Proofs of calls, which few records have, are in a map. The file's header has the entry's index;
 * the hash tells whether an index that was read there is one of this key.
 *
 * Does NOT promise: to outlive the daemon's life; nor does the file.
 */
import type { CallProof, Tid } from "../../transport/wire/messages/record.ts";
import type { Generation, Pnn } from "../../transport/wire/terms.ts";

const CHUNK_BITS = 16;
const CHUNK = 2 ** CHUNK_BITS;
const CHUNK_MASK = CHUNK - 1;
const WORDS = 8;
const AT = { hash: 0, dmaster: 1, tid: 2, birth: 5 } as const;
/** No entry; the end of the list of free ones. */
export const NO_ENTRY = -1;
/** Dmaster of an entry that is free. */
const FREE_MARK = 0xfffffffe;
const NO_CALLS: readonly CallProof[] = [];
const NO_TID: Tid = { gen: 0n as Generation, seq: 0 };

/** What is kept of a copy. */
export interface Beside {
  readonly dmaster: Pnn;
  readonly tid: Tid;
  readonly birth: Tid;
  readonly calls: readonly CallProof[];
}

/** The entries of one file. */
export class RecordSide {
  readonly #chunks: Uint32Array[] = [];
  readonly #calls = new Map<number, readonly CallProof[]>();
  #free = NO_ENTRY;
  #end = 0;
  #count = 0;
  /** Generations are few: the last one is kept, so that not each tid makes a bigint. */
  #lastLow = 0;
  #lastHigh = 0;
  #lastGen = 0n as Generation;

  /** Entries in use. */
  get count(): number {
    return this.#count;
  }

  /** Bytes that the entries take, free ones too; proofs of calls are not counted. */
  get bytes(): number {
    return this.#chunks.length * CHUNK * WORDS * 4;
  }

  /** Is `index` an entry of a key with this hash? */
  has(index: number, hash: number): boolean {
    if (!(index >= 0 && index < this.#end)) return false;
    const words = this.#chunk(index);
    const at = (index & CHUNK_MASK) * WORDS;
    return words[at + AT.hash] === (hash >>> 0) && words[at + AT.dmaster] !== FREE_MARK;
  }

  /** A new entry for a key with this hash, to be written by `set`. */
  take(hash: number): number {
    const index = this.#free === NO_ENTRY ? this.#end : this.#free;
    if (index === this.#end) {
      if ((index & CHUNK_MASK) === 0) this.#chunks.push(new Uint32Array(CHUNK * WORDS));
      this.#end += 1;
    } else this.#free = (this.#chunk(index)[(index & CHUNK_MASK) * WORDS] as number) - 1;
    const words = this.#chunk(index);
    const at = (index & CHUNK_MASK) * WORDS;
    words[at + AT.hash] = hash;
    words[at + AT.dmaster] = 0;
    this.#count += 1;
    return index;
  }

  /** Writes an entry. */
  set(index: number, { dmaster, tid, birth, calls }: Beside): void {
    const words = this.#chunk(index);
    const at = (index & CHUNK_MASK) * WORDS;
    words[at + AT.dmaster] = dmaster;
    putTid(words, at + AT.tid, tid);
    putTid(words, at + AT.birth, birth);
    if (calls.length > 0) this.#calls.set(index, calls.map(ownProof));
    else if (this.#calls.size > 0) this.#calls.delete(index);
  }

  /** Forgets an entry. */
  drop(index: number): void {
    const words = this.#chunk(index);
    const at = (index & CHUNK_MASK) * WORDS;
    words[at] = this.#free + 1;
    words[at + AT.dmaster] = FREE_MARK;
    this.#free = index;
    this.#count -= 1;
    this.#calls.delete(index);
  }

  dmaster(index: number): Pnn {
    return this.#chunk(index)[(index & CHUNK_MASK) * WORDS + AT.dmaster] as Pnn;
  }

  tid(index: number): Tid {
    return index === NO_ENTRY ? NO_TID : this.#tidAt(index, AT.tid);
  }

  /** One object with the tid where they are the same: most records were born in their last transfer, or long ago. */
  birth(index: number, tid: Tid): Tid {
    if (index === NO_ENTRY) return NO_TID;
    const words = this.#chunk(index);
    const at = (index & CHUNK_MASK) * WORDS;
    const isSame = words[at + 2] === words[at + 5] && words[at + 3] === words[at + 6] &&
      words[at + 4] === words[at + 7];
    return isSame ? tid : this.#tidAt(index, AT.birth);
  }

  calls(index: number): readonly CallProof[] {
    return this.#calls.size === 0 ? NO_CALLS : this.#calls.get(index) ?? NO_CALLS;
  }

  #chunk(index: number): Uint32Array {
    return this.#chunks[index >>> CHUNK_BITS] as Uint32Array;
  }

  #tidAt(index: number, field: number): Tid {
    const words = this.#chunk(index);
    const at = (index & CHUNK_MASK) * WORDS + field;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    if (low !== this.#lastLow || high !== this.#lastHigh) {
      this.#lastLow = low;
      this.#lastHigh = high;
      this.#lastGen = ((BigInt(high) << 32n) | BigInt(low)) as Generation;
    }
    return { gen: this.#lastGen, seq: words[at + 2] as number };
  }
}

/** A result that came with a message lies in all of that message: it is kept for long, so it is copied. */
function ownProof(proof: CallProof): CallProof {
  const { result } = proof;
  const isOwn = result === undefined || result.length === result.buffer.byteLength;
  return isOwn ? proof : { ...proof, result: new Uint8Array(result) };
}

function putTid(words: Uint32Array, at: number, { gen, seq }: Tid): void {
  // A Uint32Array takes the low 32 bits of a number.
  words[at] = Number(gen & 0xffffffffn);
  words[at + 1] = Number(gen >> 32n);
  words[at + 2] = seq;
}
