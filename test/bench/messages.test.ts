/**
 * The benchmark of messages itself, small: both codings agree, every message comes, and the bytes are the same ones.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { measureMessages } from "./messages.ts";

const test = suite("messages benchmark");

test("all contestants run, and the layout has the same bytes on every runtime", () => {
  const { rows, digest } = measureMessages(1, 20);
  assert.is(rows.length, 6);
  assert.ok(rows.every(({ layout }) => layout > 0));
  assert.is(digest, "77e37039466f3d2df1c185191e18a82f");
});

test.run();
