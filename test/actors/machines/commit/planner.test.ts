/**
 * What the leader decides of a database: its begin, its copies, m, and the forced way.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lineageAfter } from "../../../../actors/machines/commit/config.ts";
import type { CommitConfig } from "../../../../actors/machines/commit/config.ts";
import { holdsForLeave, holdsForStop } from "../../../../actors/machines/commit/handover.ts";
import { choose, REPLACE_MS } from "../../../../actors/machines/commit/placement.ts";
import type { Going, PlanInput, PlanNode } from "../../../../actors/machines/commit/placement.ts";
import { decideWish, forcePrimary, plan } from "../../../../actors/machines/commit/planner.ts";
import type { Plan } from "../../../../actors/machines/commit/planner.ts";
import { COMMIT_RULES } from "../../../../actors/machines/commit/rules.ts";
import type { Incarnation, Pnn, Token } from "../../../../transport/wire/terms.ts";
import { LINEAGE, version } from "./rig.ts";
import { hello, planInput, planNode } from "./rules_replica.ts";

const test = suite("commit planner");
const RULES = COMMIT_RULES;

function changed(next: Plan): CommitConfig {
  if (next.what !== "change") throw new Error(`it is ${next.what}`);
  return next.config;
}

const copy = (pnn: number) => ({ pnn: pnn as Pnn, id: `d${pnn}` });

test("A database begins when m of the chosen nodes have an empty copy, with those in sync", () => {
  const blank = (pnn: number) => planNode(pnn, { hello: hello(pnn, { lineage: 0n }) });
  const none = { lineage: 0n, replicas: [], isr: [] };
  const waiting = planInput(RULES, none, [blank(0), planNode(1, { hello: undefined })]);
  assert.is(plan(waiting).what, "wait");
  const next = changed(plan(planInput(RULES, none, [blank(0), blank(1), blank(2), blank(3)])));
  assert.is(next.replicas.length, 3);
  assert.is(next.isr.length, 3);
  assert.is(next.m, 2);
  assert.is(next.term, version(8));
  assert.ok(next.lineage !== 0n);
  assert.is(next.primary, next.isr[0]?.pnn);
});

test("It does not wait for a chosen node that is not there, where enough others are", () => {
  const blank = (pnn: number) => planNode(pnn, { hello: hello(pnn, { lineage: 0n }) });
  const none = { lineage: 0n, replicas: [], isr: [], k: 2 };
  const [first] = choose(planInput(RULES, none).config.dbId, [0, 1, 2].map(blank), 2);
  const nodes = [0, 1, 2].map((pnn) =>
    pnn === first?.pnn ? planNode(pnn, { isAlive: false, hello: undefined }) : blank(pnn)
  );
  const next = changed(plan(planInput(RULES, none, nodes)));
  assert.equal([...next.replicas].sort(), nodes.filter((one) => one.isAlive).map(({ pnn }) => pnn));
  assert.is(next.isr.length, 2);
});

test("Copies go to different zones first, and each node gives the same order", () => {
  const zones = ["a", "a", "a", "b", "c"];
  const nodes = zones.map((zone, pnn) => planNode(pnn, { zone }));
  const chosen = choose(99, nodes, 3);
  assert.equal(chosen.map(({ zone }) => zone).sort(), ["a", "b", "c"]);
  const others = choose(99, [...nodes].reverse(), 3);
  assert.equal(others.map(({ pnn }) => pnn).sort(), chosen.map(({ pnn }) => pnn).sort());
});

test("A dead primary is followed by the in-sync copy with the longest log; the set loses it", () => {
  const isr = [copy(0), copy(1), copy(2)];
  const longest = planNode(2, { hello: hello(2, { lastSeq: 12n }) });
  const nodes = [planNode(0, { isAlive: false }), planNode(1), longest];
  const next = changed(plan(planInput(RULES, { isr, reqSeen: 4 }, nodes)));
  assert.is(next.primary, 2);
  assert.is(next.term, version(8));
  assert.equal(next.isr, [copy(1), copy(2)]);
  assert.is(next.reqSeen, 0);
});

test("With m in-sync copies a dead one stays in the set, and commits wait for it", () => {
  const nodes = [planNode(0, { isAlive: false }), planNode(1), planNode(2)];
  const next = changed(plan(planInput(RULES, {}, nodes)));
  assert.is(next.primary, 1);
  assert.equal(next.isr, [copy(1), copy(0)]);
});

test("A dead copy is dropped without a new term, and m rises when more are in sync", () => {
  const isr = [copy(0), copy(1), copy(2)];
  const nodes = [planNode(0), planNode(1), planNode(2, { isAlive: false })];
  const dropped = changed(plan(planInput(RULES, { isr }, nodes)));
  assert.equal(dropped.isr, [copy(0), copy(1)]);
  assert.is(dropped.term, version(5));
  const risen = changed(plan(planInput(RULES, { m: 1 })));
  assert.is(risen.m, 2);
  assert.is(plan(planInput(RULES, { m: 1, isr: [copy(0)] })).what, "nothing");
});

test("A copy that is silent for ten minutes is replaced, not before", () => {
  const silent = (silentMs: number) => [
    planNode(0),
    planNode(1),
    planNode(2, { isAlive: false, silentMs }),
    planNode(3),
  ];
  assert.is(plan(planInput(RULES, {}, silent(REPLACE_MS - 1))).what, "nothing");
  const next = changed(plan(planInput(RULES, {}, silent(REPLACE_MS))));
  assert.equal(next.replicas, [0, 1, 3]);
});

test("A request that cannot be granted counts as seen; a new disk replaces the old one", () => {
  const ask = (pnn: number, id?: string) => {
    const base = { kind: "want_isr", term: version(5), token: 7n as Token, reqNo: 3 } as const;
    return { ...base, pnn: pnn as Pnn, ...(id === undefined ? {} : { id }) };
  };
  const drop = decideWish(planInput(RULES), 0 as Pnn, 7n as Token, ask(1));
  assert.equal(drop?.isr, [copy(0), copy(1)]);
  assert.is(drop?.reqSeen, 3);
  const other = hello(1, { id: "e1" });
  const nodes = [planNode(0), planNode(1, { hello: other }), planNode(2)];
  const input = planInput(RULES, {}, nodes);
  const replaced = decideWish(input, 0 as Pnn, 7n as Token, ask(1, "e1"));
  assert.equal(replaced?.isr, [copy(0), { pnn: 1, id: "e1" }]);
  assert.is(decideWish(input, 2 as Pnn, 7n as Token, ask(1, "e1")), undefined);
});

test("All in-sync lives of a replicated database are over: it begins anew, empty", () => {
  const nodes = [0, 1, 2].map((pnn) =>
    planNode(pnn, {
      incarnation: 2n as Incarnation,
      overInc: 1n,
      hello: hello(pnn, { id: "2", lineage: 0n }),
    })
  );
  const isr = [{ pnn: 0 as Pnn, id: "1" }, { pnn: 1 as Pnn, id: "1" }];
  const next = changed(plan(planInput(RULES, { kind: "replicated", isr }, nodes)));
  assert.ok(next.lineage !== LINEAGE && next.parent === undefined);
  assert.is(next.isr.length, 2);
});

test("A primary is forced only when no in-sync copy is there; the fork is where its log ends", () => {
  const all = planInput(RULES);
  assert.match(String(forcePrimary(all, 2 as Pnn)), /in-sync copy: it can lead/);
  const dead = { isAlive: false };
  const nodes = [planNode(0, dead), planNode(1, dead), planNode(2)];
  const forced = forcePrimary(planInput(RULES, {}, nodes), 2 as Pnn);
  if (typeof forced === "string") throw new Error(forced);
  assert.equal(forced.isr, [copy(2)]);
  assert.equal(forced.parent, { lineage: LINEAGE, seq: 10n, chain: 1n });
  assert.is(forced.m, 1);
  assert.match(String(forcePrimary(planInput(RULES, {}, nodes), 1 as Pnn)), /is not there/);
});

/** Three in-sync copies, of which node 0 leads; one of them is on its way out. */
function goingAt(
  pnn: number,
  going: Going,
  rest: Partial<CommitConfig> = {},
  count = 3,
): PlanInput {
  const isr = [copy(0), copy(1), copy(2)];
  const nodes = Array.from(
    { length: count },
    (_, at) => planNode(at, at === pnn ? { going } : {}),
  );
  return planInput(RULES, { isr, ...rest }, nodes);
}

