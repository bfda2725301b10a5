/**
 * Who a replica of a persistent database is, and what it must not forget: two sectors of one file, written in turn.
 *
 *   PATH.id   0 | sector of an even count |   4096 | sector of an odd count |        the newer whole one counts
 *
 *   0 u32 magic | 4 u32 CRC32C of [8, 160) | 8 u32 layout | 12 u32 flags | 16 u64 count of the write | 24 u64 lineage
 *   32 16 bytes disk id | 48 u64 highest term | 56 u64 log id | 64 u64 first segment | 72 u64 where that begins
 *   80 base: u64 seq, chain, dbseq, term | 112 installing: the same | 144 parent: u64 lineage, u64 seq
 *
 *   layout 2 only: 160 proven: u64 term, u64 seq | 176 u32 CRC32C of [160, 176)
 *
 * Layout 2 is written while something is missing at the end of the log: who does not know of that sees that it must not
 * use the copy.
 *
 * Does NOT promise: to find a disk that answers "written" and forgets.
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { VALUE_AT } from "../../assembly/host/tdb_kernels.ts";
import type { Image, ImageStore } from "../../transport/image.ts";
import type { Reach } from "../../transport/wire/commit/reach.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { type Position, positionAt, putPosition, SLOT } from "./commit_frame.ts";

/** What is kept. */
export interface ReplicaId {
  /** Which history the replica holds, u64; 0: none yet. */
  readonly lineage: bigint;
  /** This disk, 32 hex digits; another one if the file was made anew. */
  readonly diskId: string;
  /** No lower term gets anything from this replica. */
  readonly highTerm: bigint;
  /** Which log counts, and where it begins; see LogName. */
  readonly logId: bigint;
  readonly first: number;
  readonly firstAt: bigint;
  /** What the log began behind. */
  readonly base: Position;
  /** A snapshot that was taken over and whose files are being put in place; undefined: none. */
  readonly installing: Position | undefined;
  /** Less may be here than this node has shown once; it shows nothing until it has caught up. */
  readonly isFresh: boolean;
  /** The lineage that this one comes from, 0: none, and its last entry that counts here. */
  readonly parent: { readonly lineage: bigint; readonly seq: bigint };
  /** So far the log was durable once, and is not any more; undefined: nothing is amiss. */
  readonly proven: Reach | undefined;
}

/** "CTID". */
const MAGIC = 0x44495443;
/** Layouts: without, and with, something that is missing. */
const PLAIN = 1;
const PROVEN = 2;
const BYTES = 160;
const PROVEN_BYTES = 16;
const INSTALLING = 1;
const FRESH = 2;
const PLACES = [0, 4096] as const;
const FILE_BYTES = 8192;

/** The name of the file of a database. */
export function idPath(path: string): string {
  return `${path}.id`;
}

/** The file, open. */
export class CommitId {
  readonly #image: Image;
  #count: bigint;
  #value: ReplicaId;

  private constructor(image: Image, count: bigint, value: ReplicaId) {
    this.#image = image;
    this.#count = count;
    this.#value = value;
  }

  /**
   * Opens the file, or makes it with `fresh`. Throws CorruptError when one of its sectors is bad: the disk
   * may have lost what was promised, and the replica must not vote by it; "version" on one of a newer ctdbx.
   */
  static open(images: ImageStore, path: string, fresh: ReplicaId): CommitId {
    const image = images.open(idPath(path), { create: true });
    try {
      const found = PLACES.map((place) => read(image, place)).filter((each) => each !== undefined);
      // A disk writes a sector whole or not at all. The lost one may have been the newer, with a promise in it.
      const lost = PLACES.find((place) => read(image, place) === undefined && isUsed(image, place));
      if (lost !== undefined) {
        throw new CorruptError(
          "header",
          lost,
          `Cannot use ${image.path}: its sector at ${lost} is bad`,
        );
      }
      const [newest] = found.sort((one, other) => one.count < other.count ? 1 : -1);
      if (newest !== undefined) return new CommitId(image, newest.count, newest.value);
      if (image.mapped < FILE_BYTES) image.extend(FILE_BYTES);
      const made = new CommitId(image, 0n, fresh);
      // Both, in turn: from here on one that is broken was whole once.
      made.save(fresh);
      made.save(fresh);
      return made;
    } catch (error) {
      image.close();
      throw error;
    }
  }

