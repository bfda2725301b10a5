/** The four forms of output. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Format, Row } from "../../cli/output.ts";
import { CELL_MAX, json, PROSE_MAX, RowWriter, writeObject } from "../../cli/output.ts";
import { capture } from "./capture.ts";

const test = suite("cli/output");
const COLUMNS = [{ name: "key", title: "KEY" }, { name: "size", title: "SIZE" }];

function rows(format: Format, list: readonly Row[], color = false): string {
  const terminal = capture();
  const writer = new RowWriter(terminal.out, { format, color }, COLUMNS);
  for (const row of list) writer.row(row);
  writer.end();
  return terminal.outText();
}

const LIST: Row[] = [{ key: "a", size: 5 }, { key: "longer", size: 12345 }];

test("a table pads its columns and puts numbers to the right", () => {
  assert.is(rows("table", LIST), "KEY      SIZE\na           5\nlonger  12345\n");
});

test("a table cuts long cells and shows no control characters", () => {
  const text = rows("table", [{ key: `\x1b[2J\n${"x".repeat(500)}`, size: undefined }]);
  const line = text.split("\n")[1] ?? "";
  assert.is(line.length, CELL_MAX + "  -".length);
  // deno-lint-ignore no-control-regex
  assert.not.match(text.replaceAll("\n", ""), /[\x00-\x1f]/);
  assert.match(line, /…/);
});

test("a reason is not cut short: somebody shall read it, also in a pipe", () => {
  const terminal = capture();
  const columns = [{ name: "key", title: "KEY" }, { name: "why", title: "WHY", isProse: true }];
  const writer = new RowWriter(terminal.out, { format: "table", color: false }, columns);
  const why = "its interface has no link, and ".repeat(4);
  writer.row({ key: "x".repeat(100), why });
  writer.row({ key: "y", why: "z".repeat(PROSE_MAX + 1) });
  writer.end();
  const [, first = "", second = ""] = terminal.outText().split("\n");
  assert.is(first.slice(CELL_MAX + 2), why.trimEnd());
  assert.is(second.slice(CELL_MAX + 2), `${"z".repeat(PROSE_MAX - 1)}…`);
});

test("rows after the first hundred use the widths that were found", () => {
  const many = Array.from({ length: 250 }, (_, index) => ({ key: `k${index}`, size: index }));
  const lines = rows("table", many).trimEnd().split("\n");
  assert.is(lines.length, 251);
  assert.is(lines[1], "k0      0");
  assert.is(lines[250], "k249   249");
});

test("JSON is one array whatever the number of rows", () => {
  for (const count of [0, 1, 2, 150]) {
    const list = Array.from({ length: count }, (_, index) => ({ key: `k${index}`, size: index }));
    assert.equal(JSON.parse(rows("json", list)), list);
  }
});

test("JSON lines are one object each", () => {
  const lines = rows("jsonl", LIST).trimEnd().split("\n");
  assert.equal(lines.map((line) => JSON.parse(line)), LIST);
  assert.is(rows("jsonl", []), "");
});

test("CSV quotes what RFC 4180 says, and has its header also without rows", () => {
  assert.is(rows("csv", [{ key: 'a"b,c\nd', size: 1 }]), 'key,size\n"a""b,c\nd",1\n');
  assert.is(rows("csv", []), "key,size\n");
});

test("colour is only used when it may be", () => {
  // deno-lint-ignore no-control-regex
  assert.match(rows("table", LIST, true), /\x1b\[1m/);
  // deno-lint-ignore no-control-regex
  assert.not.match(rows("table", LIST), /\x1b/);
});

test("an object is a list of titles in a table and itself in JSON", () => {
  const row = { key: "a", size: undefined, more: 1n };
  const terminal = capture();
  writeObject(terminal.out, { format: "table", color: false }, COLUMNS, row);
  assert.is(terminal.outText(), "KEY   a\n");
  const other = capture();
  writeObject(other.out, { format: "json", color: false }, COLUMNS, { key: "a", size: undefined });
  assert.equal(JSON.parse(other.outText()), { key: "a", size: null });
});

test("a u64 keeps all its digits in JSON", () => {
  assert.is(json({ rsn: 18446744073709551615n }), '{"rsn":18446744073709551615}');
});

test.run();
