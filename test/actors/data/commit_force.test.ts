/**
 * What the leader says of a primary by force: what is known of each copy, what would be lost, and when it cannot be.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  forcedOf,
  type ForceInput,
  forceLook,
  type LastWord,
} from "../../../actors/data/commit_force.ts";
import type { PlanNode } from "../../../actors/machines/commit/placement.ts";
import { COMMIT_RULES } from "../../../actors/machines/commit/rules.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import type { Pnn, Version } from "../../../transport/wire/terms.ts";
import { LINEAGE } from "../machines/commit/rig.ts";
import { hello, planInput, planNode } from "../machines/commit/rules_replica.ts";

const test = suite("primary by force");
const FROM = 40n as Version;
const pnn = (number: number) => number as Pnn;
const copy = (number: number) => ({ pnn: pnn(number), id: `d${number}` });

/** Copies 0 and 1 were in sync and are silent; 2 is here, with less. */
const GONE = [
  planNode(0, { isAlive: false, hello: undefined }),
  planNode(1, { isAlive: false, hello: undefined }),
  planNode(2, { hello: hello(2, { lastSeq: 7n, commitKnown: 6n }) }),
];

function input(
  words: Readonly<Record<number, LastWord>>,
  nodes: readonly PlanNode[] = GONE,
  rest: object = {},
): ForceInput {
  const plan = planInput(COMMIT_RULES, { isr: [copy(0), copy(1)], ...rest }, nodes);
  return { name: "bank", plan, from: FROM, lastWord: (each) => words[each] };
}

const WORDS = {
  0: { silentMs: 9000, hello: hello(0, { lastSeq: 12n, commitKnown: 11n }) },
  2: { silentMs: 20, hello: hello(2, { lastSeq: 7n, commitKnown: 6n }) },
};

test("What is known of each copy is said, also of those that are gone, and what would go", () => {
  const look = forceLook(input(WORDS), pnn(2));
  assert.is(look.refusal, undefined);
  assert.equal([look.keptSeq, look.highestSeq, look.committedSeq, look.best], [7n, 12n, 11n, 2]);
  const [gone, unheard, here] = look.copies;
  assert.equal([gone?.role, gone?.isHere, gone?.lastSeq, gone?.silentMs], [
    "primary",
    false,
    12n,
    9000,
  ]);
  assert.equal([unheard?.role, unheard?.isHere, unheard?.lastSeq], ["in_sync", false, undefined]);
  assert.equal([here?.role, here?.isHere, here?.isOfHistory], ["copy", true, true]);
});

test("The copy with the newest term is the best, however long another one is", () => {
  const nodes = [GONE[0], planNode(1), planNode(2)] as PlanNode[];
  const words = {
    1: { silentMs: 0, hello: hello(1, { lastTerm: 4n, lastSeq: 90n }) },
    2: { silentMs: 0, hello: hello(2, { lastTerm: 5n, lastSeq: 8n }) },
  };
  assert.is(forceLook(input(words, nodes, { isr: [copy(0)] }), pnn(1)).best, 2);
});

test("A copy of another history counts for nothing", () => {
  const other = {
    silentMs: 0,
    hello: hello(1, { lineage: LINEAGE + 5n, lastSeq: 99n, commitKnown: 98n }),
  };
  const nodes = [GONE[0], planNode(1, { hello: other.hello }), GONE[2]] as PlanNode[];
  const look = forceLook(input({ ...WORDS, 1: other }, nodes, { isr: [copy(0)] }), pnn(1));
  assert.match(look.refusal ?? "", /another history/);
  assert.equal([look.highestSeq, look.committedSeq, look.keptSeq], [12n, 11n, undefined]);
});

test("Refused while an in-sync copy is there, while nobody has begun, and for who is not there", () => {
  const here = [planNode(0), GONE[1], GONE[2]] as PlanNode[];
  assert.match(forceLook(input(WORDS, here), pnn(2)).refusal ?? "", /node 0 has an in-sync copy/);
  const none = forceLook(input(WORDS, GONE, { lineage: 0n }), pnn(2));
  assert.match(none.refusal ?? "", /has not begun/);
  assert.match(forceLook(input(WORDS), pnn(1)).refusal ?? "", /node 1 is not there/);
});

test("It is done only as it was looked at, and begins another history behind the copy's end", () => {
  const stale = { name: "bank", pnn: pnn(2), from: 39n as Version };
  assert.throws(() => forcedOf(input(WORDS), stale), isState(/have changed meanwhile/));
  const refused = { name: "bank", pnn: pnn(1), from: FROM };
  assert.throws(() => forcedOf(input(WORDS), refused), isState(/node 1 is not there/));
  const config = forcedOf(input(WORDS), { name: "bank", pnn: pnn(2), from: FROM });
  assert.equal([config.primary, config.m, config.isr], [2, 1, [copy(2)]]);
  assert.equal(config.parent, { lineage: LINEAGE, seq: 7n, chain: 1n });
  assert.ok(config.lineage !== LINEAGE);
});

test("After a cluster was led on by force an in-sync copy is no reason against it", () => {
  const here = [planNode(0), GONE[1], GONE[2]] as PlanNode[];
  const unsure = input(WORDS, here, { unsure: true });
  const config = forcedOf(unsure, { name: "bank", pnn: pnn(2), from: FROM });
  assert.equal([config.primary, config.unsure], [2, undefined]);
});

function isState(text: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof CtdbxError && error.code === "state" && text.test(error.message);
}

test.run();
