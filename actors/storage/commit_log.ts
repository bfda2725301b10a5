/**
 * The commit log of one database on this node: entries that are on the disk before anybody is told.
 *
 *   append, append ─▶ sync ─▶ durable     cut: a mark behind, nothing is overwritten     seal: "all before is durable"
 *   segments N, N + 1, ...: a new one when the next entry does not fit; old ones go with trim()
 *
 * Whoever appends hands over entries that follow one another; a gap or another chain is a mistake of the program. An
 * append that fails has changed nothing; a sync that fails makes the log unusable: what the disk has is not known until
 * the log is read again.
 *
 * sync() waits for the disk in this thread. mark() and synced() are its two halves, for who waits elsewhere.
 *
 * Does NOT promise: that anything was committed; that is the machine's knowledge.
 */
import type { Image, ImageStore } from "../../transport/image.ts";
import type { Entry } from "../../transport/wire/commit/entry.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type Frame, type Position, positionOf, SLOT, slotsFor } from "./commit_frame.ts";
import type { CommitPlaces } from "./commit_places.ts";
import { type Damage, type LogName, scanLog } from "./commit_scan.ts";
import { CommitSegment, reserveSegment, segmentPath } from "./commit_segment.ts";
import { CommitShelf } from "./commit_shelf.ts";

/** Bytes of a segment: 4 MiB. */
export const SEGMENT_BYTES: number = 4 * 1024 * 1024;

/** How a log is opened. */
export interface LogOptions extends LogName {
  /** Bytes of a new segment, a multiple of 512. */
  readonly segmentBytes?: number;
}

/** An open log. */
export class CommitLog {
  /** Its entries, to read. */
  readonly shelf: CommitShelf;
  readonly #images: ImageStore;
  readonly #path: string;
  readonly #logId: bigint;
  readonly #segmentBytes: number;
  #end: number;
  /** Log offset up to which all is durable, and the last entry there. */
  #durable: bigint;
  #durableSeq: bigint;
  /** Log offset behind the last seal, if nothing was written since. */
  #sealed = -1n;
  readonly #name: LogName;
  /** The segment behind the last one, made before it is needed. */
  #next: { readonly image: Image; isSynced: boolean } | undefined;
  #damage: Damage | undefined;
  #broken: CtdbxError | undefined;
  #isClosed = false;

  private constructor(images: ImageStore, path: string, options: LogOptions) {
    this.#images = images;
    this.#path = path;
    this.#name = options;
    this.#logId = options.logId;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    const scan = scanLog(images, path, options);
    this.shelf = new CommitShelf(images, path, scan);
    this.#end = scan.end;
    this.#damage = scan.damage;
    this.#durable = 0n;
    this.#durableSeq = 0n;
  }

  /**
   * Reads the log of a database and makes it good for appending: a torn tail is cleared and everything is synced. Makes
   * its first segment when there is none. Throws "no_space", "io", and "state" on options that are not sane.
   */
  static open(images: ImageStore, path: string, options: LogOptions): CommitLog {
    const bytes = options.segmentBytes ?? SEGMENT_BYTES;
    if (bytes % SLOT !== 0 || bytes < 4 * SLOT) {
      throw new RangeError(`Cannot open the log of ${path}: segments of ${bytes} bytes`);
    }
    const log = new CommitLog(images, path, options);
    try {
      log.#arrive();
      return log;
    } catch (error) {
      log.close();
      throw error;
    }
  }

  #arrive(): void {
    if (this.#damage === undefined) this.#goOn();
    else if (!this.shelf.isEmpty) this.#segment.sync();
    this.#durableSeq = this.last.seq;
  }