test("A primary that stops hands over and is no member; one that drains or leaves stays in sync", () => {
  const stopped = changed(plan(goingAt(0, "stops")));
  assert.is(stopped.primary, 1);
  assert.is(stopped.term, version(8));
  assert.equal(stopped.isr, [copy(1), copy(2)]);
  for (const going of ["drains", "leaves"] as const) {
    const next = changed(plan(goingAt(0, going)));
    assert.is(next.primary, 1);
    assert.equal(next.isr, [copy(0), copy(1), copy(2)]);
  }
  // The one with more of the log, among those that stay.
  const nodes = [
    planNode(0, { going: "stops" }),
    planNode(1),
    planNode(2, { hello: hello(2, { lastSeq: 12n }) }),
  ];
  const isr = [copy(0), copy(1), copy(2)];
  assert.is(changed(plan(planInput(RULES, { isr }, nodes))).primary, 2);
});

test("Where all others go sooner, or are damaged, the primary stays", () => {
  const nodes = (one: Going, other: Partial<PlanNode>) => [
    planNode(0, { going: one }),
    planNode(1, other),
  ];
  const two = { replicas: [0, 1] as Pnn[] };
  const stay = [
    nodes("drains", { going: "drains" }),
    nodes("drains", { going: "stops" }),
    nodes("stops", { hello: hello(1, { isDamaged: true }) }),
    nodes("stops", { isAlive: false }),
  ];
  for (const one of stay) {
    const next = plan(planInput(RULES, two, one));
    assert.is(next.what === "change" ? next.config.primary : 0, 0);
  }
  const next = changed(plan(planInput(RULES, two, nodes("stops", { going: "leaves" }))));
  assert.is(next.primary, 1);
  // With m in-sync copies the one that stops counts until it is gone.
  assert.equal(next.isr, [copy(1), copy(0)]);
});

