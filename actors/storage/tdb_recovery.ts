/**
 * The recovery area of a TDB file: how a transaction that died is taken back.
 *
 *   header 24: next 0 | rec_len capacity | key_len old file size | data_len used | hash: area before | magic
 *   data: { offset, length, old bytes } ... | 24 + rec_len
 *
 * While its magic is RECOVERY the pages of the file may be half new. Everything in the area is read and judged
 * before the first byte is written. Entries may cover the area itself (a page that was dirty around it): those
 * bytes are left as they are.
 *
 * Does NOT promise: that what is restored is good; check tells. What the dead transaction added to the file still
 * belongs to no record afterwards: TdbTransaction.heal makes it free space.
 * Upstream: tdb transaction recover.
 */
import { DB } from "../../assembly/host/tdb_kernels.ts";
import { CorruptError, CtdbxError } from "../../transport/wire/errors.ts";
import { AT, hasMagicText, HEADER_BYTES, readHeader } from "./tdb_header.ts";
import type { TdbCore } from "./tdb_core.ts";

/** Magic of an area whose transaction did not end. */
export const RECOVERY_MAGIC = 0xf53bc0e7;
/** Offsets inside a record header. */
export const RECORD = { next: 0, recLen: 4, keyLen: 8, dataLen: 12, hash: 16, magic: 20 } as const;
export const RECORD_BYTES = 24;
/** Fewer bytes than this cannot be an entry. */
const ENTRY_MIN = 9;
/** Words of the header that no transaction changes. */
const FIXED = [[0, AT.recoveryStart], [52, 68]] as const;

/** An entry of the area: `length` old bytes for `offset`, which lie at `from` of the copied area. */
interface Entry {
  offset: number;
  length: number;
  from: number;
}

/** Does the header point to an area whose transaction did not end? */
export function pending(core: TdbCore): boolean {
  const start = core.recoveryStart;
  return start !== 0 && inside(core, start) && core.word(start + RECORD.magic) === RECOVERY_MAGIC;
}

function inside(core: TdbCore, start: number): boolean {
  return start % 4 === 0 && start >= core.header.dataStart && start <= core.size - RECORD_BYTES;
}

function bad(core: TdbCore, at: number, what: string): CorruptError {
  return new CorruptError("recovery", at, `Cannot recover ${core.image.path}: ${what}`);
}

/**
 * Goes through the entries of a copied area, `at` in memory, and judges each before `use` gets it. The same entry
 * object is used for all: a hostile area has millions.
 */
function eachEntry(
  core: TdbCore,
  start: number,
  at: number,
  old: { readonly eof: number; readonly dataLen: number },
  use: (entry: Entry) => void,
): void {
  const end = RECORD_BYTES + old.dataLen;
  const view = new DataView(core.memory.memory.buffer, at, end);
  const little = core.header.byteOrder === "little";
  const entry: Entry = { offset: 0, length: 0, from: 0 };
  for (let next = RECORD_BYTES; end - next >= ENTRY_MIN; next += 8 + entry.length) {
    entry.offset = view.getUint32(next, little);
    entry.length = view.getUint32(next + 4, little);
    entry.from = at + next + 8;
    if (entry.length === 0 || entry.length > end - next - 8) {
      throw bad(core, start + next, `its entry at ${start + next} is longer than the area`);
    }
    if (entry.offset + entry.length > old.eof) {
      throw bad(core, start + next, `its entry at ${start + next} lies outside the file`);
    }
    requireSameHeader(core, start + next, entry);
    use(entry);
  }
}

/** An entry that covers the header must leave alone what makes the file what it is. */
function requireSameHeader(core: TdbCore, where: number, entry: Entry): void {
  const { bytes } = core.memory;
  for (const [from, to] of FIXED) {
    const last = Math.min(to, entry.offset + entry.length);
    for (let at = Math.max(from, entry.offset); at < last; at++) {
      if (bytes[core.base + at] !== bytes[entry.from + at - entry.offset]) {
        throw bad(core, where, `its entry at ${where} would change the header at ${at}`);
      }
    }
  }
}

/**
 * Writes an entry, but for what lies in the area: its old contents mean nothing, and until the magic is off a
 * second crash needs the entries.
 */
function restore(core: TdbCore, entry: Entry, areaFrom: number, areaEnd: number): void {
  const last = entry.offset + entry.length;
  restorePiece(core, entry, entry.offset, Math.min(last, areaFrom));
  restorePiece(core, entry, Math.max(entry.offset, areaEnd), last);
}

function restorePiece(core: TdbCore, entry: Entry, from: number, to: number): void {
  if (from >= to) return;
  const shift = core.header.mutexSize;
  core.image.write(shift + from, entry.from + from - entry.offset, to - from);
}

/**
 * Takes an unfinished transaction back. The caller holds what excludes others (OPEN, or everything and OPEN).
 * Throws CorruptError kind "recovery" before anything is written.
 */
