/**
 * Files made to mislead the kernels: whatever lengths and offsets say, nothing outside the file is read or written.
 *
 *   file, some words wrong -> rig -> traced kernels behind a fence: file, descriptor, scratch
 *
 * Does NOT promise: sense of what is found. test/long/traced.ts does the same with whole handles and many files.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Kernels } from "../../assembly/host/kernels.ts";
import { CHECK_BYTES, PROBLEM_BYTES, seenBytes } from "../../assembly/host/check_kernels.ts";
import { CHECK } from "../../assembly/host/check_kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import * as host from "../../assembly/host/tdb_kernels.ts";
import { openTdb, type TdbOptions } from "../../actors/storage/tdb_open.ts";
import { type Dice, SeededDice } from "../../transport/sim/dice.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { limit } from "../limit.ts";
import { Rig } from "../assembly/tdb_rig.ts";
import { Fence, tracedKernels } from "../assembly/trace.ts";

const test = suite("assembly: hostile files");
const { DB, FAULT, KEY_AT, VALUE_AT } = host;
const FREE = 0xd9fee666;
const LIVE = 0x26011999;
const DEAD = 0xfee1dead;
const FREE_HEAD = 168;
const INDEX_SIGN = 0xc7db1d01;
const CLEAN = 1;
const memory = threadMemory();
const b = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const kindOf = (rig: Rig): string | undefined => host.FAULT_KINDS[rig.field(DB.faultKind) - 1];

/** The bytes of a database that `make` filled. */
async function made(
  options: TdbOptions,
  make: (store: (key: string, length: number) => void, drop: (key: string) => void) => void,
): Promise<Uint8Array> {
  const tdb = await openTdb(new SimImageStore({ seed: 1 }), "made", { ...options, create: true });
  make(
    (key, length) => tdb.store(b(key), new Uint8Array(length)),
    (key) => void tdb.delete(b(key)),
  );
  const { address, mapped } = tdb.core.image;
  const file = memory.bytes.slice(address, address + mapped);
  tdb.close();
  return file;
}

/** Accesses that one call may make on these small files. */
const ACCESSES_MAX = 3_000_000;

/**
 * Runs `use` with a rig and kernels that may read no more than its file, its descriptor and scratch, and write all
 * of that but the header.
 */
async function behindFence(
  file: Uint8Array,
  use: (rig: Rig, kernels: Kernels, fence: Fence) => void,
): Promise<void> {
  const rig = new Rig(file);
  const room = CHECK_BYTES + 100 * PROBLEM_BYTES + seenBytes(rig.size) + 4096;
  const state = memory.regions.take(room);
  if (state === undefined) throw new RangeError("Cannot make a fence: no memory");
  const own = [[0, host.VALUE_AT + host.VALUE_ROOM], [state, state + room]] as const;
  const end = rig.base + rig.size;
  const fence = new Fence(
    [...own, [rig.base, end]],
    [...own, [rig.base + FREE_HEAD, end]],
    ACCESSES_MAX,
  );
  try {
    memory.bytes.fill(0, state, state + room);
    const set = (field: number, to: number): void => {
      memory.words[(state + field) >>> 2] = to;
    };
    set(CHECK.table, state + CHECK_BYTES);
    set(CHECK.tableMax, 100);
    set(CHECK.map, state + CHECK_BYTES + 100 * PROBLEM_BYTES);
    rig.state = state;
    use(rig, await tracedKernels(fence), fence);
    assert.ok(fence.seen > 0, "the fence sees nothing");
  } finally {
    memory.regions.give(state, room);
    rig.close();
  }
}

function find(rig: Rig, kernels: Kernels, key: string): number {
  memory.bytes.set(b(key), KEY_AT);
  return kernels.tdbSeek(rig.db, KEY_AT, key.length) >>> 0;
}

