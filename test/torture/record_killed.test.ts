/**
 * A client that is killed in a write, at each word that it stores: the next one finds the old value with the old
 * number, or the new one with the next; also when it is killed while it mends.
 *
 *   file -> traced recordWrite, a copy at each word -> each copy mended, a copy at each word of that -> mended again
 *
 * Does NOT promise: more than one client at a time; the mutex of the chain sees to that.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../actors/storage/tdb_check.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import type { Kernels } from "../../assembly/host/kernels.ts";
import { kernels } from "../../assembly/host/kernels.ts";
import { threadMemory } from "../../assembly/host/memory.ts";
import { KEY_AT, OUT_AT, VALUE_AT } from "../../assembly/host/tdb_kernels.ts";
import { SimImageStore } from "../../transport/sim/image.ts";
import { putFile } from "../actors/storage/vector_files.ts";
import { Rig } from "../assembly/tdb_rig.ts";
import { tracedKernels } from "../assembly/trace.ts";
import { limit } from "../limit.ts";

const test = suite("records: killed in a write");
const memory = threadMemory();
const HEADER = 24;
const b = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** What a reader finds. */
interface Found {
  readonly rsn: number;
  readonly data: string;
}

/** A change, and whether it is done where the value lies. */
interface Plan {
  readonly name: string;
  readonly key: string;
  readonly old: number;
  readonly next: number;
  readonly isInPlace: boolean;
}

const PLANS: readonly Plan[] = [
  { name: "as long", key: "key1", old: 100, next: 100, isInPlace: true },
  { name: "a key of odd length", key: "key12", old: 37, next: 37, isInPlace: true },
  { name: "shorter", key: "key", old: 100, next: 3, isInPlace: true },
  { name: "emptied", key: "key1", old: 60, next: 0, isInPlace: true },
  { name: "from empty", key: "key1", old: 0, next: 4, isInPlace: false },
  { name: "somewhat longer", key: "key1", old: 100, next: 110, isInPlace: true },
  { name: "much longer", key: "key1", old: 40, next: 230, isInPlace: false },
  { name: "the longest that is undone", key: "key1", old: 1000, next: 1000, isInPlace: true },
  { name: "too long to be undone", key: "key1", old: 1001, next: 1001, isInPlace: false },
];

const value = (length: number, letter: string): string => letter.repeat(length);

/** Puts header and data at VALUE_AT; their length. */
function draft(rsn: number, data: string): number {
  const view = new DataView(memory.memory.buffer, VALUE_AT, HEADER);
  for (let at = 0; at < HEADER; at += 4) view.setUint32(at, 0, true);
  view.setUint32(0, rsn, true);
  view.setUint32(8, 3, true);
  view.setUint32(12, 55, true);
  memory.bytes.set(b(data), VALUE_AT + HEADER);
  return HEADER + data.length;
}

function putKey(of: Kernels, rig: Rig, key: string): number {
  memory.bytes.set(b(key), KEY_AT);
  of.tdbChain(rig.db, KEY_AT, key.length);
  return key.length;
}

/** One chain with the record between two others, and room behind. */
async function fileOf({ key, old }: Plan): Promise<Uint8Array> {
  const store = new SimImageStore({ seed: 1 });
  const tdb = await openTdb(store, "base", { create: true, hashSize: 1, locking: "none" });
  tdb.store(b("room"), new Uint8Array(3500));
  tdb.delete(b("room"));
  const { core } = tdb;
  for (const [name, data] of [["one", "1"], [key, value(old, "o")], ["three", "3"]] as const) {
    memory.bytes.set(b(name), KEY_AT);
    core.kernel.tdbChain(core.db, KEY_AT, name.length);
    const length = draft(7, data);
    const answer = core.kernel.recordStore(core.db, KEY_AT, name.length, VALUE_AT, length);
    assert.is(answer, 0);
  }
  const { address, mapped } = core.image;
  const file = memory.bytes.slice(address, address + mapped);
  tdb.close();
  return file;
}

/** Runs `work` with kernels that are looked at; what stood in the file before each word, and at the end. */
async function moments(
  file: Uint8Array,
  work: (of: Kernels, rig: Rig) => void,
): Promise<Uint8Array[]> {
  const rig = new Rig(file);
  try {
    const copy = (): Uint8Array => memory.bytes.slice(rig.base, rig.base + rig.size);
    const copies: Uint8Array[] = [];
    const store = (address: number): void => {
      if (address >= rig.base && address < rig.base + rig.size) copies.push(copy());
    };
    work(await tracedKernels({ load: () => undefined, store }), rig);
    copies.push(copy());
    return copies;
  } finally {
    rig.close();
  }
}

