/**
 * The `.sum` file beside a persistent database: what each page must be, and what an apply was about to make of some.
 *
 *   0 head | 512 intent slot 0 | slot 1 | sectors of 21 page entries | an intent too large for a slot
 *   head    u32 magic, u32 CRC32C of [8, 48), u32 layout, u32 pages of an intent, u64 file bytes, u32 area start,
 *           u32 area capacity, u64 offset of the large intent or 0, u64 dbseq: of the file bytes
 *   intent  u32 magic, u32 CRC32C of the rest, u64 from, u64 to (dbseq), u64 file bytes after it, u32 count, u32 0,
 *           count x { u32 page, 16 bytes sum }
 *   sector  21 x { 16 bytes sum, u64 dbseq } | u32 its number + 1 | u32 CRC32C of the 508 bytes before
 *
 * An entry of zeros: the page was never written and is all zeros. An intent is on the disk before the database file is
 * touched; a page's entry follows when that is durable. Two slots, used in turn: the page entries of the last apply are
 * not durable before the next intent is.
 *
 * Does NOT promise: to be right by itself after a crash; settle() makes it so, once dbseq is known.
 */
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { VALUE_AT } from "../../assembly/host/tdb_kernels.ts";
import type { Image, ImageStore } from "../../transport/image.ts";
import { crcOf } from "../../transport/wire/commit/sums.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { SLOT } from "./commit_frame.ts";
import { SUM_BYTES } from "./commit_pages.ts";
import { putBytes } from "./commit_sess.ts";

/** Pages that an intent in a slot of a new file may name. */
export const INTENT_PAGES = 2048;
const INTENT_HEAD = 40;
const INTENT_ENTRY = 4 + SUM_BYTES;
const SLOTS_AT = SLOT;
const PER_SECTOR = 21;
const ENTRY_BYTES = SUM_BYTES + 8;
const SECTOR_CRC = SLOT - 4;
/** "CTSH", "CTSI". */
const HEAD_MAGIC = 0x48535443;
const INTENT_MAGIC = 0x49535443;
const LAYOUT = 1;
const HEAD_BYTES = 48;

/** What a page must be. */
export interface PageEntry {
  readonly sum: Uint8Array;
  /** The apply that made it so. */
  readonly dbseq: bigint;
}

/** What an apply is about to do. */
export interface Intent {
  readonly from: bigint;
  readonly to: bigint;
  /** Bytes of the database file after it. */
  readonly fileBytes: number;
  readonly pages: readonly { readonly page: number; readonly sum: Uint8Array }[];
}

/** What the file itself is like. */
export interface SumHead {
  /** Bytes of the database file after the transaction `dbseq`, when no intent of a later one says more. */
  readonly fileBytes: number;
  readonly dbseq: bigint;
  /** Where its recovery area lies, and how many bytes it holds. */
  readonly areaStart: number;
  readonly areaCapacity: number;
  /** Pages that an intent in a slot may name. */
  readonly intentPages: number;
  /** Offset of a large intent; 0: none. */
  readonly largeAt: number;
}

/** The name of the file of a database. */
export function sumPath(path: string): string {
  return `${path}.sum`;
}

/** The file, open. */
export class CommitSums {
  readonly image: Image;
  #head: SumHead;
  #slot = 0;

  private constructor(image: Image, head: SumHead) {
    this.image = image;
    this.#head = head;
  }

  /** Makes the file `name` for a database; not synced. */
  static make(images: ImageStore, name: string, head: SumHead, pages: number): CommitSums {
    images.remove(name);
    const image = images.open(name, { create: true });
    try {
      image.extend(entriesEnd(head, pages));
      const made = new CommitSums(image, head);
      made.#putHead(head);
      return made;
    } catch (error) {
      image.close();
      throw error;
    }
  }

  /** Throws "not_found", CorruptError when its head is bad, "version". */
  static open(images: ImageStore, name: string): CommitSums {
    const image = images.open(name);
    try {
      return new CommitSums(image, readHead(image));
    } catch (error) {
      image.close();
      throw error;
    }
  }

  get head(): SumHead {
    return this.#head;
  }