test("A copy that stops is dropped before it goes, as long as m are left, and not taken in again", () => {
  const next = changed(plan(goingAt(2, "stops")));
  assert.equal(next.isr, [copy(0), copy(1)]);
  assert.is(plan(goingAt(1, "stops", { isr: [copy(0), copy(1)] })).what, "nothing");
  const base = { kind: "want_isr", term: version(5), token: 7n as Token, reqNo: 3 } as const;
  const add = { ...base, pnn: 2 as Pnn, id: "d2" };
  const input = goingAt(2, "stops", { isr: [copy(0), copy(1)] });
  const decided = decideWish(input, 0 as Pnn, 7n as Token, add);
  assert.equal(decided?.isr, [copy(0), copy(1)]);
  assert.is(decided?.reqSeen, 3);
});

/** Plans, one after the other, until nothing is to be done; who is to be a copy comes in when `joins` says so. */
function planned(input: PlanInput, joins: boolean): CommitConfig {
  let { config } = input;
  for (let step = 0; step < 20; step++) {
    const next = plan({ ...input, config });
    if (next.what !== "change") {
      const lacking = config.replicas.find((pnn) => !config.isr.some((one) => one.pnn === pnn));
      if (!joins || lacking === undefined) return config;
      config = { ...config, isr: [...config.isr, copy(lacking)] };
    } else config = next.config;
  }
  throw new Error("it has no end");
}

