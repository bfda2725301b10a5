/** What a node and its event daemon say to each other: what passes, and what is refused with a reason. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  answerGate,
  EVENT_LINE_MAX,
  type EventAnswer,
  type EventEnd,
  questionGate,
  SCRIPT_NAME_MAX,
  SCRIPT_OUTPUT_MAX,
  SCRIPTS_MAX,
} from "../../transport/wire/event_daemon.ts";

const test = suite("messages of the event daemon");

const END: EventEnd = {
  event: "monitor",
  args: [],
  outcome: "ok",
  startWallMs: 1,
  tookMs: 0.5,
  scripts: [],
};

test("questions and answers come as they went", () => {
  const questions = questionGate();
  for (
    const question of [
      { kind: "run", id: 1, event: "takeip", args: ["eth0", "192.0.2.1", "24"], timeoutMs: 30_000 },
      { kind: "cancel", id: 1 },
      { kind: "list", id: 2 },
      { kind: "switch", id: 3, name: "10.x", isEnabled: true },
      { kind: "ping", id: 4 },
      { kind: "stop", id: 5 },
    ]
  ) assert.equal(questions.read(JSON.stringify(question)), question);
  const answers = answerGate();
  const script = { name: "10.x", state: "enabled", place: "folder", target: "/x" };
  for (
    const answer of [
      { kind: "ended", id: 1, end: END },
      { kind: "scripts", id: 2, scripts: [script], why: "no" },
      { kind: "switched", id: 3, script },
      { kind: "pong", id: 4 },
      { kind: "failed", id: 5, code: "not_found", text: "no" },
    ]
  ) assert.equal(answers.read(JSON.stringify(answer)), answer);
});

for (
  const [line, said] of [
    ["{", "JSON"],
    ["null", "no such kind"],
    ["[]", "no such kind"],
    ['{"kind":"constructor"}', "no such kind"],
    ['{"kind":"run","id":1,"event":"explode","args":[],"timeoutMs":1}', "event"],
    ['{"kind":"run","id":-1,"event":"init","args":[],"timeoutMs":1}', "id"],
    ['{"kind":"run","id":1,"event":"init","args":"x","timeoutMs":1}', "args"],
    [
      `{"kind":"run","id":1,"event":"init","args":["${"x".repeat(257)}"],"timeoutMs":1}`,
      "args",
    ],
    ['{"kind":"switch","id":1,"name":"10.x"}', "isEnabled"],
  ] as const
) {
  test(`refused: ${line.slice(0, 60)}`, () => {
    assert.throws(() => questionGate().read(line), (error: Error) => {
      assert.instance(error, SyntaxError);
      return error.message.includes(said);
    });
  });
}

test("what is said of a second wrong line is said of that one", () => {
  const gate = questionGate();
  assert.throws(() => gate.read('{"kind":"ping"}'), /id/);
  assert.throws(() => gate.read('{"kind":"ping","id":"x"}'), /id.*must be/);
});

test("the longest answer fits into a line", () => {
  // A control character is six in JSON.
  const output = "\u0001".repeat(SCRIPT_OUTPUT_MAX);
  const script = {
    name: "\u0001".repeat(SCRIPT_NAME_MAX),
    outcome: "failed" as const,
    startWallMs: 1,
    tookMs: 1,
    output,
    cutBytes: 1,
    why: "\u0001".repeat(256),
  };
  const end: EventEnd = { ...END, outcome: "failed", scripts: Array(SCRIPTS_MAX).fill(script) };
  const answer: EventAnswer = { kind: "ended", id: 1, end };
  const line = JSON.stringify(answer);
  assert.ok(line.length < EVENT_LINE_MAX, `${line.length}`);
  assert.is(answerGate().read(line).kind, "ended");
});

test.run();
