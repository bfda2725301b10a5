/** Did you mean: which of some names is nearest to a mistyped one. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../cli/run.ts";
import { meant, nearest } from "../../cli/nearest.ts";
import { capture } from "./capture.ts";
import { closedWorld } from "./tree_rig.ts";

const test = suite("cli/nearest");

test("the name with the fewest mistakes is meant; two swapped letters are one", () => {
  const names = ["status", "health", "wait", "history"];
  assert.is(nearest("statsu", names), "status");
  assert.is(nearest("healt", names), "health");
  assert.is(nearest("WAIT", names), "wait");
  assert.is(nearest("hist", names), "history");
  assert.is(nearest("frobnicate", names), undefined);
  assert.is(nearest("", names), undefined);
});

test("of equally near names the one whose letters differ least", () => {
  assert.is(nearest("n4", ["n0", "n1", "n2", "n3"]), "n3");
  assert.is(nearest("n11", ["n1", "n2", "n10"]), "n10");
  assert.is(meant("n9", ["n0", "n1"]), "did you mean n1?");
  assert.is(meant("edge-1", ["n0"]), undefined);
});

for (
  const [words, exit, hint] of [
    ["clutser status", 2, "did you mean cluster?"],
    ["cluster statsu", 2, "did you mean status?"],
    ["tdb info x.tdb --read-olny", 2, "did you mean --read-only?"],
    ["tdb info x.tdb -o jsno", 2, "did you mean json?"],
    ["tdb put x.tdb a b --mode relpace", 2, "did you mean replace?"],
    ["completion bahs", 2, "did you mean bash?"],
    ["node runstate --for runing", 2, "did you mean running?"],
  ] as const
) {
  test(`mistyped: ${words}`, async () => {
    for (const form of [[], ["-o", "jsonl"]]) {
      const terminal = capture();
      const list = words.split(" ");
      if (form.length > 0 && list.includes("-o")) continue;
      assert.is(await run([...list, ...form], closedWorld(terminal)), exit);
      assert.match(terminal.errText(), hint);
    }
  });
}

test.run();
