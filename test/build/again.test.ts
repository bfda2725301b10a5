/** What a second run, alone, may change: a failure that does not come again, and nothing else. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FILES_MAX, runAgain } from "../../build/again.ts";
import { conclude, OUT, runSteps, type Step } from "../../build/steps.ts";
import type { RunResult, Said } from "../ledger.ts";

const test = suite<{ folder: string }>("build/again.ts");

test.before.each((context) => {
  mkdirSync(OUT, { recursive: true });
  context.folder = mkdtempSync(join(OUT, "again-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** Runs steps, and what failed once more; the exit code and all lines. */
async function said(steps: readonly Step[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (text: string) => void lines.push(...text.split("\n"));
  try {
    return { code: conclude(await runAgain(await runSteps(steps)), performance.now()), lines };
  } finally {
    console.log = log;
  }
}

const failure = (file: string): Said => ({ file, name: "a: one", text: "late" });

/** A step whose first run leaves `first` (nothing: it dies before), and each later one `second`. */
function twice(
  folder: string,
  first: Partial<RunResult> | undefined,
  second: Partial<RunResult>,
): Step {
  const none = { passed: 0, failed: 0, skipped: 0, skips: [], failures: [], seconds: {} };
  const write = (name: string, result: Partial<RunResult>) => {
    writeFileSync(join(folder, name), JSON.stringify({ ...none, ...result }));
    return `cp '${join(folder, name)}' '${join(folder, "totals")}'; exit ${result.failed ?? 0}`;
  };
  const die = first === undefined ? "kill -9 $$" : write("first", first);
  const command = (files: readonly string[]) => {
    const say = `echo "$@" >>'${join(folder, "asked")}'`;
    const more = `if [ -e '${join(folder, "ran")}' ]; then ${write("second", second)}; fi`;
    return ["sh", "-c", `${say}; ${more}; : >'${join(folder, "ran")}'; ${die}`, "sh", ...files];
  };
  const totals = join(folder, "totals");
  return { name: "live 4 on bun", command: command(["all"]), totals, only: command };
}

/** The files of each run. */
const asked = (folder: string): string[] =>
  readFileSync(join(folder, "asked"), "utf8").trimEnd().split("\n");

test("what passes alone is counted as passed, and told as flaky with its error", async ({ folder }) => {
  const first = { passed: 8, failed: 2, failures: [failure("x"), failure("x")] };
  const { code, lines } = await said([twice(folder, first, { passed: 3 })]);
  assert.equal(asked(folder), ["all", "x"]);
  assert.is(code, 0, lines.join("\n"));
  assert.is(lines.at(-1), "10 passed, 0 failed");
  const at = lines.indexOf("FLAKY   live 4 on bun  x  a: one");
  assert.is(lines[at + 1], "      late");
});

test("what fails again has failed", async ({ folder }) => {
  const first = { passed: 8, failed: 1, failures: [failure("x")] };
  const { code, lines } = await said([
    twice(folder, first, { failed: 1, failures: [failure("x")] }),
  ]);
  assert.equal(asked(folder), ["all", "x"]);
  assert.is(code, 1);
  assert.ok(lines.includes("FAILED  live 4 on bun  x  a: one"));
  assert.not.ok(lines.some((line) => line.startsWith("FLAKY")));
  assert.is(lines.at(-1), "8 passed, 1 failed");
});

test("a process that died before it had counted is run again as a whole", async ({ folder }) => {
  const { code, lines } = await said([twice(folder, undefined, { passed: 5, skipped: 1 })]);
  assert.equal(asked(folder), ["all", "all"]);
  assert.is(code, 0, lines.join("\n"));
  assert.is(lines.at(-1), "5 passed, 0 failed, 1 skipped");
  assert.ok(lines.some((line) => line.startsWith("FLAKY   live 4 on bun  its last lines")));
});

test("too many are no accident: none is run again", async ({ folder }) => {
  const failures = Array.from({ length: FILES_MAX + 1 }, (_, index) => failure(`x${index}`));
  const first = { failed: failures.length, failures };
  const { code } = await said([twice(folder, first, { passed: failures.length })]);
  assert.equal(asked(folder), ["all"]);
  assert.is(code, 1);
});

test("a program that keeps no counts is not run again, and nor is what has passed", async ({ folder }) => {
  const lint = {
    name: "lint",
    command: ["sh", "-c", `echo lint >>'${join(folder, "asked")}'; exit 1`],
  };
  const { code } = await said([twice(folder, { passed: 1 }, {}), lint]);
  assert.equal(asked(folder).sort(), ["all", "lint"]);
  assert.is(code, 1);
  assert.ok(existsSync(join(folder, "ran")));
});

test.run();
