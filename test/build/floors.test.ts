/**
 * Every house rule notices a breach that is planted for it, and leaves its innocent neighbour
 * alone.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
  LINE_COLUMNS_MAX,
  RULES,
} from "../../build/floor_rules.ts";
import { breachesOf, sourceFile } from "../../build/floors.ts";

const HEAD = "/**\n * A planted file.\n *\n * Does NOT promise: anything.\n */\n\n";

/** One planted file: with what is wrong, and the same without. */
interface Plant {
  rule: string;
  path: string;
  bad: string;
  good: string;
}

/** Rules that a text breaks. */
function broken(path: string, text: string): string[] {
  return [...new Set(breachesOf([sourceFile(path, text)]).map((breach) => breach.rule))];
}

const lines = (count: number) => "//\n".repeat(count);
const longFunction = (count: number) => `function f(): void {\n${lines(count - 2)}}\n`;

const PLANTS: Plant[] = [
  {
    rule: "import direction",
    path: "transport/wire/a.ts",
    bad: 'import { b } from "../sim/b.ts";\n',
    good: 'import { b } from "./b.ts";\n',
  },
  {
    rule: "import direction",
    path: "actors/machines/a.ts",
    bad: 'import type { Tdb } from "../storage/tdb.ts";\n',
    good: 'import type { Image } from "../../transport/image.ts";\n',
  },
  {
    rule: "import direction",
    path: "assembly/host/a.ts",
    bad: 'const b = await import("../../transport/image.ts");\n',
    good: 'const b = await import("./memory.ts");\n',
  },
  {
    rule: "import direction",
    path: "cli/a.ts",
    bad: 'import { b } from "../build/tools.ts";\n',
    good: 'import { b } from "../actors/tools.ts";\n',
  },
  {
    rule: "adapter imported",
    path: "actors/a.ts",
    bad: 'import { b } from "../transport/real_image.ts";\n',
    good: 'import type { b } from "../transport/real_image.ts";\n',
  },
  {
    rule: "adapter imported",
    path: "actors/client/a.ts",
    bad: 'import { connect } from "../mod.ts";\n',
    good: 'import type { Cluster } from "../mod.ts";\n',
  },
  {
    rule: "purity",
    path: "actors/a.ts",
    bad: 'import { readFileSync } from "node:fs";\n',
    good: "// node:fs is for adapters\n",
  },
  { rule: "purity", path: "actors/a.ts", bad: "const a = Date.now();\n", good: "a.Date();\n" },
  {
    rule: "purity",
    path: "transport/a.ts",
    bad: "const a = `${Math.random()}`;\n",
    good: 'const a = "Math.random()";\n',
  },
  { rule: "purity", path: "actors/a.ts", bad: "setTimeout(f, 1);\n", good: "queueMicrotask(f);\n" },
  { rule: "purity", path: "actors/a.ts", bad: "process.exit(1);\n", good: "x.process();\n" },
  { rule: "purity", path: "actors/a.ts", bad: "Deno.exit();\n", good: "x = { Deno: 1 };\n" },
  { rule: "purity", path: "actors/a.ts", bad: "Bun.gc();\n", good: "/Bun.gc()/.test(x);\n" },
  { rule: "purity", path: "actors/a.ts", bad: "performance.now();\n", good: "clock.now();\n" },
  {
    rule: "npm package",
    path: "actors/a.ts",
    bad: 'import { Command } from "commander";\n',
    good: 'import { Command } from "./command.ts";\n',
  },
  {
    rule: "npm package",
    path: "cli/a.ts",
    bad: 'import pad from "left-pad";\n',
    good: 'import { Command } from "commander";\n',
  },
  { rule: "file name", path: "actors/lock_utils.ts", bad: "f();\n", good: "" },
  { rule: "file name", path: "actors/lockTable.ts", bad: "f();\n", good: "" },
  {
    rule: "file length",
    path: "actors/a.ts",
    bad: lines(FILE_LINES_MAX - 5),
    good: lines(FILE_LINES_MAX - 6),
  },
  {
    rule: "function length",
    path: "actors/a.ts",
    bad: longFunction(FUNCTION_LINES_MAX + 1),
    good: longFunction(FUNCTION_LINES_MAX),
  },
  {
    rule: "function length",
    path: "actors/a.ts",
    bad: `class A {\n  m(): Map<string, number> {\n${lines(FUNCTION_LINES_MAX)}  }\n}\n`,
    good: `if (a) {\n${lines(FUNCTION_LINES_MAX)}}\n`,
  },
  {
    rule: "line length",
    path: "actors/a.ts",
    bad: `//${"x".repeat(LINE_COLUMNS_MAX - 1)}\n`,
    good: `//${"x".repeat(LINE_COLUMNS_MAX - 2)}\n`,
  },
  {
    rule: "undocumented export",
    path: "actors/a.ts",
    bad: "export function f(): void {}\n",
    good: "/** Does. */\nexport function f(): void {}\n",
  },
  {
    rule: "undocumented export",
    path: "actors/a.ts",
    bad: "/** A. */\nexport const A = 1;\n\nexport const B = 2;\n",
    good: "/** A and B. */\nexport const A = 1;\nexport const B = 2;\n",
  },
  {
    rule: "default export",
    path: "actors/a.ts",
    bad: "export default 1;\n",
    good: 'const a = "export default 1";\n',
  },
  {
    rule: "barrel",
    path: "actors/a.ts",
    bad: 'export * from "./b.ts";\n',
    good: '/** B. */\nexport const b = 1;\nexport { c } from "./c.ts";\n',
  },
  {
    rule: "barrel",
    path: "actors/a.ts",
    bad: 'export { b } from "./b.ts";\nexport type { c } from "./c.ts";\n',
    good: 'import "./b.ts";\n',
  },
  {
    rule: "module state",
    path: "actors/a.ts",
    bad: "let count = 0;\n",
    good: "const count = 0;\nfunction f() {\n  let count = 0;\n}\n",
  },
];

