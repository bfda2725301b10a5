/**
 * What an operation leaves behind when something under it fails: a lock call, the disk while a commit is taken back,
 * the file itself, a kernel.
 *
 * The faults are put into the image of the handle by hand, one call at a time.
 *
 * Does NOT promise: every step; transaction_crash.test.ts counts those.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TdbCalls } from "../../../actors/storage/tdb_calls.ts";
import { check } from "../../../actors/storage/tdb_check.ts";
import type { Tdb } from "../../../actors/storage/tdb.ts";
import { openTdb } from "../../../actors/storage/tdb_open.ts";
import { RECORD } from "../../../actors/storage/tdb_recovery.ts";
import type { Image, LockRange } from "../../../transport/image.ts";
import { SimImageStore } from "../../../transport/sim/image.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";

const PATH = "faults.tdb";
const FREE_LIST = 164;
const b = (text: string): Uint8Array => new TextEncoder().encode(text);
const big = new Uint8Array(5000).fill(7);

/** Two handles on a database of 50 records. */
async function pair(): Promise<{ store: SimImageStore; tdb: Tdb; other: Tdb }> {
  const store = new SimImageStore({ seed: 7 });
  const tdb = await openTdb(store, PATH, { create: true, hashSize: 7 });
  for (let i = 0; i < 50; i++) tdb.store(b(`key ${i}`), b(`value ${i}`));
  return { store, tdb, other: await openTdb(store, PATH) };
}

/** The error that `work` ends with. */
async function errorOf(work: () => unknown): Promise<CtdbxError> {
  try {
    await work();
  } catch (error) {
    return error as CtdbxError;
  }
  throw new Error("no error");
}

/** Replaces a method of the image until the answer is called. */
function replace<K extends "tryLock" | "unlock" | "sync">(
  image: Image,
  name: K,
  make: (real: Image[K]) => Image[K],
): () => void {
  const real = image[name].bind(image) as Image[K];
  Object.defineProperty(image, name, { value: make(real), configurable: true });
  return () => Object.defineProperty(image, name, { value: real, configurable: true });
}

const isFree = (range: LockRange): boolean => range.start === FREE_LIST;

async function wantWhole(tdb: Tdb): Promise<void> {
  assert.equal((await check(tdb)).problems, []);
  for (let i = 0; i < 50; i++) assert.equal(tdb.fetch(b(`key ${i}`)), b(`value ${i}`));
}

const test = suite("TDB: faults under an operation");

test("the free list cannot be locked: the error comes through, nothing is changed, work goes on", async () => {
  const { tdb, other } = await pair();
  const restore = replace(tdb.core.image, "tryLock", (real) => (range, kind) => {
    if (isFree(range)) throw new CtdbxError("io", "Cannot lock: no locks left");
    return real(range, kind);
  });
  const error = await errorOf(() => tdb.store(b("new"), big));
  assert.is(error.message, "Cannot lock: no locks left");
  restore();
  assert.is(tdb.fetch(b("new")), undefined);
  tdb.store(b("new"), big);
  assert.equal(other.fetch(b("new")), big);
  await wantWhole(other);
});

test("the free list cannot be unlocked: the change is made, the handle is good for nothing more", async () => {
  const { tdb, other } = await pair();
  const restore = replace(tdb.core.image, "unlock", (real) => (range) => {
    if (isFree(range)) throw new CtdbxError("io", "Cannot unlock");
    real(range);
  });
  tdb.store(b("new"), big);
  restore();
  assert.match((await errorOf(() => tdb.fetch(b("new")))).message, "Cannot unlock the free list");
  tdb.close();
  assert.equal(other.fetch(b("new")), big);
  other.store(b("newer"), big);
  await wantWhole(other);
});

test("a record that cannot be asked for is taken for held: it stays in its chain as dead", async () => {
  const { tdb, other } = await pair();
  const restore = replace(tdb.core.image, "tryLock", (real) => (range, kind) => {
    if (range.start > 1000) throw new CtdbxError("io", "Cannot lock: no locks left");
    return real(range, kind);
  });
  assert.ok(tdb.delete(b("key 3")));
  restore();
  assert.is(other.fetch(b("key 3")), undefined);
  const report = await check(other);
  assert.equal(report.problems, []);
  assert.is(report.dead, 1);
});

test("a kernel that traps breaks the handle and gives the free list back", async () => {
  const { tdb, other } = await pair();
  const { core } = tdb;
  const trap = (): number => {
    assert.ok(core.locks.tryFree());
    throw new WebAssembly.RuntimeError("unreachable");
  };
  const kernel = { ...core.kernel, tdbStore: trap, tdbRemove: trap };
  const spoilt: CtdbxError[] = [];
  const trapping = Object.create(core, { kernel: { value: kernel } });
  const calls = new TdbCalls(trapping, tdb.guard, (error) => spoilt.push(error));
  for (const work of [() => calls.store(3, 0, 0, 0), () => calls.remove(3)]) {
    const error = await errorOf(work);
    assert.is(error.code, "io");
    assert.instance(error.cause, WebAssembly.RuntimeError);
    assert.ok(other.core.locks.tryFree(), "the free list is to be had");
    other.core.locks.unlockFree();
  }
  assert.equal(spoilt, [], "there is no transaction");
  Object.assign(core, { broken: trapping.broken });
  core.looked = false;
  assert.match((await errorOf(() => tdb.fetch(b("key 1")))).message, "stopped half-way");
  await wantWhole(other);
});

