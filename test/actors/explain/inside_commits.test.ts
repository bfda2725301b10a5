/**
 * What a node says for explain of its persistent and replicated databases: when there is something to say, by names.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commitFact, hasCommitFact } from "../../../actors/explain/inside_commits.ts";
import type { CommitLook } from "../../../actors/data/commit_ops.ts";
import { FAULT_TEXT_MAX } from "../../../transport/wire/limits.ts";
import type { Pnn } from "../../../transport/wire/terms.ts";
import { START } from "../machines/cluster/one_machine.ts";

const test = suite("commit facts");
const pnn = (number: number) => number as Pnn;

const LOOK: CommitLook = {
  ...{ kind: "persistent", k: 2, m: 2, primary: pnn(1), term: 5n, lineage: 9n },
  copies: [{ pnn: pnn(0), role: "in_sync" }, { pnn: pnn(1), role: "primary" }],
  ...{ own: "in_sync", serving: undefined, dbseq: 1n, lastSeq: 1n, commitKnown: 1n },
  ...{ appliedSeq: 1n, logBytes: 0, fileBytes: 0, trouble: undefined, cause: undefined },
  files: { state: "well", bad: 0, mended: 0, files: 0, scrubbed: 0, passes: 0, at: 0, pages: 2 },
  ...{ isUnsure: false, waiting: 0, counts: { committed: 0, aborted: 0, unknown: 0 } },
};

test("One that serves, begins or catches up says nothing; one that does not does", () => {
  const says = (more: Partial<CommitLook>) => hasCommitFact({ ...LOOK, ...more });
  assert.equal([says({}), says({ serving: "serving" }), says({ serving: "starting" })], [
    false,
    false,
    false,
  ]);
  assert.is(says({ cause: "catching_up", trouble: "it catches up" }), false);
  assert.equal(
    [
      says({ serving: "readonly" }),
      says({ waits: "for an in-sync copy of 0" }),
      says({ isUnsure: true }),
      says({ cause: "stopped" }),
      says({ cause: "full" }),
    ],
    [true, true, true, true, true],
  );
});

test("Nodes have their names, the primary first; who only follows is among the others", () => {
  const fact = commitFact(
    { ...LOOK, waits: "for an in-sync copy of 1, 0; the end is damaged" },
    START,
  );
  assert.equal([fact.primary, fact.inSync, fact.others], ["n1", ["n1", "n0"], ["n2"]]);
  assert.is(fact.waits, "for an in-sync copy of n1, n0; the end is damaged");
  assert.is(
    commitFact({ ...LOOK, waits: "for 2 nodes with an empty copy, 1 are there" }, START).waits,
    "for 2 nodes with an empty copy, 1 are there",
  );
  assert.equal(commitFact(LOOK, undefined).inSync, ["node 1", "node 0"], "without a document");
});

test("Texts are bounded, whatever a disk has said", () => {
  const trouble = "x".repeat(10 * FAULT_TEXT_MAX);
  const fact = commitFact({ ...LOOK, cause: "stopped", trouble, lineage: 0n }, START);
  assert.ok((fact.trouble?.length ?? 0) <= FAULT_TEXT_MAX);
  assert.is(fact.hasBegun, false);
});

test.run();
