/**
 * The leader of a real cluster: stopped and woken, cut off, killed. Another one leads, the former serves nothing before
 * it is in again, and monitors are told of it and of nobody else.
 */

import * as assert from "uvu/assert";
import { limit } from "../../limit.ts";
import { eventually, kill } from "../dev_rig.ts";
import { afterNewView, ALL, allSayStopped, faultSuite, lifeOf, other, servedBy } from "./rig.ts";
import { stopped, tells, well } from "./rig.ts";

const test = faultSuite("faults of the leader");

test.after(limit(60_000, async ({ dev, client }) => {
  await client?.close();
  await dev?.giveBack();
}));

test(
  "SIGSTOP: each node explains it, another leads; woken, it serves nothing before it is in again",
  limit(60_000, async ({ dev }) => {
    const old = await dev.leader();
    const witness = other(old);
    const life = await lifeOf(dev, old, witness);
    const generation = dev.moment(witness)?.generation ?? 0n;
    const pid = await dev.pid(old);
    const seen = await dev.moments(ALL, async () => {
      await stopped(pid);
      try {
        await allSayStopped(dev, old, pid);
        await dev.wait(`leader,not-leader=n${old},members=2,serving`, witness);
        assert.match(await dev.dev("status"), new RegExp(`n${old} .* silent`));
      } finally {
        kill(pid, "SIGCONT");
      }
      await dev.well();
    });
    const later = afterNewView(seen, old, generation);
    assert.ok(later.length > 0);
    assert.equal(servedBy(later, old, life), []);
    assert.ok(await lifeOf(dev, old, witness) > life);
    assert.is(await dev.leader(old), await dev.leader(witness));
    await well(dev);
  }),
);

test(
  "cut off, it leads no longer, though the lock is still in its reach",
  limit(60_000, async ({ dev }) => {
    const old = await dev.leader();
    const witness = other(old);
    const life = await lifeOf(dev, old, witness);
    const generation = dev.moment(witness)?.generation ?? 0n;
    const seen = await dev.moments(ALL, async () => {
      await dev.dev("chaos partition leader 1m");
      await dev.wait(`leader,not-leader=n${old},members=2,serving`, witness);
      await dev.wait(`not-leader=n${old},not-serving`, old);
      await dev.dev(`chaos heal n${old}`);
      await dev.well();
    });
    const later = afterNewView(seen, old, generation);
    assert.ok(later.length > 0);
    assert.equal(servedBy(later, old, life), []);
  }),
);

test(
  "killed: the next leader tells monitors of it, and of nobody else",
  limit(60_000, async ({ dev, client }) => {
    await well(dev);
    client.clear();
    const before = await dev.leader();
    kill(await dev.pid(before), "SIGKILL");
    await eventually("the next leader tells", () => tells(client, before, "disconnected"));
    await dev.well();
    for (const node of ALL.filter((n) => n !== before)) {
      assert.equal(client.changesOf(`n${node}`), [], `of n${node}`);
    }
  }),
);

test.run();
