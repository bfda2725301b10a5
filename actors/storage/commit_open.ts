/**
 * Making and opening the file of a persistent database.
 *
 *   make:  PATH~new with its fixed area, .sum~new ─▶ synced ─▶ .sum gets its name, then the file
 *   open:  magic? undo it ─▶ dbseq ─▶ cut to the bytes that transaction left ─▶ area's words ─▶ sums settled
 *
 * Does NOT promise: that pages are what they must be; each is verified before it is used.
 */
import type { Image, ImageStore } from "../../transport/image.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { FAULT, KEY_AT } from "../../assembly/host/tdb_kernels.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { fixArea, isAreaPage, UNDO_BYTES } from "./commit_area.ts";
import { pagesOnWay, requireKnown, unknownPage } from "./commit_known.ts";
import { PAGE, sumPages } from "./commit_pages.ts";
import { HEADER, putKey, SEQ_KEY } from "./commit_stage.ts";
import { CommitSums, INTENT_PAGES, sumPath } from "./commit_sums.ts";
import { TdbCore } from "./tdb_core.ts";
import { FIRST_HEAD, readHeader } from "./tdb_header.ts";
import { type LockClass, TdbLocks } from "./tdb_locks.ts";
import { openTdb } from "./tdb_open.ts";
import { RecordView, see } from "./tdb_record.ts";
import { pending, RECORD, RECORD_BYTES, recover } from "./tdb_recovery.ts";

/** How the file is made and opened. */
export interface CommitFileOptions {
  /** Chains of a new file. Default 10 007. */
  readonly hashSize?: number;
  /** Bytes of the fixed recovery area of a new file, at least 16 KiB. Default 1 MiB. */
  readonly undoBytes?: number;
  /** Pages that one apply to a new file may change, unless it is a single transaction. Default 2048. */
  readonly intentPages?: number;
  /** How programs that read the file are excluded while it changes. Default "fcntl". */
  readonly locking?: Extract<LockClass, "fcntl" | "none">;
}

const HASH_SIZE = 10_007;
const LOCK_TIMEOUT_MS = 10_000;

/** Name of a file that is not whole yet. */
export function besidePath(path: string): string {
  return `${path}~new`;
}

/** Makes an empty database; what a crash leaves of it is made anew. Throws "exists", "no_space", "io". */
export async function makeCommitFile(
  images: ImageStore,
  path: string,
  options: CommitFileOptions,
): Promise<void> {
  if (images.exists(path)) throw new CtdbxError("exists", `Cannot make ${path}: it is there`);
  await makeBeside(images, path, options);
  const beside = besidePath(path);
  images.rename(sumPath(beside), sumPath(path));
  images.rename(beside, path);
}

/** Makes an empty database beside the one that may be there, on the disk, without its name. */
export async function makeBeside(
  images: ImageStore,
  path: string,
  options: CommitFileOptions,
): Promise<void> {
  const beside = besidePath(path);
  images.remove(beside);
  const tdb = await openTdb(images, beside, {
    create: true,
    hashSize: options.hashSize ?? HASH_SIZE,
    locking: "none",
    areaMin: options.undoBytes ?? UNDO_BYTES,
  });
  try {
    const value = new Uint8Array(HEADER + 8);
    await tdb.transaction(() => tdb.store(new TextEncoder().encode(SEQ_KEY), value));
    makeSums(images, sumPath(beside), tdb.core, options.intentPages ?? INTENT_PAGES).close();
    tdb.core.image.sync(0, tdb.core.image.mapped);
  } finally {
    tdb.close();
  }
}

/** Makes the sums of a whole new file, durable. */
export function makeSums(
  images: ImageStore,
  name: string,
  core: TdbCore,
  intentPages: number,
): CommitSums {
  const { recoveryStart: areaStart } = core;
  const areaCapacity = core.word(areaStart + RECORD.recLen);
  const fileBytes = core.image.mapped;
  if ((areaStart | fileBytes | (RECORD_BYTES + areaCapacity)) % PAGE !== 0) {
    throw new CtdbxError("state", `Cannot sum ${core.image.path}: its parts are not whole pages`);
  }
  const head = { fileBytes, dbseq: 0n, areaStart, areaCapacity, intentPages, largeAt: 0 };
  const count = fileBytes / PAGE;
  const sums = CommitSums.make(images, name, head, count);
  try {
    const { bytes } = core.memory;
    const copy = (page: number, to: number): void => {
      bytes.copyWithin(to, core.base + page * PAGE, core.base + (page + 1) * PAGE);
    };
    sumPages(count, (page) => page, copy, (page, sum) => {
      if (!isAreaPage(head, page)) sums.put(page, { sum, dbseq: 0n });
    });
    sums.sync();
    return sums;
  } catch (error) {
    sums.close();
    throw error;
  }
}

