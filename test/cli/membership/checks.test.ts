/** What a preflight makes of what it finds: each fault alone, with its text, its hint and its exit code. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT, type ExitCode } from "../../../cli/exit_codes.ts";
import { Failure } from "../../../cli/failure.ts";
import {
  type Check,
  demand,
  type JoinFacts,
  judgeJoin,
  type PreflightAnswer,
  SKEW_MAX_MS,
  SPACE_MIN,
} from "../../../cli/membership/checks.ts";

const test = suite("cli/membership/checks");

const ANSWER: PreflightAnswer = {
  cluster: "lab",
  clusterId: "c".repeat(32),
  format: 2,
  formatMax: 2,
  software: "0.1.0",
  wallMs: 1000,
  leader: "n0",
  hasMajority: true,
  members: 2,
  nodes: 3,
  invitation: "open",
  name: "n3",
  pnn: 3,
};
const WELL: JoinFacts = {
  invitation: {
    cluster: "lab",
    clusterId: "c".repeat(32),
    name: "n3",
    pnn: 3,
    format: 2,
    expiresWallMs: 100_000,
    servers: ["10.0.0.1:4222"],
  },
  formatMax: 2,
  home: { is: "empty" },
  folder: "/n3",
  freeBytes: SPACE_MIN,
  nowWallMs: 50_000,
  natsTrouble: undefined,
  answer: ANSWER,
  answerTrouble: undefined,
  skewMs: 0,
};

function wrongIn(checks: readonly Check[]): Check[] {
  return checks.filter(({ ok }) => !ok);
}

test("when all is well, all checks say so, in this order", () => {
  const checks = judgeJoin(WELL);
  assert.equal(checks.map(({ name }) => name), [
    "home",
    "space",
    "version",
    "nats",
    "invitation",
    "majority",
    "clock",
  ]);
  assert.equal(wrongIn(checks), []);
  demand(checks, "Cannot join");
});

const answered = (change: Partial<PreflightAnswer>): Partial<JoinFacts> => ({
  answer: { ...ANSWER, ...change },
});
const { leader: _nobody, ...LEADERLESS } = ANSWER;
const CASES: Record<string, [Partial<JoinFacts>, string, ExitCode, RegExp, RegExp]> = {
  "another node in the home": [
    { home: { is: "other", text: "the node n7 lives there", hint: "choose another place" } },
    "home",
    EXIT.conflict,
    /n7 lives there/,
    /another place/,
  ],
  "a full disk": [
    { freeBytes: SPACE_MIN - 1 },
    "space",
    EXIT.noSpace,
    /only 63 MiB are free at \/n3, 64 MiB must be/,
    /free some space/,
  ],
  "an old program": [{ formatMax: 1 }, "version", EXIT.version, /up to 1/, /install the version/],
  "a cluster that was upgraded since": [
    answered({ format: 3 }),
    "version",
    EXIT.version,
    /has format 3/,
    /install/,
  ],
  "no NATS": [
    { natsTrouble: "10.0.0.1:4222: nothing listens there", answer: undefined },
    "nats",
    EXIT.other,
    /nothing listens/,
    /--server/,
  ],
  "a key that the server does not know": [
    { natsTrouble: "it refuses key UA (Authorization Violation)", answer: undefined },
    "nats",
    EXIT.denied,
    /refuses key/,
    /taken back/,
  ],
  "no node": [
    { answer: undefined, answerTrouble: "nobody is there" },
    "cluster",
    EXIT.noQuorum,
    /no node of lab answers: nobody is there/,
    /start its nodes/,
  ],
  "the key of a node that has gone": [
    {
      answer: undefined,
      answerTrouble: "Cannot ask ctdbx.lab.ask.vx3.from.3um: the server forbids it",
    },
    "cluster",
    EXIT.conflict,
    /it was used, and its node has gone since/,
    /make another/,
  ],
  "another cluster of that name": [
    answered({ clusterId: "d".repeat(32) }),
    "cluster",
    EXIT.conflict,
    /another cluster has the name lab/,
    /servers/,
  ],
  "nobody leads": [{ answer: LEADERLESS }, "majority", EXIT.noQuorum, /nobody leads/, /explain/],
  "no majority": [
    answered({ hasMajority: false }),
    "majority",
    EXIT.noQuorum,
    /no majority/,
    /start its nodes/,
  ],
  "an invitation that was used": [
    answered({ invitation: "used", refusal: "it was used by n2" }),
    "invitation",
    EXIT.conflict,
    /used by n2/,
    /make another/,
  ],
  "one that is over": [
    answered({ invitation: "expired", refusal: "it expired 3 s ago" }),
    "invitation",
    EXIT.conflict,
    /expired 3 s ago/,
    /make another/,
  ],
  "one that was taken back": [
    answered({ invitation: "unknown" }),
    "invitation",
    EXIT.conflict,
    /taken back/,
    /make another/,
  ],
  "one that was taken back, of which nothing else is told": [
    { answer: { ...LEADERLESS, invitation: "unknown" } },
    "invitation",
    EXIT.conflict,
    /taken back/,
    /make another/,
  ],
  "one that was made for somebody else": [
    answered({ name: "n4" }),
    "invitation",
    EXIT.conflict,
    /made it for n4 \(number 3\)/,
    /make another/,
  ],
  "an address that another has": [
    answered({ refusal: "the address is taken: n1 has it" }),
    "place",
    EXIT.conflict,
    /address is taken/,
    /--addr/,
  ],
  "a clock ahead": [
    { skewMs: SKEW_MAX_MS + 1 },
    "clock",
    EXIT.conflict,
    /2\.0 s ahead of the cluster's/,
    /set-ntp/,
  ],
  "a clock behind": [{ skewMs: -90_000 }, "clock", EXIT.conflict, /90\.0 s behind/, /chrony/],
};

for (const [what, [change, name, exit, text, hint]] of Object.entries(CASES)) {
  test(`${what}: one check is wrong, with exit code ${exit} and what to do`, () => {
    const checks = judgeJoin({ ...WELL, ...change });
    const [first, ...more] = wrongIn(checks);
    assert.equal(more, []);
    assert.is(first?.name, name);
    assert.match(first?.text ?? "", text);
    assert.match(first?.hint ?? "", hint);
    try {
      demand(checks, "Cannot join lab");
      assert.unreachable();
    } catch (error) {
      assert.instance(error, Failure);
      assert.is((error as Failure).exit, exit);
      assert.match((error as Failure).message, /^Cannot join lab: /);
    }
  });
}

test("what this clock alone says of an invitation counts only when nobody answers", () => {
  const late = { ...WELL, nowWallMs: 200_000 };
  assert.equal(wrongIn(judgeJoin(late)), []);
  const deaf = { ...late, answer: undefined, answerTrouble: "silence" };
  assert.equal(wrongIn(judgeJoin(deaf)).map(({ name }) => name), ["invitation", "cluster"]);
});

test("several faults are all told; the first gives the exit code", () => {
  const checks = judgeJoin({ ...WELL, freeBytes: 0, skewMs: 5000 });
  assert.equal(wrongIn(checks).map(({ name }) => name), ["space", "clock"]);
  try {
    demand(checks, "Cannot join");
    assert.unreachable();
  } catch (error) {
    assert.is((error as Failure).exit, EXIT.noSpace);
    assert.match((error as Failure).message, "(and 1 more)");
  }
});

test("what was begun goes on; one that has joined already is well", () => {
  const begun = { ...WELL, home: { is: "begun", at: "yesterday" } } as const;
  const checks = judgeJoin({ ...begun, ...answered({ invitation: "mine" }) });
  assert.equal(wrongIn(checks), []);
  assert.match(checks[0]?.text ?? "", "last at yesterday: it goes on");
});

test("a system that does not say how much is free does not stand in the way", () => {
  assert.equal(wrongIn(judgeJoin({ ...WELL, freeBytes: undefined })), []);
});

test.run();
