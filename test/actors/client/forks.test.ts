/**
 * A database that goes on from an older state while a program's transaction runs: what was read before goes with the
 * history that it is of, and what is of two is run again.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { b, t } from "../data/data_rig.ts";
import { ClientRig } from "./client_rig.ts";
import { CommitFake } from "./commit_fake.ts";

const test = suite("client transactions across a fork");
const OLD = 2n ** 63n + 1n;
const NEW = 2n ** 63n + 2n;

async function open(seed: number) {
  const rig = await ClientRig.start(seed, 1);
  const fake = new CommitFake();
  fake.at(rig.data.node(0).shard.host, "bank");
  fake.lineage = OLD;
  const cluster = await rig.connect(0);
  const bank = await rig.do(cluster.attach("bank"));
  return { rig, fake, bank };
}

test("What was read goes with its history: after a fork it is read anew, with the same versions", async () => {
  const { rig, fake, bank } = await open(1);
  fake.other("ann", "of the old one");
  const retries: string[] = [];
  const done = await rig.do(bank.transaction(async (tx) => {
    const ann = t(await tx.get("ann"));
    if (tx.tries === 1) {
      fake.lineage = NEW;
      fake.write("ann", b("of the new one"));
    }
    tx.put("bob", ann ?? "");
  }, { onRetry: ({ why }) => void retries.push(why) }));
  assert.is(done.tries, 2);
  assert.equal(fake.submitted.map(({ lineage }) => lineage), [OLD, NEW]);
  assert.equal(retries, ["the database has gone on from an older state"]);
  assert.is(t(await rig.do(bank.read("bob"))), "of the new one");
  await rig.end();
});

test("Reads of two histories are not sent; an error that comes of them is none", async () => {
  for (const isThrown of [false, true]) {
    const { rig, fake, bank } = await open(2);
    const done = await rig.do(bank.transaction(async (tx) => {
      const seen = [await tx.get("ann")];
      if (tx.tries === 1) fake.lineage = NEW;
      seen.push(await tx.get("bob"));
      if (isThrown && tx.tries === 1) throw new Error("what it read does not fit together");
      tx.put("sum", `${seen.length}`);
    }));
    assert.is(done.tries, 2);
    assert.equal(fake.submitted.map(({ lineage }) => lineage), [NEW]);
    await rig.end();
  }
});

test("What is read in parts is of one history", async () => {
  const { rig, fake, bank } = await open(3);
  // Three of them are too long for one frame.
  const keys = ["a", "b", "c"];
  for (const key of keys) fake.other(key, "v".repeat(15_000_000));
  let reads = 0;
  fake.onRead = () => {
    reads += 1;
    // All of it, and its first part; then the rest.
    if (reads === 3) fake.lineage = NEW;
  };
  const done = await rig.do(bank.transaction(async (tx) => {
    const values = await Promise.all(keys.map((key) => tx.get(key)));
    tx.put("sum", `${values.length}`);
  }));
  assert.is(done.tries, 1);
  assert.is(reads, 5);
  assert.equal(fake.submitted.map(({ lineage }) => lineage), [NEW]);
  await rig.end();
});

test("A node that does not say which history it is does not hear of one", async () => {
  const { rig, fake, bank } = await open(4);
  fake.lineage = undefined;
  await rig.do(bank.transaction(async (tx) => tx.put("bob", await tx.get("ann") ?? "none")));
  assert.equal(fake.submitted.map(({ lineage }) => lineage), [undefined]);
  await rig.end();
});

test.run();
