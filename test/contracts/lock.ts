/**
 * What every backend of the leader lock must do; `register` for those whose record all can read.
 *
 * Does NOT promise: what a backend does under faults of its own; see test/live/leader_lock.test.ts.
 */

import * as assert from "uvu/assert";
import type { LeaderLock, LockRecord, LockSeen } from "../../transport/leader_lock.ts";
import type { LockUnknown, LockWrite, LockWritten } from "../../transport/leader_lock.ts";
import type { Incarnation, NodeId, Token } from "../../transport/wire/terms.ts";
import { contract, Inbox, type Promises, type Waits } from "./port_fixture.ts";

/** What the suite runs on. */
export interface LockFixture extends Waits {
  /** Makes two locks of one register that nobody has used. */
  pair(): Promise<[LeaderLock, LeaderLock]>;
}

/** Runs the contract for a register that all can read and take over. */
export function registerContract(
  name: string,
  make: () => Promise<LockFixture> | LockFixture,
  end?: (fixture: LockFixture) => Promise<void> | void,
): void {
  contract(`${name}: one`, ALONE, make, end);
  contract(`${name}: two`, TWO, make, end);
}

/** Runs what holds for every lock, also for one that cannot be shared. */
export function loneLockContract(
  name: string,
  make: () => Promise<LockFixture> | LockFixture,
  end?: (fixture: LockFixture) => Promise<void> | void,
): void {
  contract(`${name}: one`, ALONE, make, end);
}

/** A record of a node; n 0 .. 15. */
export function recordOf(n: number, token: bigint, nonce = 1): LockRecord {
  const holder = n.toString(16).repeat(32) as NodeId;
  return { holder, incarnation: BigInt(n + 1) as Incarnation, token: token as Token, nonce };
}

/** A look, awaited; fails when `done` is called inside of it. */
export function look(lock: LeaderLock): Promise<LockSeen | LockUnknown> {
  return once((done) => lock.look(done));
}

/** A write, awaited. */
export function write(
  lock: LeaderLock,
  op: LockWrite,
  revision: number,
  record: LockRecord,
): Promise<LockWritten> {
  return once((done) => lock.write(op, revision, record, done));
}

function once<T>(run: (done: (result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let isInside = true;
    let count = 0;
    run((result) => {
      count += 1;
      if (isInside || count > 1) reject(new Error(isInside ? "done inside of the call" : "twice"));
      resolve(result);
    });
    isInside = false;
  });
}

/** The revision of a write that must succeed. */
export async function written(
  fixture: Waits,
  lock: LeaderLock,
  op: LockWrite,
  revision: number,
  record: LockRecord,
): Promise<number> {
  const result = await fixture.wait(write(lock, op, revision, record));
  assert.is(result.kind, "ok", JSON.stringify(result));
  return result.kind === "ok" ? result.revision : NaN;
}

/** What is there, which must be readable. */
export async function seen(fixture: Waits, lock: LeaderLock): Promise<LockSeen> {
  const result = await fixture.wait(look(lock));
  if (result.kind !== "seen") throw new Error(`not seen: ${result.why}`);
  return result;
}

const U64 = (1n << 64n) - 1n;

