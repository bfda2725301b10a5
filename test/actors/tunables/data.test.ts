/** Data threads on a simulated network: what tunables say reaches machines that are there, and later ones. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataPatch } from "../../../actors/tunables/feeds.ts";
import { DataRig } from "../data/data_rig.ts";

const test = suite("tunables: data thread");

test("a record machine that is there, and one that comes later, read what was told", async () => {
  const rig = await DataRig.start(31, 1);
  await rig.attach("first");
  const { shard } = rig.node(0);
  const set = new Map([["StickyPindown", 77], ["VacuumInterval", 20], ["HopcountMakeSticky", 3]]);
  await shard.tune(dataPatch((name) => set.get(name)));
  await rig.attach("second");
  assert.is(shard.databases.length, 2);
  for (const { machine: { state: { timing } } } of shard.databases) {
    assert.equal([timing.stickyHoldMs, timing.vacuumMs, timing.stickyMoves], [77, 600, 3]);
  }
  await shard.tune(dataPatch(() => undefined));
  for (const { machine: { state: { timing } } } of shard.databases) {
    assert.equal([timing.stickyHoldMs, timing.vacuumMs, timing.stickyMoves], [200, 300, 50]);
  }
});

test("the vacuum goes by its age: empty records stay while that is long, and go when it is short", async () => {
  const rig = await DataRig.start(32, 1);
  await rig.attach("visits");
  const { shard } = rig.node(0);
  const tune = (ageMs: number) =>
    shard.tune(dataPatch((name) => name === "VacuumAge" ? ageMs : undefined));
  const held = (): number => shard.databases[0]!.stats().records;
  await tune(3_600_000);
  for (let key = 0; key < 20; key++) {
    await rig.put(0, "visits", `key ${key}`, "x");
    await rig.put(0, "visits", `key ${key}`, "");
  }
  await rig.run(20_000);
  assert.is(held(), 20);
  await tune(50);
  await rig.run(5000);
  assert.is(held(), 0);
});

test.run();
