/**
 * Tombstones: they go when all have them on disk, and what was deleted does not come back.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MetaRecord } from "../../../../transport/wire/messages/metadata.ts";
import { Watched } from "./watch.ts";

const test = suite("metadata tombstones");

/** Three nodes that have database a, 0 leads. Nothing happens by itself but rounds. */
function cluster(timing: ConstructorParameters<typeof Watched>[1] = {}): Watched {
  const quiet = { digestMs: 1_000_000, roundMs: 4000, ...timing };
  const rig = new Watched(3, quiet);
  rig.attach("a", [0, 1, 2]);
  rig.startAll(0);
  rig.run(2000);
  return rig;
}

const tombstones = (rig: Watched, node: number) =>
  rig.machine(node).status().find(({ scope }) => scope === "d/a")?.tombstones;
const floor = (rig: Watched, node: number) =>
  rig.machine(node).status().find(({ scope }) => scope === "d/a")?.floor;

test("a deletion is a tombstone until a round in which all have it; then the floor is above it", () => {
  const rig = cluster();
  rig.write(1, "d/a", "x", "1");
  rig.write(1, "d/a", "y", "1");
  rig.run(500);
  rig.write(2, "d/a", "x", null);
  rig.run(500);
  const c = rig.machine(0).get("d/a", "x")?.c;
  for (const node of [0, 1, 2]) assert.is(tombstones(rig, node), 1);
  rig.run(8000);
  for (const node of [0, 1, 2]) {
    assert.equal([tombstones(rig, node), floor(rig, node)], [0, c]);
    assert.is(rig.values(node, "d/a"), "y=1");
  }
  assert.is(rig.machine(0).counters.roundsDone, 1);
});

test("where nothing was deleted there are no rounds", () => {
  const rig = cluster();
  rig.write(1, "d/a", "x", "1");
  rig.run(20_000);
  assert.is(rig.machine(0).counters.rounds, 0);
});

test("an old message about what was deleted is refused once the tombstone is gone", () => {
  const rig = cluster();
  rig.write(1, "d/a", "x", "1");
  const old = rig.machine(1).get("d/a", "x") as MetaRecord;
  rig.run(500);
  rig.write(2, "d/a", "x", null);
  rig.run(8000);
  assert.is(tombstones(rig, 0), 0);
  const message = { kind: "md_publish", records: [old] } as const;
  for (const node of rig.nodes) {
    rig.tell(node, { type: "message", from: old.w, stamp: 1n, message });
  }
  for (const node of [0, 1, 2]) assert.is(rig.values(node, "d/a"), "");
  assert.is(rig.machine(0).counters.refused, 1);
  // So is one that would replace something older.
  rig.write(1, "d/a", "x", "2");
  assert.is(rig.values(1, "d/a"), "x=2");
});

test("a node that is away keeps tombstones from going, and is named; what it misses it hears", () => {
  const rig = cluster({ tombstonesWarn: 2 });
  for (const key of ["x", "y", "z"]) rig.write(1, "d/a", key, "1");
  rig.run(3000);
  rig.crash(2);
  for (const key of ["x", "y", "z"]) rig.write(1, "d/a", key, null);
  rig.run(60_000);
  assert.is(tombstones(rig, 0), 3);
  assert.ok(rig.machine(0).counters.rounds > 3);
  const absent = [rig.node(2).nodeId];
  const about = { about: "tombstones", scope: "d/a", count: 3, absent } as const;
  assert.ok(rig.reports.length > 2);
  for (const report of rig.reports) assert.equal(report, about);
  rig.start(2);
  rig.run(30_000);
  for (const node of [0, 1, 2]) {
    assert.equal([tombstones(rig, node), rig.values(node, "d/a")], [0, ""]);
  }
});

test("as many tombstones as the limit are no reason to warn", () => {
  const rig = cluster({ tombstonesWarn: 2 });
  rig.crash(2);
  for (const key of ["x", "y"]) rig.write(1, "d/a", key, null);
  rig.run(30_000);
  assert.is(tombstones(rig, 0), 2);
  assert.equal(rig.reports, []);
});

test("a node that is taken off the list does not count", () => {
  const rig = cluster();
  rig.write(1, "d/a", "x", null);
  rig.crash(2);
  rig.run(30_000);
  assert.is(tombstones(rig, 0), 1);
  rig.setNode(2, false);
  rig.run(10_000);
  assert.equal([tombstones(rig, 0), tombstones(rig, 1)], [0, 0]);
});

