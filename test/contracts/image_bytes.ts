/**
 * The contract of the Image port: bytes and sizes.
 *
 * Does NOT promise: to run by itself; image.ts does that, for an adapter.
 */

import * as assert from "uvu/assert";
import { threadMemory } from "../../assembly/host/memory.ts";
import { type Promises } from "./image_fixture.ts";

/** Run by image.ts. */
export const IMAGE_BYTES: Promises = {
  "Two images of a file see each other's bytes at once": (fixture) => {
    const { bytes } = threadMemory();
    const path = fixture.path("coherent");
    const one = fixture.store.open(path, { create: true });
    one.extend(10_000);
    const two = fixture.store.open(path);
    bytes[one.address + 9_999] = 77;
    assert.is(bytes[two.address + 9_999], 77);
    bytes[two.address] = 66;
    assert.is(bytes[one.address], 66);
    one.close();
    assert.is(bytes[two.address + 9_999], 77);
    two.close();
  },

  "Contents survive closing, and the region is zero afterwards": (fixture) => {
    const { bytes } = threadMemory();
    const path = fixture.path("survive");
    const image = fixture.store.open(path, { create: true });
    image.extend(6000);
    bytes.fill(5, image.address, image.address + 6000);
    const { address } = image;
    image.close();
    assert.equal(bytes.slice(address, address + 8192), new Uint8Array(8192));
    const again = fixture.store.open(path);
    assert.is(again.mapped, 6000);
    assert.equal(bytes.slice(again.address, again.address + 6000), new Uint8Array(6000).fill(5));
    again.close();
  },

  "Another image learns of a new size by refresh, in both directions": (fixture) => {
    const { bytes } = threadMemory();
    const path = fixture.path("refresh");
    const one = fixture.store.open(path, { create: true });
    one.extend(4096);
    const two = fixture.store.open(path);
    one.extend(20_000);
    assert.is(one.mapped, 20_000);
    bytes[one.address + 19_999] = 3;
    assert.is(two.mapped, 4096);
    assert.is(two.size(), 20_000);
    assert.is(two.refresh(), 20_000);
    assert.is(bytes[two.address + 19_999], 3);
    one.truncate(100);
    assert.is(one.mapped, 100);
    assert.is(two.refresh(), 100);
    assert.is(two.mapped, 100);
    one.close();
    two.close();
  },

  "What was cut off is zero when the file grows again": (fixture) => {
    const { bytes } = threadMemory();
    const image = fixture.store.open(fixture.path("cut"), { create: true });
    image.extend(9000);
    bytes.fill(8, image.address, image.address + 9000);
    image.truncate(5000);
    image.truncate(9000);
    assert.is(bytes[image.address + 4999], 8);
    assert.equal(bytes.slice(image.address + 5000, image.address + 9000), new Uint8Array(4000));
    image.extend(4000);
    assert.is(image.size(), 9000, "extend never shortens");
    image.close();
  },

  "Growing past every reservation moves the mapping and keeps the contents": (fixture) => {
    const { bytes } = threadMemory();
    const image = fixture.store.open(fixture.path("grow"), { create: true });
    image.extend(4096);
    // A neighbour, so that it cannot grow in place for ever.
    const neighbour = fixture.store.open(fixture.path("neighbour"), { create: true });
    const first = image.address;
    let size = 4096;
    for (; image.address === first && size < 2 ** 28; size *= 2) {
      bytes[image.address + size - 1] = size % 251;
      image.extend(size * 2);
    }
    assert.is.not(image.address, first);
    assert.is(bytes[first], 0, "the old place is blank");
    for (let past = 4096; past < size; past *= 2) {
      assert.is(bytes[image.address + past - 1], past % 251);
    }
    neighbour.close();
    image.close();
  },

  "write() copies from the Memory and refuses what is not mapped": (fixture) => {
    const { bytes } = threadMemory();
    const image = fixture.store.open(fixture.path("write"), { create: true });
    image.extend(1000);
    const scratch = threadMemory().regions.take(4096) ?? 0;
    bytes.set([1, 2, 3, 4], scratch);
    image.write(996, scratch, 4);
    assert.equal([...bytes.slice(image.address + 996, image.address + 1000)], [1, 2, 3, 4]);
    image.sync(0, 1000);
    image.touch();
    assert.throws(
      () => image.write(997, scratch, 4),
      (error: unknown) => error instanceof RangeError,
    );
    assert.throws(
      () => image.write(-1, scratch, 1),
      (error: unknown) => error instanceof RangeError,
    );
    threadMemory().regions.give(scratch, 4096);
    image.close();
  },

  "Sizes that are none are refused": (fixture) => {
    const image = fixture.store.open(fixture.path("sizes"), { create: true });
    for (const size of [-1, 1.5, NaN, Infinity]) {
      assert.throws(() => image.extend(size), (error: unknown) => error instanceof RangeError);
      assert.throws(() => image.truncate(size), (error: unknown) => error instanceof RangeError);
    }
    assert.is(image.size(), 0);
    image.close();
  },
};
