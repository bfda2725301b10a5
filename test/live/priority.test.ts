/** Nodes come before programs: where they may, and where nobody has said otherwise. */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runtimeCommand, thisRuntime } from "./peer.ts";

const test = suite("priority of nodes");
const CHILD = "test/live/priority_child.ts";

/** The priority of a process after it has raised itself, and of one that it starts. */
function raised(before: number): string {
  const [program = "", ...words] = runtimeCommand(thisRuntime(), CHILD);
  const { stdout, stderr } = spawnSync("nice", ["-n", `${before}`, program, ...words]);
  assert.is(stderr.toString(), "");
  return stdout.toString().trim();
}

test("a process raises itself and what it starts, if it may", () => {
  const mayRaise = process.getuid?.() === 0;
  assert.is(raised(0), mayRaise ? "-10 -10" : "0 0");
});

test("a priority that somebody has chosen stays", () => {
  assert.is(raised(5), "5 5");
});

test.run();