test("a transaction whose file was shortened can be cancelled, and its own error is what is seen", async () => {
  for (const explicit of [true, false]) {
    const { store, tdb, other } = await pair();
    other.close();
    const mine = await errorOf(async () => {
      const work = (): void => {
        tdb.store(b("new"), big);
        const stranger = store.open(PATH, {});
        stranger.truncate(1000);
        stranger.close();
        tdb.core.looked = false;
        throw new SyntaxError("mine");
      };
      if (!explicit) return await tdb.transaction(work);
      await tdb.begin();
      try {
        work();
      } finally {
        tdb.cancel();
      }
    });
    assert.is(mine.name, "SyntaxError");
    assert.not(tdb.inTransaction);
    assert.is((await errorOf(() => tdb.fetch(b("key 1")))).code, "truncated");
    assert.is((await errorOf(() => tdb.begin())).code, "truncated");
    tdb.cancel();
    tdb.close();
  }
});

test("a commit that cannot be taken back says both, and the next open takes it back", async () => {
  for (const failing of [2, 3, 4, 5]) {
    const { store, tdb, other } = await pair();
    other.close();
    await tdb.begin();
    tdb.store(b("key 3"), big);
    let syncs = 0;
    replace(tdb.core.image, "sync", (real) => (offset, length) => {
      if (++syncs >= failing) throw new CtdbxError("io", `Cannot sync: ${syncs}`);
      real(offset, length);
    });
    const error = await errorOf(() => tdb.commit());
    assert.is(error.code, "io");
    assert.match(error.message, `Cannot sync: ${failing}`);
    tdb.close();
    const again = await openTdb(store, PATH);
    const value = again.fetch(b("key 3")) as Uint8Array;
    if (value.length === big.length) assert.equal(value, big, "the last sync: it is done");
    else await wantWhole(again);
    assert.equal((await check(again)).problems, []);
    again.close();
  }
});

test("everything is locked for reading: a writing traverse is no licence to write", async () => {
  const { tdb } = await pair();
  await tdb.lockAll("read");
  const error = await errorOf(() =>
    tdb.traverse((record) => void tdb.store(record.key(), big), { write: true })
  );
  assert.is(error.code, "state");
  tdb.unlockAll();
  await wantWhole(tdb);
});

test("wipe drops a recovery area whose length is no multiple of 4", async () => {
  for (const length of [1, 2, 3, 64]) {
    const { tdb } = await pair();
    await tdb.transaction(() => tdb.store(b("new"), big));
    const area = tdb.recoveryStart;
    assert.ok(area > 0);
    const capacity = tdb.core.word(area + RECORD.recLen);
    tdb.core.setWord(area + RECORD.recLen, capacity - length);
    await tdb.wipe();
    assert.is(tdb.recoveryStart, length === 64 ? area : 0);
    for (let i = 0; i < 50; i++) tdb.store(b(`key ${i}`), b(`value ${i}`));
    assert.equal((await check(tdb)).problems.map((problem) => problem.kind), []);
    await wantWhole(tdb);
  }
});

test("a wipe that fails in a transaction spoils it", async () => {
  const { tdb } = await pair();
  await tdb.begin();
  tdb.store(b("key 3"), big);
  tdb.core.overlayMemory = () => 0;
  const error = await errorOf(async () => {
    await tdb.wipe();
    for (let i = 0; i < 50; i++) tdb.store(b(`more ${i}`), big);
  });
  assert.is(error.code, "limit");
  assert.is((await errorOf(() => tdb.commit())).code, "limit");
  assert.not(tdb.inTransaction);
  await wantWhole(tdb);
});

test("options out of range are refused by name", async () => {
  const store = new SimImageStore({ seed: 7 });
  for (const name of ["maxDead", "areaMin", "lockTimeoutMs"] as const) {
    for (const value of [-1, 1.5, NaN, Infinity, 2 ** 40]) {
      const error = await errorOf(() => openTdb(store, PATH, { create: true, [name]: value }));
      assert.instance(error, RangeError);
      assert.match(error.message, name);
    }
  }
});

test("a platform whose mutexes are of another size neither makes nor opens a file with them", async () => {
  const store = new SimImageStore({ seed: 7 });
  const foreign = {
    ...store,
    open: (...args: Parameters<SimImageStore["open"]>): Image =>
      Object.defineProperty(store.open(...args), "mutexSize", { value: 48 }),
  } as unknown as SimImageStore;
  const options = { create: true, locking: "mutex" } as const;
  assert.is((await errorOf(() => openTdb(foreign, PATH, options))).code, "unsupported");
  (await openTdb(store, "other.tdb", options)).close();
  assert.is((await errorOf(() => openTdb(foreign, "other.tdb"))).code, "unsupported");
});

test.run();
