/** What people type who know ctdb or etcdctl: told what it is called here, and that is there. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HINTED } from "../../cli/peer_words.ts";
import { run } from "../../cli/run.ts";
import { capture } from "./capture.ts";
import { closedWorld, wholeTree } from "./tree_rig.ts";

const test = suite("cli/peer_words");

for (
  const [words, hint] of [
    ["status", "`ctdb status` is `ctdbx cluster status` here"],
    ["getdbmap", "`ctdb getdbmap` is `ctdbx db ls` here"],
    ["get visits hello", "`etcdctl get` is `ctdbx rec get` here"],
    ["member list", "`etcdctl member` is `ctdbx cluster view` here"],
    ["watch visits hello", "records are watched by `ctdbx rec watch`"],
    ["lock nightly", "a lock by name is taken by `ctdbx glock run`"],
    // Nobody's word, and words below another command, are as they were.
    ["constructor", "--help after a command"],
    ["cluster getdbmap", "--help after a command"],
    ["clutser", "did you mean cluster?"],
  ] as const
) {
  test(`a command of another system: ${words}`, async () => {
    const terminal = capture();
    assert.is(await run(words.split(" "), closedWorld(terminal)), 2);
    assert.match(terminal.errText(), `hint: ${hint}`);
  });
}

test("each command that a hint names is there", async () => {
  const names = new Set((await wholeTree()).map(({ words }) => words));
  for (const words of HINTED) assert.ok(names.has(words), words);
});

test.run();
