/** A clock that is read once a turn. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TurnClock } from "../../actors/turn_clock.ts";

const test = suite("turn clock");

test("within a turn it stands, in the next one it is read anew; timers are the clock's own", async () => {
  let [nowMs, reads] = [5, 0];
  const timers: number[] = [];
  const clock = new TurnClock({
    nowMs: () => (reads += 1, nowMs),
    wallMs: () => 7,
    after: (delayMs) => {
      timers.push(delayMs);
      return () => {};
    },
  });
  assert.is(clock.nowMs(), 5);
  nowMs = 6;
  assert.is(clock.nowMs(), 5);
  assert.is(reads, 1);
  await Promise.resolve();
  assert.is(clock.nowMs(), 6);
  assert.is(reads, 2);
  assert.is(clock.wallMs(), 7);
  clock.after(3, () => {});
  assert.equal(timers, [3]);
});

test.run();
