/**
 * How a node comes to have a scope, and what it may do before.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetaRecord } from "../../../../transport/wire/messages/metadata.ts";
import { Watched } from "./watch.ts";

const test = suite("metadata warming");

/** `count` nodes, 0 leads; database a is on those. */
function cluster(count: number, who: readonly number[], aloneMs = 5000): Watched {
  const rig = new Watched(count, { aloneMs });
  rig.attach("a", who);
  rig.startAll(0);
  rig.run(3000);
  return rig;
}

test("in a new cluster everybody has everything within a moment, and lacks nothing", () => {
  const rig = new Watched(3);
  rig.attach("a", [1, 2]);
  rig.startAll(0);
  rig.run(500);
  for (const node of [0, 1, 2]) assert.is(rig.phase(node, "c"), "whole", `${node}`);
  for (const node of [0, 1, 2]) assert.is(rig.phase(node, "d/a"), "whole", `${node}`);
});

test("who attaches a database gets what the others have, then writes", () => {
  const rig = cluster(4, [1, 2]);
  rig.write(1, "d/a", "x", "1");
  rig.run(500);
  rig.attach("a", [1, 2, 3]);
  // It has not heard yet that it is interested, so the leader does it.
  rig.run(1000);
  assert.equal([rig.phase(3, "d/a"), rig.values(3, "d/a")], ["whole", "x=1"]);
  rig.write(3, "d/a", "x", "2");
  rig.run(100);
  for (const node of [0, 1, 2, 3]) assert.is(rig.values(node, "d/a"), "x=2");
});

test("who no longer has a database forgets its scope, on disk too", () => {
  const rig = cluster(4, [1, 2, 3]);
  rig.write(1, "d/a", "x", "1");
  rig.run(3000);
  assert.ok(rig.node(3).disk.scopes.has("d/a"));
  rig.attach("a", [1, 2]);
  rig.run(100);
  assert.is(rig.values(3, "d/a"), "-");
  assert.not(rig.node(3).disk.scopes.has("d/a"));
});

test("a write waits until the scope is had; without an answer it is refused as late", () => {
  const rig = cluster(3, [1]);
  for (const other of [0, 1]) {
    rig.cut(other, 2);
    rig.cut(2, other);
  }
  rig.attach("a", [1, 2]);
  rig.run(100);
  assert.is(rig.phase(2, "d/a"), "cold");
  const late = rig.write(2, "d/a", "x", "late");
  rig.run(100);
  assert.is(rig.node(2).answers.get(late), undefined);
  rig.run(4000);
  const answer = rig.node(2).answers.get(late);
  assert.is(answer?.type === "refused" && answer.code, "timeout");
  const early = rig.write(2, "d/a", "x", "early");
  rig.heal();
  rig.run(1500);
  assert.is(rig.node(2).answers.get(early)?.type, "written");
  for (const node of [0, 1, 2]) assert.is(rig.values(node, "d/a"), "x=early");
});

test("a write that waits is refused when the scope is dropped", () => {
  const rig = cluster(3, [1]);
  for (const other of [0, 1]) rig.cut(other, 2);
  rig.attach("a", [1, 2]);
  rig.run(100);
  const ask = rig.write(2, "d/a", "x", "1");
  rig.attach("a", [1]);
  rig.run(100);
  const answer = rig.node(2).answers.get(ask);
  assert.is(answer?.type === "refused" && answer.code, "state");
});

test("a lost file is had again from the others; deleted things are not among it", () => {
  const rig = cluster(3, [0, 1, 2]);
  rig.write(1, "d/a", "x", "1");
  rig.write(1, "d/a", "y", "1");
  rig.run(2000);
  rig.write(1, "d/a", "y", null);
  rig.crash(2);
  rig.loseFile(2, "d/a");
  rig.start(2);
  rig.run(3000);
  assert.equal([rig.phase(2, "d/a"), rig.values(2, "d/a")], ["whole", "x=1"]);
});

test("a file of before a node was taken off the list does not count", () => {
  const rig = cluster(3, [0, 1, 2]);
  rig.write(2, "c", "x", "1");
  rig.run(3000);
  rig.crash(2);
  rig.setNode(2, false);
  rig.run(100);
  rig.write(1, "c", "x", null);
  // So long that the tombstone is gone.
  rig.run(130_000);
  assert.is(rig.machine(0).get("c", "x"), undefined);
  rig.setNode(2, true);
  rig.start(2);
  rig.run(3000);
  for (const node of [0, 1, 2]) assert.is(rig.values(node, "c"), "");
  assert.not(rig.changed.slice(-3).includes("2 c x=1"));
});

