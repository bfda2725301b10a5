/**
 * The runner sees each way in which uvu would let a failure pass: the traps are planted as files
 * and run by the runtime that runs this.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const IMPORTS = `import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit, skip } from "../../../test/limit.ts";
`;
const PASSING = 'const z = suite("z");\nz("passes", () => assert.ok(true));\nz.run();\n';

/** What the runner said about planted files. */
interface Run {
  code: number | null;
  output: string;
  last: string | undefined;
  totals: { passed: number; failed: number; skipped: number } | undefined;
}

const runner = suite<{ folder: string }>("test/run.ts");

runner.before((context) => {
  // Below the checkout, where "uvu" has its meaning; ignored by git.
  mkdirSync(join(ROOT, "build/out"), { recursive: true });
  context.folder = mkdtempSync(join(ROOT, "build/out/planted-"));
});
runner.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** The path of the planted file, relative to the checkout. */
function planted(folder: string): string {
  return relative(ROOT, join(folder, "planted.test.ts"));
}

/** Runs a planted file, and one that passes after it, in a process of its own. */
function run(folder: string, text: string, options: string[] = []): Run {
  const path = join(ROOT, planted(folder));
  const passing = join(folder, "passing.test.ts");
  const totalsFile = join(folder, "totals.json");
  rmSync(totalsFile, { force: true });
  writeFileSync(path, IMPORTS + text);
  writeFileSync(passing, IMPORTS + PASSING);
  const start = "Deno" in globalThis ? ["run", "-A"] : [];
  const args = [...start, "test/run.ts", ...options, "--totals", totalsFile, path, passing];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: "utf8",
  });
  let totals: Run["totals"];
  try {
    totals = JSON.parse(readFileSync(totalsFile, "utf8"));
  } catch {
    // A killed runner leaves none.
  }
  return {
    code: status,
    output: stdout + stderr,
    last: stdout.trimEnd().split("\n").at(-1),
    totals,
  };
}

const declared = (body: string) => `const a = suite("a");\n${body}\na.run();\n`;

runner("passing files pass, and are counted", ({ folder }) => {
  const { code, last, totals } = run(folder, declared('a("one", () => {});\na("two", () => {});'));
  assert.is(code, 0);
  assert.is(last, "3 passed, 0 failed");
  assert.is(totals?.passed, 3);
});

const TRAPS: [name: string, text: string, said: RegExp][] = [
  ["a test that fails", declared('a("one", () => assert.is(1, 2));'), /FAILED a: one\n.*\n.*\n/],
  [
    "a before() that throws",
    declared('a.before(() => { throw new Error("boom"); });\na("one", () => {});'),
    /FAILED a: before\(\)\n.*boom/,
  ],
  [
    "a before.each() that throws",
    declared('a.before.each(() => { throw new Error("boom"); });\na("one", () => {});'),
    /before\.each\(\)\n.*boom/,
  ],
  [
    "an after() that throws",
    declared('a.after(() => { throw new Error("boom"); });\na("one", () => {});'),
    /after\(\)\n.*boom/,
  ],
  [
    "an after.each() that throws after a failing test, which uvu answers by leaving out the rest",
    declared('a.after.each(() => { throw new Error("boom"); });\na("one", () => assert.is(1, 2));'),
    /FAILED a: one[^]*after\.each\(\)\n.*boom/,
  ],
  ["a suite without run()", 'suite("a")("one", () => {});\n', /a: the suite has no \.run\(\)/],
  [
    "a failing suite before a passing one in one file",
    declared('a("one", () => assert.is(1, 2));') + PASSING,
    /FAILED a: one/,
  ],
  ["a file without a test", "export const a = 1;\n", /declares no test/],
  ["a file that does not load", 'throw new Error("boom");\n', /could not be run\n.*boom/],
  ["test.only", declared('a.only("one", () => {});'), /hides tests/],
  [
    "a rejection that nobody awaits",
    declared(
      'a("one", async () => {\n  Promise.reject(new Error("boom"));\n' +
        "  await new Promise((done) => setTimeout(done, 1));\n});",
    ),
    /FAILED a: one\n.*boom/,
  ],
  [
    "a test over its limit",
    declared('a("one", limit(20, () => new Promise(() => {})));'),
    /FAILED a: one\n.*not done after 20 ms/,
  ],
];