const rules = suite("floors");

for (const [index, { rule, path, bad, good }] of PLANTS.entries()) {
  rules(`${rule} notices plant ${index}: ${bad.trim().split("\n").at(0)?.slice(0, 50)}`, () => {
    assert.equal(broken(path, HEAD + bad), [rule]);
    if (good !== "") assert.equal(broken(path, HEAD + good), []);
  });
}

rules("a file without a head comment, or one that promises everything, is noticed", () => {
  assert.equal(broken("actors/a.ts", "f();\n"), ["head comment"]);
  assert.equal(broken("actors/a.ts", "/** A file. */\nf();\n"), ["head comment"]);
  assert.equal(broken("actors/a.ts", HEAD), []);
});

rules("every rule has a plant", () => {
  const planted = new Set([...PLANTS.map((plant) => plant.rule), "head comment"]);
  assert.equal(Object.keys(RULES).filter((rule) => !planted.has(rule)), []);
});

rules("adapters may touch the world, and test and build may look at all", () => {
  const text = `${HEAD}import { openSync } from "node:fs";\nconst a = Date.now();\n`;
  for (
    const path of [
      "transport/real_disk.ts",
      "transport/ffi_bun.ts",
      "transport/lock_worker.ts",
      "actors/mod.ts",
    ]
  ) {
    assert.equal(broken(path, text), [], path);
  }
  assert.equal(broken("test/a.ts", `${HEAD}import { b } from "../actors/storage/tdb.ts";\n`), []);
  assert.equal(broken("transport/sim/real_disk.ts", text), ["purity"]);
});

rules("the line of a breach is the line of the file", () => {
  const [breach] = breachesOf([sourceFile("actors/a.ts", `${HEAD}f();\nsetTimeout(f, 1);\n`)]);
  assert.is(breach?.line, 8);
});

rules.run();