const ALONE: Promises<LockFixture> = {
  "Empty, acquired, renewed, released, acquired again: revisions rise": async (fixture) => {
    const [lock, other] = await fixture.wait(fixture.pair());
    const empty = await seen(fixture, lock);
    assert.equal(empty, { kind: "seen", revision: 0, record: undefined });
    const mine = recordOf(1, 1n << 20n);
    const first = await written(fixture, lock, "acquire", 0, mine);
    assert.equal(await seen(fixture, lock), { kind: "seen", revision: first, record: mine });
    const again = { ...mine, nonce: 2 };
    const second = await written(fixture, lock, "renew", first, again);
    assert.equal(await seen(fixture, lock), { kind: "seen", revision: second, record: again });
    const freed = { ...mine, holder: undefined, nonce: 3 };
    const third = await written(fixture, lock, "release", second, freed);
    assert.equal(await seen(fixture, lock), { kind: "seen", revision: third, record: freed });
    const fourth = await written(fixture, lock, "acquire", third, mine);
    assert.ok(0 < first && first < second && second < third && third < fourth);
    assert.is(lock.trouble, undefined);
    await fixture.wait(Promise.all([lock.close(), other.close()]));
  },

  "The largest numbers come back as they were": async (fixture) => {
    const [lock, other] = await fixture.wait(fixture.pair());
    const record: LockRecord = {
      holder: "f".repeat(32) as NodeId,
      incarnation: U64 as Incarnation,
      token: U64 as Token,
      nonce: 0xffffffff,
    };
    const revision = await written(fixture, lock, "acquire", 0, record);
    assert.equal(await seen(fixture, lock), { kind: "seen", revision, record });
    await fixture.wait(Promise.all([lock.close(), other.close()]));
  },

  "A write at another revision is refused and changes nothing": async (fixture) => {
    const [lock, other] = await fixture.wait(fixture.pair());
    const first = await written(fixture, lock, "acquire", 0, recordOf(1, 1n));
    const second = await written(fixture, lock, "renew", first, recordOf(1, 1n, 2));
    for (const op of ["acquire", "renew", "release"] as const) {
      for (const revision of [0, first, second + 1]) {
        const result = await fixture.wait(write(lock, op, revision, recordOf(2, 2n)));
        assert.is(result.kind, "refused", `${op} at ${revision}`);
      }
    }
    const after = await seen(fixture, lock);
    assert.equal(after, { kind: "seen", revision: second, record: recordOf(1, 1n, 2) });
    await fixture.wait(Promise.all([lock.close(), other.close()]));
  },

  "Closed, everything is unknown, also what was under way": async (fixture) => {
    const [lock, other] = await fixture.wait(fixture.pair());
    const under = write(lock, "acquire", 0, recordOf(1, 1n));
    const closed = lock.close();
    assert.is((await fixture.wait(under)).kind, "unknown");
    await fixture.wait(closed);
    await fixture.wait(lock.close());
    assert.is((await fixture.wait(look(lock))).kind, "unknown");
    assert.is((await fixture.wait(write(lock, "acquire", 0, recordOf(1, 1n)))).kind, "unknown");
    await fixture.wait(other.close());
  },
};

const TWO: Promises<LockFixture> = {
  "What one writes the other sees, and may write over": async (fixture) => {
    const [one, two] = await fixture.wait(fixture.pair());
    const first = await written(fixture, one, "acquire", 0, recordOf(1, 1n));
    assert.equal(await seen(fixture, two), await seen(fixture, one));
    const second = await written(fixture, two, "acquire", first, recordOf(2, 2n));
    const renewal = await fixture.wait(write(one, "renew", first, recordOf(1, 1n, 2)));
    assert.is(renewal.kind, "refused");
    const after = await seen(fixture, one);
    assert.equal(after, { kind: "seen", revision: second, record: recordOf(2, 2n) });
    await fixture.wait(Promise.all([one.close(), two.close()]));
  },

  "Of many that write at one revision exactly one succeeds, round after round": async (fixture) => {
    const [one, two] = await fixture.wait(fixture.pair());
    let revision = 0;
    for (let round = 0; round < 20; round++) {
      const tries = [0, 1, 2, 3, 4].map((n) => {
        const record = recordOf(n, BigInt(round + 1), n);
        return write(n % 2 === 0 ? one : two, "acquire", revision, record);
      });
      const results = await fixture.wait(Promise.all(tries));
      const winners = results.flatMap((result, n) => result.kind === "ok" ? [{ n, result }] : []);
      assert.is(winners.length, 1, JSON.stringify(results));
      const losers = results.filter(({ kind }) => kind === "refused");
      assert.is(losers.length, 4, JSON.stringify(results));
      const now = await seen(fixture, two);
      assert.is(now.record?.nonce, winners[0]?.n);
      assert.is(now.revision, winners[0]?.result.revision);
      revision = now.revision;
    }
    await fixture.wait(Promise.all([one.close(), two.close()]));
  },

  "Who watches learns of a change by another": async (fixture) => {
    const [one, two] = await fixture.wait(fixture.pair());
    const told = new Inbox<LockSeen>();
    const end = two.watch(told.put);
    await seen(fixture, two);
    const record = recordOf(1, 1n);
    const revision = await written(fixture, one, "acquire", 0, record);
    // Earlier hints may show the register as it was before.
    let hint = await fixture.wait(told.take());
    while (hint.revision < revision) hint = await fixture.wait(told.take());
    assert.equal(hint, { kind: "seen", revision, record });
    end();
    await fixture.wait(Promise.all([one.close(), two.close()]));
  },
};
