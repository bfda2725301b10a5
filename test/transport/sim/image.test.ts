/**
 * The faults of the simulated disk: each is what a machine can do, and no more.
 *
 * Does NOT promise: the contract; see ../sim_image.test.ts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { threadMemory } from "../../../assembly/host/memory.ts";
import type { Image } from "../../../transport/image.ts";
import { forgetOpenFiles } from "../../../transport/sim/file.ts";
import { SimCrash, SimImageStore } from "../../../transport/sim/image.ts";
import { rejectsCode, throwsCode } from "../../contracts/image_fixture.ts";

const test = suite("simulated faults");
const { bytes } = threadMemory();
const SECTOR = 512;

/** A store with a synced file of `count` sectors of ones. */
function prepared(seed: number, count: number): { store: SimImageStore; image: Image } {
  const store = new SimImageStore({ seed });
  const image = store.open("/f", { create: true });
  image.extend(count * SECTOR);
  bytes.fill(1, image.address, image.address + image.mapped);
  image.sync(0, image.mapped);
  return { store, image };
}

function contentsOf(store: SimImageStore): Uint8Array {
  const image = store.open("/f");
  const contents = bytes.slice(image.address, image.address + image.mapped);
  image.close();
  return contents;
}

const crashes = (run: () => unknown) =>
  assert.throws(run, (error: unknown) => error instanceof SimCrash);

test("After a power cut each unsynced sector is old or new, whole, and both happen", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const { store, image } = prepared(seed, 8);
    bytes.fill(2, image.address, image.address + 8 * SECTOR);
    store.reboot("power");
    const contents = contentsOf(store);
    assert.is(contents.length, 8 * SECTOR);
    const sectors = Array.from({ length: 8 }, (_, index) => {
      const sector = contents.slice(index * SECTOR, (index + 1) * SECTOR);
      assert.ok(sector.every((byte) => byte === sector[0]), "never torn inside");
      return sector[0];
    });
    assert.ok(sectors.every((byte) => byte === 1 || byte === 2));
    seen.add(sectors.join(""));
  }
  assert.ok(seen.size > 15, `only ${seen.size} outcomes of 20`);
});

test("Files that nobody has closed can be forgotten: their place is free, and they are as they were", () => {
  const { store, image } = prepared(1, 4);
  const { address } = image;
  // Twice by the same file: what is closed is left alone.
  store.open("/f");
  forgetOpenFiles();
  forgetOpenFiles();
  const other = new SimImageStore({ seed: 2 }).open("/g", { create: true });
  assert.is(other.address, address);
  assert.ok(contentsOf(store).every((byte) => byte === 1));
  other.close();
});

test("What was synced survives a power cut, and the same seed gives the same outcome", () => {
  const outcome = () => {
    const { store, image } = prepared(7, 16);
    bytes.fill(3, image.address, image.address + 4 * SECTOR);
    image.sync(0, 1);
    bytes.fill(4, image.address + 8 * SECTOR, image.address + 16 * SECTOR);
    store.reboot("power");
    return contentsOf(store);
  };
  const first = outcome();
  assert.ok(first.slice(0, 4 * SECTOR).every((byte) => byte === 3));
  assert.ok(first.slice(4 * SECTOR, 8 * SECTOR).every((byte) => byte === 1));
  assert.equal(first, outcome());
});

test("The size after a power cut is one that the file had since the last sync", () => {
  const sizes = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const { store, image } = prepared(seed, 2);
    image.extend(4 * SECTOR);
    image.truncate(3 * SECTOR);
    store.reboot("power");
    const contents = contentsOf(store);
    assert.ok(contents.slice(2 * SECTOR).every((byte) => byte === 0));
    sizes.add(contents.length);
  }
  assert.equal([...sizes].sort(), [2 * SECTOR, 3 * SECTOR, 4 * SECTOR]);
});

test("A write may be on the disk before any sync, and then be overwritten only in memory", () => {
  const scratch = threadMemory().regions.take(4096) ?? 0;
  const seen = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const { store, image } = prepared(seed, 1);
    for (const value of [5, 6]) {
      bytes.fill(value, scratch, scratch + SECTOR);
      image.write(0, scratch, SECTOR);
    }
    store.reboot("power");
    seen.add(contentsOf(store)[0] ?? -1);
  }
  assert.equal([...seen].sort(), [1, 5, 6]);
  threadMemory().regions.give(scratch, 4096);
});

