/**
 * The segments of a commit log as their readers see them: entries by seq, and which files may go.
 *
 *   | 17 | 18 | 19 | <- written to        drop(1): 17 goes, 18 is the first; one at least stays
 *
 * Does NOT promise: that a reader may have what it asks for; what was dropped is gone.
 */
import type { ImageStore } from "../../transport/image.ts";
import { type Entry, isFault, readEntry } from "../../transport/wire/commit/entry.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { FRAME_BYTES } from "./commit_frame.ts";
import { CommitPlaces, type Place } from "./commit_places.ts";
import type { Scan } from "./commit_scan.ts";
import { type CommitSegment, dropFile, segmentPath } from "./commit_segment.ts";

/** How much room a log takes. */
export interface LogSpace {
  readonly segments: number;
  /** Of all segments, the unused rest of the last one included. */
  readonly bytes: number;
  /** Entries that can be read. */
  readonly entries: number;
}

/** The segments that are there. */
export class CommitShelf {
  readonly places: CommitPlaces;
  readonly #images: ImageStore;
  readonly #path: string;
  readonly #segments: CommitSegment[];

  constructor(images: ImageStore, path: string, scan: Scan) {
    this.#images = images;
    this.#path = path;
    this.#segments = scan.segments;
    this.places = new CommitPlaces(scan.last, scan.places);
    const [first] = scan.places;
    if (first === undefined) return;
    const { seq, prevChain, dbseqFirst } = this.#readAt(first);
    // Its term is known only where a segment begins with it.
    const before = scan.before;
    const term = before.seq === seq - 1n && before.chain === prevChain ? before.term : 0n;
    const start = { seq: seq - 1n, chain: prevChain, dbseq: dbseqFirst - 1n, term };
    this.places = new CommitPlaces(start, scan.places);
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  /** The segment that is written to. Throws "state" when there is none. */
  get last(): CommitSegment {
    const last = this.#segments.at(-1);
    if (last === undefined) throw new CtdbxError("state", `Cannot use the log of ${this.#path}`);
    return last;
  }

  /** It is written to from now on. */
  add(segment: CommitSegment): void {
    this.#segments.push(segment);
  }

  /** Where the frame of an entry lies in the log. */
  position(place: Place): bigint {
    return this.#segmentOf(place).position(place.offset);
  }

  #segmentOf(place: Place): CommitSegment {
    const segment = this.#segments[place.segment - (this.#segments[0]?.number ?? 0)];
    if (segment !== undefined) return segment;
    throw new CtdbxError("state", `Cannot read entry ${place.seq} of ${this.#path}: it is gone`);
  }

  /** Number and place of the first segment: what open() needs next time. */
  get firstSegment(): { readonly first: number; readonly firstAt: bigint } {
    const [first] = this.#segments;
    if (first === undefined) throw new CtdbxError("state", `Cannot use the log of ${this.#path}`);
    return { first: first.number, firstAt: first.at };
  }

  get space(): LogSpace {
    const bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    return { segments: this.#segments.length, bytes, entries: this.places.count };
  }

  /** Chain of an entry, or of what stands before the first; undefined: it is not here. */
  chainOf(seq: bigint): bigint | undefined {
    const { start } = this.places;
    return seq === start.seq ? start.chain : this.places.of(seq)?.chain;
  }

  /** An entry; undefined: it is not here. Throws CorruptError when its bytes are not what they were. */
  read(seq: bigint): Entry | undefined {
    const place = this.places.of(seq);
    return place === undefined ? undefined : this.#readAt(place);
  }

  /** Entries from `from` on, as many as have `bytesMax` together, but one at least; none: `from` is not here. */
  readFrom(from: bigint, bytesMax: number): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let place = this.places.of(from); place !== undefined;) {
      bytes += place.size;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(this.#readAt(place));
      place = this.places.of(place.seq + 1n);
    }
    return entries;
  }

  #readAt(place: Place): Entry {
    const segment = this.#segmentOf(place);
    const entry = readEntry(segment.read(place.offset + FRAME_BYTES, place.size));
    if (!isFault(entry) && entry.chain === place.chain) return entry;
    const why = isFault(entry) ? entry.text : "it is another entry";
    const text = `Cannot read entry ${place.seq} of ${segment.image.path}: ${why}`;
    throw new CorruptError("truncated", place.offset, text);
  }

  /**
   * How many segments from the front hold nothing above `seq`, and which is the first then; one at least stays. Write
   * down the first, then drop().
   */
  droppable(
    seq: bigint,
  ): { readonly count: number; readonly first: number; readonly firstAt: bigint } {
    const wanted = seq < this.places.start.seq ? undefined : this.places.of(seq + 1n) ?? this.last;
    const keep = wanted === undefined ? 0 : "segment" in wanted ? wanted.segment : wanted.number;
    const count = Math.max(0, this.#segments.findIndex(({ number }) => number === keep));
    const first = this.#segments[count] ?? this.last;
    return { count, first: first.number, firstAt: first.at };
  }

  /** Removes the first `count` segments. One that cannot be removed is left to removeStray(). */
  drop(count: number): void {
    if (count >= this.#segments.length) {
      throw new RangeError(`Cannot drop ${count} segments of ${this.#segments.length}`);
    }
    const gone = this.#segments.splice(0, count);
    this.places.dropBelow(this.#segments[0]?.number ?? 0);
    for (const segment of gone) {
      segment.image.close();
      dropFile(this.#images, segment.image.path);
    }
  }

  /** Removes segments below the first, which a crash has left. */
  removeStray(): void {
    // The head of the first one is damaged: which are stray is not known.
    if (this.isEmpty) return;
    const { first } = this.firstSegment;
    for (let number = first - 1; number > 0; number--) {
      const path = segmentPath(this.#path, number);
      if (!this.#images.exists(path)) return;
      this.#images.remove(path);
    }
  }

  close(): void {
    for (const segment of this.#segments) segment.image.close();
  }
}
