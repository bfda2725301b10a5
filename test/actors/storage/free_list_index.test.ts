/**
 * The index of the free list (assembly/tdb_index.ts): made when the list is long, seen through when others change
 * the list, made anew when a process died over it.
 *
 * What libtdb would do to the list is done here by hand, word by word, in the order in which it does it; the live
 * tests do it with libtdb itself.
 *
 * Does NOT promise: coverage of what libtdb might do one day.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FREE_HEAD, freeList, INDEX_SIGN, REC_LEN, records } from "./free_list.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";

const FREE = 0xd9fee666;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A database whose free list is long: many records of many lengths, every other one deleted. */
async function fragmented(count = 400): Promise<Tdb> {
  const store = new SimImageStore({ seed: 1 });
  const tdb = await openTdb(store, "list.tdb", { create: true, hashSize: 11 });
  for (let i = 0; i < count; i++) tdb.store(bytes(`key ${i}`), new Uint8Array(10 + (i * 37) % 300));
  for (let i = 0; i < count; i += 2) tdb.delete(bytes(`key ${i}`));
  return tdb;
}

async function wantSound(tdb: Tdb): Promise<void> {
  const report = await check(tdb);
  assert.equal(report.problems.map((problem) => problem.text), []);
}

/** What must hold after any interference: sound, all records there, and the list indexed again after a store. */
async function wantRecovered(tdb: Tdb, odd: number): Promise<void> {
  tdb.store(bytes("one more"), new Uint8Array(333));
  tdb.delete(bytes("one more"));
  await wantSound(tdb);
  assert.is(tdb.core.word(FREE_HEAD + 0) !== 0, true);
  assert.is(tdb.core.word(freeList(tdb.core)[0]! + 8), INDEX_SIGN, "the index heads the list");
  for (let i = 1; i < odd; i += 2) assert.ok(tdb.exists(bytes(`key ${i}`)), `key ${i} is there`);
}

const test = suite("free list index");

test("a list that grows long is headed by an index, sorted by size behind it", async () => {
  const tdb = await fragmented();
  const [head, ...rest] = freeList(tdb.core);
  assert.is(tdb.core.word(head! + 8), INDEX_SIGN);
  const sizes = rest.map((off) => tdb.core.word(off + REC_LEN));
  assert.ok(sizes.length > 32);
  // Within a class any order; between classes ascending: no size is below the floor of an earlier class.
  for (let i = 1; i < sizes.length; i++) assert.ok(sizes[i]! * 1.2 > sizes[i - 1]!, `${sizes}`);
  await wantSound(tdb);
});

test("a short list is left as it is", async () => {
  const tdb = await fragmented(20);
  for (const off of freeList(tdb.core)) assert.is.not(tdb.core.word(off + 8), INDEX_SIGN);
  await wantSound(tdb);
});

test("an allocation by a reader of the plain format voids the index, and it is made anew", async () => {
  const tdb = await fragmented();
  const { core } = tdb;
  // libtdb's walk: the head has a free left neighbour, so it is merged into that and leaves the list.
  const index = core.word(FREE_HEAD);
  const guard = index - 28;
  const joined = core.word(guard + REC_LEN) + 24 + core.word(index + REC_LEN);
  core.setWord(FREE_HEAD, core.word(index));
  core.setWord(guard + REC_LEN, joined);
  core.setWord(guard + 24 + joined - 4, 24 + joined);
  await wantSound(tdb);
  await wantRecovered(tdb, 400);
});

