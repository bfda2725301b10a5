/** The screen of top: lines from a board and a size. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Board } from "../../cli/board.ts";
import { keysOf } from "../../cli/live_screen.ts";
import { screenLines, type ScreenLook } from "../../cli/top_screen.ts";
import { heartbeat, state, stats } from "./board_fixture.ts";

const test = suite("the screen of top");
const LOOK: ScreenLook = {
  columns: 110,
  rows: 12,
  color: false,
  sort: "n",
  isReversed: false,
  time: "2026-01-02T03:04:05.678Z",
  from: "a test",
  hasKeys: true,
};

function board(count = 3): Board {
  const made = new Board();
  for (let n = 0; n < count; n++) {
    made.note(heartbeat(n, { nodes: count }), 1000, 1e12);
    made.note(stats(n, { cpu: n === 1 ? 0.5 : 0.01, lagMaxMs: n }), 1000, 1e12);
  }
  return made;
}

test("a frame as people see it", () => {
  const made = board();
  made.note(state(0, 2, "banned", "it was slow"), 1400, 1e12);
  const lines = screenLines(made.view(1500), LOOK);
  assert.equal(lines.map((line) => line.trimEnd()), [
    "ctdbx top   edge   leader n0   2 of 3 nodes ok" + " ".repeat(56) + "03:04:05",
    "Node  Pnn  Condition  Role    Lease  Msg/s  Bytes/s     Lag    CPU  Memory    Up  Heard",
    "n0      0  ok         leader  1.5 s     30   4.0 KB  0.0 ms   1.0%   80 MB  61 s  0.5 s",
    "n1      1  ok         serves  1.5 s     40   4.0 KB  1.0 ms  50.0%   80 MB  61 s  0.5 s",
    "n2      2  banned     serves  1.5 s     50   4.0 KB  2.0 ms   1.0%   80 MB  61 s  0.5 s",
    "",
    "01:46:40.000  n0      state          n2 is banned, was ok: it was slow",
    "",
    "",
    "",
    "",
    "q quit   sort by number:  n number  o condition  t traffic  l lag  c cpu  m memory  r reverse",
  ]);
});

for (const [columns, rows] of [[20, 1], [20, 2], [40, 5], [80, 24], [300, 100], [1, 1]] as const) {
  test(`no line is wider than ${columns}, and there are no more than ${rows}`, () => {
    const made = board(8);
    for (let n = 0; n < 30; n++) made.note(state(0, 2, "banned", "x".repeat(200)), 1400, 1e12);
    const lines = screenLines(made.view(1500), { ...LOOK, columns, rows });
    assert.ok(lines.length <= rows, `${lines.length} lines`);
    for (const line of lines) assert.ok([...line].length <= columns, line);
  });
}

test("what does not fit is counted", () => {
  const lines = screenLines(board(8).view(1500), { ...LOOK, rows: 8 });
  assert.equal(lines.slice(2).map((line) => line.split("  ")[0]), [
    "n0",
    "n1",
    "n2",
    "n3",
    "... 4 more",
    "q quit",
  ]);
});

test("sorted by keys: numbers fall, what is not ok comes first, r turns it", () => {
  const made = board();
  made.note(state(0, 2, "banned"), 1400, 1e12);
  const names = (sort: ScreenLook["sort"], isReversed = false): string =>
    screenLines(made.view(1500), { ...LOOK, sort, isReversed }).slice(2, 5)
      .map((line) => line.slice(0, 2)).join(" ");
  assert.is(names("n"), "n0 n1 n2");
  assert.is(names("n", true), "n2 n1 n0");
  assert.is(names("c"), "n1 n0 n2");
  assert.is(names("l"), "n2 n1 n0");
  assert.is(names("o"), "n2 n0 n1");
  assert.is(names("m"), "n0 n1 n2");
});

test("colours stand around whole lines: red for the lost, yellow for the rest", () => {
  const made = board();
  made.note(state(0, 1, "disconnected"), 1400, 1e12);
  made.note(state(0, 2, "draining"), 1400, 1e12);
  const [, , ok = "", red = "", yellow = ""] = screenLines(made.view(1500), {
    ...LOOK,
    color: true,
  });
  assert.match(ok, /^n0/);
  // deno-lint-ignore no-control-regex
  assert.match(red, /^\u001b\[31mn1 .*\u001b\[0m$/);
  // deno-lint-ignore no-control-regex
  assert.match(yellow, /^\u001b\[33mn2 .*\u001b\[0m$/);
});

test("before the first heartbeat it says what it waits for; without a leader it says so", () => {
  assert.match(screenLines(new Board().view(1), LOOK)[0] ?? "", "no heartbeat yet from a test");
  const made = new Board();
  made.note(heartbeat(1), 1000, 1e12);
  assert.match(screenLines(made.view(1000), LOOK)[0] ?? "", "NO LEADER   1 of 3 nodes ok");
});

test("keys that came at once are heard one by one; an arrow is one key, and none of ours", () => {
  assert.equal(keysOf("xr\u001b[Aq"), ["x", "r", "\u001b[A", "q"]);
  assert.equal(keysOf("\u001b[1;5CcüÜ\u0003"), ["\u001b[1;5C", "c", "ü", "Ü", "\u0003"]);
  assert.equal([keysOf("\u001b"), keysOf("")], [["\u001b"], []]);
});

test("a name cannot steer the terminal", () => {
  const made = new Board();
  const item = heartbeat(0);
  made.note({ ...item, who: "\u001b[2Jn0" }, 1000, 1e12);
  made.note(state(0, 1, "banned", "\u001b[2J\nx"), 1000, 1e12);
  // deno-lint-ignore no-control-regex
  assert.not.match(screenLines(made.view(1000), LOOK).join(""), /[\u0000-\u001f]/);
});

test.run();
