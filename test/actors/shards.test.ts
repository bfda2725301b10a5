/**
 * A node's shards: what is told to a thread, and what happens when the thread dies.
 *
 * The threads are stand-ins that the test ends; test/live has real ones.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ShardStart, ShardView } from "../../actors/shard.ts";
import { type ShardHandle, Shards } from "../../actors/shards.ts";
import { BACK_OFF } from "../../actors/supervision.ts";
import type { ShardThread } from "../../actors/worker.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import type { CtdbxError } from "../../transport/wire/errors.ts";
import type { ClusterId, Generation, NodeId } from "../../transport/wire/terms.ts";
import type { Clock, Log } from "../../transport/world.ts";

const START: ShardStart = {
  cluster: "test",
  clusterId: "c".repeat(32) as ClusterId,
  nodeId: "0".repeat(32) as NodeId,
  stateFolder: "/state",
};
const view = (generation: bigint): ShardView => ({
  clusterId: START.clusterId as ClusterId,
  generation: generation as Generation,
  nodes: [],
  present: [],
  leader: undefined,
});

/** A thread that the test ends. */
class StandIn {
  readonly said: string[] = [];
  readonly #ended = Promise.withResolvers<Error>();
  isEnded = false;

  get handle(): ShardHandle {
    const thread = {
      start: (start: ShardStart) =>
        Promise.resolve(void this.said.push(`start ${start.nodeId[0]}`)),
      view: ({ generation }: ShardView) =>
        Promise.resolve(void this.said.push(`view ${generation}`)),
      stop: () => Promise.resolve(void this.said.push("stop")),
    } as unknown as ShardThread;
    return { thread, ended: this.#ended.promise, end: () => void (this.isEnded = true) };
  }

  die(): void {
    this.#ended.resolve(new Error("out of memory"));
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const log: Log = { write: () => {} };

function rig(): { shards: Shards; threads: StandIn[]; time: SimTime } {
  const time = new SimTime();
  const clock: Clock = {
    nowMs: () => time.nowMs,
    wallMs: () => time.nowMs,
    after: (delayMs, fire) => time.after(delayMs, fire),
  };
  const threads: StandIn[] = [];
  const shards = new Shards({ clock, log }, START, () => {
    const thread = new StandIn();
    threads.push(thread);
    return Promise.resolve(thread.handle);
  });
  return { shards, threads, time };
}

const test = suite("shards");

test("a view reaches the thread; one that came before the thread does, too", async () => {
  const { shards, threads } = rig();
  shards.view(view(1n));
  await shards.start();
  shards.view(view(2n));
  assert.equal(threads[0]?.said, ["start 0", "view 1", "view 2"]);
});

test("a thread that dies is replaced, and the new one is told the last view", async () => {
  const { shards, threads, time } = rig();
  await shards.start();
  shards.view(view(7n));
  threads[0]?.die();
  await settle();
  assert.throws(() => shards.thread, (error: CtdbxError) => error.code === "busy");
  shards.view(view(8n));
  time.runTo(BACK_OFF.firstMs);
  await settle();
  assert.equal(threads[1]?.said, ["start 0", "view 8"]);
  assert.is(shards.failures, 1);
  assert.ok(shards.thread);
});

test("after stop nothing is started again", async () => {
  const { shards, threads, time } = rig();
  await shards.start();
  await shards.stop();
  assert.equal(threads[0]?.said, ["start 0", "stop"]);
  assert.ok(threads[0]?.isEnded);
  threads[0]?.die();
  await settle();
  time.runTo(BACK_OFF.mostMs);
  await settle();
  assert.is(threads.length, 1);
});

test("a thread that cannot be stopped in order is ended all the same", async () => {
  const { shards, threads, time } = rig();
  await shards.start();
  const { thread } = shards;
  Object.assign(thread, { stop: () => new Promise(() => {}) });
  const stopping = shards.stop();
  await settle();
  time.runTo(60_000);
  await stopping;
  assert.ok(threads[0]?.isEnded);
});

test.run();
