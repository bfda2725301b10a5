/**
 * Write-behind of metadata: what is saved, when, and what a restart finds.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetadataEffect, SaveEffect } from "../../../../actors/machines/metadata/event.ts";
import { Rig } from "../../../../actors/machines/sim/metadata/rig.ts";
import { defaultMetadataTiming } from "../../../../actors/machines/metadata/tunables.ts";

const test = suite("metadata saving");

/** A cluster of two that have database a, and the saves of node 1. */
function cluster(saveMs = 1000): { rig: Rig; saves: SaveEffect[]; effects: MetadataEffect[] } {
  const saves: SaveEffect[] = [];
  const effects: MetadataEffect[] = [];
  const timing = { ...defaultMetadataTiming(), saveMs, digestMs: 1_000_000 };
  const rig = new Rig(1, 2, {
    onEffect(node, effect) {
      if (node.index !== 1) return;
      effects.push(effect);
      if (effect.type === "save" && effect.scope === "d/a") saves.push(effect);
    },
  }, timing);
  rig.attach("a", [0, 1]);
  rig.startAll(0);
  rig.run(5000);
  saves.length = 0;
  return { rig, saves, effects };
}

test("changes go into the file together, some time after the first", () => {
  const { rig, saves } = cluster();
  for (let i = 0; i < 5; i++) {
    rig.write(i % 2, "d/a", `k${i}`, "v");
    rig.run(100);
  }
  rig.run(300);
  assert.is(saves.length, 0);
  rig.run(1000);
  assert.equal(saves.map(({ put, drop, wipe }) => [put.length, drop.length, wipe]), [[
    5,
    0,
    false,
  ]]);
});

test("under steady change a scope is saved once in saveMs", () => {
  const { rig, saves } = cluster();
  for (let i = 0; i < 100; i++) {
    rig.write(1, "d/a", "k", `${i}`);
    rig.run(100);
  }
  assert.ok(saves.length >= 7 && saves.length <= 11, `${saves.length}`);
});

test("where nothing changes nothing is saved", () => {
  const { rig, saves } = cluster();
  rig.write(1, "d/a", "k", "v");
  rig.run(60_000);
  assert.is(saves.length, 1);
});

test("one save at a time; what changes meanwhile is in the next", () => {
  const { rig, saves } = cluster(0);
  rig.write(1, "d/a", "x", "1");
  rig.run(251);
  assert.is(saves.length, 1);
  rig.write(1, "d/a", "y", "1");
  rig.tell(rig.node(1), { type: "stop" });
  const isOneAtATime = saves.length === 1 || rig.node(1).disk.scopes.get("d/a")?.records.has("x");
  assert.ok(isOneAtATime);
  rig.run(2000);
  assert.equal(saves.map(({ put }) => put.map(({ key }) => key).join()), ["x", "y"]);
});

test("a save that fails is reported and made again, with everything", () => {
  const { rig, saves, effects } = cluster();
  rig.faults = { ...rig.faults, badSave: 1000 };
  rig.write(1, "d/a", "x", "1");
  rig.run(1500);
  rig.write(1, "d/a", "y", "1");
  rig.faults = { ...rig.faults, badSave: 0 };
  rig.run(3000);
  assert.ok(saves.length >= 2);
  assert.equal(saves.at(-1)?.put.map(({ key }) => key).sort(), ["x", "y"]);
  const reports = effects.flatMap((effect) => effect.type === "report" ? [effect.report] : []);
  assert.equal(reports[0], { about: "unsaved", scope: "d/a" });
  rig.run(20_000);
  assert.equal([...rig.node(1).disk.scopes.get("d/a")?.records.keys() ?? []].sort(), ["x", "y"]);
});

test("a restart finds the file's state, with what it says of deletions", () => {
  const { rig } = cluster();
  rig.write(1, "d/a", "x", "1");
  rig.write(1, "d/a", "y", "1");
  rig.write(1, "d/a", "y", null);
  rig.run(130_000);
  const before = rig.machine(1).status();
  assert.is(before.find(({ scope }) => scope === "d/a")?.floor, 3n);
  rig.crash(1);
  rig.cut(0, 1);
  rig.start(1);
  rig.run(100);
  const after = rig.machine(1).status();
  assert.equal(
    after.find(({ scope }) => scope === "d/a"),
    before.find(({ scope }) => scope === "d/a"),
  );
});

test("what was deleted everywhere leaves the file, too", () => {
  const { rig, saves } = cluster();
  rig.write(1, "d/a", "x", null);
  rig.run(130_000);
  assert.is(rig.node(1).disk.scopes.get("d/a")?.records.size, 0);
  assert.equal(saves.at(-1)?.drop, ["x"]);
});

test("a leader keeps no files of what it is interested in as leader", () => {
  const { rig } = cluster();
  rig.write(1, `n/${rig.node(1).nodeId}`, "health", "good");
  rig.run(5000);
  const scopes = [...rig.node(0).disk.scopes.keys()].sort();
  assert.equal(scopes, ["c", "d/a", `n/${rig.node(0).nodeId}`]);
});

test("a scope that is not had yet is not saved", () => {
  const { rig, saves } = cluster(0);
  rig.write(0, "d/a", "x", "1");
  rig.run(500);
  rig.crash(1);
  rig.loseFile(1, "d/a");
  rig.cut(0, 1);
  rig.start(1);
  saves.length = 0;
  rig.run(500);
  const record = rig.machine(0).get("d/a", "x");
  if (record === undefined) throw new Error("not written");
  const message = { kind: "md_publish", records: [record] } as const;
  rig.tell(rig.node(1), { type: "message", from: rig.node(0).nodeId, stamp: 1n, message });
  rig.run(3000);
  assert.equal(saves, []);
  rig.heal();
  rig.run(3000);
  // The first one begins anew.
  assert.equal([saves[0]?.wipe, saves[0]?.put.length], [true, 1]);
});

test.run();
