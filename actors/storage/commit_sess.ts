/**
 * The checkpoint of a database's session table: one file, replaced as a whole.
 *
 *   PATH.sess   0 u32 magic | 4 u32 CRC32C of the rest | 8 u32 layout | 12 u32 size | 16 u64 seq, chain, dbseq, term
 *               48 the table, `size` bytes as the machine writes it
 *
 * The table is that after the entry `seq`. A segment of the log may go when its entries are applied and not above it.
 *
 * Does NOT promise: anything about the table's bytes.
 */
import { threadMemory } from "../../assembly/host/memory.ts";
import type { ImageStore } from "../../transport/image.ts";
import { crcOf } from "../../transport/wire/commit/sums.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { type Position, positionAt, putPosition } from "./commit_frame.ts";
import { dropFile } from "./commit_segment.ts";

/** A table, and after which entry. */
export interface Checkpoint extends Position {
  readonly table: Uint8Array;
}

/** "CTSE". */
const MAGIC = 0x45535443;
const LAYOUT = 1;
const HEAD = 48;
/** Bytes of a table at most: 64 MiB. */
export const TABLE_MAX: number = 64 * 1024 * 1024;

/** The name of the file of a database. */
export function sessPath(path: string): string {
  return `${path}.sess`;
}

/** Writes a checkpoint to `name`; on return it is on the disk, whole, under that name. Throws "no_space", "io". */
export function writeCheckpoint(images: ImageStore, name: string, checkpoint: Checkpoint): void {
  const { table } = checkpoint;
  if (table.length > TABLE_MAX) {
    throw new CtdbxError("limit", `Cannot write ${name}: the table has ${table.length} bytes`);
  }
  const bytes = new Uint8Array(HEAD + table.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, LAYOUT, true);
  view.setUint32(12, table.length, true);
  putPosition(view, 16, checkpoint);
  bytes.set(table, HEAD);
  view.setUint32(4, crcOf(bytes, 8, bytes.length), true);
  const beside = `${name}~new`;
  images.remove(beside);
  const image = images.open(beside, { create: true });
  try {
    image.extend(bytes.length);
    putBytes(image, 0, bytes);
    image.sync(0, bytes.length);
  } catch (error) {
    image.close();
    dropFile(images, beside);
    throw error;
  }
  image.close();
  images.rename(beside, name);
}

/** Writes bytes of JavaScript into a file, as one step. Throws "limit". */
export function putBytes(
  image: { write(offset: number, from: number, length: number): void },
  offset: number,
  from: Uint8Array,
): void {
  const { regions, bytes } = threadMemory();
  const length = Math.max(1, from.length);
  const at = regions.take(length);
  if (at === undefined) throw new CtdbxError("limit", `Cannot write ${length} bytes: no memory`);
  try {
    bytes.set(from, at);
    image.write(offset, at, from.length);
  } finally {
    regions.give(at, length);
  }
}

/** The checkpoint in a file; undefined: there is none. Throws CorruptError when it is not whole, "version". */
export function readCheckpoint(images: ImageStore, name: string): Checkpoint | undefined {
  if (!images.exists(name)) return undefined;
  const image = images.open(name, { readOnly: true });
  try {
    const { address, mapped } = image;
    if (mapped < HEAD) {
      throw new CorruptError("truncated", 0, `Cannot use ${name}: ${mapped} bytes`);
    }
    const bytes = threadMemory().bytes.slice(address, address + mapped);
    const view = new DataView(bytes.buffer);
    const whole = view.getUint32(0, true) === MAGIC && HEAD + view.getUint32(12, true) === mapped &&
      view.getUint32(4, true) === crcOf(bytes, 8, mapped);
    if (!whole) throw new CorruptError("header", 0, `Cannot use ${name}: its checksum is wrong`);
    if (view.getUint32(8, true) !== LAYOUT) {
      throw new CtdbxError("version", `Cannot use ${name}: of a newer ctdbx; run that one`);
    }
    return { ...positionAt(view, 16), table: bytes.subarray(HEAD) };
  } finally {
    image.close();
  }
}
