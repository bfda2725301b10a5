/**
 * The recovery area shares its first block with a record that the transaction changes: neither the commit nor the
 * recovery may write that block's bytes over the area while it is needed.
 *
 *   | records | record changed, area begins | area | area ends | records changed |
 *               '------- one block -------'
 *
 * Areas made here begin at whole pages; a file that another program made need not. So one is moved by hand.
 * A process is killed at every step of such a commit, and at every step of the recovery that follows.
 *
 * Does NOT promise: power loss; transaction_crash.test.ts has that.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BLOCK, DB } from "../../../assembly/host/tdb_kernels.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb, type TdbOptions } from "../../../actors/storage/tdb_open.ts";
import { SimCrash, SimImageStore } from "../../../transport/sim/image.ts";
import { records } from "./free_list.ts";

const PATH = "block.tdb";
/** A commit or a recovery with more steps than this is not the one we know. */
const STEPS_MAX = 300;
/** By how much the area is moved: into the middle of a block. */
const SHIFT = 512;
/** Offsets in the header of the area. */
const AREA = { recLen: 4, magic: 20 } as const;
const RECOVERY_MAGIC = 0xf53bc0e7;

const b = (text: string): Uint8Array => new TextEncoder().encode(text);

const KINDS: readonly (readonly [name: string, options: TdbOptions])[] = [
  ["byte ranges", { hashSize: 7 }],
  ["big-endian", { hashSize: 7, byteOrder: "big", hash: "old" }],
  ["mutexes", { hashSize: 7, locking: "mutex" }],
];

/** A file as drawn above, and what its records are. */
interface Base {
  readonly store: SimImageStore;
  readonly tdb: Tdb;
  readonly keys: readonly Uint8Array[];
  /** Logical offset of the area. */
  readonly area: number;
  readonly before: string;
}

/** Where the area begins and ends, logical offsets. */
function areaOf({ core }: Tdb): { start: number; end: number } {
  const start = core.recoveryStart;
  return { start, end: start + 24 + core.word(start + AREA.recLen) };
}

/** Keys of live records: one in the block in which the area begins, and one for each block behind the area. */
function places(tdb: Tdb): { shared: string | undefined; behind: string[] } {
  const { start, end } = areaOf(tdb);
  let shared: string | undefined;
  const behind = new Map<number, string>();
  for (const [key, { off }] of records(tdb.core)) {
    const valueEnd = off + 24 + tdb.core.word(off + 8) + tdb.core.word(off + 12);
    if (off >= end) behind.set(Math.floor(off / BLOCK), key);
    else if (valueEnd > start - start % BLOCK) shared = key;
  }
  return { shared, behind: [...behind.values()] };
}

/** Moves the beginning of the area; the record before it becomes longer. */
function moveArea({ core }: Tdb, bytes: number): void {
  const from = core.recoveryStart;
  const words = [0, 4, 8, 12, 16, 20].map((at) => core.word(from + at));
  const length = core.word(from - 4) + bytes;
  const to = from + bytes;
  core.setWord(from - core.word(from - 4) + AREA.recLen, length - 24);
  core.setWord(to - 4, length);
  for (const [index, word] of words.entries()) core.setWord(to + 4 * index, word);
  core.setWord(to + AREA.recLen, (words[1] ?? 0) - bytes);
  core.setWord(44, to);
}

async function makeBase(seed: number, options: TdbOptions): Promise<Base> {
  const store = new SimImageStore({ seed, reserveBytes: 512 * 1024 });
  const tdb = await openTdb(store, PATH, { ...options, create: true, areaMin: 16 * 1024 });
  await tdb.transaction(() => tdb.store(b("first"), b("makes the area")));
  moveArea(tdb, SHIFT);
  // The record before the area has the room now, and its value reaches into the area's block.
  tdb.store(b("first"), new Uint8Array(SHIFT).fill(1));
  let found = places(tdb);
  for (let i = 0; found.behind.length < 4; i++) {
    assert.ok(i < 2000, "the file grows behind the area");
    tdb.store(b(`key ${i}`), value(i, 1));
    found = places(tdb);
  }
  assert.is(found.shared, "first");
  const keys = ["first", ...found.behind.slice(0, 4)].map(b);
  return { store, tdb, keys, area: tdb.recoveryStart, before: await contentOf(tdb) };
}

function value(index: number, version: number): Uint8Array {
  return new Uint8Array(8 + 24 * (index % 9)).fill(version);
}

/** Changes every one of these records in place. */
function changeAll(tdb: Tdb, keys: readonly Uint8Array[]): void {
  for (const key of keys) {
    tdb.store(key, new Uint8Array(tdb.fetch(key)?.length ?? 0).fill(0xee), "modify");
  }
}

async function contentOf(tdb: Tdb): Promise<string> {
  const found: string[] = [];
  await tdb.traverse((record) => {
    found.push(`${new TextDecoder().decode(record.key())}=${record.value().join()}`);
  });
  return found.sort().join("\n");
}

/** Runs the commit with its n-th step crashing (0: none). True when it got through. */
async function commitUntil({ store, tdb, keys }: Base, n: number): Promise<boolean> {
  await tdb.begin();
  changeAll(tdb, keys);
  const area = areaOf(tdb);
  store.failAt(n, "crash");
  try {
    await tdb.commit();
  } catch (error) {
    assert.instance(error, SimCrash);
    store.reboot("process");
    closeQuietly(tdb);
    return false;
  }
  store.failAt(0, "crash");
  assert.equal(areaOf(tdb), area, "the area was large enough");
  return true;
}

