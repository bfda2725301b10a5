/** The text of tdbdump: what is written is read back, however it arrives; what is wrong is named by place. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DumpRecord } from "../../cli/dump_text.ts";
import { DumpReader, dumpText, DumpWriter } from "../../cli/dump_text.ts";
import { Failure } from "../../cli/failure.ts";
import { capture } from "./capture.ts";

const test = suite("cli/dump_text");
const anyRecords = fc.array(
  fc.record(
    { key: fc.uint8Array({ maxLength: 60 }), value: fc.uint8Array({ maxLength: 90 }) },
    { noNullPrototype: true },
  ),
  { maxLength: 8 },
);

function read(text: string | Uint8Array, pieceSize = 1 << 20): DumpRecord[] {
  const records: DumpRecord[] = [];
  const reader = new DumpReader((record) => records.push(record));
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  for (let at = 0; at < bytes.length; at += pieceSize) {
    // One buffer for all pieces, as a real reader has it.
    reader.push(bytes.slice(at, at + pieceSize));
  }
  reader.end();
  return records;
}

test("what is written is read back, in pieces of any size", () => {
  fc.assert(fc.property(anyRecords, fc.integer({ min: 1, max: 50 }), (records, pieceSize) => {
    const text = records.map(({ key, value }) => dumpText(key, value)).join("");
    assert.equal(read(text, pieceSize), records);
  }));
});

test("records written in place give the same text as their copies", () => {
  fc.assert(fc.property(anyRecords, (records) => {
    const terminal = capture();
    const writer = new DumpWriter(terminal.out);
    for (const { key, value } of records) {
      const bytes = Uint8Array.of(1, 2, 3, ...key, 4, ...value, 5);
      const valueOffset = 3 + key.length + 1;
      const lengths = { keyLength: key.length, valueLength: value.length };
      writer.record({ bytes, keyOffset: 3, valueOffset, ...lengths });
    }
    assert.is(terminal.outText(), records.map(({ key, value }) => dumpText(key, value)).join(""));
  }));
});

test("a piece may be overwritten after it was taken", () => {
  const text = new TextEncoder().encode(dumpText(Uint8Array.of(1, 2), Uint8Array.of(65, 66, 67)));
  const records: DumpRecord[] = [];
  const reader = new DumpReader((record) => records.push(record));
  const buffer = new Uint8Array(5);
  for (let at = 0; at < text.length; at += 5) {
    const piece = text.subarray(at, at + 5);
    buffer.set(piece);
    reader.push(buffer.subarray(0, piece.length));
    buffer.fill(0x78);
  }
  reader.end();
  assert.equal(records, [{ key: Uint8Array.of(1, 2), value: Uint8Array.of(65, 66, 67) }]);
});

test("the text is that of tdbdump", () => {
  const text = dumpText(new TextEncoder().encode('a"\\\0'), Uint8Array.of(0xff, 0x7e, 0x7f));
  assert.is(text, '{\nkey(4) = "a\\22\\5C\\00"\ndata(3) = "\\FF~\\7F"\n}\n');
});

test("raw bytes, blank lines, indents and CR LF are read", () => {
  const bytes = Uint8Array.of(0x80, 0xff);
  const text = Uint8Array.from([
    ...new TextEncoder().encode('\r\n  {\r\n\tkey(2) = "'),
    ...bytes,
    ...new TextEncoder().encode('"\r\n\r\n data(0) = "" \n}'),
  ]);
  assert.equal(read(text), [{ key: bytes, value: new Uint8Array(0) }]);
});

for (
  const [text, place, why] of [
    ["x", "line 1, column 1", "expected {"],
    ['{\nkey(1) = "ab"\n', "line 2, column 1", "key(1) has 2 bytes"],
    ['{\nkey(1)="a"\n', "line 2, column 1", "expected key(N)"],
    ['{\ndata(1) = "a"\n', "line 2, column 1", "expected key(N)"],
    ['{\nkey(1) = "a\n', "line 2, column 12", "closing quote is missing"],
    ['{\nkey(1) = "a"b\n', "line 2, column 13", "follows the closing quote"],
    ['{\nkey(1) = "\\4"\n', "line 2, column 11", "two hex digits"],
    ['{\nkey(1) = "\\zz"\n', "line 2, column 11", "two hex digits"],
    ['{\nkey(1) = "a"\nkey(1) = "a"\n', "line 3, column 1", "expected data(N)"],
    ['{\nkey(1) = "a"\ndata(1) = "b"\n{\n', "line 4, column 1", "expected }"],
    ['{\nkey(1) = "a"\ndata(1) = "b"\n', "line 4, column 1", "ends inside a record"],
    ['{\nkey(99999999999) = "a"\n', "line 2, column 1", "expected key(N)"],
  ] as const
) {
  test(`refuses ${JSON.stringify(text)} at ${place}`, () => {
    try {
      read(text, 3);
    } catch (error) {
      assert.instance(error, Failure);
      const { message, exit } = error as Failure;
      assert.is(exit, 2);
      assert.ok(message.startsWith(`Cannot read the dump: ${place}: `), message);
      assert.ok(message.includes(why), message);
      return;
    }
    assert.unreachable("it was accepted");
  });
}

test("any text gives records or a named place, nothing else", () => {
  const pieces = fc.constantFrom(
    "{",
    "}",
    "\n",
    'key(1) = "',
    "data(1) = ",
    '"',
    "a",
    "\\",
    "41",
    " ",
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
    try {
      read(parts.join(""), 4);
    } catch (error) {
      assert.instance(error, Failure);
      assert.match((error as Failure).message, /line \d+, column \d+: /);
    }
  }));
});

test.run();