test("records pushed before the index are found and filed", async () => {
  const tdb = await fragmented();
  const { core } = tdb;
  // libtdb's delete: the record leaves its chain and becomes the head of the list.
  const before = freeList(core).length;
  for (const key of ["key 5", "key 77"]) {
    const { pred, off } = records(core).get(key)!;
    core.setWord(pred, core.word(off));
    core.setWord(off + 20, FREE);
    core.setWord(off, core.word(FREE_HEAD));
    core.setWord(off + 24 + core.word(off + REC_LEN) - 4, 24 + core.word(off + REC_LEN));
    core.setWord(FREE_HEAD, off);
  }
  assert.is(freeList(core).length, before + 2);
  tdb.store(bytes("key 5"), bytes("again"));
  tdb.store(bytes("key 77"), bytes("again"));
  assert.is(core.word(freeList(core)[0]! + 8), INDEX_SIGN);
  await wantSound(tdb);
});

test("a left neighbour that grew is used with its true length", async () => {
  const tdb = await fragmented();
  const { core } = tdb;
  // libtdb's delete of a record behind a free one: the free one grows, the list stays.
  const free = new Set(freeList(core));
  const ends = new Map([...free].map((off) => [off + 24 + core.word(off + REC_LEN), off]));
  let grown = 0;
  for (const { pred, off } of records(core).values()) {
    const left = ends.get(off);
    if (left === undefined || grown === 3 || core.word(left + 8) === INDEX_SIGN) continue;
    core.setWord(pred, core.word(off));
    const joined = core.word(left + REC_LEN) + 24 + core.word(off + REC_LEN);
    core.setWord(left + REC_LEN, joined);
    core.setWord(left + 24 + joined - 4, 24 + joined);
    grown++;
    break;
  }
  assert.is(grown, 1);
  await wantSound(tdb);
  for (let i = 0; i < 300; i++) tdb.store(bytes(`new ${i}`), new Uint8Array((i * 53) % 400));
  await wantSound(tdb);
});

test("a process that died in a change is noticed, and its free records are found by a scan", async () => {
  const tdb = await fragmented();
  const { core } = tdb;
  const [index, , lost] = freeList(core);
  // Dirty, and one record already out of the list but not yet used.
  core.setWord(index! + 16, 2);
  const next = core.word(lost!);
  for (const off of freeList(core)) if (core.word(off) === lost) core.setWord(off, next);
  assert.is((await check(tdb)).problems[0]?.kind, "freelist");
  // Two free neighbours, as a walk of libtdb may leave them: the scan joins them.
  const largest = freeList(core).at(-1)!;
  const half = (core.word(largest + REC_LEN) >>> 4) * 8;
  const rest = core.word(largest + REC_LEN) - half - 24;
  core.setWord(largest + 24 + half + REC_LEN, rest);
  core.setWord(largest + 24 + half + 20, FREE);
  core.setWord(largest + 24 + core.word(largest + REC_LEN) - 4, 24 + rest);
  core.setWord(largest + REC_LEN, half);
  core.setWord(largest + 24 + half - 4, 24 + half);
  await wantRecovered(tdb, 400);
  const free = freeList(core).filter((off) => core.word(off + 12) !== 0);
  const starts = new Set(free);
  for (const off of free) {
    if (core.word(off + 8) === INDEX_SIGN) continue;
    assert.not(
      starts.has(off + 24 + core.word(off + REC_LEN)),
      `${off} and its neighbour are free`,
    );
  }
});

test("links that do not agree void the index and lose nothing", async () => {
  for (const field of [8, 12]) {
    const tdb = await fragmented();
    const victim = freeList(tdb.core)[5]!;
    tdb.core.setWord(victim + field, 184);
    for (let i = 0; i < 200; i++) {
      tdb.store(bytes(`new ${i}`), new Uint8Array((i * 53) % 400));
    }
    await wantSound(tdb);
  }
});

test("inside a transaction that is cancelled the index is as it was", async () => {
  const tdb = await fragmented();
  const before = freeList(tdb.core);
  await tdb.begin();
  for (let i = 0; i < 100; i++) tdb.store(bytes(`new ${i}`), new Uint8Array((i * 91) % 500));
  await wantSound(tdb);
  tdb.cancel();
  assert.equal(freeList(tdb.core), before);
  await wantSound(tdb);
});

test.run();
