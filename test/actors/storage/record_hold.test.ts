/**
 * Records that a program has locked for its own code: who waits for whom, what counts at the end, and when it lasts.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { b, copy, held, KEY, read, rigWith, t, turns } from "./record_rig.ts";

const test = suite("record holds");

test("a hold keeps others of its chain out, in this process and elsewhere, and lets other chains be", async () => {
  const [rig, records] = await rigWith("1", 97);
  const other = await rig.client();
  rig.store.put("another", copy("a"));
  const hold = held(await records.fetchLock(KEY, { timeoutMs: 0 }));
  for (const one of [records, other]) {
    assert.is(read(one)[0], "busy");
    assert.is(one.write(KEY, b("x")), "busy");
    assert.is(await Promise.race([one.free(KEY, 0), turns().then(() => "waits")]), false);
    assert.equal(read(one, b("another")), ["done", "a"]);
  }
  assert.equal(hold.value(), b("1"));
  assert.is(hold.store(b("2")), true);
  assert.equal(hold.value(), b("2"));
  assert.is(hold.store(new Uint8Array(5000)), true, "it moves");
  assert.is(hold.value().length, 5000);
  assert.is(hold.delete(), true);
  assert.is(hold.outcome, undefined);
  assert.is(hold.release(), "done");
  assert.is(hold.release(), "done");
  assert.throws(() => hold.value(), /ended/);
  assert.equal(read(other), ["done", ""]);
  assert.is(rig.store.get("key")?.rsn, 4n);
});

test("holds of one chain come in the order in which they were asked for", async () => {
  const [rig, records] = await rigWith("");
  const order: number[] = [];
  const take = async (number: number, timeoutMs: number) => {
    const hold = await records.fetchLock(KEY, { timeoutMs });
    if (typeof hold === "string") return order.push(-number);
    await using own = hold;
    order.push(number);
    await new Promise<void>((resolve) => void rig.clock.after(10, resolve));
    own.store(b(`${number}`));
  };
  const all = [take(1, 1000), take(2, 1000), take(3, 5), take(4, 1000)];
  await rig.clock.pass(100);
  await Promise.all(all);
  assert.equal(order, [1, -3, 2, 4], "the third had no time");
  assert.equal(read(records), ["done", "4"]);
});

test("a hold that lasts is told of, once; one that ends in time is not", async () => {
  const [rig, records] = await rigWith("1");
  const told: [string, number][] = [];
  const options = {
    timeoutMs: 0,
    warnMs: 500,
    onLong: (key: Uint8Array, heldMs: number) => told.push([t(key), heldMs]),
  };
  const first = held(await records.fetchLock(KEY, options));
  await rig.clock.pass(499);
  first.release();
  await rig.clock.pass(1000);
  assert.equal(told, []);
  const second = held(await records.fetchLock(KEY, options));
  await rig.clock.pass(2000);
  second.release();
  assert.equal(told, [["key", 500]]);
});

test("what a hold did counts by the page at its end", async () => {
  const [rig, records] = await rigWith("1");
  const take = async () => held(await records.fetchLock(KEY, { timeoutMs: 0 }));
  rig.lease(1000);
  let hold = await take();
  rig.clock.jump(1000);
  assert.is(hold.store(b("2")), false, "no lease, nothing is done");
  assert.equal(hold.value(), b("1"));
  assert.is(hold.release(), "frozen");
  rig.lease(1000);
  hold = await take();
  assert.is(hold.store(b("2")), true);
  rig.clock.jump(1000);
  assert.is(hold.release(), "unknown");
  rig.lease(1000);
  hold = await take();
  hold.store(b("3"));
  rig.lease(0);
  assert.is(hold.release(), "unsure");
  rig.lease(1000);
  assert.is(await hold.settled(100), true);
  assert.is(hold.outcome, "done");
  hold = held(await records.fetchLock(KEY, { timeoutMs: 0, isRead: true }));
  assert.throws(() => hold.store(b("x")), /for reading/);
  hold.release();
});

test("a hold of a former life ends there, while the new file is used", async () => {
  const [rig, records] = await rigWith("1");
  const hold = held(await records.fetchLock(KEY, { timeoutMs: 0 }));
  hold.store(b("2"));
  rig.life(2n);
  let isReady = false;
  void records.ready(1000).then((answer) => isReady = answer);
  await rig.clock.pass(30);
  assert.ok(isReady);
  rig.store.put("key", copy("new"));
  assert.equal(read(records), ["done", "new"]);
  assert.is(hold.store(b("3")), false);
  assert.is(hold.release(), "unsure");
  assert.is(await hold.settled(0), false);
  assert.is(hold.outcome, "unknown");
});

test("who waits for a chain while the life ends is told so, not given a record of the old file", async () => {
  const [rig, records] = await rigWith("1");
  const hold = held(await records.fetchLock(KEY, { timeoutMs: 0 }));
  let answer: unknown;
  void records.fetchLock(KEY, { timeoutMs: 1000 }).then((got) => answer = got);
  rig.life(2n);
  void records.ready(1000);
  await rig.clock.pass(30);
  rig.store.put("key", copy("new"));
  assert.is(answer, undefined);
  hold.release();
  await rig.clock.pass(10);
  assert.is(answer, "frozen");
  assert.equal(read(records), ["done", "new"]);
});

test("a client that died in its hold leaves the chain to the next", async () => {
  const [rig, records] = await rigWith("1");
  const images: ReturnType<typeof rig.images.open>[] = [];
  const open = rig.images.open;
  rig.images.open = (path, options) => {
    images.push(open(path, options));
    return images.at(-1) as typeof images[number];
  };
  const dying = await rig.client();
  rig.images.open = open;
  const hold = held(await dying.fetchLock(KEY, { timeoutMs: 0 }));
  hold.store(b("2"));
  assert.is(read(records)[0], "busy");
  for (const image of images) rig.images.kill(image);
  assert.equal(read(records), ["done", "2"]);
});

test.run();
