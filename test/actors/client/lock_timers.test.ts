/**
 * When a lock that lies free in its node's turn is given on: at once, or a moment later if it was taken often. And when
 * one that was taken in the file is told to the daemon.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClientCore } from "../../../actors/client/core.ts";
import type { HeldLock } from "../../../actors/client/lock_held.ts";
import { LockSettling, type LockUse } from "../../../actors/client/lock_settle.ts";
import { LockTelling, TELL_MS } from "../../../actors/client/lock_telling.ts";
import type { Clock } from "../../../transport/world.ts";

const test = suite("lock settling");

/** A clock that is turned by hand. */
class HandClock implements Clock {
  #nowMs = 0;
  readonly #timers: { readonly atMs: number; readonly fire: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.push(timer);
    return () => void this.#timers.splice(this.#timers.indexOf(timer), 1);
  }

  run(untilMs: number): void {
    for (;;) {
      const at = this.#timers.findIndex(({ atMs }) => atMs <= untilMs);
      const [timer] = at < 0 ? [] : this.#timers.splice(at, 1);
      if (timer === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.fire();
    }
    this.#nowMs = untilMs;
  }
}

/** A program's side, and what the daemon is asked. */
function program(takes: number) {
  const asked: number[] = [];
  const clock = new HandClock();
  const use: LockUse = { keyText: "door", count: 0, takes, usedMs: 0 };
  const ask = ({ id }: { readonly id: number }) => {
    asked.push(id);
    return Promise.resolve({});
  };
  const settling = new LockSettling({ clock, ask } as unknown as ClientCore);
  return { asked, use, run: (untilMs: number) => clock.run(untilMs), settling };
}

test("a lock that was taken now and then is given on when the turn of the event loop is over", () => {
  const { asked, use, run, settling } = program(1);
  settling.later(use, 7);
  assert.equal(asked, []);
  run(0);
  assert.equal(asked, [7]);
});

test("one that is had again is not; leaving it says so anew", () => {
  const { asked, use, run, settling } = program(1);
  settling.later(use, 7);
  use.count = 1;
  run(5);
  assert.equal(asked, []);
  use.count = 0;
  settling.later(use, 8);
  run(5);
  assert.equal(asked, [8]);
});

test("one that is taken again and again lies free for a moment, from its last use", () => {
  const { asked, use, run, settling } = program(100);
  settling.later(use, 7);
  run(0.5);
  assert.equal(asked, [], "no turn of the loop ends it");
  use.usedMs = 0.5;
  settling.later(use, 8);
  run(1.2);
  assert.equal(asked, [], "it was used meanwhile");
  run(2.5);
  assert.equal(asked, [7], "once");
  settling.later(use, 9);
  run(2.5);
  assert.equal(asked, [7, 9], "it is not likely any more");
});

test("the daemon is told of what is held for long, once, and of nothing that was given up", () => {
  const clock = new HandClock();
  const told: string[] = [];
  const telling = new LockTelling<string>(clock, (_held, about) => told.push(about));
  const held = () => ({ isOver: false, isTold: false }) as unknown as HeldLock;
  const [long, short, lost, lease] = [held(), held(), held(), held()];
  telling.add(long, "long", 0);
  telling.add(short, "short", 0);
  telling.add(lost, "lost", 0);
  telling.add(lease, "lease", 0);
  clock.run(TELL_MS / 2);
  const late = held();
  telling.add(late, "late", clock.nowMs());
  telling.drop(short);
  lost.isOver = true;
  lease.isTold = true;
  clock.run(TELL_MS);
  assert.equal(told, ["long"], "the later one is held for half the time");
  clock.run(3 * TELL_MS);
  assert.equal(told, ["long", "late"]);
  telling.add(held(), "ended", clock.nowMs());
  telling.end();
  clock.run(9 * TELL_MS);
  assert.equal(told, ["long", "late"]);
});

test.run();