function place(rig: Rig, kernels: Kernels, key: string, length: number, byte = 0): number {
  memory.bytes.set(b(key), KEY_AT);
  memory.bytes.fill(byte, VALUE_AT, VALUE_AT + length);
  return kernels.tdbPlace(rig.db, KEY_AT, key.length, VALUE_AT, length, host.MODE.replace);
}

function remove(rig: Rig, kernels: Kernels, key: string): number {
  memory.bytes.set(b(key), KEY_AT);
  const hash = kernels.tdbHash(rig.db, KEY_AT, key.length);
  return kernels.tdbRemove(rig.db, KEY_AT, key.length, hash);
}

/** Calls everything that reads. */
function readAll(rig: Rig, kernels: Kernels): void {
  find(rig, kernels, "some key");
  kernels.tdbBatch(rig.db, 0, 0, 100, host.OUT_AT);
  kernels.tdbFreeSizes(rig.db, host.OUT_AT);
  kernels.tdbTail(rig.db);
  memory.bytes.fill(0, rig.state + CHECK.phase, rig.state + CHECK_BYTES);
  while (kernels.tdbCheck(rig.db, rig.state, 1000) === 0);
}

for (const byteOrder of ["little", "big"] as const) {
  test.either(
    `a file that ends before its first record could: heads that lead anywhere, ${byteOrder}`,
    limit(120_000, async () => {
      const empty = await made({ hashSize: 3, byteOrder }, () => undefined);
      assert.is(empty.length, 184);
      for (let more = 0; more < 28; more++) {
        const file = new Uint8Array(empty.length + more);
        file.set(empty);
        await behindFence(file, (rig, kernels) => {
          const size = file.length;
          const places = [4, 164, 180, 184, 188, size - 4, size, size + 4, size + 4096];
          for (const to of [...places, 2 ** 31, 2 ** 32 - 28, 2 ** 32 - 4]) {
            const off = Math.floor(to / 4) * 4;
            for (let at = FREE_HEAD; at < 184; at += 4) rig.setWord(at, off);
            assert.is(find(rig, kernels, "some key"), FAULT, `${more} bytes more, heads ${off}`);
            assert.is(kindOf(rig), "offset");
            assert.is(rig.field(DB.faultAt), off);
            assert.is(place(rig, kernels, "some key", 10), host.ANSWER.fault);
            assert.is(remove(rig, kernels, "some key"), host.ANSWER.fault);
          }
          readAll(rig, kernels);
        });
      }
    }),
  );
}

/** 400 records of many lengths, every other one deleted: the free list is indexed. */
const fragmented = (): Promise<Uint8Array> =>
  made({ hashSize: 7 }, (store, drop) => {
    for (let i = 0; i < 400; i++) store(`key ${i}`, 10 + (i * 37) % 300);
    for (let i = 0; i < 400; i += 2) drop(`key ${i}`);
  });

/** Offset of a live record with a free, indexed one behind it, that one's, and the first one's key. */
function besideFree(rig: Rig): { key: string; after: number; index: number } {
  const index = rig.word(FREE_HEAD);
  assert.is(rig.word(index + 8), INDEX_SIGN);
  for (let off = 172 + 4 * 7; off < rig.size; off += 24 + rig.word(off + 4)) {
    const after = off + 24 + rig.word(off + 4);
    if (rig.word(off + 20) !== LIVE || rig.word(after + 20) !== FREE) continue;
    if (rig.word(after + 8) === INDEX_SIGN || rig.word(after + 12) === 0) continue;
    const at = rig.base + off + 24;
    const key = new TextDecoder().decode(memory.bytes.slice(at, at + rig.word(off + 8)));
    return { key, after, index };
  }
  throw new Error("No live record with a free one behind it");
}

