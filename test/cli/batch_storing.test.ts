/** Records of a file into a database with transactions: how many transactions they are, and which of them are seen. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BatchStoring, wholeBatch } from "../../cli/batch_storing.ts";
import { ClientRig } from "../actors/client/client_rig.ts";
import { CommitFake } from "../actors/client/commit_fake.ts";
import { b } from "../actors/data/data_rig.ts";

const test = suite("records in batches");
const COUNT = 2500;

test("Some hundred records a transaction; where one takes all of them nobody sees a part", async () => {
  for (const isWhole of [false, true]) {
    const rig = await ClientRig.start(1, 1);
    const fake = new CommitFake();
    fake.at(rig.data.node(0).shard.host, "bank");
    const cluster = await rig.connect(0);
    const bank = await rig.do(cluster.attach("bank"));
    const sizes: number[] = [];
    fake.before = () => void sizes.push(fake.records.size);
    const done: number[] = [];
    const storing = new BatchStoring(bank, {
      ...{ mode: "replace", signal: new AbortController().signal },
      onDone: (count) => void done.push(count),
      batch: isWhole ? wholeBatch(COUNT, 100_000) : undefined,
    });
    await rig.do((async () => {
      for (let at = 0; at < COUNT; at++) await storing.take({ key: b(`key ${at}`), value: b("v") });
      await storing.end();
    })());
    assert.is(fake.records.size, COUNT);
    assert.equal(sizes, isWhole ? [0] : [0, 1000, 2000], "what was there before each transaction");
    assert.equal(done, isWhole ? [COUNT] : [1000, 2000, COUNT]);
    await rig.end();
  }
});

test("What is more than a transaction takes is none", () => {
  const { records, bytes } = wholeBatch(1, 1)!;
  assert.ok(wholeBatch(records, bytes) !== undefined);
  assert.is(wholeBatch(records + 1, bytes), undefined);
  assert.is(wholeBatch(records, bytes + 1), undefined);
});

test.run();
