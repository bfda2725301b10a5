/** Cluster locks as programs use them: mapped and not, on one node and on others, while programs and nodes end. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterClient } from "../../../actors/client/cluster.ts";
import type { ClusterLock } from "../../../actors/client/types.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Version } from "../../../transport/wire/terms.ts";
import { ClientRig } from "./client_rig.ts";

const test = suite("cluster locks of programs");

/** How many are inside at once, and in which order of tokens. */
class Judge {
  inside = 0;
  entered = 0;
  last = "";

  enter({ token, mode }: ClusterLock): void {
    assert.ok(token.text > this.last, `${token.text} comes after ${this.last}`);
    this.last = token.text;
    this.entered += 1;
    this.inside += 1;
    if (mode === "exclusive") assert.is(this.inside, 1);
  }

  leave(): void {
    this.inside -= 1;
  }
}

async function loop(cluster: ClusterClient, judge: Judge, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const lock = await cluster.lock("door", { timeoutMs: 60_000 });
    judge.enter(lock);
    if (round % 3 === 0) await Promise.resolve();
    judge.leave();
    await lock.release();
  }
}

/** Name, nodes and processes of each lock. */
async function listed(cluster: ClusterClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, holders, waiters } of cluster.locks()) {
    const text = [...holders, ...waiters].map(({ pnn, pid }) => `${pnn}.${pid}`).join(" ");
    names.push(`${name} ${text}`);
  }
  return names;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "done",
    (error) => error instanceof CtdbxError ? error.code : `${error}`,
  );
}

for (const mapped of [true, false]) {
  const way = mapped ? "mapped" : "by the daemon";

  test(`${way}: one at a time, on three nodes, with rising tokens`, async () => {
    const rig = await ClientRig.start(1, 3);
    const clusters = [];
    for (const n of [0, 1, 2, 0]) clusters.push(await rig.connect(n, { mapped }));
    const judge = new Judge();
    await rig.do(Promise.all(clusters.map((cluster) => loop(cluster, judge, 25))));
    assert.is(judge.entered, 100);
    assert.equal(await rig.do(listed(clusters[0] as ClusterClient)), []);
    await rig.end();
  });

  test(`${way}: try, shared and exclusive, and a time that is over`, async () => {
    const rig = await ClientRig.start(2, 2);
    const [one, two] = [await rig.connect(0, { mapped }), await rig.connect(1, { mapped })];
    const first = await rig.do(one.lock("door", { mode: "shared" }));
    const second = await rig.do(two.tryLock("door", { mode: "shared" }));
    assert.is(second?.mode, "shared");
    assert.is(await rig.do(two.tryLock("door")), undefined);
    assert.is(await rig.do(codeOf(one.lock("door", { timeoutMs: 300 }))), "timeout");
    await rig.do(second!.release());
    assert.is(await rig.do(two.tryLock("door")), undefined);
    const waits = two.lock("door");
    await rig.data.run(200);
    // In the turn of a node its programs may go before him; then they wait behind him.
    await rig.do((await rig.do(one.tryLock("door", { mode: "shared" })))!.release());
    await rig.data.run(20);
    assert.is(await rig.do(one.tryLock("door", { mode: "shared" })), undefined);
    await rig.do(first.release());
    const third = await rig.do(waits);
    assert.is(third.mode, "exclusive");
    assert.ok(third.token.text > first.token.text);
    await rig.do(third.release());
    await rig.end();
  });

  test(`${way}: a program that ends gives up what it has, and what it waits for`, async () => {
    const rig = await ClientRig.start(3, 2);
    const [one, two, three] = [
      await rig.connect(0, { mapped }),
      await rig.connect(1, { mapped }),
      await rig.connect(1, { mapped }),
    ];
    const lock = await rig.do(one.lock("door"));
    const queued = two.lock("door").catch((error: unknown) => error);
    await rig.data.run(100);
    const waits = three.lock("door");
    await rig.data.run(100);
    await rig.do(two.close());
    await rig.do(one.close());
    assert.instance(await rig.do(queued), CtdbxError);
    const got = await rig.do(waits);
    assert.ok(got.token.text > lock.token.text);
    assert.ok(lock.isLost);
    assert.match(await rig.do(lock.lost), /cut|closed/);
    await rig.end();
  });
}

