/**
 * Where the entries of a commit log lie, by seq.
 *
 *   start (what stands before) | place of start.seq + 1 | + 2 | ... | last
 *
 * Does NOT promise: anything about the bytes there.
 */
import { type Position, positionOf } from "./commit_frame.ts";

/** Where an entry lies. */
export interface Place extends Position {
  /** Number of its segment, and the offset of its frame there. */
  readonly segment: number;
  readonly offset: number;
  /** Bytes of the entry. */
  readonly size: number;
}

/** The places of one log, without gaps. */
export class CommitPlaces {
  #start: Position;
  readonly #places: Place[];

  constructor(start: Position, places: Place[]) {
    this.#start = start;
    this.#places = places;
  }

  /** What stands before the first entry. */
  get start(): Position {
    return this.#start;
  }

  /** The last entry, or what stands before the first. */
  get last(): Position {
    return positionOf(this.#places.at(-1) ?? this.#start);
  }

  get count(): number {
    return this.#places.length;
  }

  /** The place of an entry; undefined: it is not here. */
  of(seq: bigint): Place | undefined {
    const first = this.#places[0];
    if (first === undefined || seq < first.seq) return undefined;
    return this.#places[Number(seq - first.seq)];
  }

  /** The entry that holds a transaction; undefined: it is not here. */
  seqOf(dbseq: bigint): bigint | undefined {
    if (dbseq <= this.#start.dbseq || dbseq > this.last.dbseq) return undefined;
    let low = 0;
    let high = this.#places.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle] as Place).dbseq < dbseq) low = middle + 1;
      else high = middle;
    }
    return this.#places[low]?.seq;
  }

  add(place: Place): void {
    this.#places.push(place);
  }

  /** Forgets those above `seq`, which is here or the start. */
  cut(seq: bigint): void {
    const first = this.#places[0];
    if (first !== undefined) this.#places.splice(Number(seq + 1n - first.seq));
  }

  /** Forgets those in segments below `segment`. */
  dropBelow(segment: number): void {
    const stay = this.#places.findIndex((place) => place.segment >= segment);
    const gone = this.#places.splice(0, stay < 0 ? this.#places.length : stay);
    this.#start = positionOf(gone.at(-1) ?? this.#start);
  }
}
