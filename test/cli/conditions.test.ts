/** What `cluster wait` understands, and what it says is missing. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterAnswer, NodeAnswer } from "../../cli/answers.ts";
import { parseCondition } from "../../cli/conditions.ts";
import { Failure } from "../../cli/failure.ts";

const test = suite("cli/conditions");

function node(pnn: number, condition = "ok"): NodeAnswer {
  return {
    pnn,
    name: `n${pnn}`,
    nodeId: "0".repeat(32),
    tag: "aaaaaaaaaa",
    addr: "127.0.0.1:4379",
    condition,
    isMember: true,
    isLeader: pnn === 0,
    isVoter: true,
    isThis: pnn === 0,
  };
}

const WELL: ClusterAnswer = {
  cluster: "dev",
  leader: "n0",
  members: 2,
  nodes: [node(0), node(1, "banned")],
  voters: 2,
  voterChange: false,
  serving: true,
  troubles: [],
};
const { leader: _none, ...LEADERLESS } = WELL;
const BAD: ClusterAnswer = { ...LEADERLESS, serving: false, troubles: ["a", "b"] };

for (
  const [text, well, bad] of [
    ["all-ok", undefined, "a; b"],
    ["leader", undefined, "no leader is known"],
    ["leader=n0", undefined, "no leader is known"],
    ["leader=n1", "n0 leads", "no leader is known"],
    ["members=2", undefined, undefined],
    ["members=03", "the view has 2 members", "the view has 2 members"],
    ["serving", undefined, "this node has no lease"],
    ["node=n1:banned", undefined, undefined],
    ["node=1:banned", undefined, undefined],
    ["node=n1:ok", "n1 is banned", "n1 is banned"],
    ["not-leader", "leader still holds", undefined],
    ["not-node=n1:ok", undefined, undefined],
    ["not-not-serving", undefined, "not-serving still holds"],
  ] as const
) {
  test(`${text}: what is missing`, () => {
    const { lack } = parseCondition(text);
    assert.equal([lack(WELL), lack(BAD)], [well, bad]);
  });
}

for (
  const text of [
    "",
    "not-",
    "leader=",
    "all-ok=1",
    "serving=yes",
    "members",
    "members=",
    "members=1e3",
    "members=12345",
    "node=n1",
    "node=:ok",
    "node=n1:",
    "node=n1:well",
    "node=n1:ok:ok",
    "Leader",
    "constructor",
  ]
) {
  test(`"${text}" is no condition, and the forms are named`, () => {
    assert.throws(
      () => parseCondition(text),
      (error: unknown) =>
        error instanceof Failure && error.exit === 2 &&
        /node=NAME:CONDITION/.test(error.hint ?? ""),
    );
  });
}

test("a node that is not there will never be as wanted; where no node is known, it may come", () => {
  const { lack } = parseCondition("node=n7:ok");
  assert.throws(
    () => lack(WELL),
    (error: unknown) =>
      error instanceof Failure && error.exit === 3 && /n0, n1/.test(error.message),
  );
  assert.is(lack({ ...WELL, nodes: [] }), "this node knows no cluster yet");
});

test.run();
