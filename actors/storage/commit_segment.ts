/**
 * One file of a commit log: written with zeros before it is used, so that an append changes nothing but its bytes.
 *
 *   PATH.log.N   | head | frame entry | frame entry | seal | ... | end | unused zeros |
 *
 *   reserve (zeros, sync: may find the disk full) ──▶ begin (head, sync) ──▶ write, write, sync, write, sync ...
 *
 * Does NOT promise: what lies in it; commit_scan.ts reads.
 */
import { threadMemory } from "../../assembly/host/memory.ts";
import { VALUE_AT, VALUE_ROOM } from "../../assembly/host/tdb_kernels.ts";
import type { Image, ImageStore } from "../../transport/image.ts";
import { CtdbxError } from "../../transport/wire/errors.ts";
import { type Frame, FRAME_BYTES, frameAt, putFrame, SLOT, slotsFor } from "./commit_frame.ts";

/** Bytes of zeros written at once. */
const ZEROS = 256 * 1024;

/** The name of segment `number` of the log of a database. */
export function segmentPath(path: string, number: number): string {
  return `${path}.log.${number}`;
}

/** A segment, open. Offsets are bytes of its file. */
export class CommitSegment {
  readonly number: number;
  /** Where it begins in the log. */
  readonly at: bigint;
  readonly image: Image;

  constructor(number: number, at: bigint, image: Image) {
    this.number = number;
    this.at = at;
    this.image = image;
  }

  /** Its size, bytes. */
  get bytes(): number {
    return this.image.mapped;
  }

  /** Where an offset lies in the log. */
  position(offset: number): bigint {
    return this.at + BigInt(offset);
  }

  /** The frame at an offset, if it says that it belongs there. */
  frame(offset: number, logId: bigint): Frame | undefined {
    if (offset + SLOT > this.bytes) return undefined;
    const frame = frameAt(this.image.address + offset);
    if (frame === undefined || frame.logId !== logId) return undefined;
    return frame.at === this.position(offset) ? frame : undefined;
  }

  /** Writes a frame and what belongs to it, zeros behind, as one step. The caller has seen that it fits. */
  write(offset: number, frame: Frame, body?: Uint8Array): void {
    const length = slotsFor(body?.length ?? 0);
    withRoom(length, (at) => {
      const { bytes } = threadMemory();
      putFrame(at, frame);
      bytes.fill(0, at + FRAME_BYTES, at + length);
      if (body !== undefined) bytes.set(body, at + FRAME_BYTES);
      this.image.write(offset, at, length);
    });
  }

  /** A copy of bytes. */
  read(offset: number, length: number): Uint8Array {
    const from = this.image.address + offset;
    return threadMemory().bytes.slice(from, from + length);
  }

  /** Is there anything but zeros from `offset` on? `offset`: a multiple of 4. */
  isUsed(offset: number): boolean {
    const { words } = threadMemory();
    const end = (this.image.address + this.bytes) >>> 2;
    for (let word = (this.image.address + offset) >>> 2; word < end; word++) {
      if (words[word] !== 0) return true;
    }
    return false;
  }

  /** Makes everything from `offset` on zero; not synced. */
  clear(offset: number): void {
    writeZeros(this.image, offset, this.bytes);
  }

  sync(): void {
    this.image.sync(0, this.bytes);
  }
}

/** Runs `use` with `length` bytes of memory of its own. Throws "limit". */
function withRoom(length: number, use: (at: number) => void): void {
  if (length <= VALUE_ROOM) return use(VALUE_AT);
  const { regions } = threadMemory();
  const at = regions.take(length);
  if (at === undefined) throw new CtdbxError("limit", `Cannot write ${length} bytes: no memory`);
  try {
    use(at);
  } finally {
    regions.give(at, length);
  }
}

function writeZeros(image: Image, from: number, end: number): void {
  withRoom(ZEROS, (at) => {
    threadMemory().bytes.fill(0, at, at + ZEROS);
    for (let offset = from; offset < end; offset += ZEROS) {
      image.write(offset, at, Math.min(ZEROS, end - offset));
    }
  });
}

/**
 * Makes segment `number`, of zeros; `isSynced`: that are on the disk. Throws "no_space", and whatever else the disk
 * says; then there is no such file.
 */
export function reserveSegment(
  images: ImageStore,
  path: string,
  number: number,
  bytes: number,
  isSynced = true,
): Image {
  const name = segmentPath(path, number);
  images.remove(name);
  const image = images.open(name, { create: true });
  try {
    image.extend(bytes);
    // Blocks that are only reserved cost a change of the file system's own tables when they are first written.
    writeZeros(image, 0, bytes);
    if (isSynced) image.sync(0, bytes);
    return image;
  } catch (error) {
    image.close();
    dropFile(images, name);
    throw error;
  }
}

/** Removes a file after something failed; a second failure must not hide the first. */
export function dropFile(images: ImageStore, path: string): void {
  try {
    images.remove(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}
