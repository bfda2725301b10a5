/** The benchmark of the layout of records itself, small: both codings agree, and the bytes are the same ones. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { measureLayout } from "./record_layout.ts";

const test = suite("benchmark of the layout of records");

test("both contestants run, and the layout has the same bytes on every runtime", () => {
  const { rows, digest } = measureLayout(1, 500);
  assert.is(rows.length, 8);
  assert.ok(rows.every(({ writeNs, readNs }) => writeNs > 0 && readNs > 0));
  assert.is(digest, "afe8c70d1555838e267f600e1ec7afbd");
});

test.run();
