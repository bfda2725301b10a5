/** The verdict of check: limits, words, and the line that plugins print. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Board } from "../../cli/board.ts";
import {
  type CheckReport,
  CRIT_LIMITS,
  judge,
  readLimits,
  reportLine,
  WARN_LIMITS,
} from "../../cli/check_report.ts";
import type { FeedItem } from "../../cli/feed.ts";
import { heartbeat, state, stats } from "./board_fixture.ts";

const test = suite("verdict of check");

const WELL = [0, 1, 2].flatMap((n) => [heartbeat(n), stats(n)]);

function judged(items: readonly FeedItem[], warn = {}, crit = {}): CheckReport {
  const board = new Board();
  for (const item of items) board.note(item, 1000, 1e12);
  return judge(board.view(1000), { ...WARN_LIMITS, ...warn }, { ...CRIT_LIMITS, ...crit });
}

test("all is well: one line with its values", () => {
  assert.is(
    reportLine(judged(WELL)),
    "OK - 3 of 3 nodes ok, leader n0 | nodes=3;;;0 missing=0;1;2;0 lease=2000ms;500:;1:;0 " +
      "lag=2.3ms;250;2000;0 skew=0ms;500;5000;0",
  );
});

const CASES: readonly [string, string, RegExp, readonly FeedItem[]][] = [
  ["one is banned", "WARNING", /^n2 is banned: slow, 2 of 3 nodes ok, leader n0$/, [
    ...WELL,
    state(0, 2, "banned", "slow"),
  ]],
  ["one was not heard", "WARNING", /^1 not heard, 2 of 3/, WELL.slice(0, 4)],
  ["two are missing", "CRITICAL", /^2 not heard, 1 of 3/, WELL.slice(0, 2)],
  ["nobody leads", "CRITICAL", /^nobody leads, 3 of 3/, [
    ...WELL,
    heartbeat(0, { isLeader: false }),
  ]],
  ["two lead", "WARNING", /^n0 and n1 say that they lead/, [
    ...WELL,
    heartbeat(1, { isLeader: true }),
  ]],
  ["a short lease", "WARNING", /^the shortest lease is 0.4 s/, [
    ...WELL,
    heartbeat(1, { leaseMs: 400 }),
  ]],
  ["no lease", "CRITICAL", /^the shortest lease is 0.0 s/, [...WELL, heartbeat(1, { leaseMs: 0 })]],
  ["a late node", "WARNING", /^n1 is 0.3 s late/, [...WELL, stats(1, { lagMaxMs: 251 })]],
  ["a very late node", "CRITICAL", /^n1 is 3.0 s late/, [...WELL, stats(1, { lagMaxMs: 3000 })]],
  ["clocks apart", "WARNING", /^clocks differ by 0.8 s/, [
    ...WELL,
    heartbeat(1, { wallMs: 1e12 - 800 }),
  ]],
  ["clocks far apart", "CRITICAL", /^clocks differ by 60 min/, [
    ...WELL,
    heartbeat(1, { wallMs: 1e12 + 3_600_000 }),
  ]],
  ["nobody", "CRITICAL", /^no node is heard$/, []],
  ["the gravest first", "CRITICAL", /^nobody leads, n2 is banned, 2 of 3/, [
    ...WELL,
    heartbeat(0, { isLeader: false }),
    state(0, 2, "banned"),
  ]],
];
for (const [name, status, text, items] of CASES) {
  test(`${name}: ${status}`, () => {
    const report = judged(items);
    assert.is(report.status, status, report.text);
    assert.match(report.text, text);
  });
}

test("a node with no right to a lease makes no alarm about leases", () => {
  const report = judged([...WELL, heartbeat(2, { condition: "stopped", leaseMs: 0 })], {
    missing: 2,
  });
  assert.is(report.status, "OK", report.text);
});

test("limits on the command line", () => {
  assert.equal(readLimits("missing=2,lag=10.5"), { missing: 2, lag: 10.5 });
  for (const text of ["", "missing", "missing=", "miss=1", "lag=-1", "lag=1,,", "lag=1e3"]) {
    assert.throws(() => readLimits(text), /is no limit; they are missing, lease, lag, skew/);
  }
  assert.is(judged(WELL, { lag: 1 }).status, "WARNING");
  assert.is(judged(WELL, {}, { lag: 1 }).status, "CRITICAL");
});

test("nothing in a reason can begin the values or another line", () => {
  const line = reportLine(judged([...WELL, state(0, 2, "banned", "a | b=1\nOK")]));
  assert.match(line, /^WARNING - n2 is banned: a {3}b=1 OK, 2 of 3 nodes ok, leader n0 \| nodes=3/);
  assert.is(line.split("|").length, 2);
});

test.run();