export function recover(core: TdbCore, options: { noSync: boolean }): void {
  core.refresh();
  const start = core.recoveryStart;
  const recLen = core.word(start + RECORD.recLen);
  const eof = core.word(start + RECORD.keyLen);
  const dataLen = core.word(start + RECORD.dataLen);
  const room = core.size - RECORD_BYTES - start;
  if (recLen > room || dataLen > recLen) throw bad(core, start, "its area is larger than the file");
  if (eof > core.size || eof < core.header.dataStart) {
    throw bad(core, start, "its old size is wrong");
  }
  const bytes = RECORD_BYTES + dataLen;
  const at = core.memory.regions.take(bytes);
  if (at === undefined) {
    throw new CtdbxError("limit", `Cannot recover: no memory for ${bytes} bytes`);
  }
  const sync = (): void => {
    if (!options.noSync) core.image.sync(0, core.image.mapped);
  };
  try {
    core.kernel.tdbGet(core.db, start, at, bytes);
    const old = { eof, dataLen };
    const judged = (): void => {};
    eachEntry(core, start, at, old, judged);
    eachEntry(core, start, at, old, (entry) => restore(core, entry, start, start + bytes));
    cutTail(core, eof, start, recLen);
    sync();
    if (eof <= start) {
      core.setWord(AT.recoveryStart, areaBefore(core, start, eof));
      sync();
    }
    core.setWord(start + RECORD.magic, 0);
    sync();
  } finally {
    core.memory.regions.give(at, bytes);
  }
  core.set(DB.indexOpen, 0);
  requireHeader(core);
}

/** The area that the header pointed to before, noted in the hash word of one that we made; 0: none. */
function areaBefore(core: TdbCore, start: number, eof: number): number {
  const before = core.word(start + RECORD.hash);
  return before < eof && inside(core, before) && idle(core, before) ? before : 0;
}

/**
 * Half-written records behind the old size must not be taken for records: zeros where the first would begin, and
 * in the last word of the file, where a tailer would be.
 */
function cutTail(core: TdbCore, eof: number, start: number, recLen: number): void {
  const areaEnd = start + RECORD_BYTES + recLen;
  const from = Math.ceil((start < eof ? Math.max(eof, areaEnd) : eof) / 4) * 4;
  if (core.size - from < RECORD_BYTES + 4) return;
  const zeros = core.spare(RECORD_BYTES);
  core.memory.bytes.fill(0, zeros, zeros + RECORD_BYTES);
  const shift = core.header.mutexSize;
  // The area's own header begins with zeros and loses its magic last.
  if (start !== from) core.image.write(shift + from, zeros, RECORD_BYTES);
  core.image.write(shift + core.size - 4, zeros, 4);
}

/** Reads the header again: the restored bytes may have changed it. */
function requireHeader(core: TdbCore): void {
  // Never a view up to the memory's end: V8's optimised code misreads arrays of more than 2 GiB.
  const headerAt = (at: number) => core.memory.bytes.subarray(at, at + HEADER_BYTES);
  if (!hasMagicText(headerAt(core.base))) throw bad(core, 0, "the header is gone after it");
  readHeader(headerAt(core.image.address), core.image.mapped, core.image.path);
}

/**
 * Is something there that a crash around a commit leaves behind, for TdbTransaction.heal to mend?
 * A few loads; no scan unless there is.
 */
export function needsHealing(core: TdbCore): boolean {
  const start = core.recoveryStart;
  const badArea = start !== 0 && inside(core, start) && !idle(core, start);
  return badArea || core.kernel.tdbTail(core.db) !== 0;
}

/** The recovery area that can be used: start and capacity, bytes. Undefined: none, or a broken one. */
export function usableArea(core: TdbCore): { start: number; capacity: number } | undefined {
  const start = core.recoveryStart;
  if (start === 0 || !inside(core, start)) return undefined;
  const magic = core.word(start + RECORD.magic);
  if ((magic !== 0 && magic !== RECOVERY_MAGIC) || !idle(core, start)) return undefined;
  const capacity = core.word(start + RECORD.recLen);
  return capacity % 4 === 0 ? { start, capacity } : undefined;
}

/** Is this an area without a transaction: its lengths inside the file, not only zeros, records before it? */
function idle(core: TdbCore, start: number): boolean {
  const recLen = core.word(start + RECORD.recLen);
  if (recLen === 0 || recLen > core.size - RECORD_BYTES - start) return false;
  if (start === core.header.dataStart) return true;
  // libtdb announces an area before the space in front of it is anybody's.
  const length = core.word(start - 4);
  const before = start - length;
  return length % 4 === 0 && length >= RECORD_BYTES + 4 && before >= core.header.dataStart &&
    core.word(before + RECORD.recLen) === length - RECORD_BYTES;
}

/** Forgets an area that was announced but never written, or that the file is too short for. */
export function forgetBadArea(core: TdbCore): void {
  const start = core.recoveryStart;
  if (start === 0 || !inside(core, start) || idle(core, start)) return;
  if (core.word(start + RECORD.magic) === 0) core.setWord(AT.recoveryStart, 0);
}
