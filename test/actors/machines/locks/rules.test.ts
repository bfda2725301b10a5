/** Rules of cluster locks: who gets one, in which order, with which token; and the bytes that say so. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  LOCK_BOOK,
  lockProcedure,
  readSaid,
  writeAsk,
} from "../../../../actors/machines/locks/procedure.ts";
import { leave, take, TURN_MS } from "../../../../actors/machines/locks/rules.ts";
import {
  compareToken,
  FREE,
  isOf,
  type LifeOf,
  type LockValue,
  NO_TOKEN,
  type Place,
  readLock,
  type Token,
  tokenText,
  WAITERS_MAX,
  writeLock,
} from "../../../../actors/machines/locks/value.ts";
import type { At } from "../../../../actors/machines/record/events.ts";
import type { Generation, Incarnation, Pnn, Rsn } from "../../../../transport/wire/terms.ts";

const test = suite("rules of cluster locks");

function life(pnn: number, incarnation = 1n): LifeOf {
  return { pnn: pnn as Pnn, incarnation: incarnation as Incarnation };
}

function place(pnn: number, id: number, isExclusive = true, client = 1): Place {
  return {
    ...life(pnn),
    ...{ client, id, isExclusive, pid: 100 + id, graceMs: 0, sinceMs: 5, token: NO_TOKEN },
  };
}

function at(rsn: number, gen = 1n, seq = 1): At {
  return { tid: { gen: gen as Generation, seq }, rsn: BigInt(rsn) as Rsn };
}

/** A lock, and the steps that are done to it, each a write of its record. */
class Lock {
  value: LockValue = FREE;
  rsn = 0;
  nowMs = 1000;

  take(who: Place, isTry = false): ReturnType<typeof take>["said"] {
    const by = { life: who, nowMs: this.nowMs };
    const made = take(this.value, who, isTry, by, at(++this.rsn));
    this.value = made.value;
    return made.said;
  }

  leave(who: Place, isLazy = false, dead: LifeOf[] = []): ReturnType<typeof leave>["said"] {
    const by = { life: who, nowMs: this.nowMs };
    const made = leave(this.value, who, dead, isLazy, by, at(++this.rsn));
    this.value = made.value;
    return made.said;
  }

  get ids(): string {
    const text = (places: readonly Place[]) => places.map(({ id }) => id).join(",");
    return `${text(this.value.holders)}|${text(this.value.waiters)}`;
  }
}

test("who waits gets it in the order of coming; shared ones together", () => {
  const lock = new Lock();
  assert.is(lock.take(place(0, 1)).status, "granted");
  assert.is(lock.take(place(1, 2, false)).status, "waiting");
  assert.is(lock.take(place(2, 3, false)).status, "waiting");
  assert.is(lock.take(place(1, 4)).status, "waiting");
  assert.is(lock.take(place(2, 5), true).status, "busy");
  assert.is(lock.ids, "1|2,3,4");
  const said = lock.leave(place(0, 1));
  assert.equal(said.granted.map(({ id }) => id), [2, 3]);
  assert.is(lock.ids, "2,3|4");
  lock.leave(place(1, 2));
  assert.is(lock.ids, "3|4");
  lock.leave(place(2, 3));
  assert.is(lock.ids, "4|");
});

test("the same wish twice has one place, and its first token", () => {
  const lock = new Lock();
  const first = lock.take(place(0, 1));
  assert.equal(lock.take(place(0, 1)).token, first.token);
  lock.take(place(1, 2));
  lock.take(place(1, 2));
  assert.is(lock.ids, "1|2");
});

test("in the turn of a node its programs go first, and not when it is over", () => {
  const lock = new Lock();
  lock.take(place(0, 1));
  lock.take(place(1, 2));
  // Left free for a moment: its node takes it again.
  assert.ok(lock.leave(place(0, 1), true).isLazy);
  assert.is(lock.ids, "|2");
  assert.is(lock.take(place(0, 3), true).status, "granted");
  lock.take(place(0, 4));
  assert.is(lock.ids, "3|2,4");
  lock.leave(place(0, 3), true);
  assert.is(lock.ids, "4|2", "its own waiter before the other");
  lock.nowMs += TURN_MS;
  assert.not(lock.leave(place(0, 4), true).isLazy);
  assert.is(lock.ids, "2|");
});

test("who comes when the turn of his node is over waits behind the others, and they get it", () => {
  const lock = new Lock();
  lock.take(place(0, 1));
  lock.take(place(1, 2));
  lock.leave(place(0, 1), true);
  lock.nowMs += TURN_MS;
  const said = lock.take(place(0, 3));
  assert.is(said.status, "waiting");
  assert.equal(said.granted.map(({ id }) => id), [2]);
  assert.is(lock.ids, "2|3");
});

test("a lock that lies free is given on when it is settled", () => {
  const lock = new Lock();
  lock.take(place(0, 1));
  lock.take(place(1, 2));
  lock.leave(place(0, 1), true);
  assert.equal(lock.leave(place(0, 1)).granted.map(({ id }) => id), [2]);
});

test("the dead leave no places", () => {
  const lock = new Lock();
  lock.take(place(0, 1));
  lock.take(place(1, 2));
  lock.take(place(2, 3));
  const said = lock.leave(place(9, 0, true, 0), false, [life(0), life(1)]);
  assert.equal(said.granted.map(({ id }) => id), [3]);
  assert.is(lock.ids, "3|");
});

