/**
 * The contract of the Image port: mutexes.
 *
 * Does NOT promise: to run by itself; image.ts does that, for an adapter.
 */

import * as assert from "uvu/assert";
import { pair, type Promises, rejectsCode, throwsCode } from "./image_fixture.ts";

/** Run by image.ts. */
export const IMAGE_MUTEXES: Promises = {
  "A mutex is taken by one image at a time, and given back only by its holder": (fixture) => {
    const [one, two] = pair(fixture, "mutex");
    assert.ok(one.mutexSize >= 40);
    one.initMutex(256);
    one.initMutex(256 + one.mutexSize);
    assert.is(one.tryMutex(256), "taken");
    assert.is(two.tryMutex(256), "busy");
    assert.is(one.tryMutex(256), "busy", "not recursive");
    assert.is(two.tryMutex(256 + one.mutexSize), "taken");
    throwsCode(() => two.unlockMutex(256), "state");
    one.unlockMutex(256);
    throwsCode(() => one.unlockMutex(256), "state");
    assert.is(two.tryMutex(256), "taken");
    one.close();
    two.close();
  },

  "Closing gives back what is held, as a living owner does": (fixture) => {
    const [one, two] = pair(fixture, "mutex-close");
    for (const offset of [256, 512, 1024]) {
      one.initMutex(offset);
      assert.is(one.tryMutex(offset), "taken");
    }
    one.unlockMutex(512);
    one.close();
    for (const offset of [256, 512, 1024]) assert.is(two.tryMutex(offset), "taken");
    two.close();
  },

  "mutex() waits without blocking; a time-out leaves it to the holder": async (fixture) => {
    const [one, two] = pair(fixture, "mutex-wait");
    one.initMutex(512);
    assert.is(one.tryMutex(512), "taken");
    await rejectsCode(two.mutex(512, 0), "timeout");
    await rejectsCode(two.mutex(512, 20), "timeout");
    const waiting = two.mutex(512, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
    one.unlockMutex(512);
    assert.is(await waiting, "taken");
    assert.is(one.tryMutex(512), "busy");
    one.close();
    two.close();
  },

  "Held mutexes survive a move of the mapping": (fixture) => {
    const [one, two] = pair(fixture, "mutex-move");
    for (const offset of [256, 512, 1024]) {
      one.initMutex(offset);
      assert.is(one.tryMutex(offset), "taken");
    }
    one.extend(2 ** 26);
    one.unlockMutex(512);
    assert.is(two.tryMutex(512), "taken");
    assert.is(two.tryMutex(256), "busy");
    one.unlockMutex(1024);
    one.unlockMutex(256);
    assert.is(one.tryMutex(1024), "taken");
    assert.is(two.tryMutex(256), "taken");
    one.close();
    two.close();
  },

  "A mutex that is not mapped is refused": (fixture) => {
    const [one, two] = pair(fixture, "mutex-range");
    for (const offset of [-40, 65536 - 39, 65536, NaN]) {
      assert.throws(() => one.tryMutex(offset), (error: unknown) => error instanceof RangeError);
    }
    one.close();
    two.close();
  },
};
