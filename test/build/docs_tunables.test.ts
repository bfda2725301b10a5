/** docs/TUNABLES.md is what the catalogue says. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ACTIVE, OBSOLETE } from "../../actors/tunables/catalogue.ts";
import { tunablesPage } from "../../build/docs_tunables.ts";
import { ROOT } from "../../build/steps.ts";

const test = suite("docs/TUNABLES.md");

test("is what the catalogue says", () => {
  const page = readFileSync(join(ROOT, "docs/TUNABLES.md"), "utf8");
  assert.ok(page === tunablesPage(), "the page is old: run `bun build/docs_tunables.ts`");
});

test("has a row for each tunable, once", () => {
  const lines = tunablesPage().split("\n");
  for (const { name, doc } of [...ACTIVE, ...OBSOLETE]) {
    const rows = lines.filter((line) => line.startsWith(`| \`${name}\` `));
    assert.is(rows.length, 1, name);
    assert.ok(rows[0]?.includes(doc.replaceAll("|", "\\|")), name);
  }
});

test.run();
