/**
 * What a record machine did under a page that is not valid any more when it is done: nothing of it is told as done.
 *
 * The page is changed right after the machine's step, before its effects are looked at.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Database } from "../../../actors/data/database.ts";
import { b, DataRig, okOf, t } from "./data_rig.ts";

const test = suite("frozen between step and effects");

const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

/** A database whose record `key` is owned by node 0. */
async function rigOf(): Promise<DataRig> {
  const rig = await DataRig.start(1, 3);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  return rig;
}

/** Calls `run` right after the next step of a kind at a node's machine. */
function afterStep(rig: DataRig, n: number, kind: string, run: () => void): { count: number } {
  const { machine } = rig.database(n, "visits") as Database;
  const step = machine.step.bind(machine);
  const seen = { count: 0 };
  machine.step = (event, nowMs) => {
    const effects = step(event, nowMs);
    if (event.kind === kind && seen.count === 0) {
      seen.count += 1;
      run();
    }
    return effects;
  };
  return seen;
}

test("a read is answered when the page is valid again", async () => {
  const rig = await rigOf();
  const seen = afterStep(rig, 0, "op", () => rig.freeze(0, false));
  const { ends } = rig.begin(0, "visits", "key", { what: "read" });
  await rig.run(50);
  assert.is(seen.count, 1);
  assert.equal(ends, []);
  rig.show(0);
  await rig.until(() => ends.length > 0);
  assert.is(t(okOf(ends[0]!)), "one");
});

test("a lease that is over when the step is done is as good as none", async () => {
  const rig = await rigOf();
  const { world } = rig.node(0);
  const nowMs = world.clock.nowMs.bind(world.clock);
  // The process is stopped for a second right after the step.
  let stoppedMs = 0;
  Object.assign(world.clock, { nowMs: () => nowMs() + stoppedMs });
  rig.show(0, world.clock.nowMs() + 500);
  afterStep(rig, 0, "op", () => stoppedMs = 1000);
  const { ends } = rig.begin(0, "visits", "key", { what: "call", procedure: "incr", args: ONE });
  const { ends: failed } = rig.begin(0, "visits", "key", { what: "read" }, 10);
  await rig.run(100);
  assert.is(ends[0]?.what === "answer" && ends[0].outcome, "failed", "the value is no number");
  assert.is(failed[0]?.what === "answer" && failed[0].outcome, "failed");
  const append = rig.begin(0, "visits", "key", { what: "call", procedure: "append", args: b("!") });
  await rig.run(10);
  assert.equal(append.ends, [], "without a lease nothing is done");
});

test("a call and a value that was written are told when the page is valid again in this life", async () => {
  const rig = await rigOf();
  okOf(await rig.op(0, "visits", "n", { what: "call", procedure: "incr", args: ONE }));
  afterStep(rig, 0, "op", () => rig.freeze(0, false));
  const again = rig.begin(0, "visits", "n", { what: "call", procedure: "incr", args: ONE });
  await rig.run(50);
  assert.equal(again.ends, [], "whether it counts is not known");
  rig.show(0);
  assert.equal(okOf(again.ends[0]!)?.[0], 2);
  assert.equal(okOf(await rig.op(1, "visits", "n", { what: "read" }))?.[0], 2);

  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => lock.ends.length > 0);
  assert.is(lock.ends[0]?.what, "locked");
  afterStep(rig, 0, "unlock", () => rig.freeze(0, false));
  lock.database.unlock(lock.id, b("two"));
  assert.is(lock.ends.length, 1);
  rig.show(0);
  okOf(lock.ends[1]!);
  assert.is(await rig.read(1, "visits", "key"), "two");
});

