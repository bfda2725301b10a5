/**
 * Reads a commit log at the start: what is whole, and whether what follows is a tear or damage.
 *
 *   head ─▶ entry ─▶ entry ─▶ cut ─▶ entry ─▶ end │ head ─▶ entry ─▶ ??        each frame: where it says, whole, linked
 *                                                               │
 *          a frame behind says "durable beyond ??" : damaged  ◀─┴─▶  nobody does: torn, cleared
 *
 * Does NOT promise: to find that the very last entry rotted if no seal and no entry was written behind it: that looks
 * like a tear.
 */
import type { ImageStore } from "../../transport/image.ts";
import { isFault, readEntry } from "../../transport/wire/commit/entry.ts";
import { farther, NO_REACH, type Reach } from "../../transport/wire/commit/reach.ts";
import type { Place } from "./commit_places.ts";
import { type Frame, FRAME_BYTES, type Position, positionOf } from "./commit_frame.ts";
import { SLOT, slotsFor } from "./commit_frame.ts";
import { CommitSegment, segmentPath } from "./commit_segment.ts";

/** Bytes that had been durable are bad. */
export interface Damage {
  /** In which file, and where. */
  readonly path: string;
  readonly offset: number;
  /** So far the log came, by the frames behind. What was cut there, and is here again, does not make it whole. */
  readonly proven: Reach;
}

/** A log as it was found. */
export interface Scan {
  /** Segments that belong to it, open, in order. */
  readonly segments: CommitSegment[];
  /** Entries that count, without gaps. */
  readonly places: Place[];
  /** What the first segment begins behind. */
  readonly before: Position;
  /** The last of them, or what stood before the first. */
  readonly last: Position;
  /** Offset behind the last good frame, in the last segment with one; where the next one goes. */
  readonly end: number;
  readonly damage: Damage | undefined;
  /** Number of the first segment file that does not belong to it and may be there. */
  readonly strayFrom: number;
}

/** Which log is to be read. */
export interface LogName {
  readonly logId: bigint;
  /** Number of its first segment, and where that begins in the log. */
  readonly first: number;
  readonly firstAt: bigint;
  /** What stands before it if it is empty. */
  readonly base: Position;
}

/** A bad place. */
interface Bad {
  readonly segment: CommitSegment;
  readonly offset: number;
}

/** What a scan has so far. */
interface Progress {
  readonly segments: CommitSegment[];
  readonly places: Place[];
  before: Position;
  last: Position;
  end: number;
}

/** Reads a log. All files are closed again but those of `segments`. Throws what opening throws. */
export function scanLog(images: ImageStore, path: string, log: LogName): Scan {
  const files = openSegments(images, path, log);
  const found: Progress = { segments: [], places: [], before: log.base, last: log.base, end: 0 };
  let bad: Bad | undefined;
  for (const segment of files) {
    bad = takeSegment(found, segment, log.logId);
    if (bad !== undefined) break;
  }
  const damage = bad === undefined ? undefined : damageAt(files, bad, log.logId);
  const kept = new Set(found.segments);
  for (const file of files) if (!kept.has(file)) file.image.close();
  return { ...found, damage, strayFrom: log.first + found.segments.length };
}

/** All segment files that follow one another from the first on. */
function openSegments(images: ImageStore, path: string, log: LogName): CommitSegment[] {
  const files: CommitSegment[] = [];
  let at = log.firstAt;
  for (let number = log.first; images.exists(segmentPath(path, number)); number++) {
    const segment = new CommitSegment(number, at, images.open(segmentPath(path, number)));
    files.push(segment);
    at = segment.position(segment.bytes);
  }
  return files;
}

/** Takes what is whole of a segment. Answers the place where it is not; undefined: another segment may follow. */
function takeSegment(found: Progress, segment: CommitSegment, logId: bigint): Bad | undefined {
  const head = segment.frame(0, logId);
  const isFirst = found.segments.length === 0;
  if (head?.what !== "head" || head.size !== segment.bytes) return { segment, offset: 0 };
  if (isFirst) found.before = found.last = positionOf(head);
  else if (!isSame(head, found.last)) return { segment, offset: 0 };
  found.segments.push(segment);
  found.end = SLOT;
  while (found.end < segment.bytes) {
    const frame = segment.frame(found.end, logId);
    if (frame === undefined || !takeFrame(found, segment, frame)) {
      return { segment, offset: found.end };
    }
    if (frame.what === "end") return undefined;
    found.end += slotsFor(frame.size);
  }
  return undefined;
}

/** Takes one frame; false: what it says does not hold. */
function takeFrame(found: Progress, segment: CommitSegment, frame: Frame): boolean {
  const { places, last } = found;
  switch (frame.what) {
    case "entry":
      return takeEntry(found, segment, frame);
    case "cut": {
      const drop = Number(last.seq - frame.seq);
      if (frame.size !== 0 || drop < 0) return false;
      places.splice(Math.max(0, places.length - drop));
      found.last = positionOf(frame);
      return true;
    }
    case "seal":
    case "end":
      return frame.size === 0 && isSame(frame, last);
    default:
      return false;
  }
}

function takeEntry(found: Progress, segment: CommitSegment, frame: Frame): boolean {
  const offset = found.end;
  if (frame.seq !== found.last.seq + 1n || offset + slotsFor(frame.size) > segment.bytes) {
    return false;
  }
  const entry = readEntry(segment.read(offset + FRAME_BYTES, frame.size));
  if (isFault(entry) || entry.size !== frame.size) return false;
  if (entry.seq !== frame.seq || entry.prevChain !== found.last.chain) return false;
  const dbseq = entry.dbseqFirst + BigInt(entry.txns.length) - 1n;
  if (entry.chain !== frame.chain || dbseq !== frame.dbseq || entry.term !== frame.term) {
    return false;
  }
  if (entry.dbseqFirst !== found.last.dbseq + 1n) return false;
  found.last = positionOf(frame);
  found.places.push({ ...found.last, segment: segment.number, offset, size: frame.size });
  return true;
}

function isSame(one: Position, other: Position): boolean {
  return one.seq === other.seq && one.chain === other.chain && one.dbseq === other.dbseq &&
    one.term === other.term;
}

/** Does any frame behind say that the bad place had been durable? */
function damageAt(files: readonly CommitSegment[], bad: Bad, logId: bigint): Damage | undefined {
  const behind: Frame[] = [];
  for (const segment of files) {
    if (segment.number < bad.segment.number) continue;
    const from = segment === bad.segment ? bad.offset : 0;
    for (let offset = from; offset < segment.bytes; offset += SLOT) {
      const frame = segment.frame(offset, logId);
      if (frame !== undefined) behind.push(frame);
    }
  }
  const at = bad.segment.position(bad.offset);
  const durable = behind.reduce((most, frame) => frame.durable > most ? frame.durable : most, 0n);
  if (durable <= at) return undefined;
  // The last ones may have been acknowledged although nothing was written since that would say so.
  const proven = behind.reduce<Reach>(farther, NO_REACH);
  return { path: bad.segment.image.path, offset: bad.offset, proven };
}