test("nobody answers a round before all it holds is on its disk", () => {
  const rig = cluster({ saveMs: 1_000_000 });
  rig.write(1, "d/a", "x", null);
  rig.run(100);
  assert.not(rig.node(2).disk.scopes.has("d/a"));
  rig.faults = { ...rig.faults, badSave: 1000 };
  rig.run(30_000);
  // All saves fail: no answer, and no end.
  assert.equal(rig.of("md_round_answer"), []);
  assert.is(tombstones(rig, 0), 1);
  assert.ok(rig.reports.some(({ about }) => about === "unsaved"));
  rig.faults = { ...rig.faults, badSave: 0 };
  rig.run(10_000);
  assert.is(tombstones(rig, 0), 0);
});

test("the leader ends no round before all it holds is on its own disk", () => {
  const rig = cluster({ saveMs: 1_000_000 });
  rig.attach("lone", [0]);
  rig.run(1000);
  rig.faults = { ...rig.faults, badSave: 1000 };
  rig.write(0, "d/lone", "x", null);
  rig.run(20_000);
  assert.ok(rig.machine(0).counters.rounds > 0);
  assert.is(rig.machine(0).get("d/lone", "x")?.value, null);
  rig.faults = { ...rig.faults, badSave: 0 };
  rig.run(20_000);
  assert.is(rig.machine(0).get("d/lone", "x"), undefined);
});

test("answers to what the leader held at different times are no round", () => {
  const rig = cluster({ saveMs: 1_000_000, roundMs: 4000 });
  rig.write(1, "d/a", "x", null);
  rig.run(50);
  for (const node of [1, 2]) rig.cut(node, 0);
  for (let ms = 0; ms < 9000 && rig.of("md_round").length === 0; ms++) rig.run(1);
  rig.run(50);
  const [ask] = rig.of("md_round");
  const answer = (node: number) => {
    const state = rig.machine(0).status().find(({ scope }) => scope === "d/a");
    const { hash, records } = state ?? { hash: 0n, records: 0 };
    const round = ask?.message.round ?? 0;
    const message = {
      kind: "md_round_answer",
      scope: "d/a",
      round,
      hash,
      count: records + 1,
    } as const;
    rig.tell(rig.node(0), { type: "message", from: rig.node(node).nodeId, stamp: 1n, message });
  };
  answer(1);
  // Node 1 did not have this when it answered; a floor above it would take it away.
  rig.write(0, "d/a", "late", "1");
  rig.tell(rig.node(0), { type: "stop" });
  answer(2);
  rig.run(100);
  assert.equal([rig.machine(0).counters.rounds, rig.machine(0).counters.roundsDone], [1, 0]);
  assert.is(floor(rig, 0), 0n);
});

test("who waits to answer a round does not when others are interested meanwhile", () => {
  const rig = cluster({ saveMs: 1_000_000, roundMs: 1_000_000 });
  rig.tell(rig.node(2), { type: "gap" });
  const interest = rig.of("md_digest", "d/a").at(-1)?.message.interest ?? 0;
  rig.write(2, "d/a", "x", null);
  rig.clear();
  const message = { kind: "md_round", scope: "d/a", round: 7, interest } as const;
  rig.tell(rig.node(2), { type: "message", from: rig.node(0).nodeId, stamp: 1n, message });
  const known = rig.node(2).interests.get("d/a") ?? { interested: [], isKept: true };
  const more = { nodeId: "f".repeat(32) as (typeof known.interested)[number]["nodeId"], epoch: 1n };
  const interested = [...known.interested, more];
  rig.tell(rig.node(2), { type: "interest", scope: "d/a", interested, isKept: true });
  rig.run(100);
  assert.equal(rig.of("md_round_answer"), []);
});

test("a crash after the answer does not bring back what was deleted", () => {
  const rig = cluster({ saveMs: 1_000_000, roundMs: 10_000 });
  rig.write(1, "d/a", "x", "1");
  rig.run(500);
  rig.tell(rig.node(2), { type: "stop" });
  rig.run(100);
  assert.is(rig.node(2).disk.scopes.get("d/a")?.records.get("x")?.value, "1");
  rig.write(1, "d/a", "x", null);
  // Node 2 is cut off when it has answered, and dies before it hears that the round has succeeded.
  const isAnswered = () => rig.of("md_round_answer").some(({ from }) => from === 2);
  for (let ms = 0; ms < 20_000 && !isAnswered(); ms++) rig.run(1);
  rig.crash(2);
  rig.run(5000);
  assert.is(tombstones(rig, 0), 0);
  rig.clear();
  rig.start(2);
  rig.run(20_000);
  for (const node of [0, 1, 2]) assert.is(rig.values(node, "d/a"), "");
  assert.equal(rig.changed, []);
});