  /** Changes the head; not synced. */
  #putHead(head: SumHead): void {
    const { bytes, memory } = threadMemory();
    bytes.fill(0, VALUE_AT, VALUE_AT + SLOT);
    const view = new DataView(memory.buffer, VALUE_AT, SLOT);
    view.setUint32(0, HEAD_MAGIC, true);
    view.setUint32(8, LAYOUT, true);
    view.setUint32(12, head.intentPages, true);
    view.setBigUint64(16, BigInt(head.fileBytes), true);
    view.setUint32(24, head.areaStart, true);
    view.setUint32(28, head.areaCapacity, true);
    view.setBigUint64(32, BigInt(head.largeAt), true);
    view.setBigUint64(40, head.dbseq, true);
    view.setUint32(4, crc(VALUE_AT + 8, HEAD_BYTES - 8), true);
    this.image.write(0, VALUE_AT, SLOT);
    this.#head = head;
  }

  sync(): void {
    this.image.sync(0, this.image.mapped);
  }

  /** Makes room for the entries of so many pages. Throws "no_space". */
  grow(pages: number): void {
    const end = entriesEnd(this.#head, pages);
    if (end > this.image.mapped) this.image.extend(end);
  }

  // --- page entries

  /** What a page must be. Throws CorruptError when the sector of its entry is bad. */
  entry(page: number): PageEntry {
    const sector = Math.floor(page / PER_SECTOR);
    const offset = entriesAt(this.#head) + sector * SLOT;
    if (!this.#isSound(sector)) {
      const text = `Cannot use the sums of ${this.image.path}: the sector at ${offset} is bad`;
      throw new CorruptError("header", offset, text);
    }
    const at = this.image.address + offset + page % PER_SECTOR * ENTRY_BYTES;
    const { bytes, memory } = threadMemory();
    const dbseq = new DataView(memory.buffer, at + SUM_BYTES, 8).getBigUint64(0, true);
    return { sum: bytes.slice(at, at + SUM_BYTES), dbseq };
  }

  #isSound(sector: number): boolean {
    const offset = entriesAt(this.#head) + sector * SLOT;
    if (offset + SLOT > this.image.mapped) return false;
    const address = this.image.address + offset;
    const view = new DataView(threadMemory().memory.buffer, address, SLOT);
    if (view.getUint32(SECTOR_CRC - 4, true) === sector + 1) {
      return view.getUint32(SECTOR_CRC, true) === crc(address, SECTOR_CRC);
    }
    return threadMemory().bytes.subarray(address, address + SLOT).every((byte) => byte === 0);
  }

  /** Writes the entry of a page, its sector as one step; not synced. A bad sector is not made good by it. */
  put(page: number, entry: PageEntry): void {
    this.entry(page);
    const sector = Math.floor(page / PER_SECTOR);
    const offset = entriesAt(this.#head) + sector * SLOT;
    const { bytes, memory } = threadMemory();
    bytes.copyWithin(VALUE_AT, this.image.address + offset, this.image.address + offset + SLOT);
    const at = VALUE_AT + page % PER_SECTOR * ENTRY_BYTES;
    bytes.set(entry.sum, at);
    const view = new DataView(memory.buffer, VALUE_AT, SLOT);
    view.setBigUint64(at - VALUE_AT + SUM_BYTES, entry.dbseq, true);
    view.setUint32(SECTOR_CRC - 4, sector + 1, true);
    view.setUint32(SECTOR_CRC, crc(VALUE_AT, SECTOR_CRC), true);
    this.image.write(offset, VALUE_AT, SLOT);
  }

  // --- intents

  /**
   * Writes an intent, and with the same sync the page entries of the apply before. It is on the disk at the end, if
   * each image that is yielded was synced before going on.
   */
  *intend(intent: Intent): Generator<Image, void> {
    const laid = layIntent(intent);
    if (intent.pages.length <= this.#head.intentPages) {
      this.#slot ^= 1;
      putBytes(this.image, slotAt(this.#head, this.#slot), laid);
      yield this.image;
      return;
    }
    const largeAt = this.image.mapped;
    this.image.extend(largeAt + laid.length);
    putBytes(this.image, largeAt, laid);
    yield this.image;
    this.#putHead({ ...this.#head, largeAt });
    yield this.image;
  }

  /** A large intent has served: its page entries are written. Yields as intend does. */
  *endLarge(dbseq: bigint, fileBytes: number): Generator<Image, void> {
    const { largeAt } = this.#head;
    if (largeAt === 0) return;
    yield this.image;
    this.#putHead({ ...this.#head, dbseq, fileBytes, largeAt: 0 });
    yield this.image;
    this.image.truncate(largeAt);
    yield this.image;
  }

  /** Intents that are whole, by `to`. */
  intents(): Intent[] {
    const offsets = [0, 1].map((slot) => slotAt(this.#head, slot));
    if (this.#head.largeAt !== 0) offsets.push(this.#head.largeAt);
    const found = offsets.map((offset) => this.#intentAt(offset)).filter((each) =>
      each !== undefined
    );
    return found.sort((one, other) => one.to < other.to ? -1 : 1);
  }

  #intentAt(offset: number): Intent | undefined {
    if (offset + INTENT_HEAD > this.image.mapped) return undefined;
    const address = this.image.address + offset;
    const { memory, bytes } = threadMemory();
    const view = new DataView(memory.buffer, address, INTENT_HEAD);
    const count = view.getUint32(32, true);
    const length = INTENT_HEAD + count * INTENT_ENTRY;
    if (view.getUint32(0, true) !== INTENT_MAGIC || offset + length > this.image.mapped) return;
    if (view.getUint32(4, true) !== crc(address + 8, length - 8)) return;
    const pages = Array.from({ length: count }, (_, i) => {
      const at = address + INTENT_HEAD + i * INTENT_ENTRY;
      const page = new DataView(memory.buffer, at, 4).getUint32(0, true);
      return { page, sum: bytes.slice(at + 4, at + INTENT_ENTRY) };
    });
    return {
      from: view.getBigUint64(8, true),
      to: view.getBigUint64(16, true),
      fileBytes: Number(view.getBigUint64(24, true)),
      pages,
    };
  }

  /** Bytes that the database file has after transaction `dbseq`, by the head and the intents. */
  fileBytesAt(dbseq: bigint): number {
    const { head } = this;
    const last = this.intents().filter((intent) => intent.to <= dbseq).at(-1);
    return last === undefined || last.to < head.dbseq ? head.fileBytes : last.fileBytes;
  }

  /**
   * After a crash: entries follow the intents that were carried out, then no intent is left; one of an apply that was
   * undone could be taken for a later one.
   */
  settle(dbseq: bigint, fileBytes: number): void {
    for (const intent of this.intents()) {
      if (intent.to > dbseq) continue;
      for (const { page, sum } of intent.pages) {
        if (this.entry(page).dbseq < intent.to) this.put(page, { sum, dbseq: intent.to });
      }
    }
    this.sync();
    this.#putHead({ ...this.#head, dbseq, fileBytes, largeAt: 0 });
    this.sync();
    for (const slot of [0, 1]) this.#clear(slotAt(this.#head, slot));
    this.sync();
    const end = entriesEnd(this.#head, Math.ceil(fileBytes / 4096));
    if (this.image.mapped <= end) return;
    // Behind the entries nothing may come back that could be taken for some.
    this.image.truncate(end);
    this.sync();
  }

  #clear(offset: number): void {
    threadMemory().bytes.fill(0, VALUE_AT, VALUE_AT + SLOT);
    this.image.write(offset, VALUE_AT, SLOT);
  }

  close(): void {
    this.image.close();
  }
}

/** Where a slot begins. */
function slotAt({ intentPages }: SumHead, slot: number): number {
  const bytes = Math.ceil((INTENT_HEAD + intentPages * INTENT_ENTRY) / SLOT) * SLOT;
  return SLOTS_AT + slot * bytes;
}

function entriesAt(head: SumHead): number {
  return slotAt(head, 2);
}

function entriesEnd(head: SumHead, pages: number): number {
  return entriesAt(head) + Math.ceil(pages / PER_SECTOR) * SLOT;
}

function crc(address: number, length: number): number {
  return kernels().crc32c(0, address, length) >>> 0;
}

function readHead(image: Image): SumHead {
  const text = `Cannot use ${image.path}`;
  if (image.mapped < SLOT) throw new CorruptError("truncated", 0, `${text}: too short`);
  const view = new DataView(threadMemory().memory.buffer, image.address, HEAD_BYTES);
  const isHead = view.getUint32(0, true) === HEAD_MAGIC;
  if (!isHead || view.getUint32(4, true) !== crc(image.address + 8, HEAD_BYTES - 8)) {
    throw new CorruptError("header", 0, `${text}: its head is bad`);
  }
  if (view.getUint32(8, true) !== LAYOUT) {
    throw new CtdbxError("version", `${text}: of a newer ctdbx; run that one`);
  }
  return {
    intentPages: view.getUint32(12, true),
    fileBytes: Number(view.getBigUint64(16, true)),
    areaStart: view.getUint32(24, true),
    areaCapacity: view.getUint32(28, true),
    largeAt: Number(view.getBigUint64(32, true)),
    dbseq: view.getBigUint64(40, true),
  };
}

function layIntent(intent: Intent): Uint8Array {
  const bytes = new Uint8Array(INTENT_HEAD + intent.pages.length * INTENT_ENTRY);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, INTENT_MAGIC, true);
  view.setBigUint64(8, intent.from, true);
  view.setBigUint64(16, intent.to, true);
  view.setBigUint64(24, BigInt(intent.fileBytes), true);
  view.setUint32(32, intent.pages.length, true);
  let at = INTENT_HEAD;
  for (const { page, sum } of intent.pages) {
    view.setUint32(at, page, true);
    bytes.set(sum, at + 4);
    at += INTENT_ENTRY;
  }
  view.setUint32(4, crcOf(bytes, 8, bytes.length), true);
  return bytes;
}
