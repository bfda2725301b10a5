/** Long lines are broken at blanks. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { wrapped } from "../../cli/wrapped.ts";

const test = suite("wrapped lines");

test("break at blanks, later pieces are deeper", () => {
  assert.equal(wrapped("one two three", 20), ["one two three"]);
  assert.equal(wrapped("one two three", 13), ["one two three"]);
  assert.equal(wrapped("one two three", 12), ["one two", "  three"]);
  assert.equal(wrapped("  one two three", 7), ["  one", "    two", "    three"]);
  assert.equal(wrapped("overlong words", 4), ["overlong", "  words"]);
  assert.equal(wrapped("", 4), [""]);
});

test.run();
