/**
 * The end of the log in memory: the entries after a place whose chain is known.
 *
 *   base (seq, dbseq, chain) | entry | entry | entry   last
 *                              ^ older ones are on the disk, or in the file only
 *
 * Does NOT promise: that anything here is on the disk; the replica counts that.
 */
import type { Entry } from "../../../transport/wire/commit/entry.ts";

/** A place in a history: after an entry. */
export interface Place {
  readonly seq: bigint;
  /** The last transaction up to there. */
  readonly dbseq: bigint;
  readonly chain: bigint;
  /** Term of that entry; 0: not known. */
  readonly term: bigint;
}

/** Before anything. */
export const NOWHERE: Place = { seq: 0n, dbseq: 0n, chain: 0n, term: 0n };

/** The place after an entry. */
export function placeAfter({ seq, dbseqFirst, txns, chain, term }: Entry): Place {
  return { seq, dbseq: dbseqFirst + BigInt(txns.length) - 1n, chain, term };
}

/** The entries. */
export class EntryLog {
  #base: Place = NOWHERE;
  #entries: Entry[] = [];

  get base(): Place {
    return this.#base;
  }

  /** Seq of the last entry. */
  get last(): bigint {
    return this.#base.seq + BigInt(this.#entries.length);
  }

  get lastPlace(): Place {
    const entry = this.#entries.at(-1);
    return entry === undefined ? this.#base : placeAfter(entry);
  }

  /** The entry of a seq; undefined: it is not in memory. */
  entry(seq: bigint): Entry | undefined {
    return seq <= this.#base.seq ? undefined : this.#entries[Number(seq - this.#base.seq) - 1];
  }

  /** The place after an entry, or the base. */
  place(seq: bigint): Place | undefined {
    if (seq === this.#base.seq) return this.#base;
    const entry = this.entry(seq);
    return entry === undefined ? undefined : placeAfter(entry);
  }

  /** Entries from..to, as far as `bytesMax` allows; the first always. */
  slice(from: bigint, to: bigint, bytesMax: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let seq = from; seq <= to; seq++) {
      const entry = this.entry(seq);
      if (entry === undefined || (bytes > 0 && bytes + entry.size > bytesMax)) break;
      bytes += entry.size;
      found.push(entry);
    }
    return found;
  }

  /** Puts the next entry at the end. Throws RangeError if it is not the next. */
  append(entry: Entry): void {
    if (entry.seq !== this.last + 1n) {
      throw new RangeError(`Cannot append entry ${entry.seq}: the last is ${this.last}`);
    }
    this.#entries.push(entry);
  }

  /** Takes all after a seq away. */
  cut(seq: bigint): void {
    this.#entries.length = Math.max(0, Number(seq - this.#base.seq));
  }

  /** Forgets the entries up to a seq; they stay on the disk. */
  forget(seq: bigint): void {
    const place = this.place(seq);
    if (place === undefined || seq === this.#base.seq) return;
    this.#entries.splice(0, Number(seq - this.#base.seq));
    this.#base = place;
  }

  /** Begins anew after a place. */
  reset(base: Place): void {
    this.#base = base;
    this.#entries = [];
  }
}
