/** One run of the program: help, usage errors in both forms, version, and the page made from the command tree. */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commandsPage } from "../../build/docs.ts";
import { run, VERSION } from "../../cli/run.ts";
import type { CommandWorld } from "../../cli/world.ts";
import { ClosedPipe } from "../../cli/terminal.ts";
import type { Capture } from "./capture.ts";
import { capture } from "./capture.ts";

const test = suite("cli/run");

/** A world without files: what is tested here must not open any. */
function world(terminal: Capture): CommandWorld {
  return {
    terminal,
    get store(): never {
      throw new Error("a file was opened");
    },
  };
}

function fileText(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
}

test("--version prints the version of package.json", async () => {
  const terminal = capture();
  assert.is(await run(["--version"], world(terminal)), 0);
  assert.is(terminal.outText(), `${VERSION}\n`);
  assert.is(JSON.parse(fileText("package.json")).version, VERSION);
});

for (const words of [["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "jsonl"]]) {
  test(`a usage error with ${words.join(" ")} is an object on stderr`, async () => {
    const terminal = capture();
    assert.is(await run(["tdb", "info", ...words], world(terminal)), 2);
    const { error, ...rest } = JSON.parse(terminal.errText());
    assert.equal(rest, { version: 1, command: "tdb info", data: null, ok: false });
    assert.is(error.exit, 2);
    assert.is(error.code, "usage");
    assert.match(error.message, /missing required argument 'file'/);
    // One JSON value on stdout whatever happens; of JSON lines there are none.
    assert.is(terminal.outText(), words.join().endsWith("jsonl") ? "" : terminal.errText());
  });
}

test("a word after -- does not choose the form of errors", async () => {
  const terminal = capture();
  await run(["tdb", "inf", "--", "-o", "json"], world(terminal));
  assert.match(terminal.errText(), /^ctdbx: Cannot understand the command: unknown command 'inf'/);
});

test("a reader that went away is no error", async () => {
  const terminal = capture();
  const gone = {
    write: () => {},
    flush: () => {
      throw new ClosedPipe();
    },
  };
  assert.is(await run(["--version"], world({ ...terminal, out: gone })), 0);
  assert.is(terminal.errText(), "");
});

test("docs/COMMANDS.md is what the command tree says", async () => {
  const page = await commandsPage();
  for (const name of ["create", "info", "dump", "restore", "get", "put", "del", "keys", "check"]) {
    assert.ok(page.includes(`## ctdbx tdb ${name}\n`), name);
  }
  for (const name of ["rescue", "repack", "backup", "convert", "bench"]) {
    assert.ok(page.includes(`## ctdbx tdb ${name}\n`), name);
  }
  assert.ok(fileText("docs/COMMANDS.md") === page, "the page is old: run `bun build/docs.ts`");
});

test.run();