test("kill -9 keeps every byte", () => {
  const { store, image } = prepared(1, 8);
  bytes.fill(9, image.address, image.address + 8 * SECTOR);
  store.reboot("process");
  assert.ok(contentsOf(store).every((byte) => byte === 9));
  throwsCode(() => image.size(), "state");
});

test("A file that was never synced may be gone after a power cut", () => {
  const outcomes = new Set<boolean>();
  for (let seed = 0; seed < 20; seed++) {
    const store = new SimImageStore({ seed });
    store.open("/f", { create: true }).extend(SECTOR);
    store.reboot("power");
    outcomes.add(store.exists("/f"));
  }
  assert.is(outcomes.size, 2);
});

test("The n-th step crashes, is not done, and nothing works until the reboot", async () => {
  const steps: ((image: Image, store: SimImageStore) => void)[] = [
    (image) => image.write(0, image.address + SECTOR, 1),
    (image) => image.sync(0, 1),
    (image) => image.extend(10 * SECTOR),
    (image) => image.truncate(0),
    (image) => image.touch(),
    (_image, store) => store.rename("/f", "/g"),
    (_image, store) => store.remove("/f"),
  ];
  for (const step of steps) {
    const { store, image } = prepared(3, 8);
    const before = store.steps;
    image.touch();
    assert.is(store.steps, before + 1);
    store.failAt(2, "crash");
    image.touch();
    crashes(() => step(image, store));
    assert.ok(store.crashed);
    for (const later of steps) crashes(() => later(image, store));
    crashes(() => image.tryLock({ start: 0, length: 1 }, "read"));
    crashes(() => store.open("/f"));
    assert.instance(
      await image.lock({ start: 0, length: 1 }, "read", 0).catch((error: unknown) => error),
      SimCrash,
    );
    image.close();
    store.reboot("process");
    assert.is(contentsOf(store).length, 8 * SECTOR);
  }
});

test("A full or failing disk refuses one step and changes nothing", () => {
  for (const kind of ["no_space", "io"] as const) {
    const { store, image } = prepared(4, 8);
    store.failAt(1, kind);
    throwsCode(() => image.extend(9 * SECTOR), kind);
    assert.is(image.size(), 8 * SECTOR);
    image.extend(9 * SECTOR);
    assert.is(image.size(), 9 * SECTOR);
    store.failAt(1, kind);
    store.failAt(0, kind);
    image.touch();
    image.close();
  }
});

test("A killed holder is found by who waits for its mutex, and its lock is free", async () => {
  const { store, image } = prepared(5, 8);
  const other = store.open("/f");
  image.initMutex(256);
  assert.is(image.tryMutex(256), "taken");
  assert.ok(image.tryLock({ start: 4, length: 1 }, "write"));
  const outcome = other.mutex(256, 1000);
  const locked = other.lock({ start: 4, length: 1 }, "write", 1000);
  store.kill(image);
  assert.is(await outcome, "owner_died");
  await locked;
  other.unlockMutex(256);
  assert.is(other.tryMutex(256), "taken");
  store.reboot("process");
  const reopened = store.open("/f");
  assert.is(reopened.tryMutex(256), "owner_died");
  store.reboot("power");
  const cold = store.open("/f");
  assert.is(cold.tryMutex(256), "busy", "nobody marked it: it must be made anew");
  cold.initMutex(256);
  assert.is(cold.tryMutex(256), "taken");
  cold.close();
});

test("Waiters are served in their order, and told when the machine crashes", async () => {
  const { store, image } = prepared(6, 1);
  const range = { start: 0, length: 1 };
  assert.ok(image.tryLock(range, "write"));
  const order: number[] = [];
  const others = [0, 1, 2].map(() => store.open("/f"));
  const waits = others.map((other, index) =>
    other.lock(range, "write", 1000).then(() => {
      order.push(index);
      other.unlock(range);
    })
  );
  image.unlock(range);
  await Promise.all(waits);
  assert.equal(order, [0, 1, 2]);
  assert.ok(image.tryLock(range, "write"));
  const [first, second] = others;
  const waiting = first?.lock(range, "write", 1000).catch((error: unknown) => error);
  const closing = second?.lock(range, "write", 1000) ?? Promise.resolve();
  second?.close();
  await rejectsCode(closing, "state");
  store.reboot("process");
  assert.instance(await waiting, SimCrash);
});

test("Every region comes back", () => {
  const before = threadMemory().regions.free();
  const { store, image } = prepared(8, 8);
  image.extend(3 * 1024 * 1024);
  store.reboot("power");
  const again = store.open("/f");
  again.close();
  assert.equal(threadMemory().regions.free(), before);
});

test.run();
