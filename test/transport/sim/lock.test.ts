/** The simulated register with its faults: what is unknown may have been applied, and the past may come back. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SimClock, SimTime } from "../../../transport/sim/clock.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimLife } from "../../../transport/sim/life.ts";
import { type LockFaults, SimLock, SimRegister, SOUND_LOCK } from "../../../transport/sim/lock.ts";
import { look, recordOf, seen, write, written } from "../../contracts/lock.ts";

const ALWAYS = 10_000;

/** A register and one user of it. */
class Rig {
  readonly time = new SimTime();
  readonly register: SimRegister;
  readonly lock: SimLock;
  readonly wait = <T>(promise: Promise<T>): Promise<T> =>
    this.time.drive(promise, () => new Promise((resolve) => setImmediate(resolve)));

  constructor(faults: Partial<LockFaults> = {}, seed = 1) {
    const life = new SimLife(this.time);
    this.register = new SimRegister(this.time, new SeededDice(seed), { ...SOUND_LOCK, ...faults });
    this.lock = new SimLock(this.register, life, new SimClock(this.time, life));
  }
}

const test = suite("simulated lock, faults");

test("A lost answer is unknown, and the write is there; a lost call is not", async () => {
  const rig = new Rig({ lostAnswer: ALWAYS });
  const record = recordOf(1, 1n);
  assert.is((await rig.wait(write(rig.lock, "acquire", 0, record))).kind, "unknown");
  assert.equal(rig.register.now, { kind: "seen", revision: 1, record });
  assert.match(rig.lock.trouble ?? "", /no answer/);
  const other = new Rig({ lostCall: ALWAYS });
  assert.is((await other.wait(write(other.lock, "acquire", 0, record))).kind, "unknown");
  assert.is(other.register.now.revision, 0);
});

test("A stalled register answers nothing in time, and applies it later", async () => {
  const rig = new Rig();
  rig.register.stall();
  assert.is((await rig.wait(write(rig.lock, "acquire", 0, recordOf(1, 1n)))).kind, "unknown");
  assert.is((await rig.wait(look(rig.lock))).kind, "unknown");
  assert.is(rig.register.now.revision, 0);
  rig.register.release();
  rig.time.runTo(rig.time.nowMs + 10);
  assert.is(rig.register.now.revision, 1);
  assert.is((await seen(rig, rig.lock)).revision, 1);
});

test("Stale reads show the past; a roll-back and a wipe make it the present", async () => {
  const rig = new Rig();
  for (let revision = 0; revision < 10; revision++) {
    await written(rig, rig.lock, "renew", revision, recordOf(1, 1n, revision));
  }
  rig.register.faults = { ...SOUND_LOCK, staleRead: ALWAYS };
  const revisions = new Set<number>();
  for (let turn = 0; turn < 100; turn++) revisions.add((await seen(rig, rig.lock)).revision);
  assert.ok(revisions.size > 5 && Math.max(...revisions) <= 10, [...revisions].join());
  rig.register.faults = SOUND_LOCK;
  rig.register.rollBack(3);
  assert.is((await seen(rig, rig.lock)).revision, 7);
  assert.is((await rig.wait(write(rig.lock, "renew", 10, recordOf(1, 1n)))).kind, "refused");
  rig.register.wipe();
  assert.equal(await seen(rig, rig.lock), { kind: "seen", revision: 0, record: undefined });
});

test.run();
