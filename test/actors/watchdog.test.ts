/**
 * The watchdog of a daemon: silent for half a minute is hung; a pause of the watchdog itself proves nothing.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HUNG_MS, watchDaemon } from "../../actors/watchdog.ts";
import type { Clock, Host, StreamEvents } from "../../transport/world.ts";

/** Time that is moved by hand; timers fire late when it jumps. */
class HandClock implements Clock {
  now = 0;
  #timer: { atMs: number; fire: () => void } | undefined;

  nowMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now;
  }

  after(delayMs: number, fire: () => void): () => void {
    this.#timer = { atMs: this.now + delayMs, fire };
    return () => void (this.#timer = undefined);
  }

  get isArmed(): boolean {
    return this.#timer !== undefined;
  }

  /** A jump: whatever is due fires once, at its end. */
  async jump(ms: number): Promise<void> {
    this.now += ms;
    const timer = this.#timer;
    if (timer !== undefined && timer.atMs <= this.now) {
      this.#timer = undefined;
      timer.fire();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  async go(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1000) await this.jump(1000);
  }
}

function rig(answers: () => boolean): { clock: HandClock; hung: number[]; end: () => void } {
  const clock = new HandClock();
  const hung: number[] = [];
  const host = {
    dial: (_path: string, events: StreamEvents) =>
      Promise.resolve({
        waiting: 0,
        write: () => void (answers() && events.onBytes(new Uint8Array(1))),
        close: () => {},
      }),
  } as unknown as Host;
  const end = watchDaemon({ clock, host }, "/run/ctdbx.sock", (silentMs) => hung.push(silentMs));
  return { clock, hung, end };
}

const test = suite("watchdog");

test("a daemon that answers is left alone", async () => {
  const { clock, hung } = rig(() => true);
  await clock.go(10 * HUNG_MS);
  assert.equal(hung, []);
});

test("one that does not answer is told of once", async () => {
  let isWell = true;
  const { clock, hung } = rig(() => isWell);
  await clock.go(HUNG_MS);
  isWell = false;
  await clock.go(3 * HUNG_MS);
  assert.is(hung.length, 1);
  assert.ok((hung[0] as number) >= HUNG_MS);
});

test("the machine slept, or the watchdog was stopped: the daemon is asked first", async () => {
  const { clock, hung } = rig(() => true);
  await clock.go(10_000);
  await clock.jump(10 * HUNG_MS);
  await clock.go(HUNG_MS);
  assert.equal(hung, []);
});

test("after the end nothing is asked any more", async () => {
  const { clock, end } = rig(() => true);
  await clock.go(5000);
  end();
  assert.not(clock.isArmed);
});

test.run();