test("a round in which somebody holds something else fails, and the difference is repaired", () => {
  const rig = cluster({ tombstonesWarn: 0 });
  rig.write(1, "d/a", "x", null);
  rig.run(100);
  rig.faults = { ...rig.faults, loss: 1000 };
  rig.write(2, "d/a", "lost", "1");
  rig.run(100);
  rig.faults = { ...rig.faults, loss: 0 };
  rig.run(5500);
  assert.is(rig.machine(0).counters.roundsDone, 0);
  // The one that differs has answered: it is not the one to be removed.
  const [report] = rig.reports;
  assert.ok(report?.about === "tombstones" && !report.absent.includes(rig.node(2).nodeId));
  // No digest was due: the round itself has led to the repair.
  assert.is(rig.values(0, "d/a"), "lost=1");
  rig.run(20_000);
  assert.is(rig.machine(0).counters.roundsDone, 1);
});

test("a write during a round is no obstacle to later ones, and is not lost", () => {
  const rig = cluster({ saveMs: 1_000_000, roundMs: 4000 });
  rig.write(1, "d/a", "x", null);
  for (let ms = 0; ms < 9000 && rig.of("md_round").length === 0; ms++) rig.run(1);
  rig.write(2, "d/a", "new", "1");
  rig.run(20_000);
  for (const node of [0, 1, 2]) {
    assert.equal([tombstones(rig, node), rig.values(node, "d/a")], [0, "new=1"]);
  }
});

test("only the leader's rounds are answered, and only when it sees the same interested", () => {
  const rig = cluster({ roundMs: 1_000_000 });
  rig.run(2000);
  const ask = (from: number, interest: number) => {
    rig.clear();
    const message = { kind: "md_round", scope: "d/a", round: 7, interest } as const;
    rig.tell(rig.node(2), { type: "message", from: rig.node(from).nodeId, stamp: 1n, message });
    rig.run(1);
    return rig.of("md_round_answer").length;
  };
  rig.tell(rig.node(1), { type: "gap" });
  const interest = rig.of("md_digest", "d/a").at(-1)?.message.interest ?? 0;
  assert.is(ask(1, interest), 0);
  assert.is(ask(0, interest ^ 1), 0);
  assert.is(ask(0, interest), 1);
});

test("a floor is believed of the leader only", () => {
  const rig = cluster({ roundMs: 1_000_000 });
  rig.write(1, "d/a", "x", null);
  rig.run(100);
  const message = { kind: "md_floor", scope: "d/a", round: 1, floor: 100n } as const;
  const tell = (from: number) =>
    rig.tell(rig.node(2), { type: "message", from: rig.node(from).nodeId, stamp: 1n, message });
  tell(1);
  assert.equal([floor(rig, 2), tombstones(rig, 2)], [0n, 1]);
  tell(0);
  assert.equal([floor(rig, 2), tombstones(rig, 2)], [100n, 0]);
});

test("who comes to a scope during a round ends it: its writes might be below the floor", () => {
  const rig = cluster({ saveMs: 1_000_000, roundLimitMs: 60_000 });
  rig.attach("a", [0, 1]);
  rig.run(2000);
  rig.write(1, "d/a", "x", null);
  rig.run(50);
  rig.cut(1, 0);
  for (let ms = 0; ms < 9000 && rig.of("md_round").length === 0; ms++) rig.run(1);
  assert.is(rig.machine(0).counters.rounds, 1);
  rig.attach("a", [0, 1, 2]);
  rig.run(50);
  rig.heal();
  const [ask] = rig.of("md_round");
  const { hash } = rig.machine(0).status().find(({ scope }) => scope === "d/a") ?? { hash: 0n };
  const round = ask?.message.round ?? 0;
  const message = { kind: "md_round_answer", scope: "d/a", round, hash, count: 1 } as const;
  rig.tell(rig.node(0), { type: "message", from: rig.node(1).nodeId, stamp: 1n, message });
  rig.run(50);
  assert.is(rig.machine(0).counters.roundsDone, 0);
});

test.run();
