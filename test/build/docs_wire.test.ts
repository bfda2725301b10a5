/**
 * docs/WIRE.md is what the declarations say.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { wirePage } from "../../build/docs_wire.ts";
import { ROOT } from "../../build/steps.ts";
import { DECLARATIONS, LAID_OUT } from "../../transport/wire/messages/registry.ts";
import type { SchemaNode } from "../../transport/wire/schema.ts";

const test = suite("docs/WIRE.md");

test("is what the declarations say", () => {
  const page = readFileSync(join(ROOT, "docs/WIRE.md"), "utf8");
  assert.ok(page === wirePage(), "the page is old: run `bun build/docs_wire.ts`");
});

test("has every message with every field, and no field goes without a word", () => {
  const page = wirePage();
  for (const { kind, doc, body } of [...DECLARATIONS.values(), ...LAID_OUT]) {
    assert.ok(doc.length > 10, `${kind} has no words`);
    const [, section = ""] = page.split(`### ${kind}\n`);
    const [own = ""] = section.split("\n#");
    for (const [name, field] of Object.entries((body as SchemaNode).properties ?? {})) {
      assert.ok(own.includes(`| \`${name}\``), `${kind}.${name} is missing`);
      const { description = "" } = field as { description?: string };
      assert.ok(description.length > 5, `${kind}.${name} has no words`);
    }
  }
});

test("links lead to records that are there", () => {
  const page = wirePage();
  const links = [...page.matchAll(/\(#(record-[a-z]+)\)/g)].map((match) => match[1]);
  assert.ok(links.length > 20);
  const heads = [...page.matchAll(/^### (Record \w+)$/gm)].map((match) =>
    (match[1] ?? "").toLowerCase().replace(" ", "-")
  );
  for (const link of links) assert.ok(heads.includes(link ?? ""), link);
  assert.is(new Set(heads).size, heads.length);
});

test.run();