/** An open file with its sums. */
export interface OpenedFile {
  readonly core: TdbCore;
  readonly sums: CommitSums;
  readonly dbseq: bigint;
}

/**
 * Opens a database and takes back what a crash has left half done. Throws "not_found", "corrupt", "busy" (a program is
 * just recovering it), "io".
 */
export function openCommitFile(
  images: ImageStore,
  path: string,
  options: CommitFileOptions,
): OpenedFile {
  const sums = CommitSums.open(images, sumPath(path));
  let core: TdbCore | undefined;
  try {
    core = knownCore(images.open(path), sums, options);
    if (!core.locks.door.tryOpen()) throw new CtdbxError("busy", `Cannot open ${path}: in use`);
    if (pending(core)) recover(core, { noSync: false });
    requireKnown(core.image, sums, pagesOnWay(core, headOf(core, SEQ_KEY)));
    const dbseq = readDbseq(core);
    const fileBytes = sums.fileBytesAt(dbseq);
    if (core.image.mapped < fileBytes) {
      const text = `Cannot open ${path}: ${core.image.mapped} bytes, must have ${fileBytes}`;
      throw new CorruptError("truncated", 0, text);
    }
    if (core.image.mapped > fileBytes) core = shortened(images, path, core, fileBytes, options);
    if (fixArea(core, sums.head)) core.image.sync(0, fileBytes);
    sums.settle(dbseq, fileBytes);
    core.locks.door.joined();
    core.locks.door.unlockOpen();
    return { core, sums, dbseq };
  } catch (error) {
    core?.close();
    sums.close();
    throw error;
  }
}

/** As coreOf; what a rotten head says is no reason by itself. */
function knownCore(image: Image, sums: CommitSums, options: CommitFileOptions): TdbCore {
  const bad = unknownPage(image, sums, [0]);
  try {
    return coreOf(image, options);
  } catch (error) {
    if (bad === undefined) throw error;
    const text = `Cannot use page 0 of ${image.path}: its checksum is wrong`;
    throw new CorruptError("header", 0, text);
  }
}

function coreOf(image: Image, options: CommitFileOptions): TdbCore {
  try {
    const memory = threadMemory().bytes;
    const bytes = memory.subarray(image.address, image.address + image.mapped);
    const header = readHeader(bytes, image.mapped, image.path);
    if (header.byteOrder !== "little" || header.mutexSize !== 0) {
      throw new CtdbxError(
        "unsupported",
        `Cannot open ${image.path}: no file of a database of ours`,
      );
    }
    const locks = new TdbLocks(image, options.locking ?? "fcntl", header.hashSize, LOCK_TIMEOUT_MS);
    return new TdbCore(image, header, locks, { maxDead: 0, seqnum: false, readOnly: false });
  } catch (error) {
    image.close();
    throw error;
  }
}

/** What an apply that was taken back had added, or its area, is cut off. */
function shortened(
  images: ImageStore,
  path: string,
  long: TdbCore,
  fileBytes: number,
  options: CommitFileOptions,
): TdbCore {
  long.image.truncate(fileBytes);
  long.image.sync(0, fileBytes);
  long.close();
  const core = coreOf(images.open(path), options);
  if (core.locks.door.tryOpen()) return core;
  core.close();
  throw new CtdbxError("busy", `Cannot open ${path}: in use`);
}

/** The number of the last transaction in the file. Throws CorruptError. */
export function readDbseq(core: TdbCore): bigint {
  const off = seekKey(core, SEQ_KEY);
  if (off === 0) return 0n;
  const view = see(core, new RecordView(core.memory.bytes), off);
  if (view.valueLength < HEADER + 8) return 0n;
  const at = view.valueOffset + HEADER;
  return new DataView(core.memory.memory.buffer, at, 8).getBigUint64(0, true);
}

/** Offset of a key's record, 0 without one. Throws CorruptError. */
export function seekKey(core: TdbCore, key: string): number {
  const off = core.kernel.tdbSeek(core.db, KEY_AT, putKey(key)) >>> 0;
  if (off === FAULT) core.fail("fetch");
  return off;
}

/** Offset of the head of a key's chain. */
export function headOf(core: TdbCore, key: string): number {
  const chain = core.kernel.tdbChain(core.db, KEY_AT, putKey(key));
  return FIRST_HEAD + 4 * chain;
}
