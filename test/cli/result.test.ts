/** Declared results: what is written in each form, how JSON is closed, and what -n makes of a result. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Format } from "../../cli/output.ts";
import { envelopeSchema, object, type Result, resultOfNodes, rows } from "../../cli/result.ts";
import { ResultWriter } from "../../cli/result_writer.ts";
import { counts, flag, int, list, maybe, ms, record, text, u64, word } from "../../cli/schema.ts";
import { capture } from "./capture.ts";
import { wrongs } from "./tree_rig.ts";

const test = suite("cli/result");

const LIST = rows({
  name: text("Name", "a name"),
  size: int("Size", "its size", "bytes"),
  why: maybe(text("Why", "what is wrong")),
}, {
  table: ["name", { name: "size", text: ({ size }) => `${size} B` }, {
    name: "why",
    whenSet: true,
  }],
});

const ONE = object({
  path: text("Path", "of the file"),
  isOk: flag("Ok", "is it well?"),
  parts: list(
    "Parts",
    "of it",
    record("Part", "one", { at: ms("At", "when"), id: u64("Id", "its") }),
  ),
  by: maybe(counts("By", "reason")),
}, { rowsOf: "parts" });

const REPORT = { exit: 8, code: "expectation", message: "Cannot", hint: "look" } as const;

/** What is written in a form. */
function written<T extends object>(
  format: Format | undefined,
  result: Result<T>,
  write: (out: ResultWriter<T>) => void,
): string {
  const terminal = capture();
  write(new ResultWriter(terminal.out, { format, color: false }, "try it", result));
  return terminal.outText();
}

test("rows in JSON stand in the envelope, one a line, each field there and no other", () => {
  const out = written("json", LIST, (out) => {
    out.row({ name: "a", size: 1, more: 7 } as never);
    out.row({ size: 2, name: "b", why: "it is" });
    out.end();
  });
  assert.is(out.split("\n").length, 5);
  assert.equal(JSON.parse(out), {
    version: 1,
    command: "try it",
    data: [{ name: "a", size: 1, why: null }, { name: "b", size: 2, why: "it is" }],
    ok: true,
  });
  assert.equal(wrongs(envelopeSchema("try it", "", LIST), JSON.parse(out)), []);
});

test("no rows are an empty list; no object is a mistake of the command", () => {
  assert.equal(JSON.parse(written("json", LIST, (out) => out.end())).data, []);
  assert.throws(() => written("json", ONE, (out) => out.end()), /has written no result/);
  assert.throws(
    () => written("json", ONE, (out) => out.row({} as never)),
    /declared as one object/,
  );
  assert.throws(() => written("json", LIST, (out) => out.object({} as never)), /not declared/);
});

test("a failure closes JSON wherever it comes, and the data stays", () => {
  const schema = envelopeSchema("try it", "", LIST);
  for (const [count, data] of [[0, null], [1, [{ name: "n", size: 1, why: null }]]] as const) {
    const out = JSON.parse(written("json", LIST, (out) => {
      for (let at = 0; at < count; at++) out.row({ name: "n", size: 1 });
      out.fail(REPORT);
    }));
    assert.equal(out, { version: 1, command: "try it", data, ok: false, error: REPORT });
    assert.equal(wrongs(schema, out), []);
  }
  const whole = JSON.parse(written("json", ONE, (out) => {
    out.object({ path: "p", isOk: true, parts: [] });
    out.fail({ exit: 1, code: "other", message: "Cannot" });
  }));
  assert.equal([whole.ok, whole.data.path, whole.error.hint], [false, "p", null]);
});

test("one object: jsonl and csv have the rows of its list, or it alone is the row", () => {
  const value = { path: "p", isOk: false, parts: [{ at: 1.5, id: "7" }, { at: 2, id: "8" }] };
  const write = (out: ResultWriter<typeof value>) => {
    out.object(value);
    out.end();
  };
  assert.is(written("jsonl", ONE, write), '{"at":1.5,"id":"7"}\n{"at":2,"id":"8"}\n');
  assert.is(written("csv", ONE, write), "at,id\n1.5,7\n2,8\n");
  assert.is(
    written("table", ONE, write),
    " At  Id\n1.5  7\n  2  8\n",
  );
  const plain = object({ name: text("Name", "a"), of: list("Of", "b", text("One", "c")) });
  const both = { name: "n", of: ["x", "y"] };
  assert.is(written("jsonl", plain, (out) => out.object(both)), '{"name":"n","of":["x","y"]}\n');
  assert.match(written("csv", plain, (out) => (out.object(both), out.end())), "name,of\nn,x; y\n");
});

test("a table has its own columns, says what is said, and leaves out what is empty", () => {
  const write = (out: ResultWriter<{ name: string; size: number; why?: string }>) => {
    out.say("head\n");
    out.row({ name: "a", size: 1 });
    out.say("foot\n");
    out.end();
  };
  assert.is(written("table", LIST as never, write), "head\nName  Size\na     1 B\nfoot\n");
  assert.is(written("csv", LIST as never, write), "name,size,why\na,1,\n");
  assert.is(written("table", LIST, (out) => out.end()), "Name  Size\n");
  assert.is(written("table", LIST, (out) => (out.say("nothing\n"), out.end())), "nothing\n");
  assert.match(
    written("table", LIST, (out) => (out.row({ name: "a", size: 1, why: "w" }), out.end())),
    /^Name +Size +Why\na +1 B +w\n$/,
  );
});

test("bytes of its own are only for a command that was asked for no form", () => {
  assert.is(written(undefined, LIST, (out) => (out.raw("own"), out.end())), "own");
  assert.throws(() => written("csv", LIST, (out) => out.raw("own")), /a form was asked for/);
});

test("asked of several nodes, all may be unknown, and each row says who was asked", () => {
  const wide = resultOfNodes(ONE as Result);
  const silent = { askedPnn: 2, asked: "n2", error: "no answer" };
  const heard = { askedPnn: 1, asked: "n1", path: "p", isOk: true, parts: [] };
  const write = (out: ResultWriter) => {
    out.row(heard);
    out.row(silent);
    out.end();
  };
  const out = JSON.parse(written("json", wide, write));
  assert.equal(wrongs(envelopeSchema("try it", "", wide), out), []);
  const { path, isOk, parts, by } = out.data[1];
  assert.equal([path, isOk, parts, by], [null, null, null, null]);
  assert.is(
    written("table", wide, write),
    "Pnn  Asked  Path  Ok    Error\n  1  n1     p     true  -\n  2  n2     -     -     no answer\n",
  );
});

test("a schema refuses what is not as declared", () => {
  const kinds = rows({
    kind: maybe(word("Kind", "one of two", ["a", "b"])),
    at: ms("At", "when"),
    id: u64("Id", "its"),
  });
  const schema = envelopeSchema("try it", "", kinds);
  const check = (row: object) =>
    wrongs(schema, { version: 1, command: "try it", data: [row], ok: true }).length;
  const good = { kind: "a", at: 0.5, id: "18446744073709551615" };
  assert.is(check(good), 0);
  assert.is(check({ ...good, kind: null }), 0);
  for (
    const bad of [{ kind: "c" }, { at: -1 }, { at: null }, { id: 7 }, { id: "x" }, { more: 1 }]
  ) {
    assert.ok(check({ ...good, ...bad }) > 0, JSON.stringify(bad));
  }
  assert.ok(check({ kind: "a", at: 1 }) > 0, "a field that is not there");
});

test.run();