test("what restarts has its file, and what it missed within a moment", () => {
  const rig = cluster(3, [0, 1, 2]);
  rig.write(1, "d/a", "x", "1");
  rig.run(3000);
  rig.crash(2);
  rig.write(1, "d/a", "y", "1");
  rig.run(3000);
  rig.start(2);
  rig.run(20);
  assert.is(rig.phase(2, "d/a"), "whole");
  assert.ok(rig.values(2, "d/a").startsWith("x=1"));
  rig.run(300);
  assert.is(rig.values(2, "d/a"), "x=1 y=1");
});

test("a new leader has all scopes soon, and an old one forgets those that were not its own", () => {
  const rig = cluster(4, [1, 2]);
  rig.write(3, rig.scopeOf(3), "health", "good");
  rig.write(1, "d/a", "x", "1");
  rig.run(500);
  rig.lead(3);
  rig.run(500);
  for (
    const [scope, values] of [["d/a", "x=1"], [rig.scopeOf(2), ""], [
      rig.scopeOf(3),
      "health=good",
    ]] as const
  ) {
    assert.equal([rig.phase(3, scope), rig.values(3, scope)], ["whole", values]);
  }
  assert.equal([rig.values(0, "d/a"), rig.values(0, rig.scopeOf(3))], ["-", "-"]);
});

test("when who has a scope is away, the leader begins it alone; later both are had together", () => {
  const rig = cluster(3, [1], 2000);
  rig.write(1, "d/a", "x", "1");
  rig.run(3000);
  rig.crash(1);
  rig.lead(2);
  rig.run(1500);
  assert.is(rig.phase(2, "d/a"), "cold");
  rig.run(1500);
  assert.is(rig.phase(2, "d/a"), "alone");
  rig.write(2, "d/a", "y", "2");
  rig.start(1);
  rig.run(8000);
  for (const node of [1, 2]) {
    assert.equal([rig.phase(node, "d/a"), rig.values(node, "d/a")], ["whole", "x=1 y=2"]);
  }
});

test("alone, a node says nothing about what was deleted: the other's records stay", () => {
  const rig = cluster(3, [1], 1000);
  rig.write(1, "d/a", "x", "1");
  rig.write(1, "d/a", "gone", null);
  rig.run(130_000);
  // A floor is above x.
  const status = rig.machine(1).status().find(({ scope }) => scope === "d/a");
  assert.equal([status?.floor, status?.tombstones], [2n, 0]);
  rig.crash(1);
  rig.lead(2);
  rig.run(5000);
  assert.is(rig.phase(2, "d/a"), "alone");
  rig.start(1);
  rig.run(8000);
  for (const node of [1, 2]) assert.is(rig.values(node, "d/a"), "x=1");
});

test("what a node wrote alone, with a stamp too low, is written again and not lost", () => {
  const rig = cluster(2, [1], 1000);
  // Node 0 leads but hears nothing of 1, whose clock is far ahead.
  rig.cut(1, 0);
  rig.cut(0, 1);
  for (let i = 0; i < 50; i++) rig.write(1, "d/a", `k${i % 5}`, `${i}`);
  rig.lead(1);
  rig.run(500);
  rig.write(1, "d/a", "x", null);
  rig.run(130_000);
  const floor = rig.machine(1).status().find(({ scope }) => scope === "d/a")?.floor ?? 0n;
  assert.ok(floor > 50n);
  rig.lead(0);
  rig.run(3000);
  assert.is(rig.phase(0, "d/a"), "alone");
  rig.write(0, "d/a", "k0", "own");
  rig.write(0, "d/a", "mine", "own");
  const low = rig.machine(0).get("d/a", "mine") as MetaRecord;
  assert.ok(low.c < floor);
  rig.heal();
  rig.run(30_000);
  for (const node of [0, 1]) {
    // k0 was written with a higher stamp elsewhere: the newest write counts.
    assert.is(rig.values(node, "d/a"), "k0=45 k1=46 k2=47 k3=48 k4=49 mine=own");
    assert.is(rig.phase(node, "d/a"), "whole");
  }
  assert.equal(rig.broken, []);
});

