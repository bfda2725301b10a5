/**
 * What a traverse fetches is bounded by its bytes, however little the client takes.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RECORD_RULES } from "../../../../actors/machines/record/rules.ts";
import type { TraverseRun } from "../../../../actors/machines/record/traverse.ts";
import { Rig } from "./rig.ts";

const test = suite("room of a traverse");

const MIB = 1 << 20;
const COUNT = 100;

/** Node 1 owns many records of one length; node 0 begins to read them. */
function begun(length: number, credit: number): { rig: Rig; run: TraverseRun } {
  const rig = new Rig(2, RECORD_RULES, { slotWindow: 64 });
  rig.start([0, 1]);
  const args = new Uint8Array(length).fill(7);
  for (let at = 0; at < COUNT; at++) rig.op(1, `t${at}`, { what: "call", procedure: "set", args });
  rig.flow();
  rig.step(0, {
    kind: "traverse",
    ...{ id: 77, client: 1, prefix: "t", isCount: false, credit, deadlineMs: 1e9 },
  });
  const run = rig.machines[0]?.state.runs.get(77);
  if (run === undefined) throw new Error("no traverse");
  return { rig, run };
}

/** Hands all over, message by message; the most values that were asked for or kept at a time. */
function mostUnder(rig: Rig, run: TraverseRun): number {
  let most = 0;
  for (let next = rig.lying.shift(); next !== undefined; next = rig.lying.shift()) {
    rig.hand(next);
    most = Math.max(most, run.under + run.kept.length);
  }
  return most;
}

test("Of long values some MiB are under way, and all are told, each once", () => {
  const { rig, run } = begun(2 * MIB, 2);
  assert.ok(mostUnder(rig, run) <= 8);
  assert.is(rig.told.length, 2);
  let most = 0;
  for (let rounds = 0; rig.ended.length === 0; rounds++) {
    assert.ok(rounds < COUNT, "it ends");
    rig.step(0, { kind: "more", id: 77, credit: 2 });
    most = Math.max(most, mostUnder(rig, run));
    rig.pass(10);
  }
  assert.ok(most <= 8, `${most} values of 2 MiB at a time`);
  assert.is(rig.told.length, COUNT);
  assert.is(new Set(rig.told.map(({ key }) => key)).size, COUNT);
  assert.is(rig.machines[0]?.state.asked.size, 0);
});

test("Of short values, many are: nothing waits for room", () => {
  const { rig, run } = begun(10, 1_000_000);
  let most = 0;
  for (let next = rig.lying.shift(); next !== undefined; next = rig.lying.shift()) {
    rig.hand(next);
    most = Math.max(most, run.under);
  }
  assert.ok(most > 8, `${most}`);
  rig.pass(2_000);
  assert.equal(rig.ended.map(({ outcome, count }) => [outcome, count]), [["ok", COUNT]]);
});

test("Values that were lost on the way take no room for ever", () => {
  const { rig } = begun(2 * MIB, 1_000);
  for (let lost = 0; lost < 3; lost++) {
    rig.pass(300, { keep: ["read"] });
    rig.lose("read");
  }
  rig.pass(30_000);
  assert.equal(rig.ended.map(({ outcome, count }) => [outcome, count]), [["ok", COUNT]]);
});

test("Lost while the client takes nothing: asked for again when it does", () => {
  const { rig } = begun(2 * MIB, 1);
  for (let rounds = 0; rig.ended.length === 0; rounds++) {
    assert.ok(rounds < 3 * COUNT, "it ends");
    rig.pass(200, { keep: rounds % 3 === 0 ? ["read"] : [] });
    rig.lose();
    rig.step(0, { kind: "more", id: 77, credit: 1 });
    rig.pass(2_000);
  }
  assert.is(rig.told.length, COUNT);
});

test.run();