test.either("a deleted record does not join a right neighbour whose length or tailer lies", async () => {
  const file = await fragmented();
  const lies: ((rig: Rig, after: number) => void)[] = [
    0,
    3,
    5,
    file.length,
    2 ** 31,
    2 ** 32 - 28,
    2 ** 32 - 24,
    2 ** 32 - 4,
  ].map((value) => (rig, after) => {
    rig.setWord(after + 4, value);
  });
  lies.push((rig, after) => rig.setWord(after + 24 + rig.word(after + 4) - 4, 28));
  for (const [index, lie] of lies.entries()) {
    await behindFence(file, (rig, kernels) => {
      const found = besideFree(rig);
      lie(rig, found.after);
      const words = [0, 4, 8, 12, 16, 20].map((at) => rig.word(found.after + at));
      assert.is(remove(rig, kernels, found.key), host.ANSWER.done);
      assert.equal(
        [0, 4, 8, 12, 16, 20].map((at) => rig.word(found.after + at)),
        words,
        `lie ${index}`,
      );
      assert.is.not(rig.word(found.index + 16), CLEAN, "the index is given up");
      assert.is(find(rig, kernels, found.key), 0);
      readAll(rig, kernels);
    });
  }
});

test.either("a record whose header is overwritten by its own successor is not freed by what it says then", async () => {
  for (const byteOrder of ["little", "big"] as const) {
    const file = await made({ hashSize: 1, byteOrder }, (store, drop) => {
      store("filler", 2000);
      store("old", 8);
      drop("filler");
    });
    await behindFence(file, (rig, kernels) => {
      const free = rig.word(FREE_HEAD);
      const end = free + 24 + rig.word(free + 4);
      // The record moves into the free one's body, where a successor of 200 bytes will lie.
      const old = end - 150 & ~3;
      const from = rig.word(172);
      memory.bytes.copyWithin(rig.base + old, rig.base + from, rig.base + from + 60);
      rig.setWord(172, old);
      rig.setWord(old + 4, 28);
      assert.is(find(rig, kernels, "old"), old);
      assert.is(place(rig, kernels, "old", 200, 0xfc), host.ANSWER.fault);
      assert.is(kindOf(rig), "length");
      readAll(rig, kernels);
    });
  }
});

/** Makes the links of free records lie: `count` words are other records, or a little beside them. */
function deal(dice: Dice, rig: Rig, count: number): void {
  const free: number[] = [];
  for (let off = rig.word(FREE_HEAD); off !== 0; off = rig.word(off)) free.push(off);
  const index = free[0] as number;
  const some = (): number => free[dice.below(free.length)] as number;
  const near = (): number => some() + (dice.chance(1, 3) ? 4 * (dice.below(13) - 6) : 0);
  for (let left = count; left > 0; left--) {
    const at = some();
    const what = dice.below(8);
    if (what < 2) rig.setWord(at, near());
    else if (what < 3) rig.setWord(at + 8, near());
    else if (what < 4) rig.setWord(at + 12, dice.chance(1, 2) ? near() : dice.below(240));
    else if (what < 5) rig.setWord(index + 24 + 4 * dice.below(245), near());
    else if (what < 6) rig.setWord(FREE_HEAD, near());
    else layOver(rig, at + 4 * dice.below(7), [near(), near(), dice.below(240)]);
  }
  // Mostly the index is made anew from the list, or from a scan.
  const state = dice.below(4);
  if (state === 1) rig.setWord(index + 16, 2);
  else if (state > 1) rig.setWord(index + 8, 0);
}

/** A free record that begins in the header or the body of another one and ends with it. */
function layOver(rig: Rig, off: number, [next, prev, size]: [number, number, number]): void {
  const host = off - off % 4;
  const length = rig.word(host + 4);
  const recLen = length % 4 === 0 && length > 100 && length < 5000 ? length - 64 : 40;
  [next, recLen, prev, size, 0, FREE].forEach((word, field) => rig.setWord(host + 4 * field, word));
  rig.setWord(host + 24 + recLen - 4, 24 + recLen);
}

