/**
 * Each rule about recovery, purges and traverses, by a case in which it matters.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { Generation } from "../../../../transport/wire/terms.ts";
import { Rig } from "./rig.ts";
import type { OfKind } from "./rig.ts";
import { rulesIn } from "./rules.ts";

const test = suite("rules of recovery");
const rule = rulesIn(test);

const QUICK = { vacuumAgeMs: 10, vacuumMs: 10 };

rule("mayAnswer", "a question of a later view is answered by that view only (A3)", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(2, key, 1);
  rig.view([0, 1], { late: [1] });
  rig.lying.splice(
    0,
    rig.lying.length,
    ...rig.lying.filter(({ message }) => message.kind === "query"),
  );
  rig.hand(rig.take("query", 1));
  return rig.lying.every(({ message }) => message.kind !== "query_answer");
});

rule("isAnswerOfNow", "an answer to a question of an earlier view is not used (A3)", (rules) => {
  const rig = new Rig(4, rules);
  rig.start([0, 1, 2, 3]);
  const key = rig.keyFor([3, [0, 1, 2, 3]], [0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 1);
  rig.view([0, 1, 2]);
  rig.flow({ keep: ["report"], notTo: [3] });
  const report = rig.lying.find(({ from, to }) => from.pnn === 1 && to.pnn === 0);
  rig.view([0, 1], { late: [1] });
  rig.lose();
  if (report === undefined) return false;
  rig.hand(report);
  return rig.machines[0]?.state.homes[rig.slotOf(key)]?.isOpen === false;
});

rule("isSilentWhileClosed", "a home that does not know yet gives nothing (A4)", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([2, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 1);
  rig.view([0, 1]);
  // Before node 1 has reported, node 0 itself wants the record.
  const id = rig.lock(0, key);
  rig.pass(50, { keep: ["report", "report_ask"], notTo: [2] });
  return !rig.locked.has(id) && rig.owners(key).length === 1;
});

rule("queriesAfterLoss", "a record whose owner left is found at who had it before", (rules) => {
  const rig = new Rig(3, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 2);
  rig.view([0, 2]);
  rig.flow({ notTo: [1] });
  const id = rig.lock(0, key);
  rig.pass(2_000, { notTo: [1] });
  return rig.locked.get(id)?.[0] === 1;
});

rule(
  "ownerBeatsRsn",
  "the owner's copy counts although another of its transfer is newer (C3)",
  (rules) => {
    const rig = new Rig(4, rules);
    rig.start([0, 1, 2, 3]);
    const key = rig.keyFor([3, [0, 1, 2, 3]], [0, [0, 1, 2]]);
    rig.write(2, key, 1);
    rig.write(1, key, 1);
    const policy = rig.policies[2];
    if (policy !== undefined) policy.call = "ship";
    rig.view([0, 1, 2]);
    rig.flow({ keep: ["report"], notTo: [3] });
    // The owner has reported; then it executes a call, whose copy reaches its origin before that reports.
    rig.hand(rig.take("report", 0));
    rig.call(2, key, 5);
    rig.flow({ keep: ["report", "report_ask"], notTo: [3] });
    rig.lose("report");
    rig.pass(1_000, { notTo: [3] });
    const id = rig.lock(0, key);
    rig.pass(1_000, { notTo: [3] });
    return rig.locked.has(id) && rig.owners(key).length === 1 && rig.breaches.length === 0;
  },
);

rule(
  "leavesTombstones",
  "an older copy does not come back from a purge that was cut short (C13)",
  (rules) => {
    const rig = new Rig(5, rules, QUICK);
    rig.start([0, 1, 2, 3, 4]);
    const key = rig.keyFor([0, [0, 1, 2, 3, 4]], [3, [2, 3, 4]]);
    rig.write(2, key, 1);
    rig.write(4, key, 2);
    rig.call(1, key, 0, "delete");
    rig.flow();
    // Node 4 has heard of the purge, node 2 has not; home and owner die.
    rig.pass(100, { notTo: [2] });
    rig.lose();
    rig.view([2, 3, 4]);
    rig.pass(3_000, { notTo: [0, 1] });
    const id = rig.lock(3, key);
    rig.pass(1_000, { notTo: [0, 1] });
    return rig.locked.get(id)?.length === 0;
  },
);

rule(
  "recoversWithTombstones",
  "nor when a recovery finds that it is deleted, and is cut short",
  (rules) => {
    const rig = new Rig(4, rules, QUICK);
    rig.start([0, 1, 2, 3]);
    const key = rig.keyFor([0, [0, 1, 2, 3]], [1, [1, 2, 3]]);
    rig.write(2, key, 1);
    rig.call(1, key, 0, "delete");
    rig.flow();
    rig.pass(60, { keep: ["release"] });
    rig.lose();
    // The new home has the deleted copy itself, and begins to purge; nobody else hears of it.
    rig.view([1, 2, 3]);
    rig.flow({ notTo: [0], keep: ["purge1", "purge2"] });
    rig.lose();
    rig.view([1, 2], { draining: [1] });
    rig.pass(3_000, { notTo: [0, 3] });
    const id = rig.lock(2, key);
    rig.pass(1_000, { notTo: [0, 3] });
    return rig.locked.get(id)?.length === 0;
  },
);

rule("releaseEndsOwnership", "who gave the record back says that it owns nothing (C2)", (rules) => {
  const rig = new Rig(3, rules, QUICK);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [0, [0, 1]]);
  rig.write(1, key, 1);
  rig.call(1, key, 0, "delete");
  rig.pass(60, { keep: ["release"] });
  rig.lose();
  const { slotGen } = rig.doc.view.slots[rig.slotOf(key)] ?? { slotGen: 0n as Generation };
  const [from, to] = rig.doc.view.members;
  if (from === undefined || to === undefined) return false;
  const { generation } = rig.doc;
  const tid = { gen: slotGen, seq: 50 };
  rig.hand({ from, to, generation, message: { kind: "query", key, slotGen, tid, generation } });
  const { stand } = rig.take("query_answer").message as OfKind<"query_answer">;
  return stand?.owner === false;
});

rule("onlyOpenTables", "who never had the slot open has no table to give", (rules) => {
  const rig = new Rig(5, rules);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]], [3, [0, 1, 2, 3]], [4, [0, 1, 2, 3, 4]]);
  rig.write(1, key, 7);
  rig.view([0, 1, 2, 3]);
  // Node 3 never hears the table.
  rig.flow({ notTo: [3] });
  rig.lose();
  rig.view([0, 1, 2, 3, 4]);
  rig.flow();
  const id = rig.lock(2, key);
  rig.pass(2_000);
  return rig.locked.get(id)?.[0] === 7;
});

rule(
  "restartsRebuild",
  "a rebuild begins anew in a newer view: who has left holds nothing",
  (rules) => {
    const rig = new Rig(4, rules);
    rig.start([0, 1, 2, 3]);
    const key = rig.keyFor([3, [0, 1, 2, 3]], [0, [0, 1, 2]], [0, [0, 2]]);
    rig.write(2, key, 1);
    rig.write(1, key, 2);
    rig.view([0, 1, 2]);
    // Node 1, the owner, has reported and leaves before node 2 has.
    rig.flow({ notTo: [2, 3] });
    rig.lose();
    rig.view([0, 2]);
    rig.flow({ notTo: [1, 3] });
    const id = rig.lock(0, key);
    rig.pass(3_000, { notTo: [1, 3] });
    return rig.locked.get(id)?.[0] === 1;
  },
);

rule("waitsForAllParts", "a report counts when it is whole", (rules) => {
  const rig = new Rig(3, rules, { partEntries: 1 });
  rig.start([0, 1, 2]);
  const keys = rig.keysFor(3, [2, [0, 1, 2]], [0, [0, 1]]);
  for (const key of keys) rig.write(1, key, 3);
  rig.view([0, 1]);
  rig.flow({ notTo: [2], keep: ["report"] });
  // The last part is lost, again and again; then it comes.
  const mine = rig.lying.filter(({ to, from }) => to.pnn === 0 && from.pnn === 1);
  assert.ok(mine.length > 1);
  rig.lose();
  rig.hand(mine[0] as typeof mine[number]);
  const homes = rig.machines[0]?.state.homes ?? [];
  const slots = (mine[0]?.message as OfKind<"report">).slots;
  const isClosed = slots.every(({ slot }) => homes[slot]?.isOpen === false);
  rig.pass(2_000, { notTo: [2] });
  const ids = keys.map((key) => rig.lock(0, key));
  rig.pass(2_000, { notTo: [2] });
  return isClosed && ids.every((id) => rig.locked.get(id)?.[0] === 3);
});

/** A traverse of node 0 in which the slot of a key moves to node 3 after its page was told. */
function movedWalk(rules: typeof RECORD_RULES): Rig {
  const rig = new Rig(4, rules, { pageKeys: 1, slotWindow: 1024 });
  rig.start([0, 1, 2]);
  const key = rig.keyFor([1, [0, 1, 2]], [3, [0, 1, 2, 3]]);
  // Another key of the same slot, so that there are two pages.
  let other = "";
  for (let n = 0; other === ""; n++) if (rig.slotOf(`x${n}`) === rig.slotOf(key)) other = `x${n}`;
  rig.write(2, key, 1);
  rig.write(2, other, 2);
  rig.step(0, {
    kind: "traverse",
    ...{ id: 900, client: 0, prefix: "", isCount: false, credit: 100, deadlineMs: 1e9 },
  });
  // The first page is told, the second is asked for and lost.
  rig.hand(rig.take("list_ask", 1));
  rig.hand(rig.take("list", 0));
  rig.hand(rig.take("read_ask", 2));
  rig.hand(rig.take("read", 0));
  rig.lose("list_ask");
  rig.view([0, 1, 2, 3]);
  rig.pass(5_000);
  return rig;
}