  /** What is behind the last good frame goes; from there on the log is written. */
  #goOn(): void {
    const { first, firstAt } = this.#name;
    this.#clearTail();
    if (this.shelf.isEmpty) this.#open(first, firstAt, this.#reserve(first, 0), this.last);
    this.#segment.sync();
    this.#durable = this.#segment.position(this.#end);
    this.#durableSeq = this.last.seq;
  }

  /** Removes files that begin behind the log, and what lies behind its last frame. */
  #clearTail(): void {
    if (this.shelf.isEmpty) return;
    const segment = this.shelf.last;
    const end = Math.min(this.#end, segment.bytes);
    if (end < segment.bytes && segment.isUsed(end)) {
      segment.clear(end);
      segment.sync();
    }
    for (
      let number = segment.number + 1;
      this.#images.exists(segmentPath(this.#path, number));
      number++
    ) {
      this.#images.remove(segmentPath(this.#path, number));
    }
  }

  get #segment(): CommitSegment {
    return this.shelf.last;
  }

  get #places(): CommitPlaces {
    return this.shelf.places;
  }

  /** The last entry, or what the log begins behind. */
  get last(): Position {
    return this.#places.last;
  }

  /** What stands before the first entry that can be read. */
  get start(): Position {
    return this.#places.start;
  }

  /** Seq of the last entry that is known to be durable. */
  get durableSeq(): bigint {
    return this.#durableSeq;
  }

  /** Bytes that had been durable are bad; undefined: all is well. */
  get damage(): Damage | undefined {
    return this.#damage;
  }

  // --- writing

  #usable(): void {
    if (this.#broken !== undefined) throw this.#broken;
    const why = this.#isClosed
      ? "it is closed"
      : this.#damage === undefined
      ? undefined
      : `it is damaged at ${this.#damage.offset} of ${this.#damage.path}`;
    if (why !== undefined) {
      throw new CtdbxError("state", `Cannot write to the log of ${this.#path}: ${why}`);
    }
  }

  /**
   * Adds an entry. Throws "no_space" and other errors of a new segment, with the log as it was; "state" when it does
   * not follow the last one.
   */
  append(entry: Entry): void {
    this.#usable();
    const { last } = this;
    if (
      entry.seq !== last.seq + 1n || entry.prevChain !== last.chain ||
      entry.dbseqFirst !== last.dbseq + 1n
    ) {
      const text = `Cannot append entry ${entry.seq}: it does not follow ${last.seq}`;
      throw new CtdbxError("state", text);
    }
    const dbseq = last.dbseq + BigInt(entry.txns.length);
    const { seq, chain, term } = entry;
    const position = { seq, chain, dbseq, term };
    this.#makeRoom(entry.size);
    const { number } = this.#segment;
    const offset = this.#end;
    this.#write("entry", position, entry.size, entry.bytes);
    this.#places.add({ ...position, segment: number, offset, size: entry.size });
  }

  /** Entries above `seq` do not count any more; they come back if the machine loses power before the next sync. */
  cut(seq: bigint): void {
    this.#usable();
    const { start } = this;
    const last = seq === start.seq ? start : this.#places.of(seq);
    if (last === undefined) throw new CtdbxError("state", `Cannot cut the log at ${seq}: not here`);
    if (seq === this.last.seq) return;
    this.#makeRoom(0);
    this.#write("cut", last, 0);
    this.#places.cut(seq);
    if (this.#durableSeq > seq) this.#durableSeq = seq;
  }

  /**
   * Says, for the next start, that all there is is durable; so what rots then is not taken for a tear. Nothing happens
   * while something is not. It costs one more slot, and the next sync.
   */
  seal(): void {
    this.#usable();
    const end = this.#segment.position(this.#end);
    if (this.#durable !== end || this.#sealed === end) return;
    this.#makeRoom(0);
    this.#write("seal", this.last, 0);
    this.#sealed = this.#segment.position(this.#end);
  }

  /** Makes all that was appended durable. A failure is for good: the log must be opened anew. */
  sync(): void {
    const mark = this.mark();
    try {
      this.#segment.sync();
    } catch (error) {
      throw this.#break(error);
    }
    this.synced(mark);
  }

  /** What a sync that begins now will cover: pass it to synced() afterwards. Only the last segment needs it. */
  mark(): { readonly path: string; readonly upTo: bigint; readonly seq: bigint } {
    this.#usable();
    const segment = this.#segment;
    return {
      path: segment.image.path,
      upTo: segment.position(this.#end),
      seq: this.last.seq,
    };
  }

  /** A sync of the file of `mark` has ended well. */
  synced(mark: { readonly upTo: bigint; readonly seq: bigint }): void {
    if (mark.upTo <= this.#durable) return;
    this.#durable = mark.upTo;
    // What was cut and written anew meanwhile is not covered.
    const seq = mark.seq < this.last.seq ? mark.seq : this.last.seq;
    this.#durableSeq = this.#coveredSeq(seq, mark.upTo);
  }

  #coveredSeq(seq: bigint, upTo: bigint): bigint {
    for (let one = seq;; one--) {
      const place = this.#places.of(one);
      if (place === undefined) return this.start.seq;
      if (this.shelf.position(place) < upTo) return one;
    }
  }

  /** A sync of the file of `mark` has failed: nothing may be written until the log is opened anew. */
  failed(cause: CtdbxError): void {
    this.#break(cause);
  }

  #break(cause: unknown): unknown {
    if (!(cause instanceof CtdbxError)) return cause;
    const text = `Cannot sync the log of ${this.#path}; it must be opened anew: ${cause.message}`;
    this.#broken = new CtdbxError(cause.code, text, { cause });
    return this.#broken;
  }

  #write(what: Frame["what"], position: Position, size: number, body?: Uint8Array): void {
    const segment = this.#segment;
    const frame = { what, size, ...positionOf(position) };
    const at = segment.position(this.#end);
    segment.write(this.#end, { ...frame, logId: this.#logId, at, durable: this.#durable }, body);
    this.#end += slotsFor(size);
  }

  /** Begins a new segment unless an entry of `size` bytes fits into this one. */
  #makeRoom(size: number): void {
    const segment = this.#segment;
    const need = slotsFor(size);
    if (this.#end + need <= segment.bytes) return;
    const { last } = this;
    const at = segment.position(segment.bytes);
    const reserved = this.#reserve(segment.number + 1, need);
    try {
      const end = this.#end;
      if (end < segment.bytes) this.#write("end", last, 0);
      this.#end = end; // should the rest fail, the next entry may still take this place
      segment.sync();
      this.#durable = at;
      this.#durableSeq = last.seq;
      this.#open(segment.number + 1, at, reserved, last);
    } catch (error) {
      throw this.#break(error);
    }
  }

  #reserve(number: number, need: number): Image {
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined && next.image.mapped >= SLOT + need) {
      if (!next.isSynced) next.image.sync(0, next.image.mapped);
      return next.image;
    }
    next?.image.close();
    const bytes = Math.max(this.#segmentBytes, SLOT + need);
    return reserveSegment(this.#images, this.#path, number, bytes);
  }

  /** Is the segment that is written to half full, and no next one made? prepare() saves an append the time. */
  get wantsNext(): boolean {
    const isWhole = this.#broken === undefined && !this.#isClosed && this.#damage === undefined;
    return isWhole && this.#next === undefined && this.#end * 2 > this.#segment.bytes;
  }

  /** Makes the next segment; answers its path. Have that synced, and tell prepared(). Throws "no_space", "io". */
  prepare(): string {
    const number = this.#segment.number + 1;
    const image = reserveSegment(this.#images, this.#path, number, this.#segmentBytes, false);
    this.#next = { image, isSynced: false };
    return image.path;
  }

  /** The file that prepare() has made is on the disk. */
  prepared(path: string): void {
    if (this.#next?.image.path === path) this.#next.isSynced = true;
  }

  /** Writes the head of a reserved segment, which makes it the one that is written to. */
  #open(
    number: number,
    at: bigint,
    image: Image,
    last: Position,
  ): void {
    const segment = new CommitSegment(number, at, image);
    this.shelf.add(segment);
    this.#end = 0;
    const head = { what: "head", size: segment.bytes, ...positionOf(last) } as const;
    segment.write(0, { ...head, logId: this.#logId, at, durable: at });
    this.#end = SLOT;
    segment.sync();
    this.#durable = segment.position(SLOT);
  }

  /**
   * What is damaged is given up: everything from the bad place on is cleared, and the log goes on behind the last good
   * entry. For a replica that gets the rest from others, and has noted elsewhere how far its log was durable: that goes
   * with it. Nothing happens to a sound log. One that fails can be done again.
   */
  mend(): void {
    if (this.#damage === undefined) return;
    this.#next?.image.close();
    this.#next = undefined;
    this.#goOn();
    this.#damage = undefined;
  }

  /** Unmaps and closes. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#next?.image.close();
    this.#next = undefined;
    this.shelf.close();
  }
}
