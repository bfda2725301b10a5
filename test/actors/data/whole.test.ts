/**
 * Whole nodes with real data threads in simulated time: the cluster decides, pages follow what the threads confirm, and
 * records stay what they must be.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { okOf } from "./data_rig.ts";
import { Whole } from "./whole.ts";

const test = suite("whole nodes with databases");

test.either(
  "attached at one node it is at all; a record goes round, and the leader's death stops nothing",
  async () => {
    const whole = await Whole.up(41);
    const { cluster } = whole;
    await whole.attach(1, "visits");
    await whole.until(() => whole.shards.every((shard) => shard?.host.database("visits")));
    for (let i = 0; i < 6; i++) {
      await whole.set(i % 3, "visits", "round", `${i}`);
      assert.is(await whole.read((i + 1) % 3, "visits", "round"), `${i}`);
    }
    const leader = cluster.leader as number;
    const others = [0, 1, 2].filter((n) => n !== leader);
    for (const n of others) await whole.set(n, "visits", `of ${n}`, "mine");
    whole.crash(leader);
    // Nobody certifies the death: the others wait it out. What they own is read meanwhile wherever a page is valid.
    await whole.until(() => others.every((n) => whole.serves(n) && whole.generationOf(n) > 0n));
    for (const n of others) {
      for (const m of others) assert.is(await whole.read(m, "visits", `of ${n}`), "mine");
    }
    await whole.set(others[0]!, "visits", "round", "on");
    await cluster.start(leader);
    await whole.until(() =>
      whole.serves(leader) && whole.shards[leader]?.host.database("visits") !== undefined
    );
    assert.is(await whole.read(leader, "visits", "round"), "on");
    assert.is(await whole.read(leader, "visits", `of ${others[1]}`), "mine");
  },
);

test.either("a data thread that dies costs its node a life, and the others what only it had", async () => {
  const whole = await Whole.up(42);
  const { cluster } = whole;
  await whole.attach(0, "visits");
  await whole.until(() => whole.shards.every((shard) => shard?.host.database("visits")));
  await whole.set(0, "visits", "kept", "old");
  await whole.set(1, "visits", "kept", "new");
  await whole.set(2, "visits", "lost", "gone");
  const lives = cluster.nodes.map((node) => node!.state.incarnation);
  const waiting = whole.begin(2, "visits", "kept", { what: "ready", mode: "write" });
  whole.shards[2]!.crash();
  await cluster.run(5);
  assert.not(whole.serves(2), "the page ends with the thread, at once");
  await whole.until(() => whole.serves(2) && whole.shards[2]!.databases.length > 0);
  assert.is(whole.threads[2], 2);
  assert.ok(cluster.nodes[2]!.state.incarnation > lives[2]!, "a new life");
  assert.is(cluster.nodes[0]!.state.incarnation, lives[0]);
  assert.is(waiting.length, 1, "what waited has ended");
  for (const n of [0, 1, 2]) {
    assert.is(await whole.read(n, "visits", "kept"), "new");
    assert.is(await whole.read(n, "visits", "lost"), "");
  }
});

test.either("counters of many programs are right when a node dies in the middle that had none of them", async () => {
  const whole = await Whole.up(43);
  const { cluster } = whole;
  await whole.attach(0, "visits");
  await whole.until(() => whole.shards.every((shard) => shard?.host.database("visits")));
  const victim = [1, 2].find((n) => n !== cluster.leader)!;
  const alive = [0, 1, 2].filter((n) => n !== victim);
  const one = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
  const incr = { what: "call", procedure: "incr", args: one } as const;
  let [done, unknown, failed] = [0, 0, 0];
  let isOver = false;
  const work = (n: number, key: string): void => {
    if (isOver) return;
    const { host } = whole.shards[n]!;
    const { clock } = cluster.machines[n]!.world!;
    host.database("visits")?.op(1, key, incr, clock.nowMs() + 5000, (end) => {
      if (end.what !== "answer") return;
      if (end.outcome === "ok") done += 1;
      else if (end.outcome === "unknown") unknown += 1;
      else failed += 1;
      clock.after(3, () => work(n, key));
    });
  };
  for (const n of alive) for (const key of ["a", "b", "c"]) work(n, key);
  await cluster.run(500);
  whole.crash(victim);
  await cluster.run(8000);
  isOver = true;
  await cluster.run(6000);
  let sum = 0n;
  for (const key of ["a", "b", "c"]) {
    const value = okOf(await whole.op(alive[0]!, "visits", key, { what: "read" }))!;
    sum += new DataView(value.buffer, value.byteOffset).getBigInt64(0, true);
  }
  assert.ok(done > 500, `${done} done, ${failed} failed`);
  assert.ok(sum >= BigInt(done) && sum <= BigInt(done + unknown), `${sum}: ${done} + ${unknown}`);
});

test.run();
