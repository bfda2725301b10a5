/**
 * The node's part: what it takes, when it lets go, what it says.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Incarnation } from "../../../../../transport/wire/terms.ts";
import { A, ALL, B, docOf, Rig, T1, T2 } from "./rig.ts";

const test = suite("holder of addresses");

test("A life removes what former ones set before it says anything", () => {
  const rig = new Rig();
  assert.equal(rig.feed({ kind: "life", incarnation: 1n as Incarnation }).map(({ kind }) => kind), [
    "sweep",
  ]);
  assert.equal(rig.ask(), []);
  rig.answer("sweep", [A]);
  // What could not be removed is said, and tried again.
  assert.equal(rig.ops("release"), [A]);
  rig.ask();
  assert.equal(rig.reportTo(1).hosting?.busy, [A]);
  rig.done("release", A, false);
  assert.equal(rig.ops("release", rig.run(rig.nowMs + rig.timing.againMs)), [A]);
});

test("An order is followed: what it lacks is released, what it names is taken until the lease ends", () => {
  const rig = new Rig().begin();
  rig.ask();
  assert.equal(rig.ops("take", rig.order([A], 1)), [A]);
  assert.equal(rig.reportTo(1).hosting?.busy, [A]);
  const take = rig.effects.findLast(({ kind }) => kind === "take");
  assert.is(take?.kind === "take" && take.untilMs, rig.nowMs + 2500);
  rig.done("take", A);
  rig.run(rig.nowMs + 50);
  assert.equal(rig.reportTo(1).hosting?.held, [A]);
  const effects = rig.order([B], 2);
  assert.equal([rig.ops("release", effects), rig.ops("take", effects)], [[A], [B]]);
  assert.equal(rig.reportTo(1).hosting?.busy.toSorted(), [A, B]);
  assert.is(rig.reportTo(1).number, 2);
});

test("Nothing is taken with less than a second of the lease left, and what is held is kept with each extension", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.run(rig.nowMs + 1600);
  assert.equal(rig.ops("take", rig.order([A], 1)), []);
  assert.equal(rig.ops("take", rig.lease(2500)), [A]);
  rig.done("take", A);
  rig.run(rig.nowMs + 250);
  const kept = rig.lease(2500).filter(({ kind }) => kind === "keep");
  assert.equal(kept, [{ kind: "keep", addresses: [A], untilMs: rig.nowMs + 2500 }]);
});

test("A lease that is over ends the stint: all goes, and its orders mean nothing any more", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.order([A], 1);
  rig.done("take", A);
  const { stint } = rig.machine.holder;
  assert.equal(rig.ops("release", rig.run(rig.nowMs + 2500)), [A]);
  rig.done("release", A);
  rig.lease(2500);
  assert.equal(rig.ops("take", rig.order([A], 2, T1, stint)), []);
  assert.equal(rig.ops("take", rig.order([A], 1)), [A]);
});

test("A freeze ends nothing; the lease does when it is over", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.order([A], 1);
  rig.done("take", A);
  assert.equal(rig.feed({ kind: "lease", endMs: 0, promised: T1 }), []);
  assert.equal(rig.ops("release", rig.run(rig.nowMs + 2400)), []);
  assert.equal(rig.ops("release", rig.run(rig.nowMs + 200)), [A]);
});

test("Out of the view, and in another life, all goes at once", () => {
  for (
    const event of [
      { kind: "adopted", doc: docOf(2n, [[1, 1n], [2, 1n]], ALL) },
      { kind: "life", incarnation: 2n as Incarnation },
    ] as const
  ) {
    const rig = new Rig().begin();
    rig.ask();
    rig.order([A], 1);
    rig.done("take", A);
    assert.equal(rig.ops("release", rig.feed(event)), [A], event.kind);
  }
});

test("It offers what has a link, while it is healthy, allowed, has a lease, and is not about to stop", () => {
  const rig = new Rig().begin();
  const able = () => rig.machine.holder.able();
  assert.equal(able(), [A, B]);
  rig.feed({ kind: "offer", known: [A, B], linked: [B] });
  assert.equal(able(), [B]);
  rig.feed({ kind: "health", isHealthy: false });
  assert.equal(able(), []);
  rig.feed({ kind: "health", isHealthy: true });
  const nodes = ALL.nodes.map((node) =>
    node.pnn === 0 ? { ...node, adminFlags: ["disabled" as const] } : node
  );
  rig.feed({ kind: "adopted", doc: { ...ALL, nodes } });
  assert.equal(able(), []);
  rig.feed({ kind: "adopted", doc: ALL });
  assert.equal(able(), [B]);
  rig.feed({ kind: "stop" });
  assert.equal(able(), []);
});

test("What could not be taken is removed, not offered for a while, and then offered again", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.order([A], 1);
  assert.equal(rig.ops("release", rig.done("take", A, false)), [A]);
  assert.equal(rig.machine.holder.able(), [B]);
  rig.done("release", A);
  for (let at = 0; at < 12; at++) {
    rig.run(rig.nowMs + 1000);
    rig.lease(2500);
  }
  assert.equal(rig.machine.holder.able(), [A, B]);
  assert.equal(rig.ops("take"), [A, A]);
});

test("What the kernel dropped is busy while the lease is too short to take it again, for a later leader, too", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.order([A], 1);
  rig.done("take", A);
  rig.run(rig.nowMs + 1600);
  assert.equal(rig.ops("take", rig.answer("look", [])), []);
  rig.ask(T2, 2);
  assert.equal(rig.reportTo(2).hosting?.held, []);
  assert.equal(rig.reportTo(2).hosting?.busy, [A]);
  assert.equal(rig.ops("take", rig.lease(2500, T2)), [A]);
});

test("A lease that is over has ended the stint before a later leader's question is answered", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.order([A], 1);
  rig.done("take", A);
  // It stood still for so long; the question comes before it is woken for anything else.
  rig.nowMs += 3000;
  assert.equal(rig.ops("release", rig.ask(T2, 2)), [A]);
  rig.done("release", A);
  assert.equal(rig.ops("take", rig.lease(2500, T2)), []);
  assert.equal(rig.machine.held(), []);
});

test("Each second it compares with the kernel: what is lost is taken again, what is foreign is removed", () => {
  const rig = new Rig().begin();
  rig.ask();
  rig.order([A], 1);
  rig.done("take", A);
  rig.run(rig.nowMs + 1000);
  const effects = rig.answer("look", [B]);
  assert.equal([rig.ops("take", effects), rig.ops("release", effects)], [[A], [B]]);
  const told = effects.flatMap((effect) =>
    effect.kind === "happened" ? [effect.happening.what] : []
  );
  assert.equal(told.sort(), ["foreign", "lost"]);
});

test("A report has a body when the leader lacks it, and not otherwise", () => {
  const rig = new Rig().begin();
  rig.ask();
  const { rev } = rig.reportTo(1);
  const incarnation = 1n as Incarnation;
  rig.hear(1, { kind: "address_ask", token: T1, rev, incarnation, run: 0 });
  assert.is(rig.reportTo(1).hosting, undefined);
  rig.hear(1, { kind: "address_ask", token: T1, rev: rev - 1, incarnation, run: 0 });
  assert.equal(rig.reportTo(1).hosting?.able, [A, B]);
});

test("It is told once when all addresses are where they belong", () => {
  const rig = new Rig().begin();
  rig.ask();
  const hear = (token: typeof T1, run: number) =>
    rig.hear(1, { kind: "address_ask", token, rev: 0, incarnation: 0n as Incarnation, run })
      .filter(({ kind }) => kind === "reallocated").length;
  assert.equal([hear(T1, 1), hear(T1, 1), hear(T1, 2), hear(T2, 2)], [1, 0, 1, 1]);
});

test.run();
