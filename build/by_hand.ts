/**
 * Long tests and benchmarks, run by name: `npm run test:long -- NAME [ARGS]`, `npm run bench --
 * NAME [--deno] [ARGS]`.
 *
 * They are programs, not test files: test/long/NAME.ts and test/bench/NAME.ts; dashes in a name count
 * as underscores. With --deno, the same program runs on Bun first and then on Deno. Without a name,
 * lists what there is.
 *
 * Does NOT promise: a time limit.
 */

import { spawnSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { setUpHere } from "./setup.ts";
import { BUN, DENO, ROOT } from "./steps.ts";

function main([kind = "", ...words]: string[]): number {
  const onDeno = words.includes("--deno");
  const [name, ...args] = words.filter((word) => word !== "--deno");
  const file = join("test", kind, `${name?.replaceAll("-", "_")}.ts`);
  if (name === undefined || !existsSync(join(ROOT, file))) {
    if (name !== undefined) console.error(`There is no ${file}`);
    const programs = globSync(`test/${kind}/*.ts`, { cwd: ROOT }).filter((p) =>
      !p.endsWith(".test.ts")
    );
    console.error(`names: ${programs.map((path) => basename(path, ".ts")).sort().join(" ")}`);
    return 2;
  }
  setUpHere();
  const starts = onDeno ? [[BUN], [DENO, "run", "-A"]] : [[BUN]];
  for (const [program = "", ...options] of starts) {
    const result = spawnSync(program, [...options, file, ...args], { cwd: ROOT, stdio: "inherit" });
    if (result.status !== 0) return result.status ?? 1;
  }
  return 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
