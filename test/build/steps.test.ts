/** What a gate says about steps that fail: each by name, and once more at the very end. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { conclude, OUT, runSteps, type Step } from "../../build/steps.ts";
import type { RunResult } from "../ledger.ts";

const test = suite<{ folder: string }>("build/steps.ts");

test.before((context) => {
  mkdirSync(OUT, { recursive: true });
  context.folder = mkdtempSync(join(OUT, "steps-"));
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Runs steps; the exit code and all lines. */
async function said(
  steps: readonly Step[],
  background: readonly Step[] = [],
): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (text: string) => void lines.push(...text.split("\n"));
  try {
    return { code: conclude(await runSteps(steps, background), performance.now()), lines };
  } finally {
    console.log = log;
  }
}

/** A step that leaves counts, says something long, and ends with `code`. */
function counting(folder: string, result: Partial<RunResult>, code = 0): Step {
  const whole = {
    passed: 1,
    failed: 0,
    skipped: 0,
    skips: [],
    failures: [],
    seconds: {},
    ...result,
  };
  const [made, totals] = [join(folder, "made.json"), join(folder, "totals.json")];
  writeFileSync(made, JSON.stringify(whole));
  const script = `cp '${made}' '${totals}'; seq 1 1000; exit ${code}`;
  return { name: "live 4 on bun", command: ["sh", "-c", script], totals };
}

test("a failed test is named at the end, with the first lines of its error, before the sum", async ({ folder }) => {
  const text = Array.from({ length: 40 }, (_, index) => `line ${index}`).join("\n");
  const failures = [{ file: "test/live/x.test.ts", name: "a: one", text }];
  const { code, lines } = await said([counting(folder, { failed: 1, failures }, 1)]);
  assert.is(code, 1);
  const at = lines.indexOf("FAILED  live 4 on bun  test/live/x.test.ts  a: one");
  assert.ok(at > 1000, "after all that the step has said");
  assert.equal(lines.slice(at + 1, at + 3), ["      line 0", "      line 1"]);
  assert.ok(lines.length - at < 27, `${lines.length - at} lines`);
  assert.is(lines.at(-1), "1 passed, 1 failed");
});

test("a step without counts that fails is named with its last lines", async () => {
  const { code, lines } = await said([{
    name: "lint",
    command: ["sh", "-c", "seq 1 100; exit 3"],
  }]);
  assert.is(code, 1);
  const at = lines.indexOf("FAILED  lint  its last lines");
  assert.equal(
    lines.slice(at + 1, at + 9),
    [93, 94, 95, 96, 97, 98, 99, 100].map((n) => `      ${n}`),
  );
  assert.is(lines.at(-1), "0 passed, 1 failed");
});

test("what computes runs beside the others with less priority, and nothing is left out", async ({ folder }) => {
  const tells = (name: string): Step => {
    return { name, command: ["sh", "-c", `nice >'${join(folder, name)}'`] };
  };
  const priority = (name: string) => Number(readFileSync(join(folder, name), "utf8"));
  // More than there are lanes: some wait when the first of what computes begins.
  const others = ["a", "b", "c", "d", "e"].map(tells);
  const { code, lines } = await said(others, ["first", "x", "y", "z"].map(tells));
  assert.is(code, 0, lines.join("\n"));
  assert.is(lines.at(-1), "9 passed, 0 failed");
  assert.ok(priority("first") > priority("a"), `${priority("first")} and ${priority("a")}`);
  for (const { name } of others) assert.is(priority(name), priority("a"), name);
});

test("a process that fails after all its tests have passed has failed", async ({ folder }) => {
  const { code, lines } = await said([counting(folder, {}, 1)]);
  assert.is(code, 1);
  assert.ok(lines.includes("FAILED  live 4 on bun  its last lines"));
});

test("what was skipped is said with its reason; without a failure none is spoken of", async ({ folder }) => {
  const skips = [{ file: "f", name: "n", text: "no strace" }];
  const { code, lines } = await said([counting(folder, { skipped: 1, skips })]);
  assert.is(code, 0);
  assert.ok(lines.includes("skipped  f  n: no strace"));
  assert.not.ok(lines.some((line) => /fail/i.test(line.replace("0 failed", ""))), lines.join("\n"));
});

test.run();