for (const [name, text, said] of TRAPS) {
  runner(`${name} is a failure`, ({ folder }) => {
    const { code, output, last, totals } = run(folder, text);
    assert.is(code, 1, output);
    assert.match(output, said);
    assert.ok((totals?.failed ?? 0) > 0);
    assert.is(last, `${totals?.passed} passed, ${totals?.failed} failed`);
  });
}

runner("a test that leaves the process is a failure", ({ folder }) => {
  const { code, output, totals } = run(folder, declared('a("one", () => process.exit(0));'));
  assert.is.not(code, 0);
  assert.match(output, /ended before all tests were done/);
  assert.is(totals, undefined);
});

runner("a test that never yields is named, and the process is killed", ({ folder }) => {
  const { code, output } = run(folder, declared('a("one", limit(10, () => { for (;;); }));'));
  assert.is.not(code, 0);
  assert.match(output, /KILLED: "a: one"/);
});

runner("a skipped test is counted and its reason printed", ({ folder }) => {
  const text = declared('a("one", () => skip("no strace"));\na.skip("two", () => {});');
  const { code, output, last } = run(folder, text);
  assert.is(code, 0);
  assert.match(output, /skipped a: one: no strace/);
  assert.is(last, "1 passed, 0 failed, 2 skipped");
});

runner(
  "a name chooses tests, and neither runs the hooks of others nor passes when none match",
  ({ folder }) => {
    const text = declared('a.before(() => { throw new Error("boom"); });\na("one", () => {});');
    assert.is(run(folder, text, ["--name", "z PASS"]).last, "1 passed, 0 failed");
    assert.is(run(folder, text, ["--name", "nothing"]).code, 1);
  },
);

runner("parts have each file once, and one that is none is refused", ({ folder }) => {
  const text = declared('a("one", () => {});\na("two", () => {});');
  assert.is(run(folder, text, ["--part", "1/2"]).last, "2 passed, 0 failed");
  assert.is(run(folder, text, ["--part", "2/2"]).last, "1 passed, 0 failed");
  for (const part of ["0/2", "3/2", "1", "x/2"]) {
    assert.match(run(folder, text, ["--part", part]).output, /--part must be I\/N/);
  }
});

runner(
  "of tests that are shared each runtime has every other one; by hand it has all",
  ({ folder }) => {
    const text = `import { share, shareOf } from "../../../test/limit.ts";
const a = suite("a");
a("always", () => console.log("SAID always " + share(["x", "y"]) + " " + shareOf(1, 5)));
for (const name of ["one", "two", "three"]) a.either(name, () => console.log("SAID " + name));
a.run();\n`;
    const said = (output: string) => [...output.matchAll(/SAID (.*)/g)].map((found) => found[1]);
    const all = run(folder, text);
    assert.equal(said(all.output), ["always x,y 1,2,3,4,5", "one", "two", "three"]);
    // Which ones are whose depends on the file's name; the other's are those that are not here.
    const mine = run(folder, text, ["--shared"]);
    const [always, ...rest] = said(mine.output);
    const isFirst = rest.length === 1;
    const isDeno = "Deno" in globalThis;
    const first = [...planted(folder)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 2;
    assert.is(isFirst, first === (isDeno ? 1 : 0));
    assert.equal(rest, isFirst ? ["one"] : ["two", "three"]);
    assert.is(always, isFirst ? "always x 1,4" : "always y 2,3,5");
    assert.is(mine.code, 0);
    assert.match(mine.output, `${isFirst ? 2 : 1} of the other runtime`);
  },
);

runner.run();
