/**
 * The files of the fuzz: vectors of libtdb and files of our own, with some bytes changed.
 *
 *   seedling -> 1 to 4 mutations: bits, words of headers, words of the free list, cut, cut at the first record, splice
 *
 * Does NOT promise: that a mutation changes anything; the word may be what it was.
 */

import { threadMemory } from "../../assembly/host/memory.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { Dice } from "../../transport/sim/dice.ts";
import type { SimImageStore } from "../../transport/sim/image.ts";
import { vectorBytes, vectors } from "../actors/storage/vector_files.ts";

const MAGICS = [0x26011999, 0xd9fee666, 0xfee1dead, 0xf53bc0e7, 0, 0x42424242, 0x2601196d];

/** Logical offset of the head of the free list. */
const FREE_HEAD = 168;

/** A file to mutate. */
export interface Seedling {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly little: boolean;
  readonly keys: readonly Uint8Array[];
}

function unhex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Bytes of one mutated file, from one of the seedlings. */
export function mutate(
  dice: Dice,
  seedlings: readonly Seedling[],
): { seedling: Seedling; bytes: Uint8Array } {
  const pick = (): Seedling => seedlings[dice.below(seedlings.length)] as Seedling;
  const seedling = pick();
  let bytes = seedling.bytes.slice();
  for (let count = 1 + dice.below(4); count > 0 && bytes.length >= 8; count--) {
    const what = dice.below(14);
    if (what < 3) flip(dice, bytes);
    else if (what < 7) replaceWord(dice, bytes, seedling.little);
    else if (what < 10) replaceFree(dice, bytes, seedling.little);
    else if (what < 11) {
      bytes = bytes.slice(0, firstRecord(bytes, seedling.little) + dice.below(40));
    } else if (what < 12) bytes = bytes.slice(0, place(dice, bytes));
    else splice(dice, bytes, pick().bytes);
  }
  return { seedling, bytes };
}

/** Some byte: of the header, the heads and the first records rather than of the long rest. */
function place(dice: Dice, bytes: Uint8Array): number {
  const near = Math.min(bytes.length, 64 * 2 ** dice.below(10));
  return dice.below(near);
}

function flip(dice: Dice, bytes: Uint8Array): void {
  const at = place(dice, bytes);
  bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
}

/** A word that means something where records are: a length, an offset, a magic. */
function replaceWord(dice: Dice, bytes: Uint8Array, little: boolean): void {
  const view = new DataView(bytes.buffer);
  const at = dice.chance(2, 3) ? nearMagic(dice, view, little) : place(dice, bytes) & ~3;
  if (at < 0 || at > bytes.length - 4) return;
  const size = bytes.length;
  const old = view.getUint32(at, little);
  const other = view.getUint32(dice.below(size - 3) & ~3, little);
  const values = [
    0,
    1,
    0xffffffff,
    size,
    size - 4,
    size - 24,
    size - 28,
    4,
    28,
    old + 4,
    old - 4,
    old * 2,
  ];
  values.push(
    dice.below(size) & ~3,
    dice.below(size) & ~3,
    other,
    at,
    at - 24,
    at - 20,
    dice.u32(),
  );
  values.push(0x80000000, 0xfffffffc, 0xffffffe4, size - at, size - at - 24, ...MAGICS);
  view.setUint32(at, (values[dice.below(values.length)] as number) >>> 0, little);
}

/** The word at a logical offset, 0 outside of the file. */
function wordAt(view: DataView, at: number, little: boolean): number {
  return at >= 0 && at <= view.byteLength - 4 ? view.getUint32(at, little) : 0;
}

/** Bytes before the header that counts: the mutex area, as far as one is there. */
function shiftOf(view: DataView, little: boolean): number {
  return wordAt(view, 60, little) === 1 ? wordAt(view, 64, little) : 0;
}

/** Where the first record begins in the file, or would. */
function firstRecord(bytes: Uint8Array, little: boolean): number {
  const view = new DataView(bytes.buffer);
  const at = shiftOf(view, little) + 172 + 4 * wordAt(view, 36, little);
  return Math.min(at, bytes.length);
}

