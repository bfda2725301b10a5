/** Recoveries in words, and when one is over. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StatusRow } from "../../cli/commands/db_fields.ts";
import { explainRecovery } from "../../cli/commands/recovery_explain.ts";
import { lackOf, type RecoveryAnswer, reportLines } from "../../cli/commands/recovery.ts";

const test = suite("cli/recovery");

const REPORT: RecoveryAnswer = {
  generation: "4398046511107",
  cause: "n2 is no member any more",
  msAgo: 65_000,
  totalMs: 41.26,
  isRunning: false,
  phases: [
    { name: "adopt", ms: 1.04, count: 2 },
    { name: "rebuild", ms: 30, count: 341 },
    { name: "queries", ms: 41.26, count: 7 },
  ],
  databases: [{ name: "visits", slotsByTable: 0, slotsRebuilt: 341, keysQueried: 7, ms: 41.26 }],
};

test("a report says what was done, and how long it took", () => {
  const lines = reportLines(REPORT);
  assert.match(lines[0] ?? "", /^view .*, adopted 65 s ago: n2 is no member any more$/);
  assert.equal(lines.slice(1), [
    "all was open again after 41.3 ms",
    "  adopt           1 ms  2 databases",
    "  rebuild        30 ms  341 slots",
    "  queries      41.3 ms  7 records",
    "  visits: 0 slots taken, 341 rebuilt, 7 records asked for, 41.3 ms",
  ]);
  const { cause: _, ...unknown } = REPORT;
  const going = reportLines({ ...unknown, isRunning: true });
  assert.match(going[0] ?? "", /ago$/);
  assert.is(going[1], "goes on for 41.3 ms");
});

test("a recovery is over when every node that answers is in its view, or a later one, and has all open", () => {
  const open = { isRunning: false, generation: "5", databases: [] };
  const db = { name: "visits", id: 1, kind: "volatile" as const, state: "recovering" as const };
  const at = (name: string, ok: object | undefined) => ({
    pnn: 0,
    name,
    ...ok === undefined ? { error: "no answer" } : { ok: ok as typeof open },
  });
  assert.is(lackOf([at("n0", open), at("n1", undefined)], 5n), undefined);
  assert.is(lackOf([at("n0", open), at("n1", { ...open, generation: "6" })], 5n), undefined);
  assert.is(
    lackOf([at("n0", open), at("n1", { ...open, generation: "4" })], 5n),
    "n1 has not adopted the view yet",
  );
  assert.is(
    lackOf([at("n0", { ...open, isRunning: true, databases: [db] })], 5n),
    "n0 finds records of visits again",
  );
});

const db = (state: StatusRow["state"], more: Partial<StatusRow> = {}): StatusRow => ({
  name: "visits",
  id: 1,
  kind: "volatile",
  state,
  ...more,
});

test("explain: nothing to say when all is open", () => {
  const ok = { isRunning: false, generation: "5", databases: [db("ready"), db("idle")] };
  const { open, found, next } = explainRecovery([{ pnn: 0, name: "n0", ok }]);
  assert.equal([open, found, next], [true, [], []]);
});

test("explain: what is not open is named with its node, its figures, and what happens next", () => {
  const n0 = {
    isRunning: true,
    generation: "5",
    databases: [db("recovering", { slotsOpening: 12, keysQueried: 3, waiting: 4 })],
    current: { ...REPORT, isRunning: true, totalMs: 400 },
  };
  const n1 = { isRunning: false, generation: "4", databases: [db("frozen")] };
  const n2 = {
    isRunning: false,
    generation: "5",
    databases: [db("down", { why: "it was ended" })],
  };
  const { open, found, next } = explainRecovery([
    { pnn: 0, name: "n0", ok: n0 },
    { pnn: 1, name: "n1", ok: n1 },
    { pnn: 2, name: "n2", ok: n2 },
    { pnn: 3, name: "n3", error: "nobody listens there" },
  ]);
  assert.is(open, false);
  assert.equal(found.map((text) => text.replace(/the view \S+/, "the view V")), [
    "visits at n0: 12 slots are being opened, 3 records are being asked for; 4 operations wait",
    "at n0 a recovery goes on for 0.4 s, for n2 is no member any more",
    "n1 has not adopted the view V yet: its records wait",
    "visits at n1: it may not serve just now, it has no lease",
    "visits at n2: it was ended",
    "n3 does not answer: nobody listens there",
  ]);
  assert.is(next.length, 6);
});

test("explain: a node that is silent alone closes nothing that others have open", () => {
  const ok = { isRunning: false, generation: "5", databases: [db("ready")] };
  const answers = [{ pnn: 0, name: "n0", ok }, { pnn: 1, name: "n1", error: "no answer" }];
  assert.equal(explainRecovery(answers).open, true);
});

test.run();
