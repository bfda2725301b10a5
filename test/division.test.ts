/** What two runtimes share: each file is run, and what is one's alone depends on neither. */

import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isOfOne } from "./division.ts";
import { Ledger, runningLedger } from "./ledger.ts";
import { halved } from "./limit.ts";

const test = suite("division");

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FILES = globSync("test/**/*.test.ts", { cwd: ROOT });
const SOCKET = "transport/real_socket.ts";
const WATCH = { begin: () => {}, end: () => {} };
const RUNS = [new Ledger(WATCH, undefined, 0), new Ledger(WATCH, undefined, 1)] as const;

/** Imports of values. */
const IMPORT = /^(?:import|export) (?!type )[^;"]*?from "(\.[^"]+)"/gm;

/** What a file imports, each file read once. */
function importsOf(path: string, known: Map<string, string[]>): string[] {
  const found = known.get(path) ??
    (existsSync(join(ROOT, path))
      ? [...readFileSync(join(ROOT, path), "utf8").matchAll(IMPORT)]
        .map(([, name = ""]) => normalize(join(dirname(path), name)))
      : []);
  known.set(path, found);
  return found;
}

/** All files that one leads to. */
function reached(path: string, known: Map<string, string[]>): Set<string> {
  const seen = new Set([path]);
  for (const file of seen) for (const next of importsOf(file, known)) seen.add(next);
  return seen;
}

test("each file is both runs', or one's; each of them has many", () => {
  const counts = [0, 0];
  for (const path of FILES) {
    const mine = RUNS.map((ledger) => ledger.hasFile(path));
    assert.equal(mine.filter((is) => is).length, isOfOne(path) ? 1 : 2, path);
    if (isOfOne(path)) {
      counts[mine[0] === true ? 0 : 1] = (counts[mine[0] === true ? 0 : 1] ?? 0) + 1;
    }
  }
  assert.ok(Math.min(...counts) > 30, `${counts}`);
  assert.ok(FILES.every((path) => new Ledger(WATCH, undefined).hasFile(path)), "alone it has all");
});

test("what is one run's reaches no adapter and no thread", () => {
  const known = new Map<string, string[]>();
  const mayNot = FILES.filter((one) =>
    isOfOne(one) && /^test\/(?:actors|cli|swarm|transport)\//.test(one)
  );
  for (const path of mayNot) {
    for (const file of reached(path, known)) {
      assert.not.match(file, /^transport\/real_|_worker\.ts$|^actors\/\w*worker\.ts$/, path);
    }
  }
  assert.ok(known.size > 300, `${known.size} files`);
  assert.ok([...reached("test/transport/real_socket.test.ts", known)].includes(SOCKET), "it looks");
});

test("a property has half of its runs in each of the two, and other cases", () => {
  const isShared = runningLedger()?.isShared === true;
  const turn = runningLedger()?.turn ?? 0;
  assert.equal(halved({ numRuns: 7, seed: 3 }), {
    numRuns: isShared ? 4 : 7,
    seed: isShared ? 6 + turn : 3,
  });
  assert.equal(halved({ numRuns: 7 }), { numRuns: isShared ? 4 : 7 });
});

test.run();
