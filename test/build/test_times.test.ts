/** Test files are divided by the time they take; steps name each file once for each runtime. */

import { globSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ROOT, testSteps } from "../../build/steps.ts";
import { divide, readTestSeconds, tableOf } from "../../build/test_times.ts";

const test = suite("times of tests");

test("the longest file goes to the part that has the least; the longest part comes first", () => {
  const seconds = { a: 9, b: 2, c: 4, d: 4, e: 0 };
  assert.equal(divide(["e", "d", "c", "b", "a"], 2, seconds), [["c", "d", "b"], ["a", "e"]]);
  assert.equal(divide(["a"], 3, seconds), [["a"], [], []]);
});

test("a file that was never measured counts, too", () => {
  assert.equal(divide(["a", "b", "new"], 2, { a: 3, b: 1 }), [["new"], ["a", "b"]]);
});

test("the table is made of what runs have left, by runtime, sorted", () => {
  const run = (seconds: Record<string, number>) => ({
    passed: 1,
    failed: 0,
    skipped: 0,
    skips: [],
    failures: [],
    seconds,
  });
  const table = tableOf({
    "live-deno-1": run({ "test/live/z.test.ts": 2.5 }),
    "live-deno-2": run({ "test/live/a.test.ts": 0.1 }),
    "swarm-bun": run({ "test/swarm/s.test.ts": 7 }),
  });
  assert.is(
    JSON.stringify(table),
    '{"bun":{"test/swarm/s.test.ts":7},"deno":{"test/live/a.test.ts":0,"test/live/z.test.ts":2.5}}',
  );
});

test("the table that is there names files, with seconds, for both runtimes", () => {
  const table = readTestSeconds();
  assert.equal(Object.keys(table), ["bun", "deno"]);
  for (const files of Object.values(table)) {
    for (const [file, seconds] of Object.entries(files)) {
      assert.match(file, /^test\/(?:live|swarm|torture)\/(?:\w+\/)?\w+\.test\.ts$/);
      assert.ok(seconds >= 0 && seconds < 600, `${file} ${seconds}`);
    }
  }
});

test("the parts of both runtimes have every file once", () => {
  const steps = testSteps("live", { parts: 3 });
  assert.is(steps.length, 6);
  const all = globSync("test/live/**/*.test.ts", { cwd: ROOT }).sort();
  for (const runtime of ["bun", "deno"]) {
    const files = steps.filter(({ name }) => name.endsWith(`on ${runtime}`)).flatMap((step) =>
      step.command.filter((word) => word.startsWith("test/live/"))
    );
    assert.equal(files.sort(), all);
  }
});

test("both runtimes share the work, unless all of it is wanted on each", () => {
  assert.ok(testSteps("swarm").every(({ command }) => command.includes("--shared")));
  const whole = testSteps("swarm", { isWhole: true });
  assert.not.ok(whole.some(({ command }) => command.includes("--shared")));
});

test.run();