test("a grace: nobody gets it so soon after its program has ended", async () => {
  const rig = await ClientRig.start(4, 2);
  const [one, two] = [await rig.connect(0), await rig.connect(1)];
  await rig.do(one.lock("door", { graceMs: 1500 }));
  await rig.do(one.close());
  let isHad = false;
  const waits = two.lock("door", { timeoutMs: 10_000 }).then(() => isHad = true);
  await rig.data.run(1400);
  assert.not(isHad);
  await rig.do(waits);
  await rig.end();
});

test("a lease is renewed while its program runs, and its owner is named", async () => {
  const rig = await ClientRig.start(5, 2);
  const [one, two] = [await rig.connect(0), await rig.connect(1)];
  const lease = await rig.do(one.lease("job", { ttlMs: 500 }));
  await rig.data.run(3000);
  assert.not(lease.isLost);
  assert.is(await rig.do(two.tryLock("job")), undefined);
  assert.equal(await rig.do(listed(two)), ["job 0.1000"]);
  await rig.do(lease.release());
  assert.ok(await rig.do(two.tryLock("job")));
  await rig.end();
});

test("a node that has died has no lock any more, when a view without it is in force", async () => {
  const rig = await ClientRig.start(6, 3);
  const [one, two, three] = [await rig.connect(0), await rig.connect(1), await rig.connect(2)];
  const lock = await rig.do(one.lock("door"));
  const slow = await rig.do(one.lock("gate", { graceMs: 2000 }));
  const waits = two.lock("door", { timeoutMs: 20_000 });
  let isHad = false;
  const late = three.lock("gate", { timeoutMs: 20_000 }).then((held) => {
    isHad = true;
    return held;
  });
  await rig.data.run(100);
  rig.data.kill(0);
  await rig.data.run(500);
  await rig.data.view([1, 2]);
  const next = await rig.do(waits);
  assert.ok(next.token.text > lock.token.text);
  await rig.data.run(1500);
  assert.not(isHad, "its grace is not over");
  assert.ok((await rig.do(late)).token.text > slow.token.text);
  await rig.end();
});

test("locks of living programs are announced again: to a new home, and in an emptied database", async () => {
  const rig = await ClientRig.start(7, 3);
  const [one, two, three] = [await rig.connect(0), await rig.connect(1), await rig.connect(2)];
  const names = Array.from({ length: 12 }, (_, index) => `lock ${index}`);
  const held = [];
  for (const name of names) held.push(await rig.do(one.lock(name)));
  for (const name of names) assert.is(await rig.do(three.tryLock(name)), undefined);
  await rig.data.run(100);
  rig.data.kill(2);
  await rig.data.view([0, 1]);
  for (const name of names) assert.is(await rig.do(two.tryLock(name)), undefined, name);
  const since = rig.data.doc.version + 1n as Version;
  await rig.data.view([0, 1], rig.data.doc.dbs.map((cfg) => ({ ...cfg, since })));
  for (const name of names) assert.is(await rig.do(two.tryLock(name)), undefined, name);
  for (const lock of held) {
    assert.not(lock.isLost);
    await rig.do(lock.release());
    const next = await rig.do(two.lock(lock.name));
    assert.ok(next.token.text > lock.token.text, "the token rises");
  }
  await rig.end();
});

test("the end of a node's lease, and a new life, are told to who has a lock", async () => {
  const rig = await ClientRig.start(8, 2);
  const one = await rig.connect(0);
  const first = await rig.do(one.lock("door"));
  const early = await rig.do(one.lock("gate", { earlyMs: 400 }));
  rig.data.show(0, rig.data.nowMs(0) + 1000);
  await rig.data.run(500);
  assert.not(first.isLost || early.isLost);
  await rig.data.run(200);
  assert.ok(early.isLost && !first.isLost);
  await rig.data.run(400);
  assert.ok(first.isLost);
  assert.match(await rig.do(first.lost), /lease is over/);
  rig.data.show(0);
  const again = await rig.do(one.lock("hall"));
  await rig.data.life(0);
  await rig.data.run(200);
  assert.match(await rig.do(again.lost), /life/);
  await rig.end();
});

test.run();