/** The magic of the area as it is in the file, which nobody has open. */
function magicIn({ store, tdb, area }: Base): number {
  const image = store.open(PATH);
  const at = image.address + tdb.header.mutexSize + area + AREA.magic;
  const little = tdb.header.byteOrder === "little";
  const magic = new DataView(tdb.core.memory.memory.buffer).getUint32(at, little);
  image.close();
  return magic;
}

function closeQuietly(tdb: Tdb): void {
  try {
    tdb.close();
  } catch (error) {
    assert.ok(error instanceof Error);
  }
}

async function wantContent(tdb: Tdb, allowed: readonly string[]): Promise<string> {
  const found = await contentOf(tdb);
  assert.ok(allowed.includes(found), "neither before nor after");
  assert.equal((await check(tdb)).problems, []);
  return found;
}

const test = suite("TDB: the area shares a block");
for (const [name, options] of KINDS) {
  test.either(`killed at every step of the commit, content is old or new (${name})`, async () => {
    let after: string | undefined;
    let old = 0;
    for (let n = 0; n < STEPS_MAX; n++) {
      const base = await makeBase(n, options);
      const through = await commitUntil(base, n);
      if (through) {
        after ??= await contentOf(base.tdb); // n = 0: nothing crashed
        assert.not(after === base.before);
        base.tdb.close();
        if (n === 0) continue;
        assert.ok(old > 8, `the old content was found after ${old} of ${n - 1} steps`);
        return;
      }
      const tdb = await openTdb(base.store, PATH);
      if (await wantContent(tdb, [base.before, after ?? ""]) === base.before) old++;
      tdb.close();
    }
    throw new Error(`more than ${STEPS_MAX} steps`);
  });

  test.either(`the recovery is killed at each of its steps, too (${name})`, async () => {
    let hits = 0;
    for (let n = 1; n < STEPS_MAX; n++) {
      for (let m = 1;; m++) {
        const base = await makeBase(n * 64 + m, options);
        if (await commitUntil(base, n)) {
          assert.ok(hits > 20, `the recovery was killed ${hits} times`);
          return;
        }
        // Before the magic is set and after it is off there is nothing to recover.
        if (magicIn(base) !== RECOVERY_MAGIC) break;
        base.store.failAt(m, "crash");
        let through = true;
        try {
          (await openTdb(base.store, PATH)).close();
        } catch (error) {
          assert.instance(error, SimCrash);
          through = false;
          hits++;
        }
        base.store.reboot("process");
        const tdb = await openTdb(base.store, PATH);
        await wantContent(tdb, [base.before]);
        tdb.close();
        if (through) break;
      }
    }
    throw new Error(`more than ${STEPS_MAX} steps`);
  });
}

test.either("an area that is too small and in the middle: taken back, it counts again", async () => {
  let old = 0;
  for (let n = 1; n < STEPS_MAX; n++) {
    const { store, tdb, keys, area } = await makeBase(n, { hashSize: 7 });
    // Together they are larger than the area.
    const large = Array.from({ length: 12 }, (_, i) => b(`large ${i}`));
    for (const key of large) tdb.store(key, new Uint8Array(2000));
    const before = await contentOf(tdb);
    await tdb.begin();
    changeAll(tdb, [...keys, ...large]);
    const after = await contentOf(tdb);
    store.failAt(n, "crash");
    const error: unknown = await tdb.commit().then(() => undefined, (cause) => cause);
    if (error === undefined) {
      assert.not(tdb.recoveryStart === area, "there is a new area");
      assert.ok(old > 8, `the old content was found after ${old} of ${n - 1} steps`);
      return;
    }
    assert.instance(error, SimCrash);
    store.reboot("process");
    closeQuietly(tdb);
    const again = await openTdb(store, PATH);
    if (await wantContent(again, [before, after]) === before) {
      assert.is(again.recoveryStart, area, `step ${n}`);
      old++;
    }
    again.close();
  }
  throw new Error(`more than ${STEPS_MAX} steps`);
});

test.either("the magic is in the file until the last block is", async () => {
  const { store, tdb, keys } = await makeBase(1, { hashSize: 7 });
  const { start } = areaOf(tdb);
  const reader = store.open(PATH);
  const magicAt = reader.address + start + AREA.magic;
  const magic = () => new DataView(tdb.core.memory.memory.buffer).getUint32(magicAt, true);
  const seen: number[] = [];
  const write = tdb.core.image.write.bind(tdb.core.image);
  await tdb.begin();
  changeAll(tdb, keys);
  await tdb.prepare();
  assert.is(magic(), RECOVERY_MAGIC);
  const fileSize = tdb.core.field(DB.fileSize);
  tdb.core.image.write = (offset, from, length) => {
    write(offset, from, length);
    if (length > 4) seen.push(magic()); // blocks; the last write of a commit is the magic's word
  };
  await tdb.commit();
  assert.ok(seen.length > 3 && fileSize > 0, `${seen.length} blocks`);
  assert.ok(seen.every((word) => word === RECOVERY_MAGIC), seen.join());
  assert.is(magic(), 0);
  tdb.close();
});
test.run();