function found(of: Kernels, rig: Rig, key: string): Found {
  const off = of.recordFind(rig.db, KEY_AT, putKey(of, rig, key)) >>> 0;
  assert.ok(off > 1, `${key} is there`);
  of.recordHead(rig.db, off, OUT_AT);
  const view = new DataView(memory.memory.buffer, OUT_AT, 32);
  assert.is(view.getUint32(8, true), 3);
  assert.is(view.getUint32(12, true), 55);
  assert.is(view.getUint32(20, true), 0, "no mark is left");
  const [length, address] = [view.getUint32(24, true), view.getUint32(28, true)];
  return {
    rsn: view.getUint32(0, true),
    data: new TextDecoder().decode(memory.bytes.slice(address, address + length)),
  };
}

/** As the daemon sees it beside the mutex. */
function peeked(rig: Rig, key: string): Found {
  const of = kernels();
  const keyLen = putKey(of, rig, key);
  const room = 65536;
  assert.ok((of.recordPeek(rig.db, KEY_AT, keyLen, VALUE_AT, room) >>> 0) > 2);
  const view = new DataView(memory.memory.buffer, VALUE_AT, 8 + HEADER);
  const start = VALUE_AT + 8;
  const data = memory.bytes.slice(start + HEADER, start + view.getUint32(0, true));
  return { rsn: view.getUint32(8, true), data: new TextDecoder().decode(data) };
}

function look<T>(file: Uint8Array, work: (rig: Rig) => T): T {
  const rig = new Rig(file);
  try {
    return work(rig);
  } finally {
    rig.close();
  }
}

async function wantSound(file: Uint8Array): Promise<void> {
  const store = new SimImageStore({ seed: 1 });
  putFile(store, "copy", file);
  const tdb = await openTdb(store, "copy", { locking: "none" });
  const { problems } = await check(tdb);
  tdb.close();
  assert.equal(problems, []);
}

for (const plan of PLANS) {
  test.either(
    `killed at each word: ${plan.name}`,
    limit(120_000, async () => {
      const { key, old, next, isInPlace } = plan;
      const file = await fileOf(plan);
      const before: Found = { rsn: 7, data: value(old, "o") };
      const after: Found = { rsn: 8, data: value(next, "n") };
      const wanted = [before, after].map((one) => JSON.stringify(one));
      const offsets: number[] = [];
      const copies = await moments(file, (of, rig) => {
        const off = of.recordFind(rig.db, KEY_AT, putKey(of, rig, key)) >>> 0;
        const length = draft(0, value(next, "n"));
        assert.is(of.recordWrite(rig.db, off, VALUE_AT, length, KEY_AT), 0);
        offsets.push(off, of.recordFind(rig.db, KEY_AT, putKey(of, rig, key)) >>> 0);
      });
      assert.is(offsets[0] === offsets[1], isInPlace, "in place");
      let [olds, news, mended] = [0, 0, 0];
      for (const copy of copies) {
        const seen = look(copy, (rig) => peeked(rig, key));
        assert.ok(wanted.includes(JSON.stringify(seen)), `beside: ${JSON.stringify(seen)}`);
        const healing = await moments(copy, (of, rig) => {
          const one = found(of, rig, key);
          assert.ok(wanted.includes(JSON.stringify(one)), JSON.stringify(one));
          assert.equal(one, seen);
          if (one.rsn === 7) olds++;
          else news++;
        });
        if (healing.length > 1) mended++;
        for (const half of healing) {
          look(half, (rig) => {
            assert.equal(found(kernels(), rig, key), seen, "killed while mending");
            assert.equal(found(kernels(), rig, "one"), { rsn: 7, data: "1" });
            assert.equal(found(kernels(), rig, "three"), { rsn: 7, data: "3" });
          });
        }
        // Who dies in the free list leaves work to the next who takes space; test/torture/tdb_settle.test.ts has that.
        const isLast = copy === copies.at(-1);
        if (isInPlace || isLast) await wantSound(healing.at(-1) as Uint8Array);
      }
      assert.ok(olds > 0 && news > 0, `${olds} ${news}`);
      assert.is(mended > 0, isInPlace);
    }),
  );
}

test.either("a mark that nobody here made means nothing", async () => {
  const plan = PLANS[0] as Plan;
  const file = await fileOf(plan);
  for (const mark of [1, 124, 0x75640000, 0x75640017, 0x75640401, 0x7564ffff, 0xdeadbeef]) {
    look(file, (rig) => {
      const of = kernels();
      const off = of.recordFind(rig.db, KEY_AT, putKey(of, rig, plan.key)) >>> 0;
      rig.setWord(off + 24 + plan.key.length + 20, mark);
      assert.is(of.recordFind(rig.db, KEY_AT, putKey(of, rig, plan.key)) >>> 0, off);
      of.recordHead(rig.db, off, OUT_AT);
      const view = new DataView(memory.memory.buffer, OUT_AT, 32);
      assert.is(view.getUint32(24, true), plan.old, `mark ${mark}`);
    });
  }
});

test.run();
