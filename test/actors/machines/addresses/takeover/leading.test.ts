/**
 * The leader's part: whom it asks, when an address is free, how a run ends.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeIdOf } from "../../../../../actors/machines/sim/cluster_sim.ts";
import type { Incarnation, Pnn, Version } from "../../../../../transport/wire/terms.ts";
import { A, ALL, B, docOf, Rig, SLACK_MS, T1, T2 } from "./rig.ts";

const test = suite("leader of addresses");
const VERB = "7".repeat(32);

/** Node 0 leads; it has no addresses of its own to offer. */
function leader(options: ConstructorParameters<typeof Rig>[0] = {}): Rig {
  const rig = new Rig(options).begin();
  rig.feed({ kind: "offer", known: [], linked: [] });
  rig.lead();
  rig.feed({ kind: "wake" });
  return rig;
}

test("A new leader asks every node, and plans when all have answered", () => {
  const rig = leader();
  const asked = rig.effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.kind === "address_ask" ? [effect.to] : []
  );
  assert.equal(asked, [nodeIdOf(1), nodeIdOf(2)]);
  rig.report(1, {});
  assert.equal(rig.ordersTo(1), []);
  rig.report(2, {});
  assert.equal([rig.ordersTo(1), rig.ordersTo(2)].flat(2).sort(), [A, B]);
});

test("Addresses stay with those that hold them", () => {
  const rig = leader();
  rig.report(1, { held: [A, B] });
  rig.report(2, { able: [A] });
  assert.ok(rig.wasOrdered(1, B));
  assert.not.ok(rig.wasOrdered(2, B));
});

test("An address goes to its new owner when the old one has said that it is gone, and no sooner", () => {
  const rig = leader();
  rig.report(1, { held: [A, B], able: [] });
  rig.report(2, {});
  assert.equal([rig.ordersTo(1), rig.ordersTo(2)], [[[]], []]);
  rig.report(1, { held: [], busy: [A, B], able: [] }, { number: 1 });
  assert.equal(rig.ordersTo(2), []);
  // Each as soon as it is free.
  rig.report(1, { held: [], busy: [B], able: [] }, { number: 1 });
  assert.equal(rig.ordersTo(2), [[A]]);
  rig.report(1, { able: [] }, { number: 1 });
  assert.equal(rig.ordersTo(2), [[A], [A, B]]);
});

test("A silent member may hold what nobody reports, until its leases and the kernel's lives are over", () => {
  const rig = leader();
  rig.overMs.set(nodeIdOf(2), 4000);
  rig.report(1, { held: [A] });
  const early = rig.run(4000 + SLACK_MS - 1);
  assert.ok(rig.wasOrdered(1, A, early) && !rig.wasOrdered(1, B, early));
  assert.ok(rig.wasOrdered(1, B, rig.run(4000 + SLACK_MS + 1)));
});

test("A death with addresses removed is waited for no longer; one without them is", () => {
  const rig = leader();
  rig.report(1, {});
  rig.dead.set(nodeIdOf(2), 1n as Incarnation);
  rig.run(rig.nowMs + 500);
  assert.not.ok(rig.wasOrdered(1, A));
  const clear = { kind: "address_clear", pnn: 2 as Pnn, incarnation: 1n as Incarnation } as const;
  // From another node it means nothing.
  rig.hear(1, clear);
  assert.not.ok(rig.wasOrdered(1, A));
  rig.hear(2, clear);
  assert.ok(rig.wasOrdered(1, A) && rig.wasOrdered(1, B));
});

test("A node that has been out of the view for long is not waited for", () => {
  const rig = new Rig().begin();
  rig.feed({ kind: "offer", known: [], linked: [] });
  const doc = docOf(2n, [[0, 1n], [1, 1n]], ALL);
  rig.feed({ kind: "adopted", doc });
  rig.run(60_000);
  rig.lease(2500);
  rig.lead(doc, T2);
  rig.report(1, {}, { token: T2 });
  assert.ok(rig.wasOrdered(1, A) && rig.wasOrdered(1, B));
});

test("A report of a stint that was waited out comes too late", () => {
  const rig = leader();
  rig.report(1, { held: [A, B] });
  rig.report(2, {});
  rig.overMs.set(nodeIdOf(1), 3000);
  rig.run(3000 + SLACK_MS + 1);
  assert.not.ok(rig.machine.leading?.ledger.nodes.has(1 as Pnn));
  rig.report(1, { held: [A] });
  assert.not.ok(rig.machine.leading?.ledger.nodes.has(1 as Pnn));
  rig.report(1, {}, { stint: 2 });
  assert.is(rig.machine.leading?.ledger.nodes.get(1 as Pnn)?.stint, 2);
});

test("A run is done when every address is where the plan has it; then all are told", () => {
  const rig = leader();
  rig.report(1, {});
  rig.report(2, {});
  const held = (node: number) => rig.ordersTo(node).at(-1) ?? [];
  rig.report(1, { held: held(1) }, { number: 1 });
  assert.is(rig.machine.leading?.runs.isOpen, true);
  rig.report(2, { held: held(2) }, { number: 1 });
  assert.is(rig.machine.leading?.runs.isOpen, false);
  const asks = rig.run(rig.nowMs + 1).flatMap((effect) =>
    effect.kind === "send" && effect.message.kind === "address_ask" ? [effect.message.run] : []
  );
  assert.ok(asks.length === 2 && asks.every((run) => run === rig.machine.leading?.runs.run));
});

