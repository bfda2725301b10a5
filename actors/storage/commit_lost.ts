/**
 * Entries that only this replica has and that are given up: kept in a file of their own, for people.
 *
 *   PATH.lost.LINEAGE.SEQ   entries as they travel, one behind the other; LINEAGE hex, SEQ of the last that stayed
 *
 * Does NOT promise: that anybody reads it; it is never read by itself.
 */
import type { ImageStore } from "../../transport/image.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { type Entry, isFault, readEntry } from "../../transport/wire/commit/entry.ts";
import { CorruptError } from "../../transport/wire/errors.ts";
import type { CommitLog } from "./commit_log.ts";
import { dropFile } from "./commit_segment.ts";
import { putBytes } from "./commit_sess.ts";

/** The name of the file for what a lineage had above `fork`. */
export function lostPath(path: string, lineage: bigint, fork: bigint): string {
  return `${path}.lost.${lineage.toString(16)}.${fork}`;
}

/**
 * Writes what the log has above `fork` aside; it is on the disk, whole, when this returns. Answers how many entries;
 * 0: no file was made. What is there under the name is replaced. Throws "no_space", "io".
 */
export function saveLost(
  images: ImageStore,
  path: string,
  lineage: bigint,
  fork: bigint,
  log: CommitLog,
): number {
  const from = fork < log.start.seq ? log.start.seq + 1n : fork + 1n;
  const count = Number(log.last.seq - from + 1n);
  if (count <= 0) return 0;
  let bytes = 0;
  for (let seq = from; seq <= log.last.seq; seq++) bytes += log.shelf.places.of(seq)?.size ?? 0;
  const name = lostPath(path, lineage, fork);
  const beside = `${name}~new`;
  images.remove(beside);
  const image = images.open(beside, { create: true });
  try {
    image.extend(bytes);
    let offset = 0;
    for (let seq = from; seq <= log.last.seq; seq++) {
      const entry = log.shelf.read(seq);
      if (entry === undefined) throw new CorruptError("truncated", 0, `Cannot save entry ${seq}`);
      putBytes(image, offset, entry.bytes);
      offset += entry.size;
    }
    image.sync(0, bytes);
  } catch (error) {
    image.close();
    dropFile(images, beside);
    throw error;
  }
  image.close();
  images.rename(beside, name);
  return count;
}

const LOST_NAME = /\.lost\.([0-9a-f]{1,16})\.([0-9]{1,20})$/;

/** Is it the name of such a file? */
export function isLostName(name: string): boolean {
  return LOST_NAME.test(name);
}

/** Of which lineage a file is, and the last entry that stayed. Throws RangeError: it is no such name. */
export function lostNameOf(name: string): { readonly lineage: bigint; readonly fork: bigint } {
  const [, lineage, fork] = LOST_NAME.exec(name) ?? [];
  if (lineage === undefined || fork === undefined) {
    throw new RangeError(`Cannot take ${name}: it is not the name of a branch`);
  }
  return { lineage: BigInt(`0x${lineage}`), fork: BigInt(fork) };
}

/** The entries that such a file's bytes hold, one after the other. Throws CorruptError at one that is not whole. */
export function* lostEntries(bytes: Uint8Array, name: string): Generator<Entry> {
  for (let at = 0; at < bytes.length;) {
    const entry = readEntry(bytes, at);
    if (isFault(entry)) {
      throw new CorruptError("truncated", at, `Cannot read ${name} at ${at}: ${entry.text}`);
    }
    yield entry;
    at += entry.size;
  }
}

/** The entries of such a file. Throws CorruptError at one that is not whole, "not_found". */
export function readLost(images: ImageStore, name: string): Entry[] {
  const image = images.open(name, { readOnly: true });
  try {
    const { address, mapped } = image;
    return [...lostEntries(threadMemory().bytes.slice(address, address + mapped), name)];
  } finally {
    image.close();
  }
}
