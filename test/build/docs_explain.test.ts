/** docs/EXPLAIN.md is what the rules say. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RULES } from "../../actors/explain/explain.ts";
import { explainPage } from "../../build/docs_explain.ts";
import { ROOT } from "../../build/steps.ts";

const test = suite("docs/EXPLAIN.md");

test("is what the rules say", () => {
  const page = readFileSync(join(ROOT, "docs/EXPLAIN.md"), "utf8");
  assert.ok(page === explainPage(), "the page is old: run `bun build/docs_explain.ts`");
});

test("has a row for every cause", () => {
  const page = explainPage();
  for (const { id, cause } of RULES) {
    assert.ok(page.includes(`| \`${id}\``) && page.includes(cause), id);
  }
});

test.run();