test.either(
  "free records that overlap and lead into each other",
  limit(120_000, async () => {
    const file = await fragmented();
    const answers = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const dice = new SeededDice(seed);
      await behindFence(file, (rig, kernels, fence) => {
        deal(dice, rig, 1 + dice.below(30));
        for (let i = 0; i < 12; i++) {
          fence.begin();
          const key = `key ${dice.below(400)}`;
          const answer = dice.chance(1, 2)
            ? place(rig, kernels, key, dice.below(600), 0xfc)
            : remove(rig, kernels, key);
          const isFault = answer === host.ANSWER.fault;
          answers.add(isFault ? `${kindOf(rig) ?? rig.field(DB.faultKind)}` : `${answer}`);
        }
        fence.begin();
        readAll(rig, kernels);
      }).catch((cause: Error) => {
        throw new Error(`seed ${seed}: ${cause.message}`, { cause });
      });
    }
    for (const answer of ["0", "2", "freelist", "offset", "loop", "magic"]) {
      assert.ok(answers.has(answer), `${answer}, not among ${[...answers]}`);
    }
  }),
);

test.either("an index is not made on from a link that making it has overwritten", async () => {
  const empty = await made({ hashSize: 1 }, (store) => store("only", 10));
  const file = new Uint8Array(64 * 1024);
  file.set(empty);
  await behindFence(file, (rig, kernels) => {
    // 40 free records, none behind another; in the header of the 6th begins one more: its link is the word in which
    // the index keeps the size class of the 6th.
    const offsets = Array.from({ length: 40 }, (_, index) => 8192 + index * 1280);
    for (const [index, off] of offsets.entries()) {
      const words = [offsets[index + 1] ?? 0, 1200, 0, 1, 0, FREE];
      words.forEach((word, field) => rig.setWord(off + 4 * field, word));
      rig.setWord(off + 24 + 1200 - 4, 24 + 1200);
    }
    const sixth = offsets[5] as number;
    const inner = sixth + 12;
    [inner, 1200, 0, offsets[6] as number, 40, FREE, 1, 0, FREE].forEach((word, field) => {
      rig.setWord(sixth + 4 * field, word);
    });
    rig.setWord(inner + 24 + 40 - 4, 24 + 40);
    rig.setWord(FREE_HEAD, offsets[0] as number);
    // Larger than any: the whole list is walked, found long, and indexed.
    assert.is(place(rig, kernels, "new", 1500), host.ANSWER.fault);
    assert.is(kindOf(rig), "offset");
    readAll(rig, kernels);
    assert.is(place(rig, kernels, "new", 1500), host.ANSWER.fault);
    assert.is(remove(rig, kernels, "only"), host.ANSWER.fault);
  });
});

test.either("a chain of dead records with a list that cannot be mended is trimmed in one scan", async () => {
  const file = await made({ hashSize: 1 }, (store, drop) => {
    for (let i = 0; i < 120; i++) store(`key ${i}`, 20 + i);
    for (let i = 0; i < 120; i += 3) drop(`key ${i}`);
  });
  await behindFence(file, (rig, kernels) => {
    const index = rig.word(FREE_HEAD);
    assert.is(rig.word(index + 8), INDEX_SIGN);
    let last = 0;
    for (let off = rig.word(172); off !== 0; off = rig.word(off)) {
      if (rig.word(off) !== 0) rig.setWord(off + 20, DEAD);
      else last = off;
    }
    const at = rig.base + last + 24;
    const key = new TextDecoder().decode(memory.bytes.slice(at, at + rig.word(last + 8)));
    rig.setWord(index + 16, 2);
    // Nothing is a record here: the scan for free ones fails at it.
    rig.setWord(last + 24 + rig.word(last + 4) + 20, 77);
    const epoch = rig.field(DB.epoch);
    assert.is(remove(rig, kernels, key), host.ANSWER.fault);
    assert.is(kindOf(rig), "freelist");
    assert.ok(rig.field(DB.epoch) > epoch);
    let left = 0;
    for (let off = rig.word(172); off !== 0; off = rig.word(off)) left++;
    assert.is(left, 79, "one was unlinked, then it stopped");
  });
});

test.run();
