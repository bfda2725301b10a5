/** What `npm run demo:tdb` shows is true: both programs see each other's changes in one file. The race is left out. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capture } from "../cli/capture.ts";
import { demonstrate } from "../demo/start.ts";
import { tool } from "../tools.ts";

const test = suite("npm run demo:tdb");

test("tdbtool and ctdbx share a file, transactions included", async () => {
  tool("tdbtool");
  const terminal = capture();
  assert.is(await demonstrate(terminal, false), 0);
  const text = terminal.outText();
  assert.match(text, /^tdbtool begins a transaction +apples: 100 +apples: 13$/m);
  assert.match(text, /^tdbtool commits it +apples: 100 +apples: 100$/m);
  assert.match(text, /^tdbtool check: Database integrity is OK/m);
  assert.match(text, /^ctdbx check: +good, 1 records$/m);
  assert.match(text, /What to try next/);
});

test.run();
