/** A node dies, a thread dies, somebody lies: what the others have left, and what is reported of it. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Database } from "../../../actors/data/database.ts";
import type { RecordMessage } from "../../../transport/wire/messages/record.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { RecordWriter } from "../../../transport/wire/record_layout.ts";
import { buildSubject } from "../../../transport/wire/subjects.ts";
import { tagOf } from "../../../transport/wire/terms.ts";
import type { ClusterId, Generation, Pnn } from "../../../transport/wire/terms.ts";
import { DataRig, okOf, t } from "./data_rig.ts";

const test = suite("recovery of databases");

test("a node dies: what others have stays, what it owned falls back to the newest copy", async () => {
  const rig = await DataRig.start(11, 3);
  await rig.attach("visits");
  const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`);
  for (const [i, key] of keys.entries()) await rig.put(i % 3, "visits", key, `old ${i}`);
  await rig.put(2, "visits", "key 0", "new");
  rig.kill(2);
  await rig.view([0, 1]);
  for (const [i, key] of keys.entries()) {
    const value = await rig.read(i % 2, "visits", key);
    // What only the dead node ever had is gone; "key 0" is as its former owner left it.
    assert.is(value, i % 3 === 2 ? "" : `old ${i}`, key);
  }
  const { recoveries } = await rig.node(0).shard.status();
  const report = recoveries.at(-1);
  assert.ok(report !== undefined);
  assert.is(report.cause, "node 2 has left");
  assert.is(report.isOver, true);
  assert.is(report.generation, rig.doc.generation);
  const [mine] = report.databases;
  assert.is(mine?.name, "visits");
  assert.ok((mine?.slotsRebuilt ?? 0) > 100, "slots of the dead node were made anew");
  assert.ok((mine?.keysQueried ?? 0) > 0);
  assert.equal(report.phases.map(({ name }) => name), ["adopt", "tables", "rebuild", "queries"]);
  assert.ok(report.totalMs >= Math.max(...report.phases.map(({ ms }) => ms)));
  const causes = recoveries.map(({ cause }) => cause);
  assert.equal(causes, ["nodes 0, 1 and 2 have come", "visits was attached", "node 2 has left"]);
  await rig.view([0, 1], []);
  const { recoveries: after } = await rig.node(0).shard.status();
  assert.equal(after.map(({ cause }) => cause), [...causes, "visits was detached"]);
  assert.equal(after[2]?.databases, report.databases, "what is gone has left its word");
  assert.is(after[0]?.totalMs, after[0]?.phases[0]?.ms, "nothing was there to be recovered");
  assert.equal(after[1]?.databases.map(({ name, slotsRebuilt }) => [name, slotsRebuilt > 300]), [
    ["visits", true],
  ]);
  assert.ok(after.every(({ isOver }) => isOver));
});

test("what is owned by who stays is used all the time, and by the dead node's own homes as well", async () => {
  const rig = await DataRig.start(12, 3);
  await rig.attach("visits");
  for (let i = 0; i < 20; i++) await rig.put(0, "visits", `key ${i}`, `v${i}`);
  rig.kill(1);
  await rig.view([0, 2]);
  // Owned here: no message is needed, whoever is home.
  for (let i = 0; i < 20; i++) {
    const { ends } = rig.begin(0, "visits", `key ${i}`, { what: "read" });
    assert.is(t(okOf(ends[0]!)), `v${i}`);
  }
});

test("a node that stops is left by all records before it goes", async () => {
  const rig = await DataRig.start(13, 3);
  await rig.attach("visits");
  for (let i = 0; i < 30; i++) await rig.put(2, "visits", `key ${i}`, `v${i}`);
  const { left: before } = await rig.node(0).shard.left([2 as Pnn]);
  assert.ok((before[0]?.count ?? 0) > 0);
  const doc = { ...rig.doc };
  doc.nodes = doc.nodes.map((node) =>
    node.pnn === 2 ? { ...node, adminFlags: ["draining"] } : node
  );
  rig.doc = doc;
  await rig.view([0, 1, 2]);
  const { generation: expected } = rig.doc;
  let count = 1;
  await rig.until(() => {
    void Promise.all([0, 1].map((n) => rig.node(n).shard.left([2 as Pnn]))).then((lefts) => {
      count = lefts.reduce((sum, { left }) => sum + (left[0]?.count ?? 1), 0);
      for (const { generation } of lefts) assert.is(generation, expected);
    });
    return count === 0;
  });
  rig.kill(2);
  await rig.view([0, 1]);
  for (let i = 0; i < 30; i++) assert.is(await rig.read(i % 2, "visits", `key ${i}`), `v${i}`);
});

test("mail that speaks for another member is refused, and counted", async () => {
  const rig = await DataRig.start(14, 3);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  const { nodeId } = rig.node(2);
  const database = rig.database(0, "visits") as Database;
  const { me, generation } = database.machine.state;
  const one = database.machine.state.members.get(1 as Pnn)!;
  const slot = database.where("key").slot as number;
  const { slotGen } = database.machine.state.slots[slot]!;
  const req: RecordMessage = { kind: "req", key: "key", slotGen, rid: 9 };
  const writer = new RecordWriter("c".repeat(32) as ClusterId, nodeId, 1n);
  const { dbId } = database.cfg;
  const [payload] = writer.write({
    ...{ dbId, since: database.since, by: one, to: me!, messages: [req] },
    generation: generation as Generation,
  });
  const head = { cluster: "rig", from: tagOf(nodeId) };
  rig.node(2).world.bus.publish(
    buildSubject({ ...head, class: "r", to: tagOf(rig.node(0).nodeId) }),
    payload!,
  );
  await rig.run(20);
  const { refusedFor } = await rig.node(0).shard.status();
  assert.equal(refusedFor, [{ code: "sender", count: 1 }]);
  assert.is(database.where("key").role, "owner");
});

test("a thread that is asked to die says so, once, and its operations end", async () => {
  const rig = await DataRig.start(15, 2);
  await rig.attach("visits");
  rig.freeze(0);
  const read = rig.begin(0, "visits", "key", { what: "read" });
  const call = rig.begin(0, "visits", "key", {
    what: "call",
    procedure: "set",
    args: new Uint8Array(1),
  });
  rig.node(0).shard.crash();
  await rig.run(5);
  rig.node(0).shard.crash();
  await rig.run(5);
  assert.is(rig.node(0).failures.length, 1);
  assert.is(read.ends[0]?.what === "answer" && read.ends[0].outcome, "failed");
  assert.is(call.ends[0]?.what === "answer" && call.ends[0].outcome, "unknown");
});

test("a disk without room ends the thread, not the words of its machine", async () => {
  const rig = await DataRig.start(16, 2);
  await rig.attach("visits");
  await rig.put(0, "visits", "key", "one");
  const { store } = (rig.database(0, "visits") as Database).machine.state;
  const lock = rig.begin(0, "visits", "key", { what: "lock" });
  await rig.until(() => lock.ends.length > 0);
  store.put = () => {
    throw new CtdbxError("no_space", "Cannot store: the disk is full");
  };
  lock.database.unlock(lock.id, new Uint8Array(1));
  await rig.run(5);
  assert.is(rig.node(0).failures.length, 1);
  assert.is(lock.ends[1]?.what === "answer" && lock.ends[1].outcome, "unknown");
});

test.run();