  get value(): ReplicaId {
    return this.#value;
  }

  /** Changes what is kept; it is on the disk when this returns. A failure leaves the old or the new. */
  update(change: Partial<ReplicaId>): void {
    this.save({ ...this.#value, ...change });
  }

  save(value: ReplicaId): void {
    const count = this.#count + 1n;
    const place = PLACES[Number(count & 1n)] ?? 0;
    lay(value, count);
    this.#image.write(place, VALUE_AT, SLOT);
    this.#image.sync(0, FILE_BYTES);
    this.#count = count;
    this.#value = value;
  }

  close(): void {
    this.#image.close();
  }
}

function viewAt(address: number): DataView {
  return new DataView(threadMemory().memory.buffer, address, SLOT);
}

function sum(address: number): number {
  return kernels().crc32c(0, address + 8, BYTES - 8) >>> 0;
}

function provenSum(address: number): number {
  return kernels().crc32c(0, address + BYTES, PROVEN_BYTES) >>> 0;
}

/** Lays a sector out at VALUE_AT. */
function lay(value: ReplicaId, count: bigint): void {
  const { bytes } = threadMemory();
  bytes.fill(0, VALUE_AT, VALUE_AT + SLOT);
  const view = viewAt(VALUE_AT);
  const { installing, proven } = value;
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, proven === undefined ? PLAIN : PROVEN, true);
  view.setUint32(
    12,
    (installing === undefined ? 0 : INSTALLING) | (value.isFresh ? FRESH : 0),
    true,
  );
  view.setBigUint64(16, count, true);
  view.setBigUint64(24, value.lineage, true);
  bytes.set(Uint8Array.fromHex(value.diskId), VALUE_AT + 32);
  view.setBigUint64(48, value.highTerm, true);
  view.setBigUint64(56, value.logId, true);
  view.setBigUint64(64, BigInt(value.first), true);
  view.setBigUint64(72, value.firstAt, true);
  putPosition(view, 80, value.base);
  if (installing !== undefined) putPosition(view, 112, installing);
  view.setBigUint64(144, value.parent.lineage, true);
  view.setBigUint64(152, value.parent.seq, true);
  if (proven !== undefined) {
    view.setBigUint64(160, proven.term, true);
    view.setBigUint64(168, proven.seq, true);
    view.setUint32(176, provenSum(VALUE_AT), true);
  }
  view.setUint32(4, sum(VALUE_AT), true);
}

function read(image: Image, place: number): { count: bigint; value: ReplicaId } | undefined {
  if (image.mapped < place + SLOT) return undefined;
  const address = image.address + place;
  const view = viewAt(address);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== sum(address)) return;
  const layout = view.getUint32(8, true);
  if (layout !== PLAIN && layout !== PROVEN) {
    const text = `Cannot use ${image.path}: its layout is ${layout}, this ctdbx knows ${PROVEN}`;
    throw new CtdbxError("version", `${text}; run the newer one`);
  }
  if (layout === PROVEN && view.getUint32(176, true) !== provenSum(address)) return;
  const u64 = (at: number): bigint => view.getBigUint64(at, true);
  const flags = view.getUint32(12, true);
  const isInstalling = (flags & INSTALLING) !== 0;
  const value = {
    lineage: u64(24),
    diskId: threadMemory().bytes.slice(address + 32, address + 48).toHex(),
    highTerm: u64(48),
    logId: u64(56),
    first: Number(u64(64)),
    firstAt: u64(72),
    base: positionAt(view, 80),
    installing: isInstalling ? positionAt(view, 112) : undefined,
    isFresh: (flags & FRESH) !== 0,
    parent: { lineage: u64(144), seq: u64(152) },
    proven: layout === PROVEN ? { term: u64(160), seq: u64(168) } : undefined,
  };
  return { count: u64(16), value };
}

/** Is anything but zeros in a sector? */
function isUsed(image: Image, place: number): boolean {
  if (image.mapped < place + SLOT) return false;
  const { bytes } = threadMemory();
  return bytes.subarray(image.address + place, image.address + place + SLOT).some((byte) =>
    byte !== 0
  );
}
