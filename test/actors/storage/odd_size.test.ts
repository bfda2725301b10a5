/**
 * A file whose last block is not whole: what a transaction saves and writes of it ends where the file does.
 *
 *   | records | area | records ... | half a block of records |
 *
 * Files made here end at whole pages; a process that dies while the file grows, or another program, may leave any
 * size. A process is killed, and the power lost, at every step of a commit that changes the last records.
 *
 * Does NOT promise: sizes that are no multiple of 4; what is behind the last word is left alone.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BLOCK } from "../../../assembly/host/tdb_kernels.ts";
import { threadMemory } from "../../../assembly/host/memory.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../../actors/storage/tdb_open.ts";
import { SimCrash, SimImageStore } from "../../../transport/sim/image.ts";
import { records } from "./free_list.ts";

const PATH = "odd.tdb";
/** A commit with more steps is not the one we know. */
const STEPS_MAX = 100;
/** What the file grows by: whole blocks, and a part of one. */
const ODD_BYTES = 3 * BLOCK + 100;

const b = (text: string): Uint8Array => new TextEncoder().encode(text);

const KINDS: readonly (readonly [name: string, options: TdbOptions])[] = [
  ["byte ranges", { hashSize: 3 }],
  ["big-endian", { hashSize: 3, byteOrder: "big" }],
  ["mutexes", { hashSize: 3, locking: "mutex" }],
];

interface Base {
  readonly store: SimImageStore;
  readonly tdb: Tdb;
  readonly before: string;
}

async function makeBase(seed: number, options: TdbOptions): Promise<Base> {
  const store = new SimImageStore({ seed, reserveBytes: 512 * 1024 });
  const tdb = await openTdb(store, PATH, { ...options, create: true, areaMin: 16 * 1024 });
  await tdb.transaction(() => tdb.store(b("first"), b("makes the area")));
  const { core } = tdb;
  core.image.extend(core.image.mapped + ODD_BYTES);
  core.follow();
  const size = core.size;
  // The new space becomes free when something needs it.
  for (let i = 0; i < 100 && lastRecord(tdb) < size - BLOCK; i++) {
    tdb.store(b(`key ${i}`), new Uint8Array(200).fill(i));
  }
  assert.is(core.size, size, "the file has its odd size still");
  assert.ok(lastRecord(tdb) > size - size % BLOCK - BLOCK, "the last block holds a record");
  core.image.sync(0, core.image.mapped);
  return { store, tdb, before: await contentOf(tdb) };
}

/** Logical offset of the live record that lies last. */
function lastRecord(tdb: Tdb): number {
  return Math.max(...[...records(tdb.core).values()].map(({ off }) => off));
}

/** Changes every record in place. */
function changeAll(tdb: Tdb): void {
  for (const key of records(tdb.core).keys()) {
    const length = tdb.fetch(b(key))?.length ?? 0;
    tdb.store(b(key), new Uint8Array(length).fill(0xee), "modify");
  }
}

async function contentOf(tdb: Tdb): Promise<string> {
  const found: string[] = [];
  await tdb.traverse((record) => {
    found.push(`${new TextDecoder().decode(record.key())}=${record.value().join()}`);
  });
  return found.sort().join("\n");
}

/** Commits with the n-th step crashing. True when it got through. */
async function commitUntil({ store, tdb }: Base, n: number): Promise<boolean> {
  await tdb.begin();
  changeAll(tdb);
  store.failAt(n, "crash");
  try {
    await tdb.commit();
  } catch (error) {
    assert.instance(error, SimCrash);
    return false;
  }
  store.failAt(0, "crash");
  return true;
}

const test = suite("TDB: a file that ends inside a block");
for (const [name, options] of KINDS) {
  for (const after of ["process", "power"] as const) {
    test(`old or new at every step, ${after} gone (${name})`, async () => {
      const done = await makeBase(0, options);
      const size = done.tdb.size;
      assert.ok(await commitUntil(done, 0));
      assert.is(done.tdb.size, size, "it did not grow");
      assert.equal((await check(done.tdb)).problems, []);
      const changed = await contentOf(done.tdb);
      done.tdb.close();
      let old = 0;
      for (let n = 1;; n++) {
        assert.ok(n < STEPS_MAX, `more than ${STEPS_MAX} steps`);
        const base = await makeBase(n, options);
        const through = await commitUntil(base, n);
        base.store.reboot(after);
        const tdb = await openTdb(base.store, PATH);
        const found = await contentOf(tdb);
        assert.ok((through ? [changed] : [base.before, changed]).includes(found), `step ${n}`);
        assert.equal((await check(tdb)).problems, [], `step ${n}`);
        tdb.close();
        if (found === base.before) old++;
        if (!through) continue;
        assert.ok(old > 4, `the old content was found ${old} times`);
        return;
      }
    });
  }
}

test("a transaction gives its memory back, the closed handle all of it", async () => {
  const { regions } = threadMemory();
  const store = new SimImageStore({ seed: 1, reserveBytes: 16 * 1024 * 1024 });
  const whole = regions.free().bytes;
  const tdb = await openTdb(store, PATH, { create: true, hashSize: 3 });
  const fill = (value: number) =>
    tdb.transaction(() => {
      for (let i = 0; i < 40; i++) tdb.store(b(`key ${i}`), new Uint8Array(50_000).fill(value));
    });
  await fill(1);
  const after = regions.free().bytes;
  for (let round = 2; round < 6; round++) {
    await fill(round);
    assert.is(regions.free().bytes, after, `round ${round}`);
  }
  await tdb.begin();
  tdb.store(b("key 1"), new Uint8Array(2_000_000));
  tdb.cancel();
  assert.is(regions.free().bytes, after, "cancelled");
  tdb.close();
  assert.is(regions.free().bytes, whole);
});
test.run();
