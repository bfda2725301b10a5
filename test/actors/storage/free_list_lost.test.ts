/**
 * Free records that are on no list, because a process died over them: what is added beside them is not lost, too;
 * and neighbours that must not be joined: the recovery area, the index, what another handle made longer.
 *
 * Does NOT promise: that lost space comes back; a scan for another reason, or a repack, brings it.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { FREE_HEAD, freeList, INDEX_SIGN, REC_LEN, records } from "./free_list.ts";

const test = suite("free list: lost and forbidden neighbours");
const FREE = 0xd9fee666;
const b = (text: string): Uint8Array => new TextEncoder().encode(text);
const end = (tdb: Tdb, off: number): number => off + 24 + tdb.core.word(off + REC_LEN);

async function opened(hashSize = 7): Promise<Tdb> {
  const store = new SimImageStore({ seed: 1 });
  return await openTdb(store, "list.tdb", { create: true, hashSize, noSync: true });
}

/** Takes the record at `off` out of the list, as a process leaves it that dies before it is used. */
function lose({ core }: Tdb, off: number): void {
  let pred = FREE_HEAD;
  while (core.word(pred) !== off) pred = core.word(pred);
  core.setWord(pred, core.word(off));
}

/** What libtdb does to an index when it allocates: C joins B. */
function voidIndex({ core }: Tdb): void {
  const index = core.word(FREE_HEAD);
  assert.is(core.word(index + 8), INDEX_SIGN);
  const guard = index - 28;
  const joined = core.word(guard + REC_LEN) + 24 + core.word(index + REC_LEN);
  core.setWord(FREE_HEAD, core.word(index));
  core.setWord(guard + REC_LEN, joined);
  core.setWord(guard + 24 + joined - 4, 24 + joined);
}

for (const isLong of [false, true]) {
  test(`a file grows once beside a lost record at its end, the list ${isLong ? "long" : "short"}`, async () => {
    const tdb = await opened();
    for (let i = 0; i < (isLong ? 400 : 10); i++) {
      tdb.store(b(`key ${i}`), new Uint8Array(10 + (i * 37) % 300));
    }
    for (let i = 0; i < (isLong ? 400 : 10); i += 2) tdb.delete(b(`key ${i}`));
    if (isLong) voidIndex(tdb);
    const last = freeList(tdb.core).find((off) => end(tdb, off) === tdb.size);
    assert.ok(last !== undefined, "the file ends in a free record");
    lose(tdb, last!);
    const size = tdb.size;
    tdb.store(b("large"), new Uint8Array(size));
    const grown = tdb.size;
    assert.ok(grown > size && grown < 120 * size, `${size} to ${grown}`);
    tdb.store(b("small"), new Uint8Array(1000));
    assert.is(tdb.size, grown, "what was added is used");
    assert.is(tdb.fetch(b("large"))?.length, size);
    const wrong = (await check(tdb)).problems.map(({ kind }) => kind);
    assert.equal(
      wrong,
      isLong && wrong.length === 0 ? [] : ["freelist"],
      "the lost one, or nothing",
    );
  });
}

test("a deleted record does not join what a process has lost", async () => {
  const tdb = await opened();
  for (let i = 0; i < 10; i++) tdb.store(b(`key ${i}`), new Uint8Array(50));
  const places = new Map([...records(tdb.core)].map(([key, { off }]) => [off, key]));
  const [key, off] = [...places].map(([at, name]) => [name, at] as const)
    .find(([, at]) => places.has(end(tdb, at)))!;
  const right = places.get(end(tdb, off))!;
  tdb.delete(b(key));
  lose(tdb, off);
  tdb.delete(b(right));
  assert.ok(freeList(tdb.core).includes(end(tdb, off)), "the deleted one is on the list");
  assert.equal((await check(tdb)).problems.map(({ kind }) => kind), ["freelist"]);
});

test("what lies behind a lost record stays on the list when that is indexed", async () => {
  const tdb = await opened();
  for (let i = 0; i < 400; i++) tdb.store(b(`key ${i}`), new Uint8Array(10 + (i * 37) % 300));
  for (let i = 0; i < 400; i += 2) tdb.delete(b(`key ${i}`));
  voidIndex(tdb);
  const { core } = tdb;
  // The largest one is cut in two; its front is lost.
  const length = (off: number): number => core.word(off + REC_LEN);
  const front = freeList(core).reduce((one, other) => length(one) < length(other) ? other : one);
  const recLen = length(front);
  const last = end(tdb, front) - 4;
  const back = front + 24 + 200;
  let pred = FREE_HEAD;
  while (core.word(pred) !== front) pred = core.word(pred);
  [core.word(front), recLen - 224, 0, 1, 0, FREE].forEach((word, at) => {
    core.setWord(back + 4 * at, word);
  });
  core.setWord(last, recLen - 200);
  core.setWord(front + REC_LEN, 200);
  core.setWord(back - 4, 224);
  core.setWord(pred, back);
  const size = tdb.size;
  tdb.store(b("new"), new Uint8Array(700));
  assert.is(tdb.size, size, `the back had room for it: ${recLen - 224} bytes`);
  assert.is(core.word(front + REC_LEN), 200);
  assert.equal((await check(tdb)).problems.map(({ kind }) => kind), ["freelist"]);
});

