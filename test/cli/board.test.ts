/** The board: what a monitor knows from events alone. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Board, FORGET_MS } from "../../cli/board.ts";
import { heartbeat, state, stats, tagFor } from "./board_fixture.ts";

const test = suite("board");
const WALL = 1e12;

function board(): Board {
  const made = new Board();
  for (const n of [2, 0, 1]) made.note(heartbeat(n), 1000, WALL);
  for (const n of [0, 1, 2]) made.note(stats(n), 1000, WALL);
  return made;
}

const conditions = (made: Board, nowMs: number): string[] =>
  made.view(nowMs).rows.map(({ name, condition }) => `${name} ${condition}`);

test("nodes by their number, the leader, the size, how far the lease has run down", () => {
  const { rows, leaders, size } = board().view(1500);
  assert.equal(rows.map(({ name }) => name), ["n0", "n1", "n2"]);
  assert.equal([leaders, size], [["n0"], 3]);
  assert.equal(rows.map(({ leaseMs, heardMsAgo }) => [leaseMs, heardMsAgo])[1], [1500, 500]);
});

test("who misses two heartbeats and a half is silent, leads no longer, and says no numbers", () => {
  const made = board();
  made.note(heartbeat(1), 3000, WALL);
  assert.equal(conditions(made, 3500), ["n0 ok", "n1 ok", "n2 ok"]);
  assert.equal(conditions(made, 3501), ["n0 silent", "n1 ok", "n2 silent"]);
  const { rows, leaders } = made.view(3501);
  assert.equal([leaders, rows[0]?.leaseMs, rows[0]?.stats], [[], 0, undefined]);
  made.note(heartbeat(0), 3600, WALL);
  assert.equal(conditions(made, 3600)[0], "n0 ok");
});

test("what the leader says counts until the node speaks; of itself it says it in its heartbeat", () => {
  const made = board();
  made.note(state(0, 2, "disconnected", "no sign of it"), 1200, WALL);
  const row = made.view(1300).rows[2];
  assert.equal([row?.condition, row?.why], ["disconnected", "no sign of it"]);
  made.note(heartbeat(2, { condition: "joining" }), 1400, WALL);
  assert.is(made.view(1400).rows[2]?.condition, "joining");
  made.note(state(2, 2, "banned"), 1500, WALL);
  assert.is(made.view(1500).rows[2]?.condition, "joining");
});

test("a planned end is no silence; a node that has left is no row", () => {
  const made = board();
  made.note(heartbeat(1, { runstate: "shutdown" }), 1200, WALL);
  assert.equal(conditions(made, 60_000), ["n0 silent", "n1 down", "n2 silent"]);
  made.note(state(0, 1, "gone"), 1300, WALL);
  assert.equal(conditions(made, 1300), ["n0 ok", "n2 ok"]);
  assert.equal(conditions(made, 1000 + FORGET_MS + 1), []);
});

test("lines are of what happens, not of what comes each second or was well as ever", () => {
  const made = board();
  const head = { ...heartbeat(0).event };
  const note = (topic: string, fields: object): void =>
    made.note({ topic, who: "n0", event: { ...head, topic, ...fields } }, 1200, WALL);
  note("services", { healthy: true, count: 0, checks: [], notify: [] });
  const run = { event: "monitor", args: "", scripts: 1, tookMs: 1 };
  note("script", { ...run, outcome: "ok" });
  assert.equal(made.view(1200).lines, []);
  note("script", { ...run, outcome: "failed" });
  note("address", { what: "taken", text: "Address 192.0.2.1 is set here" });
  assert.equal(made.view(1200).lines.map(({ what }) => what), ["script", "address"]);
});

test("the size is what the newest document says, not the most or the last", () => {
  const made = board();
  made.note(heartbeat(1, { version: "9", nodes: 2 }), 1100, WALL);
  made.note(heartbeat(2, { version: "8", nodes: 5 }), 1200, WALL);
  assert.is(made.view(1300).size, 2);
});

test("clocks: the difference to ours when the heartbeat came", () => {
  const made = new Board();
  made.note(heartbeat(0, { wallMs: WALL + 4000 }), 1000, WALL);
  assert.is(made.view(1000).rows[0]?.skewMs, 4000);
});

test("what is no event as declared changes nothing", () => {
  const made = board();
  const before = made.view(2000);
  const odd: unknown[] = [
    {},
    { ...heartbeat(0).event, leaseMs: -1 },
    { ...heartbeat(0).event, condition: "\u001b[31m" },
    { ...heartbeat(0).event, tag: "nobody" },
  ];
  for (const event of odd) {
    made.note({ topic: "heartbeat", who: "n7", event: event as object as never }, 1900, WALL);
  }
  made.note({ topic: undefined, who: "n0", event: { text: "watching" } }, 1900, WALL);
  made.note(stats(7), 1900, WALL);
  assert.equal(made.view(2000), before);
});

test("complete: every node of the document, with its statistics", () => {
  const made = new Board();
  assert.not(made.isComplete(1000));
  for (const n of [0, 1, 2]) {
    made.note(heartbeat(n), 1000, WALL);
    assert.not(made.isComplete(1000));
    made.note(stats(n), 1000, WALL);
  }
  assert.ok(made.isComplete(1000));
  assert.is(tagFor(1).length, 10);
});

test.run();
