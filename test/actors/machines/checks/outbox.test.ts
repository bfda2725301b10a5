/** The way of a notification: in order, one at a time, again after a failure, bounded, and what is lost is counted. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  AGAIN_MS,
  type OutboxEffect,
  OutboxMachine,
  QUEUE_MAX,
  SEND_GUARD_MS,
  TRIES_MAX,
} from "../../../../actors/machines/checks/outbox.ts";
import { SeededDice } from "../../../../transport/sim/dice.ts";

const test = suite("machines/checks: outbox");

type Send = Extract<OutboxEffect<number>, { kind: "send" }>;

function sendOf(effects: readonly OutboxEffect<number>[]): Send | undefined {
  return effects.find((effect): effect is Send => effect.kind === "send");
}

const ended = (id: number, why?: string, isFinal = false) =>
  ({ kind: "ended", id, why, isFinal }) as const;

test("one at a time, in order", () => {
  const box = new OutboxMachine<number>(100);
  const first = sendOf(box.step({ kind: "post", item: 1 }, 0));
  assert.is(sendOf(box.step({ kind: "post", item: 2 }, 0)), undefined);
  assert.is(box.waiting, 2);
  const second = sendOf(box.step(ended(first!.id), 5));
  assert.equal([first?.item, second?.item], [1, 2]);
  assert.equal(box.step(ended(first!.id), 6), [], "an end that nobody waits for");
  box.step(ended(second!.id), 7);
  assert.equal([box.counts.sent, box.waiting, box.wakeMs], [2, 0, Infinity]);
});

test("tried again, later each time; then it is lost, and the next one says so", () => {
  const box = new OutboxMachine<number>(100);
  let send = sendOf(box.step({ kind: "post", item: 1 }, 0));
  box.step({ kind: "post", item: 2 }, 0);
  const gaps: number[] = [];
  let nowMs = 0;
  for (let tries = 1; tries < TRIES_MAX; tries++) {
    box.step(ended(send!.id, "refused"), nowMs);
    assert.is(box.why, "refused");
    gaps.push(box.wakeMs - nowMs);
    nowMs = box.wakeMs;
    assert.equal(box.step({ kind: "wake" }, nowMs - 1), []);
    send = sendOf(box.step({ kind: "wake" }, nowMs));
    assert.is(send?.item, 1);
  }
  assert.equal(gaps, [AGAIN_MS, 4 * AGAIN_MS]);
  const effects = box.step(ended(send!.id, "refused"), nowMs);
  assert.equal(effects.map(({ kind }) => kind), ["lost", "send"]);
  const next = sendOf(effects);
  assert.equal([next?.item, next?.lost], [2, 1]);
  box.step(ended(next!.id), nowMs);
  assert.is(sendOf(box.step({ kind: "post", item: 3 }, nowMs))?.lost, 0, "it was said");
  assert.equal(box.counts, { sent: 1, failed: 1, dropped: 0 });
});

test("what is refused for good is not tried again; what has no end is", () => {
  const box = new OutboxMachine<number>(100);
  const first = sendOf(box.step({ kind: "post", item: 1 }, 0));
  assert.equal(box.step(ended(first!.id, "404", true), 1).map(({ kind }) => kind), ["lost"]);
  box.step({ kind: "post", item: 2 }, 10);
  assert.is(box.wakeMs, 10 + 100 + SEND_GUARD_MS);
  box.step({ kind: "wake" }, box.wakeMs);
  assert.is(box.why, "it has no end");
  assert.is(sendOf(box.step({ kind: "wake" }, box.wakeMs))?.item, 2);
});

test("the queue is full: the oldest falls out, and is counted", () => {
  const box = new OutboxMachine<number>(100);
  const first = sendOf(box.step({ kind: "post", item: 0 }, 0));
  for (let item = 1; item <= QUEUE_MAX; item++) box.step({ kind: "post", item }, 0);
  assert.is(box.counts.dropped, 0);
  assert.equal(box.step({ kind: "post", item: QUEUE_MAX + 1 }, 0).map(({ kind }) => kind), [
    "lost",
  ]);
  const next = sendOf(box.step(ended(first!.id), 1));
  assert.equal([next?.item, next?.lost, box.counts.dropped], [2, 1, 1]);
  assert.is(box.waiting, QUEUE_MAX);
});

test("seeds: what was posted is sent in order, failed, or dropped, and each loss is told once", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const dice = new SeededDice(seed);
    const box = new OutboxMachine<number>(1 + dice.below(2000));
    const isBad = dice.below(100);
    const sent: number[] = [];
    let told = 0;
    let lost = 0;
    let nowMs = 0;
    let flight: Send | undefined;
    const take = (effects: readonly OutboxEffect<number>[]): void => {
      lost += effects.filter(({ kind }) => kind === "lost").length;
      const send = sendOf(effects);
      if (send !== undefined) flight = send;
    };
    let item = 0;
    for (let turn = 0; item < 400 || box.waiting > 0; turn++) {
      assert.ok(turn < 50_000, "it ends");
      if (item < 400 && dice.chance(1, 2)) take(box.step({ kind: "post", item: item++ }, nowMs));
      if (flight !== undefined && dice.chance(9, 10)) {
        const { id, item: done, lost: said } = flight;
        flight = undefined;
        const isLost = dice.below(100) < isBad;
        if (!isLost) sent.push(done);
        if (!isLost) told += said;
        take(box.step(ended(id, isLost ? "no" : undefined, dice.chance(1, 4)), nowMs));
      } else {
        nowMs = Math.max(nowMs, Math.min(box.wakeMs, nowMs + 500));
        take(box.step({ kind: "wake" }, nowMs));
      }
    }
    assert.equal(sent, [...new Set(sent)].sort((one, other) => one - other), `seed ${seed}`);
    assert.is(box.counts.sent, sent.length);
    assert.is(sent.length + box.counts.failed + box.counts.dropped, 400, `seed ${seed}`);
    assert.is(lost, box.counts.failed + box.counts.dropped);
    assert.ok(told <= lost, `seed ${seed}`);
    const next = sendOf(box.step({ kind: "post", item: 400 }, nowMs));
    assert.is(told + (next?.lost ?? NaN), lost, `seed ${seed}: each loss is told once`);
  }
});

test.run();