test("an old page in the recovery area is no left neighbour, though it ends like a free record", async () => {
  const tdb = await opened();
  for (let i = 0; i < 400; i++) tdb.store(b(`key ${i}`), new Uint8Array(10 + (i * 37) % 300));
  for (let i = 0; i < 400; i += 2) tdb.delete(b(`key ${i}`));
  voidIndex(tdb);
  const { core } = tdb;
  // One of the free records becomes the area, with a free record's picture at its end.
  const free = freeList(core);
  const behind = new Map(free.map((off) => [end(tdb, off), off]));
  const live = [...records(core).values()].find(({ off }) => {
    const left = behind.get(off);
    return left !== undefined && core.word(left + REC_LEN) > 200;
  })!;
  const area = behind.get(live.off)!;
  lose(tdb, area);
  core.setWord(area + 20, 0);
  core.setWord(44, area);
  const picture = live.off - 100;
  [0, 76, 0, 0xfffffffe, 0, FREE].forEach((word, at) => core.setWord(picture + 4 * at, word));
  core.setWord(live.off - 4, 100);
  // The record behind it becomes free, and the list is indexed anew.
  core.setWord(live.pred, core.word(live.off));
  [core.word(FREE_HEAD), core.word(live.off + REC_LEN), 0, 1, 0, FREE].forEach((word, at) => {
    core.setWord(live.off + 4 * at, word);
  });
  core.setWord(FREE_HEAD, live.off);
  tdb.store(b("new"), new Uint8Array(20));
  tdb.store(b("large"), new Uint8Array(20_000));
  assert.is(core.word(core.word(FREE_HEAD) + 8), INDEX_SIGN, "it is indexed again");
  assert.is(core.word(picture + REC_LEN), 76, "the picture is as it was");
  assert.is(core.word(live.off - 4), 100);
});

test("a record deleted directly before the index leaves its guard whole", async () => {
  const tdb = await opened(1);
  for (let i = 0; i < 400; i++) tdb.store(b(`key ${i}`), new Uint8Array(10 + (i * 37) % 300));
  for (let i = 0; i < 400; i += 2) tdb.delete(b(`key ${i}`));
  const { core } = tdb;
  const index = core.word(FREE_HEAD);
  assert.is(core.word(index + 8), INDEX_SIGN);
  const guard = index - 28;
  // The free record before the guard is taken, bit by bit; the last one whole.
  let before: string | undefined;
  for (let i = 0; i < 2000 && before === undefined; i++) {
    const left = freeList(core).find((off) => end(tdb, off) === guard);
    if (left === undefined) {
      before = [...records(core)].find(([, { off }]) => end(tdb, off) === guard)?.[0];
      break;
    }
    const room = core.word(left + REC_LEN);
    const key = `fill ${i}`;
    tdb.store(b(key), new Uint8Array((room < 128 ? room - 4 : 100) - key.length));
  }
  assert.ok(before !== undefined, "a live record ends where the guard begins");
  assert.ok(tdb.delete(b(before!)));
  assert.is(core.word(FREE_HEAD), index, "the same index");
  assert.is(core.word(guard + REC_LEN), 4);
  assert.is(core.word(guard + 20), FREE);
  assert.is(core.word(index - 4), 28);
  assert.equal((await check(tdb)).problems.map(({ text }) => text), []);
});

test("a delete sees a free record that another handle made longer than the file was", async () => {
  const store = new SimImageStore({ seed: 1 });
  const options = { create: true, hashSize: 7, noSync: true };
  const one = await openTdb(store, "list.tdb", options);
  for (let i = 0; i < 8; i++) one.store(b(`key ${i}`), new Uint8Array(40));
  // The file ends in a free record, which grows with it.
  one.delete(b("key 0"));
  const other = await openTdb(store, "list.tdb", options);
  // In one turn: the first handle has looked at the file's size, and will not look again by itself.
  const size = one.size;
  assert.ok(one.exists(b("key 1")));
  other.store(b("large"), new Uint8Array(one.size));
  other.delete(b("large"));
  const longer = freeList(other.core).find((off) => end(other, off) > size)!;
  assert.ok(longer < size, "it begins in what the first one knows");
  assert.is(one.size, size);
  assert.ok(one.delete(b("key 1")), "it was there");
  assert.is(one.size, other.size);
  assert.equal((await check(one)).problems.map(({ text }) => text), []);
  one.close();
  other.close();
});

test.run();
