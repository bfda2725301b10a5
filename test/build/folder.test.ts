/** The program as a folder: what it says of itself, and that it is made anew for other sources. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { folderProgram } from "../../build/folder.ts";

interface Context {
  root: string;
  within: string;
}

const test = suite<Context>("folder");

/** A checkout of as many files as it takes. */
test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "ctdbx-folder-"));
  context.within = join(context.root, "out");
  for (const name of ["cli", "transport"]) mkdirSync(join(context.root, name));
  const put = (path: string, text: string) => writeFileSync(join(context.root, path), text);
  put("package-lock.json", "{}");
  put("cli/main.ts", `import { word } from "./word.ts";\nconsole.log(word satisfies string);\n`);
  put("cli/word.ts", `export const word: string = "one";\n`);
  const threads = ["cli/thread_worker.ts", "transport/lock_worker.ts"];
  for (const path of [...threads, "transport/file_lock_worker.ts"]) put(path, "postMessage(1);\n");
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

function outputOf(main: string, words: readonly string[] = []): string {
  const start = process.versions["deno"] === undefined ? [main] : ["run", "-A", "--quiet", main];
  const { stdout, stderr } = spawnSync(process.execPath, [...start, ...words], {
    encoding: "utf8",
  });
  return stdout + stderr;
}

test("Another word makes another one, and the first goes on as it is", ({ root, within }) => {
  const first = folderProgram({ within, root });
  assert.is(outputOf(first), "one\n");
  writeFileSync(join(root, "cli/word.ts"), `export const word: string = "two";\n`);
  const second = folderProgram({ within, root });
  assert.is(outputOf(second), "two\n");
  assert.is(outputOf(first), "one\n");
});

test("Other letters than those of English are the same in it, in texts and patterns", ({ root, within }) => {
  writeFileSync(join(root, "cli/word.ts"), 'export const word = `…${/^[ä€]$/.test("€")} 😀`;\n');
  const main = folderProgram({ within, root });
  assert.is(outputOf(main), "\u2026true \ud83d\ude00\n");
  for (const name of readdirSync(dirname(main))) {
    assert.ok(readFileSync(join(dirname(main), name)).every((byte) => byte < 0x80), name);
  }
});

test("A mistake in a source is told in the bundler's words, and leaves nothing", ({ root, within }) => {
  writeFileSync(join(root, "cli/word.ts"), "export const other = 1;\n");
  assert.throws(() => folderProgram({ within, root }), /^Cannot pack cli\/main\.ts: [^]*word/);
  assert.equal(readdirSync(within), []);
});

test("The real one says what it is, and loads no package at run time", () => {
  const main = folderProgram();
  assert.is(JSON.parse(outputOf(main, ["version", "-o", "json"])).data.form, "folder");
  const loaded = readdirSync(dirname(main)).filter((name) => name.endsWith(".js")).flatMap(
    (name) => {
      const text = readFileSync(join(dirname(main), name), "utf8");
      return [...text.matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)";$/gm)].map(([, from]) =>
        from
      );
    },
  );
  assert.ok(loaded.length > 100);
  const outside = loaded.filter((from) => !/^(?:\.\/|node:|bun:ffi$)/.test(from ?? ""));
  const builtIn = process.getBuiltinModule("node:module").builtinModules;
  assert.equal(outside.filter((from) => !builtIn.includes(from ?? "")), []);
});

test.run();