/** Length, link, index words or tailer of a record of the free list: another record of it, or a length that lies. */
function replaceFree(dice: Dice, bytes: Uint8Array, little: boolean): void {
  const view = new DataView(bytes.buffer);
  const shift = shiftOf(view, little);
  const free: number[] = [];
  const next = (at: number): number => wordAt(view, shift + at, little);
  for (let at = next(FREE_HEAD); at !== 0 && free.length < 200; at = next(at)) free.push(at);
  if (free.length === 0) return;
  const pick = (): number => free[dice.below(free.length)] as number;
  const off = pick();
  const recLen = next(off + 4);
  const field = [0, 4, 4, 8, 12, 20 + recLen][dice.below(6)] as number;
  const at = shift + off + field;
  if (at % 4 !== 0 || at > bytes.length - 4) return;
  const room = bytes.length - shift - off;
  const values = [pick(), pick() + 4 * dice.below(8), pick() - 4, recLen + 4, room - 24, room - 20];
  values.push(room, 0, 3, 4, 0x7ffffffc, 0xffffffe4, 0xffffffe8, 0xfffffffc, dice.u32());
  view.setUint32(at, (values[dice.below(values.length)] as number) >>> 0, little);
}

/** A word of the header of some record, or just before it. */
function nearMagic(dice: Dice, view: DataView, little: boolean): number {
  const size = view.byteLength & ~3;
  const from = dice.below(size) & ~3;
  for (let step = 0; step < size; step += 4) {
    const at = (from + step) % size;
    if (!MAGICS.slice(0, 4).includes(view.getUint32(at, little))) continue;
    return at - 24 + 4 * dice.below(7);
  }
  return -1;
}

/** Copies a block of one file over a place of the other. */
function splice(dice: Dice, bytes: Uint8Array, source: Uint8Array): void {
  const length = Math.min(4 << dice.below(11), bytes.length, source.length);
  const to = dice.below(bytes.length - length + 1) & ~3;
  const from = dice.below(source.length - length + 1) & ~3;
  bytes.set(source.subarray(from, from + length), to);
}

/** A file of our own with more free records than are walked: the list has an index in the file. */
async function indexedSeedling(
  store: SimImageStore,
  byteOrder: "little" | "big",
): Promise<Seedling> {
  const keys = Array.from(
    { length: 130 },
    (_, index) => new TextEncoder().encode(`our key ${index}`),
  );
  const tdb = await openTdb(store, "own", { create: true, hashSize: 13, byteOrder, noSync: true });
  for (const [index, key] of keys.entries()) tdb.store(key, new Uint8Array(1 + (index * 37) % 150));
  for (let index = 0; index < 130; index += 2) tdb.delete(keys[index] as Uint8Array);
  for (let index = 0; index < 20; index += 2) {
    tdb.store(keys[index] as Uint8Array, new Uint8Array(3));
  }
  const { address, mapped } = tdb.core.image;
  const bytes = threadMemory().bytes.slice(address, address + mapped);
  tdb.close();
  store.remove("own");
  return { file: `own ${byteOrder}`, bytes, keys, little: byteOrder === "little" };
}

/** What is mutated: files of libtdb, and files of our own, whose free list is indexed. */
export async function seedlings(store: SimImageStore): Promise<Seedling[]> {
  const { good, corrupt } = vectors();
  const keys = good.flatMap(({ records }) => records.map(([key]) => unhex(key)));
  const sample = keys.filter((_, index) => index % 12 === 0);
  const found: Seedling[] = [
    ...good.map((vector) => ({
      file: vector.file,
      keys: vector.records.length > 0 ? vector.records.map(([key]) => unhex(key)) : sample,
    })),
    ...corrupt.map(({ file }) => ({ file, keys: sample })),
  ].map(({ file, keys }) => {
    const bytes = vectorBytes(file);
    return { file, bytes, keys, little: bytes[32] !== 0x26 };
  });
  for (const byteOrder of ["little", "big"] as const) {
    const seedling = await indexedSeedling(store, byteOrder);
    // Often, because each has more to break.
    for (let copies = 0; copies < 4; copies++) found.push(seedling);
  }
  return found;
}
