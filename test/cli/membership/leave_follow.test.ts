/** Seeing a node out: through changes of the leader and the end of the own daemon; refusals and the end of patience. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT } from "../../../cli/exit_codes.ts";
import { Failure } from "../../../cli/failure.ts";
import type { DocumentAnswer } from "../../../cli/membership/document_answer.ts";
import { followLeave, type LeaveAnswer } from "../../../cli/membership/leave_follow.ts";
import { replaceWords } from "../../../cli/membership/replace_follow.ts";

const test = suite("cli/membership/leave_follow");

const at = (step: string): LeaveAnswer => ({
  pnn: 2,
  name: "n2",
  nodeId: "2".repeat(32),
  step,
  text: `waits for ${step}`,
  done: step === "gone",
});
const NO_LEADER = new Failure(EXIT.noQuorum, "nobody leads");
const NO_DAEMON = new Failure(EXIT.notFound, "Cannot reach the daemon");
const CUT = new Failure(EXIT.unknownOutcome, "no answer");

/** Follows answers given in turn, the last one for ever; what was said, and the last answer or the failure. */
async function follow(
  answers: readonly (LeaveAnswer | Failure)[],
  isGone: (asked: number) => boolean = () => false,
): Promise<{ said: string[]; end: LeaveAnswer | Failure | undefined; asked: number }> {
  const said: string[] = [];
  let asked = 0;
  let nowMs = 0;
  const port = {
    ask: () => {
      const answer = answers[Math.min(asked, answers.length - 1)] as LeaveAnswer | Failure;
      asked++;
      return answer instanceof Failure ? Promise.reject(answer) : Promise.resolve(answer);
    },
    isGone: () => isGone(asked),
    pause: () => Promise.resolve(void (nowMs += 100)),
    nowMs: () => nowMs,
  };
  try {
    return { said, end: await followLeave(port, 5000, (step) => void said.push(step)), asked };
  } catch (error) {
    assert.instance(error, Failure);
    return { said, end: error as Failure, asked };
  }
}

test("each step is said once, until it is gone", async () => {
  const steps = ["slots", "slots", "lead", "vote", "vote", "view", "list", "gone"];
  const { said, end } = await follow(steps.map(at));
  assert.equal(said, ["slots", "lead", "vote", "view", "list", "gone"]);
  assert.ok((end as LeaveAnswer).done);
});

test("between two leaders, and without an answer, it is asked again", async () => {
  const { said, end } = await follow([CUT, NO_LEADER, at("slots"), NO_LEADER, CUT, at("gone")]);
  assert.equal(said, ["slots", "gone"]);
  assert.ok((end as LeaveAnswer).done);
});

test("a refusal ends it at once", async () => {
  const refused = new Failure(EXIT.conflict, "the quorum would be lost");
  const { end, asked } = await follow([refused]);
  assert.is(end, refused);
  assert.is(asked, 1);
});

test("no daemon at first is an error; a daemon that ends on the way is its end when the home says so", async () => {
  assert.is((await follow([NO_DAEMON])).end, NO_DAEMON);
  const { end } = await follow([at("list"), NO_DAEMON], (asked) => asked >= 4);
  assert.equal([(end as LeaveAnswer).step, (end as LeaveAnswer).done], ["gone", true]);
});

test("the end of patience is an unknown outcome, with what it waits for", async () => {
  const { end } = await follow([at("vote")]);
  assert.is((end as Failure).exit, EXIT.unknownOutcome);
  assert.match(
    (end as Failure).message,
    "n2 gone within 5 s: it is on its way out, waits for vote",
  );
  const { end: deaf } = await follow([NO_LEADER]);
  assert.match((deaf as Failure).message, "within 5 s nobody leads");
});

const OLD = { pnn: 1, name: "n1" };
const VIEW = {
  nodes: [{ pnn: 1, name: "n1" }],
  members: [{ pnn: 1 }],
  invitations: [{ name: "n4", replacesPnn: 1, leftMs: 1000 }],
} as unknown as DocumentAnswer;
const INVITED = VIEW.invitations[0];

for (
  const [what, change, words] of [
    ["invited", {}, /n4 is invited: it has not joined yet/],
    [
      "joined",
      { invitations: [], nodes: [{ pnn: 1 }, { pnn: 4, name: "n4", replaces: 1 }] },
      /n4 has joined: it comes into the view/,
    ],
    [
      "in the view",
      {
        invitations: [],
        nodes: [{ pnn: 1 }, { pnn: 4, name: "n4", replaces: 1 }],
        members: [{ pnn: 1 }, { pnn: 4 }],
      },
      /n4 is in the view: the vote of n1 moves to it/,
    ],
    ["going", { nodes: [{ pnn: 1, leaving: "replaced" }] }, /n1 goes: out of the view next/],
    [
      "out of the view",
      { nodes: [{ pnn: 1, leaving: "replaced" }], members: [] },
      /n1 goes: off the list next/,
    ],
  ] as const
) {
  test(`a replacement that is ${what} says what comes next`, () => {
    assert.match(
      replaceWords({ ...VIEW, ...change } as unknown as DocumentAnswer, OLD) ?? "",
      words,
    );
  });
}

test("one that is gone has nothing to wait for; without anybody to come it is an error", () => {
  assert.is(replaceWords({ ...VIEW, nodes: [] }, OLD), undefined);
  const over = { ...VIEW, invitations: [{ ...INVITED, leftMs: 0 }] } as unknown as DocumentAnswer;
  for (
    const [view, words] of [[{ ...VIEW, invitations: [] }, "taken back"], [
      over,
      "is over",
    ]] as const
  ) {
    try {
      replaceWords(view, OLD);
      assert.unreachable();
    } catch (error) {
      const { exit, message, hint } = error as Failure;
      assert.is(exit, EXIT.expectation);
      assert.match(`${message} ${hint}`, words);
    }
  }
});

test.run();
