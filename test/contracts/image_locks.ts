/**
 * The contract of the Image port: record locks.
 *
 * Does NOT promise: to run by itself; image.ts does that, for an adapter.
 */

import * as assert from "uvu/assert";
import { ALL, at, pair, type Promises, rejectsCode } from "./image_fixture.ts";

/** Run by image.ts. */
export const IMAGE_LOCKS: Promises = {
  "Readers share, a writer is alone, and only where ranges overlap": (fixture) => {
    const [one, two] = pair(fixture, "matrix");
    const kinds = ["read", "write"] as const;
    for (const first of kinds) {
      for (const second of kinds) {
        for (const [range, overlaps] of [[at(14, 4), true], [at(18, 4), false]] as const) {
          assert.is(one.tryLock(at(10, 8), first), true);
          const expected = !overlaps || (first === "read" && second === "read");
          assert.is(two.tryLock(range, second), expected, `${first} ${second} ${range.start}`);
          one.unlock(at(10, 8));
          two.unlock(range);
        }
      }
    }
    assert.is(two.tryLock(ALL, "write"), true, "nothing was left");
    one.close();
    two.close();
  },

  "Length 0 reaches beyond the end of the file, up to any offset": (fixture) => {
    const [one, two] = pair(fixture, "tail");
    assert.is(one.tryLock(at(100, 0), "write"), true);
    assert.is(two.tryLock(at(99), "write"), true);
    assert.is(two.tryLock(at(2 ** 40), "read"), false);
    one.unlock(at(100, 0));
    assert.is(two.tryLock(at(2 ** 40), "read"), true);
    assert.is(one.tryLock(at(2 ** 40), "write"), false);
    assert.is(one.tryLock(at(2 ** 40 - 2 ** 32), "write"), true, "the high half counts");
    one.close();
    two.close();
  },

  "A lock is upgraded and downgraded in place": (fixture) => {
    const [one, two] = pair(fixture, "upgrade");
    assert.is(one.tryLock(at(0, 10), "read"), true);
    assert.is(one.tryLock(at(0, 10), "write"), true);
    assert.is(two.tryLock(at(5), "read"), false);
    assert.is(one.tryLock(at(4, 3), "read"), true);
    assert.is(two.tryLock(at(5), "read"), true);
    assert.is(two.tryLock(at(3), "read"), false);
    assert.is(two.tryLock(at(7), "read"), false);
    assert.is(one.tryLock(at(0, 10), "write"), false, "the other one reads now");
    one.close();
    two.close();
  },

  "Unlocking the middle leaves both sides locked": (fixture) => {
    const [one, two] = pair(fixture, "split");
    assert.is(one.tryLock(at(0, 30), "write"), true);
    one.unlock(at(10, 10));
    assert.is(two.tryLock(at(10, 10), "write"), true);
    assert.is(two.tryLock(at(9), "read"), false);
    assert.is(two.tryLock(at(20), "read"), false);
    one.close();
    assert.is(two.tryLock(ALL, "write"), true, "closing drops the rest");
    two.close();
  },

  "Closing one image leaves another's locks on the file alone": (fixture) => {
    const [one, two] = pair(fixture, "closing");
    const three = fixture.store.open(one.path);
    assert.is(one.tryLock(at(4), "write"), true);
    three.close();
    assert.is(two.tryLock(at(4), "read"), false);
    one.close();
    two.close();
  },

  "lock() waits for the release and leaves the event loop free meanwhile": async (fixture) => {
    const [one, two] = pair(fixture, "wait");
    assert.is(one.tryLock(at(8, 4), "write"), true);
    let got = false;
    const waiting = two.lock(at(8, 4), "write", 20_000).then(() => void (got = true));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.is(got, false);
    assert.is(one.tryLock(at(50), "write"), true, "others work on");
    one.unlock(at(8, 4));
    await waiting;
    assert.is(one.tryLock(at(8), "read"), false, "it is really held");
    one.close();
    two.close();
  },

  "Several waits of one image are each served": async (fixture) => {
    const [one, two] = pair(fixture, "waits");
    assert.is(one.tryLock(at(0, 3), "write"), true);
    const waiting = [0, 1, 2].map((start) => two.lock(at(start), "write", 20_000));
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    one.unlock(at(0, 3));
    await Promise.all(waiting);
    assert.is(one.tryLock(at(2), "read"), false);
    one.close();
    two.close();
  },

  "A time-out leaves nothing held, then or later": async (fixture) => {
    const [one, two] = pair(fixture, "timeout");
    assert.is(one.tryLock(at(8), "write"), true);
    await rejectsCode(two.lock(at(8), "write", 0), "timeout");
    await rejectsCode(two.lock(at(8), "write", 60), "timeout");
    one.unlock(at(8));
    for (let turn = 0; turn < 10; turn++) {
      assert.is(one.tryLock(at(8), "write"), true);
      one.unlock(at(8));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.is(one.tryLock(at(8), "write"), true);
    await rejectsCode(two.lock(at(8), "read", 40), "timeout");
    one.unlock(at(8));
    await two.lock(at(8), "write", 20_000);
    assert.is(one.tryLock(at(8), "read"), false);
    one.close();
    two.close();
  },

  "An upgrade that times out leaves the read lock": async (fixture) => {
    const [one, two] = pair(fixture, "upgrade-timeout");
    assert.is(one.tryLock(at(1), "read"), true);
    assert.is(two.tryLock(at(1), "read"), true);
    await rejectsCode(two.lock(at(1), "write", 50), "timeout");
    assert.is(one.tryLock(at(1), "write"), false, "two still reads");
    one.unlock(at(1));
    await two.lock(at(1), "write", 20_000);
    assert.is(one.tryLock(at(1), "read"), false);
    one.close();
    two.close();
  },

  "Closing an image that waits ends the wait with state, and it holds nothing": async (fixture) => {
    const [one, two] = pair(fixture, "close-waiting");
    assert.is(one.tryLock(at(1), "write"), true);
    const waiting = two.lock(at(1), "write", 20_000);
    waiting.catch(() => {});
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    two.close();
    await rejectsCode(waiting, "state");
    one.unlock(at(1));
    const three = fixture.store.open(one.path);
    await three.lock(ALL, "write", 20_000);
    three.close();
    one.close();
  },

  "Ranges and times that are none are refused": async (fixture) => {
    const [one, two] = pair(fixture, "bad");
    for (const range of [at(-1), at(0, -1), at(NaN)]) {
      assert.throws(
        () => one.tryLock(range, "read"),
        (error: unknown) => error instanceof RangeError,
      );
    }
    const outcome = await one.lock(at(0), "read", NaN).catch((error: unknown) => error);
    assert.instance(outcome, RangeError);
    one.close();
    two.close();
  },
};
