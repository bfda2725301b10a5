/** Statistics and lag: numbers from two moments. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LAG_EVERY_MS, LagMeter } from "../../../actors/monitoring/loop_lag.ts";
import type { PostCounters } from "../../../actors/post.ts";
import type { ShardStatus } from "../../../actors/shard.ts";
import { markOf, type Sample, statsOf } from "../../../actors/monitoring/stats.ts";
import { SimTime } from "../../../transport/sim/clock.ts";
import { STATS_EVENT } from "../../../transport/wire/messages/event.ts";

const test = suite("statistics");

function sample(atMs: number, times: number, shard?: Partial<ShardStatus>): Sample {
  const post: PostCounters = {
    sent: 10 * times,
    received: 20 * times,
    sentBytes: 1000 * times,
    receivedBytes: 2000 * times,
    refused: new Map([["form", times], ["size", 3 * times]]),
    dropped: 0,
  };
  const whole: ShardStatus = {
    scopes: [],
    lamport: 0n,
    messagesSent: 0,
    messagesReceived: 0,
    sentBytes: 0,
    receivedBytes: 0,
    refusedFor: [],
    dropped: 0,
    ...shard,
  };
  return {
    atMs,
    post,
    events: 7,
    machine: { steps: 50 * times, dropped: 0, leaders: 1, views: 2 },
    store: { writes: 3, failures: 1, lastMs: 1.234567 },
    shard: shard === undefined ? undefined : whole,
    shardFailures: 2,
    data: undefined,
    lag: { meanMs: 0.12345, maxMs: 3 },
    usage: { rssBytes: 1e6, cpuMs: 30 * times },
  };
}

const HEAD = {
  v: 1,
  topic: "stats",
  cluster: "c",
  node: "n0",
  tag: "aaaaaaaaaa",
  wallMs: 1,
  seq: 1,
};

test("the data thread's messages and refusals count like those of the other threads", () => {
  const data = {
    messagesSent: 5,
    messagesReceived: 6,
    sentBytes: 70,
    receivedBytes: 80,
    refusedFor: [{ code: "form", count: 4 }, { code: "body", count: 1 }],
    clients: 0,
    databases: [],
  };
  const { messages, refusedFor } = statsOf({ ...sample(1000, 1), data }, undefined);
  assert.equal([messages.sent, messages.received], [15, 26]);
  assert.equal([messages.sentBytes, messages.receivedBytes], [1070, 2080]);
  assert.equal(refusedFor, [
    { code: "form", count: 5 },
    { code: "size", count: 3 },
    { code: "body", count: 1 },
  ]);
  assert.is(messages.refused, 9);
});

test("rates are growth over the time between", () => {
  const before = markOf(sample(1000, 1));
  const { overMs, messages, machine, process } = statsOf(sample(3000, 2), before);
  assert.is(overMs, 2000);
  assert.equal([messages.sentRate, messages.receivedRate], [5, 10]);
  assert.equal([messages.sentBytesRate, messages.receivedBytesRate], [500, 1000]);
  assert.is(machine.stepsRate, 25);
  assert.is(process.cpu, 0.015);
  assert.equal([messages.sent, messages.refused], [20, 8]);
});

test("without a moment before rates are 0, and everything is as declared", () => {
  const stats = statsOf(sample(1000, 1), undefined);
  assert.equal([stats.messages.sentRate, stats.process.cpu], [0, 0]);
  assert.is(stats.shard, undefined);
  assert.is(STATS_EVENT.form.faultOf({ ...HEAD, ...stats }), "");
});

test("both threads count; what both refuse is one message; one that was started anew makes no rate below 0", () => {
  const shard = {
    messagesSent: 100,
    messagesReceived: 200,
    refusedFor: [{ code: "form", count: 4 }, { code: "kind", count: 1 }],
    scopes: [{ records: 3 }, { records: 4 }] as unknown as ShardStatus["scopes"],
  };
  const first = sample(1000, 1, shard);
  const stats = statsOf(first, undefined);
  assert.equal([stats.messages.sent, stats.messages.received], [110, 220]);
  assert.equal(stats.refusedFor, [
    { code: "form", count: 4 },
    { code: "size", count: 3 },
    { code: "kind", count: 1 },
  ]);
  assert.equal(stats.shard, { scopes: 2, records: 7, dropped: 0, failures: 2 });
  const anew = statsOf(sample(2000, 1, { messagesSent: 1 }), markOf(first));
  assert.is(anew.messages.sentRate, 0);
  assert.is(STATS_EVENT.form.faultOf({ ...HEAD, ...anew }), "");
});

test("a busy thread is seen in the lag of its timers, also before the timer fires", () => {
  const time = new SimTime();
  let aheadMs = 0;
  const meter = new LagMeter({
    nowMs: () => time.nowMs + aheadMs,
    wallMs: () => 0,
    after: (delayMs, fire) => time.after(delayMs, fire),
  });
  meter.start();
  time.runTo(10 * LAG_EVERY_MS);
  assert.equal(meter.take(), { meanMs: 0, maxMs: 0 });
  aheadMs = LAG_EVERY_MS + 300;
  assert.is(meter.take().maxMs, 300);
  time.runTo(time.nowMs + LAG_EVERY_MS);
  assert.ok(meter.take().maxMs >= 300);
  meter.stop();
  time.runTo(time.nowMs + 5 * LAG_EVERY_MS);
  assert.is(meter.take().meanMs, meter.take().maxMs);
});

test.run();