test("after a new life it is unknown whether a write counts; a read, or a lock, was not done", async () => {
  for (
    const [wish, outcome] of [
      [{ what: "read" }, "failed"],
      [{ what: "call", procedure: "append", args: b("!") }, "unknown"],
      [{ what: "lock" }, "failed"],
    ] as const
  ) {
    const rig = await rigOf();
    afterStep(rig, 0, "op", () => rig.freeze(0, false));
    const { ends } = rig.begin(0, "visits", "key", wish);
    assert.equal(ends, []);
    await rig.life(0);
    const [end] = ends;
    assert.ok(end?.what === "answer" && end.outcome === outcome, wish.what);
    assert.match(end.why ?? "", /new life/);
    await rig.view([0, 1, 2]);
    await rig.run(5);
    assert.is(ends.length, 1);
  }
});

test("what is held ends with its deadline", async () => {
  const rig = await rigOf();
  await rig.op(0, "visits", "n", { what: "call", procedure: "incr", args: ONE });
  for (
    const [wish, outcome] of [
      [{ what: "read" }, "failed"],
      [{ what: "call", procedure: "append", args: b("!") }, "unknown"],
      [{ what: "lock" }, "failed"],
    ] as const
  ) {
    afterStep(rig, 0, "op", () => rig.freeze(0, false));
    const { ends } = rig.begin(0, "visits", "key", wish, 100);
    await rig.run(90);
    assert.equal(ends, []);
    await rig.run(20);
    const [end] = ends;
    assert.ok(
      end?.what === "answer" && end.outcome === outcome && end.code === "timeout",
      wish.what,
    );
    rig.show(0);
    await rig.run(1);
    assert.is(ends.length, 1, "it is told once");
  }
  assert.is(rig.database(0, "visits").where("key").heldBy, undefined, "the lock was given back");
});

test("a lock that came too late is told when it is known to be one", async () => {
  const rig = await rigOf();
  afterStep(rig, 0, "op", () => rig.freeze(0, false));
  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.run(50);
  assert.equal(lock.ends, []);
  rig.show(0);
  assert.is(lock.ends[0]?.what, "locked");
  lock.database.unlock(lock.id, b("two"));
  await rig.until(() => lock.ends.length > 1);
  okOf(lock.ends[1]!);
  assert.is(await rig.read(0, "visits", "key"), "two");
});

test("what it would have sent is lost on the way, and asked for again", async () => {
  const rig = await rigOf();
  const sent = () => rig.node(0).shard.status().then(({ messagesSent }) => messagesSent);
  const before = await sent();
  const seen = afterStep(rig, 0, "messages", () => rig.freeze(0, false));
  const lock = rig.begin(1, "visits", "key", { what: "lock" });
  await rig.until(() => seen.count > 0);
  assert.is(await sent(), before, "the grant was made, and has not left");
  rig.show(0);
  await rig.until(() => lock.ends.length > 0);
  assert.is(lock.ends[0]?.what, "locked");
});

test("records that a traverse read are told when it is known that they count, or it fails", async () => {
  const rig = await rigOf();
  const told: string[] = [];
  const begin = () => {
    const ends: string[] = [];
    rig.database(0, "visits").traverse(rig.node(0).shard.host.newClient(), {
      prefix: "",
      isCount: false,
      credit: 100,
      deadlineMs: rig.nowMs(0) + 3000,
    }, {
      record: (key) => void told.push(key),
      end: (outcome, _count, why) => void ends.push(`${outcome} ${why ?? ""}`),
    });
    return ends;
  };
  assert.ok(rig.database(0, "visits").where("key").isHome, "this node reads it in its first step");
  afterStep(rig, 0, "traverse", () => rig.freeze(0, false));
  const ends = begin();
  await rig.run(20);
  assert.equal([told, ends], [[], []]);
  rig.show(0);
  await rig.until(() => ends.length > 0);
  assert.equal([told, ends], [["key"], ["ok "]]);
  afterStep(rig, 0, "traverse", () => rig.freeze(0, false));
  const others = begin();
  await rig.life(0);
  assert.match(others.join(), /^failed /);
  assert.is(others.length, 1);
});

test.run();
