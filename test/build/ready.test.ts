/** The program that live tests start on this runtime, and how its processes are started. */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readyProgram } from "../../build/ready.ts";
import { selfCommand } from "../../cli/self.ts";

const test = suite("ready program");

test("It is what this process starts when CTDBX_PROGRAM names it, and says its form", () => {
  const before = process.env["CTDBX_PROGRAM"];
  process.env["CTDBX_PROGRAM"] = readyProgram();
  const [first = "", ...words] = selfCommand();
  if (before === undefined) delete process.env["CTDBX_PROGRAM"];
  else process.env["CTDBX_PROGRAM"] = before;
  const { stdout, stderr } = spawnSync(first, [...words, "version", "-o", "json"], {
    encoding: "utf8",
  });
  assert.is(stderr, "");
  const form = process.versions["deno"] === undefined ? "binary" : "folder";
  assert.is(JSON.parse(stdout).data.form, form);
});

test.run();
