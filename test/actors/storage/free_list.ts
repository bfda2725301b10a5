/**
 * The free list and the chains of an open TDB, walked word by word: what tests look at and change by hand.
 *
 * Does NOT promise: an end on a broken file; these are files that the test just made.
 */

import type { TdbCore } from "../../../actors/storage/tdb_core.ts";

/** Logical offset of the head of the free list. */
export const FREE_HEAD = 168;
/** Offset of a record's length in its header. */
export const REC_LEN = 4;
/** Key length of the record that is the index. */
export const INDEX_SIGN = 0xc7db1d01;

/** Offsets of the free list's records, from the head. */
export function freeList(core: TdbCore): number[] {
  const offsets: number[] = [];
  for (let off = core.word(FREE_HEAD); off !== 0; off = core.word(off)) offsets.push(off);
  return offsets;
}

/** Every record in a chain by its key as text, with the place of the pointer to it. */
export function records(core: TdbCore): Map<string, { pred: number; off: number }> {
  const found = new Map<string, { pred: number; off: number }>();
  for (let chain = 0; chain < core.header.hashSize; chain++) {
    let pred = 172 + 4 * chain;
    for (let off = core.word(pred); off !== 0; off = core.word(pred)) {
      const at = core.base + off + 24;
      const key = core.memory.bytes.subarray(at, at + core.word(off + 8));
      found.set(new TextDecoder().decode(key), { pred, off });
      pred = off;
    }
  }
  return found;
}
