/** Procedures of a node's configuration: what files may hold, and what becomes of what they answer. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadProcedures } from "../../cli/load_procedures.ts";
import type { Procedure } from "../../actors/machines/record/procedures.ts";

const test = suite("procedures of the configuration");
const home = mkdtempSync(join(tmpdir(), "ctdbx-procedures-"));
test.after(() => rmSync(home, { recursive: true }));

/** A new file each time: a module is loaded once. */
function file(source: string): string {
  const path = join(home, `p${readdirSync(home).length}.ts`);
  writeFileSync(path, source);
  return path;
}

async function mistake(...sources: string[]): Promise<string> {
  return await loadProcedures(sources.map(file)).then(
    () => "none",
    (error: Error) => error.message.replaceAll(home, ""),
  );
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const words = (ran: ReturnType<Procedure>): string => {
  const text = (part: Uint8Array) => new TextDecoder().decode(part);
  return ran.ok ? `${text(ran.data)}|${text(ran.result)}` : ran.why;
};

test("all files are loaded, and what they answer is taken as it is said", async () => {
  const loaded = await loadProcedures([
    file(`export const procedures = {
      "twice/1": (value: Uint8Array | undefined, args: Uint8Array) =>
        ({ value: new Uint8Array([...value ?? [], ...value ?? [], ...args]), result: "done" }),
      "look/1": (value: Uint8Array | undefined) => ({ result: value ?? "none" }),
      "drop/2": () => ({ value: undefined }),
      "no/1": () => { throw new Error("not today"); },
    };`),
    file(`export const procedures = {
      "late/1": async () => ({}),
      "odd/1": () => ({ value: 5 }),
      "nothing/1": () => undefined,
    };`),
  ]);
  const run = (name: string, value: string) => words(loaded.get(name)!(bytes(value), bytes("!")));
  assert.is(run("twice/1", "ab"), "abab!|done");
  assert.is(run("look/1", "ab"), "ab|ab");
  assert.is(run("look/1", ""), "|none");
  assert.is(run("drop/2", "ab"), "|");
  assert.is(run("no/1", "ab"), "not today");
  assert.match(run("late/1", "ab"), /it is asynchronous/);
  assert.match(run("odd/1", "ab"), /must be Uint8Array or text/);
  assert.match(run("nothing/1", "ab"), /it answers no object/);
});

test("a value that is kept by the procedure and changed later is not the record's", async () => {
  const loaded = await loadProcedures([
    file(`import { Buffer } from "node:buffer";
      const kept = Buffer.from([1]);
      export const procedures = { "keep/1": () => { kept[0] += 1; return { value: kept }; } };`),
  ]);
  const keep = loaded.get("keep/1")!;
  const one = keep(bytes("a"), bytes(""));
  keep(bytes("a"), bytes(""));
  assert.equal(one.ok && [...one.data], [2]);
});

test("what cannot be loaded is said with its file", async () => {
  assert.match(
    await mistake("export const other = 1;"),
    /p\d+\.ts: it exports no object `procedures`/,
  );
  assert.match(
    await mistake(`export const procedures = { incr: () => ({}) };`),
    /"incr" is not NAME/,
  );
  assert.match(await mistake(`export const procedures = { "a/1": 5 };`), /a\/1 is no function/);
  const one = `export const procedures = { "a/1": () => ({}) };`;
  assert.match(await mistake(one, one), /a\/1 is in another file, too/);
  assert.match(await mistake("throw new Error('no luck');"), /no luck/);
  const error = await loadProcedures([join(home, "none.ts")]).catch((got: Error) => got);
  assert.match((error as Error).message, /^Cannot load the procedures of .*none\.ts: /);
});

test.run();
