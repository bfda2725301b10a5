/**
 * Files that are as bad as their format allows: full of whatever is cheap to write and dear to read.
 *
 *   header | chain heads | records, entries, ... to the end
 *
 * Does NOT promise: soundness. That is the point.
 */

import { dataStartOf, makeHeader } from "../../actors/storage/tdb_header.ts";

/** A file, and ends of steps that show that it does what it is for. */
export interface HostileFile {
  readonly name: string;
  readonly wanted: readonly string[];
  /** Are there as many records to rescue as fit? */
  readonly manyCopies: boolean;
  make(): Uint8Array;
}

const MAGIC = { live: 0x26011999, free: 0xd9fee666, recovery: 0xf53bc0e7 } as const;
/** Header words: recovery area, free list, first chain. */
const AT = { recovery: 44, free: 168, chain: 172 } as const;
/** A record header, and the least a record has. */
const HEAD = 24;
const RECORD = 28;
/** An entry of a recovery area with one old byte. */
const ENTRY = 9;
/** The old hash function of an empty key. */
const EMPTY_KEY_HASH = 12345;

/** An empty database of one chain and the old hash, `size` bytes. */
function blank(size: number): { bytes: Uint8Array; view: DataView; start: number } {
  const bytes = new Uint8Array(size);
  bytes.set(makeHeader({ hashSize: 1, hash: "old", byteOrder: "little", mutexSize: 0 }));
  return { bytes, view: new DataView(bytes.buffer), start: Math.ceil(dataStartOf(1) / 4) * 4 };
}

/** One record header. */
function putRecord(view: DataView, at: number, words: readonly number[]): void {
  words.forEach((word, index) => view.setUint32(at + 4 * index, word, true));
}

/** A recovery area over the whole file, each entry restoring one byte of a chain. `wrong`: the last lies outside. */
function recoveryEntries(size: number, wrong: boolean): Uint8Array {
  const { bytes, view, start } = blank(size);
  const room = size - start - HEAD;
  view.setUint32(AT.recovery, start, true);
  let at = start + HEAD;
  for (; at + ENTRY <= size - 4; at += ENTRY) {
    view.setUint32(at, AT.chain, true);
    view.setUint32(at + 4, 1, true);
  }
  putRecord(view, start, [0, room, size, at + 4 - start - HEAD, 0, MAGIC.recovery]);
  if (wrong) view.setUint32(at - ENTRY, 0xfffffff0, true);
  return bytes;
}

/** Smallest records, one behind the other. `next` says what their first word is. */
function records(size: number, magic: number, next: (at: number) => number): Uint8Array {
  const { bytes, view, start } = blank(size);
  for (let at = start; at + RECORD <= size; at += RECORD) {
    putRecord(view, at, [next(at), 4, 0, 0, EMPTY_KEY_HASH, magic, RECORD]);
  }
  return bytes;
}

/** Records that each claim everything up to the end for their value. */
function overlapping(size: number): Uint8Array {
  const { bytes, view, start } = blank(size);
  for (let at = start; at + RECORD <= size; at += RECORD) {
    const room = size - at - HEAD;
    putRecord(view, at, [
      at === start ? 0 : at - RECORD,
      room,
      0,
      room - 4,
      EMPTY_KEY_HASH,
      MAGIC.live,
    ]);
    view.setUint32(AT.chain, at, true);
  }
  return bytes;
}

/** The files, `size` bytes each. */
export function hostileFiles(size: number): HostileFile[] {
  const inOneList = (head: number, magic: number): Uint8Array => {
    const bytes = records(size, magic, (at) => at + 2 * RECORD <= size ? at + RECORD : 0);
    new DataView(bytes.buffer).setUint32(head, dataStartOf(1), true);
    return bytes;
  };
  return [
    {
      name: "entries to recover, one byte each",
      manyCopies: false,
      wanted: ["open: state", "open: ok"],
      make: () => recoveryEntries(size, false),
    },
    {
      name: "entries to recover, the last one wrong",
      manyCopies: false,
      wanted: ["open: state", "open: corrupt"],
      make: () => recoveryEntries(size, true),
    },
    {
      name: "records that no chain holds",
      manyCopies: true,
      wanted: ["check: problems", "rescue: ok"],
      make: () => records(size, MAGIC.live, () => 0),
    },
    {
      name: "all records in one chain, with one key",
      manyCopies: true,
      wanted: ["check: problems", "rescue: ok"],
      make: () => inOneList(AT.chain, MAGIC.live),
    },
    {
      name: "all records on the free list",
      manyCopies: false,
      wanted: ["check: ok", "rescue: ok"],
      make: () => inOneList(AT.free, MAGIC.free),
    },
    {
      name: "records that overlap",
      manyCopies: true,
      wanted: ["check: problems", "rescue: ok"],
      make: () => overlapping(size),
    },
  ];
}