test("A node that leaves keeps its copy until another one is in sync; without another one m falls", () => {
  const waits = planned(goingAt(0, "leaves", {}, 4), false);
  assert.equal(waits.replicas, [1, 2, 3]);
  assert.is(waits.primary, 1);
  assert.equal(waits.isr, [copy(0), copy(1), copy(2)]);
  const moved = planned(goingAt(0, "leaves", {}, 4), true);
  assert.equal(moved.isr, [copy(1), copy(2), copy(3)]);
  assert.is(moved.m, 2);
  assert.not.ok(holdsForLeave(moved, 0 as Pnn));
  const two = { isr: [copy(0), copy(1)], replicas: [0, 1] as Pnn[] };
  const alone = planned(goingAt(0, "leaves", two, 2), true);
  assert.is(alone.m, 1);
  assert.equal(alone.isr, [copy(1)]);
  assert.is(alone.primary, 1);
});

test("Fewer copies, or fewer in sync, by command: m falls at once, never because nodes are dead", () => {
  const isr = [copy(0), copy(1), copy(2)];
  const fewer = planned(planInput(RULES, { isr, k: 1 }), true);
  assert.equal([fewer.k, fewer.m, fewer.replicas, fewer.isr], [1, 1, [0], [copy(0)]]);
  const more = planned({ ...planInput(RULES, { k: 3, mWanted: 3 }) }, true);
  assert.equal([more.m, more.isr.length], [3, 3]);
  assert.is(planned(planInput(RULES, { isr, mWanted: 1 }), true).m, 1);
  const dead = [planNode(0), planNode(1, { isAlive: false }), planNode(2, { isAlive: false })];
  assert.is(planned(planInput(RULES, { isr }, dead), false).m, 2);
  // A copy that is one too many goes only when all the others are in sync.
  const early = planned(planInput(RULES, { k: 2, replicas: [0, 2] as Pnn[] }), false);
  assert.equal(early.isr, [copy(0), copy(1)]);
});

test("What of a database holds up a stop: what another one can take, and no more", () => {
  const words = { primary: 0 as Pnn, m: 2, replicas: [0, 1, 2] as Pnn[] };
  const here = (...pnns: number[]) => (pnn: number) => pnns.includes(pnn);
  const three = { ...words, isr: [copy(0), copy(1), copy(2)] };
  const two = { ...words, isr: [copy(0), copy(1)] };
  assert.ok(holdsForStop(three, 0 as Pnn, here(0, 1)));
  assert.not.ok(holdsForStop(three, 0 as Pnn, here(0)));
  assert.ok(holdsForStop(three, 1 as Pnn, here(0)));
  // With m of them it waits for one that may come in sync, if that is there.
  assert.ok(holdsForStop(two, 1 as Pnn, here(0, 2)));
  assert.not.ok(holdsForStop(two, 1 as Pnn, here(0)));
  assert.not.ok(holdsForStop(two, 2 as Pnn, here(0, 1)));
});

test("A document that may be an old one: nothing is decided until all that it names are there", () => {
  const unsure = { unsure: true };
  const nodes = [planNode(0), planNode(1, { isAlive: false }), planNode(2)];
  assert.is(plan(planInput(RULES, unsure, nodes)).what, "wait");
  const base = { kind: "want_isr", term: version(5), token: 7n as Token, reqNo: 3 } as const;
  const drop = { ...base, pnn: 1 as Pnn };
  assert.is(decideWish(planInput(RULES, unsure, nodes), 0 as Pnn, 7n as Token, drop), undefined);
  const forced = forcePrimary(planInput(RULES, unsure, nodes), 2 as Pnn);
  assert.is(typeof forced === "string" ? forced : forced.unsure, undefined);
  assert.is(changed(plan(planInput(RULES, unsure))).unsure, undefined);
});

test("No two lineages of one database have the same count", () => {
  const first = lineageAfter(0n, 123n << 40n);
  const second = lineageAfter(first, 123n << 40n);
  assert.is(first & 0xfffffn, 1n);
  assert.is(second & 0xfffffn, 2n);
  assert.is(lineageAfter(0xfffffn, 0n), 1n);
});

test.run();