rule("skipsSeen", "a slot that begins anew does not tell a record twice", (rules) => {
  const rig = movedWalk(rules);
  return rig.told.length === 2 && new Set(rig.told.map(({ key }) => key)).size === 2;
});

test("A traverse tells each record once, and no more than the client takes", () => {
  const rig = new Rig(3, RECORD_RULES, { pageKeys: 2 });
  rig.start([0, 1, 2]);
  for (let n = 0; n < 12; n++) rig.write(n % 3, `r${n}`, n);
  rig.call(1, "r3", 0, "delete");
  rig.flow();
  const base = { client: 2, prefix: "r", deadlineMs: 1e9 };
  rig.step(2, { kind: "traverse", id: 900, isCount: false, credit: 5, ...base });
  rig.pass(1_000);
  assert.is(rig.told.length, 5);
  rig.step(2, { kind: "more", id: 900, credit: 50 });
  rig.pass(1_000);
  assert.equal(
    rig.told.map(({ key }) => key).sort(),
    [0, 1, 10, 11, 2, 4, 5, 6, 7, 8, 9].map((n) => `r${n}`),
  );
  assert.is(rig.ended[0]?.count, 11);
  rig.step(1, { kind: "traverse", id: 901, isCount: true, credit: 0, ...base, client: 1 });
  rig.pass(1_000);
  assert.is(rig.ended[1]?.count, 11);
});

