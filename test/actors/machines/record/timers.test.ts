/** Times of parts: in order, each part once, and what is over takes no room for long. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Timers } from "../../../../actors/machines/record/timers.ts";
import type { Waker } from "../../../../actors/machines/record/timers.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";

const test = suite("timers of records");

interface Part extends Waker {
  readonly id: number;
}

const partsOf = (count: number): Part[] =>
  Array.from({ length: count }, (_, id) => ({ id, wakeMs: Infinity }));

test("Whatever is set, put off and taken back: due is who is due, by time, the earlier set first", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const dice = new SeededDice(seed);
    const timers = new Timers<Part>();
    const parts = partsOf(300);
    /** When each was set. */
    const set = new Map<Part, number>();
    let nowMs = 0;
    for (let step = 0; step < 8_000; step++) {
      const part = parts[dice.below(parts.length)] as Part;
      const atMs = dice.chance(2, 3) ? Infinity : nowMs + dice.below(20_000);
      if (atMs !== part.wakeMs) set.set(part, step);
      timers.set(part, atMs);
      if (dice.below(40) > 0) continue;
      nowMs += dice.below(50);
      const wanted = parts.filter(({ wakeMs }) => wakeMs <= nowMs).sort((one, other) =>
        one.wakeMs - other.wakeMs || (set.get(one) ?? 0) - (set.get(other) ?? 0)
      );
      assert.equal(timers.takeDue(nowMs).map(({ id }) => id), wanted.map(({ id }) => id));
      const nextMs = Math.min(...parts.map(({ wakeMs }) => wakeMs));
      assert.is(timers.nextMs, nextMs);
    }
  }
});

test("Operations that end long before their time leave nothing behind for long", () => {
  const timers = new Timers<Part>();
  const [stays, ...parts] = partsOf(50_000);
  timers.set(stays as Part, 7);
  for (const part of parts) {
    timers.set(part, 10_000 + part.id);
    timers.set(part, Infinity);
  }
  assert.ok(timers.size < 3_000, `${timers.size} times`);
  assert.equal(timers.takeDue(1e9).map(({ id }) => id), [0]);
  assert.is(timers.nextMs, Infinity);
});

test.run();
