/**
 * A client program's work on records without the daemon: each step of an operation, and what it answers when the page,
 * the header or the mutex says no.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  FLAG_LOCKED,
  FLAG_READERS,
  FLAG_RELEASED,
  FLAG_RO,
} from "../../../actors/machines/record/copy.ts";
import { LocalNode } from "../../../actors/storage/local_node.ts";
import { LocalRecords } from "../../../actors/storage/local_records.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Incarnation, Rsn } from "../../../transport/wire/terms.ts";
import {
  b,
  copy,
  FOLDER,
  KEY,
  NAME,
  OTHER,
  PAGE_PATH,
  read,
  RecordRig,
  rigWith,
  t,
  turns,
} from "./record_rig.ts";

const test = suite("local records");

test("the owner's client reads, writes, updates and deletes; each write counts one up", async () => {
  const [rig, records] = await rigWith("1");
  assert.equal(read(records), ["done", "1"]);
  assert.is(records.write(KEY, b("22")), "done");
  assert.equal(read(records), ["done", "22"]);
  const grown = records.update(KEY, (value, draft) => {
    draft.set(value.value());
    draft.set(b("33"), value.valueLength);
    return value.valueLength + 2;
  });
  assert.is(grown, "done");
  assert.equal(rig.store.get("key"), copy("2233", { rsn: 3n as Rsn }));
  assert.is(records.update(KEY, () => undefined), "done", "left as it is");
  const emptied: string[] = [];
  records.onEmptied = (key) => emptied.push(t(key));
  assert.is(records.delete(KEY), "done");
  assert.equal(read(records), ["done", ""]);
  assert.equal(emptied, ["key"]);
  assert.equal(rig.store.get("key"), copy("", { rsn: 4n as Rsn }));
});

test("values of all lengths, also such that do not fit where they lay", async () => {
  const [rig, records] = await rigWith("1");
  const lengths = [0, 1, 23, 24, 100, 999, 1000, 1001, 5000, 3 * 1024 * 1024, 64, 0];
  for (const length of lengths) {
    const value = new Uint8Array(length).map((_, i) => i * 7);
    assert.is(records.write(KEY, value), "done");
    assert.equal(rig.store.get("key")?.data, value);
  }
  assert.is(rig.store.get("key")?.rsn, BigInt(1 + lengths.length));
  assert.throws(() => records.update(KEY, () => -1), RangeError);
  assert.throws(() => records.write(KEY, new Uint8Array(16 * 1024 * 1024 + 1)), /VALUE_MAX/);
  assert.equal(read(records)[0], "done", "the mutex was given back");
});

test("the header decides who may do what", async () => {
  const [rig, records] = await rigWith("1");
  const cases: [what: string, more: Parameters<typeof copy>[1], reads: string, writes: string][] = [
    ["owned", {}, "done", "done"],
    ["owned, others read it", { flags: FLAG_READERS }, "done", "elsewhere"],
    ["owned, the daemon has it locked", { flags: FLAG_LOCKED }, "done", "elsewhere"],
    ["given back", { flags: FLAG_RELEASED }, "elsewhere", "elsewhere"],
    ["a copy to read", { dmaster: OTHER, flags: FLAG_RO }, "done", "elsewhere"],
    ["a stale copy", { dmaster: OTHER }, "elsewhere", "elsewhere"],
  ];
  for (const [what, more, reads, writes] of cases) {
    rig.store.put("key", copy("1", more));
    assert.is(read(records)[0], reads, what);
    assert.is(records.write(KEY, b("2")), writes, what);
    const hold = await records.fetchLock(KEY, { timeoutMs: 0 });
    assert.is(typeof hold === "string" ? hold : hold.release(), writes, what);
    const isRead = true;
    const reader = await records.fetchLock(KEY, { timeoutMs: 0, isRead });
    assert.is(typeof reader === "string" ? reader : reader.release(), reads, what);
  }
  rig.store.drop("key");
  assert.equal(read(records), ["elsewhere", undefined]);
});

test("without a lease nothing is touched", async () => {
  const [rig, records] = await rigWith("1");
  for (const makeBad of [() => rig.lease(0), () => rig.lease(-1), () => rig.page.endLease()]) {
    rig.lease(1000);
    await turns();
    assert.equal(read(records), ["done", "1"]);
    makeBad();
    await turns();
    assert.equal(read(records), ["frozen", undefined]);
    assert.is(records.write(KEY, b("2")), "frozen");
    assert.is(await records.fetchLock(KEY, { timeoutMs: 0 }), "frozen");
  }
  assert.equal(rig.store.get("key"), copy("1"));
});

test("the lease ends between the touch and the last look: a write is unknown, a read says nothing", async () => {
  const [rig, records] = await rigWith("1");
  rig.lease(1000);
  assert.is(
    records.update(KEY, () => {
      rig.clock.jump(1000);
      return b("2");
    }),
    "unknown",
  );
  assert.is(rig.store.get("key")?.rsn, 2n, "it may count");
  rig.lease(1000);
  assert.is(records.read(KEY, () => rig.clock.jump(999)), "done");
  assert.is(records.read(KEY, () => rig.clock.jump(1)), "frozen");
  await turns();
  assert.equal(read(records), ["frozen", undefined], "a new turn sees it at once");
});

test("frozen between the touch and the last look: valid when it goes on means valid", async () => {
  const [rig, records] = await rigWith("1");
  const freeze = () => {
    rig.lease(0);
    return b("2");
  };
  assert.is(records.update(KEY, freeze), "unsure");
  let settled: boolean | undefined;
  void records.settled(1000).then((isGood) => settled = isGood);
  await rig.clock.pass(100);
  assert.is(settled, undefined);
  rig.lease(1000);
  await rig.clock.pass(30);
  assert.is(settled, true);
  assert.is(records.update(KEY, freeze), "unsure");
  void records.settled(100).then((isGood) => settled = isGood);
  await rig.clock.pass(101);
  assert.is(settled, false, "it says nothing for too long");
  rig.lease(1000);
  await turns();
  assert.is(records.update(KEY, freeze), "unsure");
  void records.settled(1000).then((isGood) => settled = isGood);
  rig.life(2n);
  settled = undefined;
  await rig.clock.pass(50);
  assert.is(settled, false, "a new life");
});

test("a page that is being written grants nothing", async () => {
  const [rig, records] = await rigWith("1");
  const words = new Int32Array(records.draft.buffer, rig.page.address, 16);
  words[3] = (words[3] as number) | 1;
  await turns();
  assert.equal(read(records), ["frozen", undefined]);
  rig.lease(1000);
  assert.equal(read(records), ["done", "1"]);
});

test("a new life: the old file is left, the new one is opened when it is there", async () => {
  const [rig, records] = await rigWith("1");
  rig.life(2n);
  await turns();
  assert.equal(read(records), ["frozen", undefined]);
  let isReady: boolean | undefined;
  void records.ready(1000).then((answer) => isReady = answer);
  await rig.clock.pass(30);
  assert.is(isReady, true);
  assert.equal(read(records), ["elsewhere", undefined], "it is empty");
  rig.store.put("key", copy("2"));
  assert.equal(read(records), ["done", "2"]);

  // Without the file of the new life it waits for that, and not for long.
  rig.life(3n);
  rig.images.rename(`${FOLDER}/${NAME}.3.3.tdb`, `${FOLDER}/away`);
  isReady = undefined;
  void records.ready(1000).then((answer) => isReady = answer);
  await rig.clock.pass(200);
  assert.is(isReady, undefined);
  rig.images.rename(`${FOLDER}/away`, `${FOLDER}/${NAME}.3.3.tdb`);
  await rig.clock.pass(50);
  assert.is(isReady, true);
  rig.life(4n);
  rig.images.rename(`${FOLDER}/${NAME}.3.4.tdb`, `${FOLDER}/away`);
  isReady = undefined;
  void records.ready(5000).then((answer) => isReady = answer);
  await rig.clock.pass(600);
  assert.is(isReady, false, "a node that serves has its files, or cannot make this one");

  rig.images.rename(`${FOLDER}/away`, `${FOLDER}/${NAME}.3.4.tdb`);
  void records.ready(1000).then((answer) => isReady = answer);
  await rig.clock.pass(50);
  assert.is(isReady, true);
  rig.lease(0);
  void records.ready(100).then((answer) => isReady = answer);
  await rig.clock.pass(101);
  assert.is(isReady, false);
  records.close();
  records.close();
  assert.equal(read(records), ["frozen", undefined]);
});

test("a write in a life that ended meanwhile is unknown, and not in the new file", async () => {
  const [rig, records] = await rigWith("1");
  const answer = records.update(KEY, () => {
    rig.life(2n);
    rig.clock.jump(1);
    return b("2");
  });
  assert.is(answer, "unsure");
  let settled: boolean | undefined;
  void records.settled(1000).then((isGood) => settled = isGood);
  await rig.clock.pass(50);
  assert.is(settled, false);
  assert.is(rig.store.get("key"), undefined);
});

test("a page of another life under the mapping says no, whatever its lease", async () => {
  const [rig, records] = await rigWith("1");
  const state = rig.page.read();
  if (state === undefined) throw new Error("no state");
  rig.page.write({ ...state, incarnation: 9n as Incarnation });
  assert.equal(read(records), ["frozen", undefined]);
});

test("while somebody has the free list, a value that needs space is busy, and others are not", async () => {
  const [rig, records] = await rigWith("1234567890", 97);
  rig.store.put("another", copy("a"));
  assert.is(rig.store.tryLock("another"), "had", "and the free list with it");
  assert.is(records.write(KEY, new Uint8Array(2000)), "busy");
  assert.equal(read(records), ["done", "1234567890"]);
  assert.is(records.write(KEY, b("0987654321")), "done");
  rig.store.unlock("another");
  assert.is(records.write(KEY, new Uint8Array(2000)), "done");
  assert.is(rig.store.get("key")?.rsn, 3n);
});

test("several databases of a node, several clients", async () => {
  const rig = new RecordRig();
  rig.store.put("key", copy("1"));
  const node = rig.node();
  const one = await LocalRecords.open(node, NAME);
  const two = await LocalRecords.open(node, NAME);
  assert.is(one.write(KEY, b("2")), "done");
  assert.equal(read(two), ["done", "2"]);
  let code = "";
  try {
    await LocalRecords.open(node, "other.tdb");
  } catch (error) {
    code = error instanceof CtdbxError ? error.code : "";
  }
  assert.is(code, "not_found");
  one.close();
  assert.equal(read(two), ["done", "2"]);
  two.close();
  node.close();
  const { images, clock } = rig;
  const nowhere = { images, clock, pagePath: "/run/none", folder: FOLDER };
  assert.throws(() => LocalNode.open(nowhere), /absent/);
  assert.ok(images.exists(PAGE_PATH));
});

test("a callback that throws, or works on the same record, leaves the mutex in order", async () => {
  const [rig, records] = await rigWith("1");
  assert.throws(() =>
    records.update(KEY, () => {
      throw new Error("no");
    }), /no/);
  assert.is(records.update(KEY, () => b(records.write(KEY, b("in")))), "done");
  assert.equal(read(records), ["done", "busy"]);
  assert.is(rig.store.tryLock("key"), "had");
});

test.run();