test("A deleted record goes everywhere, and a new one is another life", () => {
  const rig = new Rig(3, RECORD_RULES, QUICK);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(2, key, 1);
  rig.write(1, key, 1);
  const { birth } = rig.stored(1, key);
  rig.call(1, key, 0, "delete");
  rig.pass(500);
  assert.equal([0, 1, 2].map((node) => rig.value(node, key)), [undefined, undefined, undefined]);
  assert.is(rig.machines[0]?.state.homes[rig.slotOf(key)]?.table.size, 0);
  rig.write(2, key, 5);
  assert.not.equal(rig.stored(2, key).birth, birth);
});

test("Who wants a record while it is purged gets it", () => {
  const rig = new Rig(3, RECORD_RULES, QUICK);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  rig.call(1, key, 0, "delete");
  rig.pass(60, { keep: ["purge1", "purge2"] });
  const id = rig.lock(2, key);
  rig.pass(2_000);
  assert.equal([...rig.locked.get(id) ?? [9]], []);
});

test("A planned stop: all records leave the node, then it is gone and nothing is lost", () => {
  const rig = new Rig(3, RECORD_RULES, { drainKeys: 2 });
  rig.start([0, 1, 2]);
  const keys = Array.from({ length: 9 }, (_, n) => `d${n}`);
  keys.forEach((key, n) => rig.write(1, key, n));
  rig.view([0, 1, 2], { draining: [1] });
  rig.pass(5_000);
  assert.equal([0, 2].map((node) => rig.machines[node]?.leftAt(1 as never)), [0, 0]);
  rig.view([0, 2]);
  rig.pass(1_000, { notTo: [1] });
  keys.forEach((key, n) => {
    const id = rig.lock(0, key);
    rig.pass(500, { notTo: [1] });
    assert.is(rig.locked.get(id)?.[0], n);
  });
});

test("A new life has an empty file, and what waited ends", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  const key = rig.keyFor([0, [0, 1, 2]]);
  rig.write(1, key, 1);
  const id = rig.lock(2, key);
  rig.view([0, 1, [2, 2]]);
  assert.is(rig.outcome(id), "failed");
  assert.is(rig.shelves[2]?.renewals, 2);
  assert.is(rig.value(2, key), undefined);
  assert.equal(rig.breaches, []);
});

test("What is kept for a new home goes when that has it, although it was not heard", () => {
  const rig = new Rig(4, RECORD_RULES, { keptMs: 500 });
  rig.start([0, 1, 2]);
  rig.view([0, 1, 2, 3]);
  rig.flow({ keep: ["table_done"] });
  rig.lose("table_done");
  assert.ok((rig.machines[0]?.state.frozen.size ?? 0) > 0);
  rig.pass(2_000);
  assert.is(rig.machines[0]?.state.frozen.size, 0);
});

test("A record of a thousand others: a view change asks only about what it touches", () => {
  const rig = new Rig(3);
  rig.start([0, 1, 2]);
  for (let n = 0; n < 300; n++) rig.write(n < 290 ? 0 : 2, `m${n}`, 1);
  const before = rig.machines[0]?.state.counts.get("queries") ?? 0;
  rig.view([0, 1]);
  rig.pass(1_000, { notTo: [2] });
  const queries = (rig.machines[0]?.state.counts.get("queries") ?? 0) - before;
  const others = rig.machines[1]?.state.counts.get("queries") ?? 0;
  assert.ok(queries + others <= 10);
});

test.run();
