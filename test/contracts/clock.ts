/**
 * What every adapter of the Clock port must do.
 *
 * Does NOT promise: how late a timer may be; only that it is never early.
 */

import * as assert from "uvu/assert";
import type { Clock } from "../../transport/world.ts";
import { contract, type Promises, throwsRange, type Waits } from "./port_fixture.ts";

/** What the suite runs on. */
export interface ClockFixture extends Waits {
  readonly clock: Clock;
}

/** Runs the contract. */
export function clockContract(name: string, make: () => ClockFixture): void {
  contract(name, CLOCK, make);
}

/** Resolves when it fires, with the time then. */
function fired(clock: Clock, delayMs: number): Promise<number> {
  return new Promise((resolve) => clock.after(delayMs, () => resolve(clock.nowMs())));
}

const CLOCK: Promises<ClockFixture> = {
  "It never goes back and has fractions": async ({ clock, wait }) => {
    let last = clock.nowMs();
    let fractions = 0;
    for (let turn = 0; turn < 1000; turn++) {
      if (turn % 100 === 0) await wait(fired(clock, 0.25));
      const now = clock.nowMs();
      assert.ok(now >= last, `${now} after ${last}`);
      if (now % 1 !== 0) fractions += 1;
      last = now;
    }
    assert.ok(fractions > 0);
  },

  "A timer fires in a later turn, never early": async ({ clock, wait }) => {
    for (const delayMs of [0, 0.5, 1, 3.7, 12]) {
      const start = clock.nowMs();
      let isInside = true;
      const end = new Promise<number>((resolve) =>
        clock.after(delayMs, () => {
          assert.is(isInside, false, "fired inside of after()");
          resolve(clock.nowMs());
        })
      );
      isInside = false;
      const passed = await wait(end) - start;
      assert.ok(passed >= delayMs, `${passed} instead of ${delayMs}`);
    }
  },

  "Timers fire in the order of their times": async ({ clock, wait }) => {
    const seen: number[] = [];
    // Far enough from each other for a machine that stands still: of two that are due either may be the first.
    const all = [200, 1, 100].map((delayMs) =>
      fired(clock, delayMs).then(() => seen.push(delayMs))
    );
    await wait(Promise.all(all));
    assert.equal(seen, [1, 100, 200]);
  },

  "What is called off does not fire; calling off twice, or late, is no error": async (
    { clock, wait },
  ) => {
    let count = 0;
    const callOff = clock.after(5, () => count += 1);
    callOff();
    callOff();
    const late = clock.after(1, () => count += 1);
    await wait(fired(clock, 30));
    late();
    assert.is(count, 1);
  },

  "A day is no limit; what is no time is refused": ({ clock }) => {
    clock.after(2 ** 40, () => assert.unreachable("34 years have not passed"))();
    for (const delayMs of [-1, NaN, Infinity]) throwsRange(() => clock.after(delayMs, () => {}));
  },

  "The wall clock shows this century": ({ clock }) => {
    assert.ok(clock.wallMs() > Date.UTC(2020, 0) && clock.wallMs() < Date.UTC(2100, 0));
  },
};