test("a queue is bounded", () => {
  const lock = new Lock();
  for (let id = 1; id <= WAITERS_MAX + 1; id++) lock.take(place(0, id));
  assert.is(lock.take(place(0, WAITERS_MAX + 2)).status, "full");
  assert.is(lock.value.waiters.length, WAITERS_MAX);
});

interface Step {
  readonly pnn: number;
  readonly id: number;
  readonly isExclusive: boolean;
  readonly doing: "take" | "try" | "leave" | "lazy" | "dead";
  readonly passMs: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  pnn: fc.integer({ min: 0, max: 2 }),
  id: fc.integer({ min: 1, max: 4 }),
  isExclusive: fc.boolean(),
  doing: fc.constantFrom("take", "try", "leave", "lazy", "dead"),
  passMs: fc.integer({ min: 0, max: 6 }),
});

test("never two where one is exclusive, tokens rise, and nobody is forgotten in a lock that is free", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const lock = new Lock();
      let last: Token = NO_TOKEN;
      for (const { pnn, id, isExclusive, doing, passMs } of steps) {
        lock.nowMs += passMs;
        const who = place(pnn, id, isExclusive);
        const before = lock.value.holders;
        if (doing === "take" || doing === "try") lock.take(who, doing === "try");
        else if (doing === "dead") lock.leave(place(9, 0, true, 0), false, [life(pnn)]);
        else lock.leave(who, doing === "lazy");
        const { holders, waiters } = lock.value;
        assert.ok(holders.length <= 1 || holders.every((holder) => !holder.isExclusive));
        for (const holder of holders) {
          if (before.some((known) => isOf(known, holder))) continue;
          assert.ok(compareToken(holder.token, last) > 0);
        }
        const fresh = holders.filter((holder) => !before.some((known) => isOf(known, holder)));
        last = fresh[0]?.token ?? last;
        if (doing === "leave" || doing === "dead") {
          assert.ok(holders.length > 0 || waiters.length === 0);
        }
        assert.equal(readLock(writeLock(lock.value)), lock.value);
      }
    }),
    { numRuns: 300, seed: 11 },
  );
});

test("the procedure does the same with bytes, and refuses what is no lock", () => {
  const ask = { isLight: false, isKept: false, nowMs: 1, dead: [] };
  const took = lockProcedure(
    new Uint8Array(),
    writeAsk({ ...ask, op: "take", place: place(0, 1) }),
    at(7),
  );
  if (!took.ok) return assert.unreachable(took.why);
  assert.is(readSaid(took.result)?.status, "granted");
  assert.is(readSaid(took.result)?.token.rsn, 7n);
  const next = lockProcedure(
    took.data,
    writeAsk({ ...ask, op: "take", place: { ...place(1, 2), graceMs: 70 } }),
    at(8),
  );
  if (!next.ok) return assert.unreachable(next.why);
  assert.is(readSaid(next.result)?.status, "waiting");
  assert.equal(readSaid(next.result)?.lives, [{ ...life(0), graceMs: 0 }]);
  const left = lockProcedure(
    next.data,
    writeAsk({ ...ask, op: "leave", place: place(0, 1) }),
    at(9),
  );
  if (!left.ok) return assert.unreachable(left.why);
  assert.equal(readSaid(left.result)?.granted, [{ ...life(1), client: 1, id: 2 }]);
  const end = lockProcedure(
    left.data,
    writeAsk({ ...ask, op: "leave", place: place(1, 2) }),
    at(10),
  );
  assert.is(end.ok && end.data.length, 0);
  const args = writeAsk({ ...ask, op: "take", place: place(0, 1) });
  assert.not(lockProcedure(new Uint8Array([1, 2, 3]), args, at(1)).ok);
  assert.not(lockProcedure(new Uint8Array(), args.subarray(1), at(1)).ok);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      lockProcedure(bytes, args, at(1));
      lockProcedure(new Uint8Array(), bytes, at(1));
      readSaid(bytes);
    }),
    { numRuns: 300, seed: 12 },
  );
});

test("what is announced is merged into a value that has forgotten it, without the dead", () => {
  const one = new Lock();
  one.take(place(0, 1, false));
  const other = new Lock();
  other.take(place(1, 2, false));
  const held = LOCK_BOOK.unite(writeLock(one.value), writeLock(other.value));
  const tid = { gen: 9n as Generation, seq: 4 };
  const taken = readLock(
    LOCK_BOOK.taken(new Uint8Array(), tid, held, ({ pnn }) => pnn === 1),
  );
  assert.equal(taken?.holders.map(({ id }) => id), [2]);
  assert.equal(taken?.tid, tid);
  assert.is(LOCK_BOOK.taken(new Uint8Array(), tid, undefined, () => true).length, 0);
  assert.is(LOCK_BOOK.taken(new Uint8Array(), tid, held, () => false).length, 0);
  const foreign = new Uint8Array([1, 2, 3]);
  assert.is(LOCK_BOOK.taken(foreign, tid, held, () => true), foreign);
});

test("texts of tokens have the order of tokens", () => {
  const anyToken = fc.record({
    gen: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    seq: fc.integer({ min: 0, max: 0xffff_ffff }),
    rsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }) as unknown as fc.Arbitrary<Token>;
  fc.assert(
    fc.property(anyToken, anyToken, (one, other) => {
      const [left, right] = [tokenText(one), tokenText(other)];
      const order = left < right ? -1 : left > right ? 1 : 0;
      assert.is(Math.sign(compareToken(one, other)), order);
    }),
    { numRuns: 300, seed: 13 },
  );
});

test.run();