test("A run that does not end in its time fails by the node that did not follow, and another begins", () => {
  const rig = leader();
  rig.report(1, {});
  rig.report(2, {});
  rig.report(1, { held: rig.ordersTo(1).at(-1) ?? [] }, { number: 1 });
  const effects = rig.run(rig.nowMs + rig.timing.budgetMs + 1);
  assert.equal(effects.flatMap((effect) => effect.kind === "blame" ? [effect.pnn] : []), [2]);
  const ends = effects.flatMap((effect) =>
    effect.kind === "happened" && effect.happening.what === "run over" ? [effect.happening.end] : []
  );
  assert.is(ends.filter((end) => end === "failed").length, 1);
  assert.is(rig.machine.leading?.runs.isOpen, true);
});

test("An order is repeated until it is followed", () => {
  const rig = leader();
  rig.report(1, {});
  rig.report(2, {});
  const before = rig.ordersTo(1).length;
  rig.run(rig.nowMs + 3000);
  assert.ok(rig.ordersTo(1).length > before + 2);
  rig.report(1, { held: rig.ordersTo(1).at(-1) ?? [] }, { number: 1 });
  assert.equal(rig.ordersTo(1, rig.run(rig.nowMs + 3000)), []);
});

test("A node that is draining keeps nothing, and a moved address stays where it was moved to, for a while", () => {
  const rig = leader({ timing: { pinMs: 5000 } });
  rig.report(1, { held: [A, B] });
  rig.report(2, {});
  const to = 2 as Pnn;
  const command = {
    kind: "command",
    verbId: VERB,
    command: { verb: "move", address: A, to },
  } as const;
  rig.feed(command);
  assert.is(rig.machine.leading?.desired.get(A), 2);
  rig.report(1, { held: [B] }, { number: 1 });
  rig.report(1, { held: [B] }, { number: 2 });
  rig.report(2, { held: [A] }, { number: 1 });
  const answer = rig.effects.findLast(({ kind }) => kind === "answer");
  assert.is(answer?.kind === "answer" && answer.outcome, "done");
  const nodes = ALL.nodes.map((node) =>
    node.pnn === 1 ? { ...node, adminFlags: ["draining" as const] } : node
  );
  const { run } = rig.machine.leading?.runs ?? { run: 0 };
  rig.lead({ ...ALL, version: 2n as Version });
  rig.feed({ kind: "wake" });
  assert.is(rig.machine.leading?.runs.run, run, "a change of databases is no reason for a run");
  rig.lead({ ...ALL, version: 3n as Version, coreVersion: 3n as Version, nodes });
  rig.feed({ kind: "wake" });
  assert.equal([...rig.machine.leading?.desired ?? []].sort(), [[A, 2], [B, 2]]);
  assert.is(rig.machine.leading?.pins.size, 1);
  rig.run(rig.nowMs + 5001);
  assert.is(rig.machine.leading?.pins.size, 0);
});

test("A move that cannot be is refused, with the reason; a node that does not lead says so", () => {
  const rig = leader();
  rig.report(1, {});
  rig.report(2, { able: [B] });
  const move = (address: typeof A, to: number) => {
    const command = { verb: "move", address, to: to as Pnn } as const;
    const [answer] = rig.feed({ kind: "command", verbId: VERB, command }).filter(({ kind }) =>
      kind === "answer"
    );
    return answer?.kind === "answer" ? `${answer.outcome}: ${answer.text}` : "";
  };
  assert.is(move(A, 2), "refused: Cannot move: node 2 cannot host 10.0.0.1 now");
  assert.is(move(A, 7), "refused: Cannot move: node 7 may not host addresses now");
  assert.is(
    move("10.9.9.9" as typeof A, 1),
    "refused: Cannot move: no node has 10.9.9.9 in its list",
  );
  rig.view = undefined;
  assert.is(move(A, 1), "not_leader: this node does not lead");
});

test("Where nobody can host, nobody does, and that is a run, too", () => {
  const rig = leader();
  rig.report(1, { able: [] });
  const effects = rig.report(2, { able: [] });
  const run = effects.find((effect) =>
    effect.kind === "happened" && effect.happening.what === "run"
  );
  assert.equal(run?.kind === "happened" && run.happening, {
    what: "run",
    run: 1,
    moves: 0,
    unhosted: 2,
  });
  assert.equal([...rig.machine.leading?.desired.values() ?? []], [undefined, undefined]);
});

test("A leader that is none any more answers whoever waits, and the next one begins anew", () => {
  const rig = leader();
  rig.report(1, {});
  rig.report(2, {});
  rig.feed({ kind: "command", verbId: VERB, command: { verb: "rebalance", forced: [] } });
  rig.view = undefined;
  const [answer] = rig.feed({ kind: "wake" }).filter(({ kind }) => kind === "answer");
  assert.is(answer?.kind === "answer" && answer.outcome, "not_leader");
  assert.is(rig.machine.leading, undefined);
  rig.lead(ALL, T2);
  rig.feed({ kind: "wake" });
  assert.is(rig.machine.leading?.ledger.nodes.has(1 as Pnn), false);
  assert.ok(T1 < T2);
});

test.run();