test("all who are interested turn out to hold the same: a scope that was begun alone is whole", () => {
  const rig = new Watched(3, { aloneMs: 1000, roundMs: 4000 });
  rig.attach("a", [0, 1, 2]);
  for (const node of [0, 1]) rig.start(node, false);
  rig.lead(0);
  rig.run(2500);
  assert.equal([0, 1].map((node) => rig.phase(node, "d/a")), ["alone", "alone"]);
  rig.start(2);
  rig.run(12_000);
  for (const node of [0, 1, 2]) assert.is(rig.phase(node, "d/a"), "whole");
  assert.ok(rig.machine(0).counters.roundsDone > 0);
});

/** Nodes 0 and 1 have begun database a without node 2, which has it, too. */
function pairAlone(): Watched {
  const rig = new Watched(3, { aloneMs: 1000, roundMs: 1_000_000 });
  rig.attach("a", [0, 1, 2]);
  for (const node of [0, 1]) rig.start(node, false);
  rig.lead(0);
  rig.run(4000);
  assert.equal([0, 1].map((node) => rig.phase(node, "d/a")), ["alone", "alone"]);
  return rig;
}

test("a round that a node did not answer does not make it whole", () => {
  const rig = pairAlone();
  const message = { kind: "md_floor", scope: "d/a", round: 5, floor: 3n } as const;
  rig.tell(rig.node(1), { type: "message", from: rig.node(0).nodeId, stamp: 3n, message });
  const status = rig.machine(1).status().find(({ scope }) => scope === "d/a");
  assert.equal([status?.phase, status?.floor], ["alone", 0n]);
});

test("alone is alone after a restart, too", () => {
  const rig = pairAlone();
  rig.write(1, "d/a", "x", "1");
  rig.run(3000);
  rig.crash(1);
  rig.cut(0, 1);
  rig.start(1);
  rig.run(100);
  assert.equal([rig.phase(1, "d/a"), rig.values(1, "d/a")], ["alone", "x=1"]);
});

test("that a scope has become whole is saved, also after saves that failed", () => {
  const rig = pairAlone();
  rig.run(3000);
  assert.is(rig.node(1).disk.scopes.get("d/a")?.isWhole, false);
  rig.faults = { ...rig.faults, badSave: 1000 };
  const { interest } = rig.of("md_digest", "d/a").at(-1)?.message ?? { interest: 0 };
  const head = { scope: "d/a", interest, floor: 0n, phase: "whole" } as const;
  const message = { kind: "md_digest", ...head, hash: 0n, count: 0 } as const;
  rig.tell(rig.node(1), { type: "message", from: rig.node(0).nodeId, stamp: 3n, message });
  assert.is(rig.phase(1, "d/a"), "whole");
  rig.run(3000);
  assert.ok(rig.reports.some(({ about }) => about === "unsaved"));
  rig.faults = { ...rig.faults, badSave: 0 };
  rig.run(3000);
  assert.is(rig.node(1).disk.scopes.get("d/a")?.isWhole, true);
});

test("a node that hears of a new epoch of its own begins the scope anew, on disk too", () => {
  const rig = cluster(3, [0, 1, 2]);
  rig.write(1, "d/a", "x", "1");
  rig.run(3000);
  const interested = (rig.node(2).interests.get("d/a")?.interested ?? [])
    .map((one) => one.nodeId === rig.node(2).nodeId ? { ...one, epoch: one.epoch + 1n } : one);
  rig.tell(rig.node(2), { type: "interest", scope: "d/a", interested, isKept: true });
  assert.equal([rig.phase(2, "d/a"), rig.node(2).disk.scopes.has("d/a")], ["loading", false]);
  rig.run(100);
  assert.is(rig.phase(2, "d/a"), "cold");
});

test("without a leader nobody begins a scope, and nobody writes to it", () => {
  const rig = new Watched(2, { aloneMs: 500 });
  for (const node of [0, 1]) rig.start(node);
  rig.run(10_000);
  for (const node of [0, 1]) assert.is(rig.phase(node, "c"), "cold");
  rig.lead(1);
  rig.run(1500);
  for (const node of [0, 1]) assert.is(rig.phase(node, "c"), "whole");
});

test.run();
