/** JSON lines of records: what is read, and where it says that something is wrong. */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { shown, toBase64, toHex } from "../../cli/bytes_text.ts";
import type { DumpRecord } from "../../cli/dump_text.ts";
import { Failure } from "../../cli/failure.ts";
import { LinesReader } from "../../cli/record_lines.ts";

const test = suite("cli/record_lines");
const UTF8 = new TextEncoder();

function read(text: string | Uint8Array, piece = 5): DumpRecord[] {
  const found: DumpRecord[] = [];
  const reader = new LinesReader((record) => void found.push(record));
  const bytes = typeof text === "string" ? UTF8.encode(text) : text;
  const buffer = new Uint8Array(piece);
  for (let at = 0; at < bytes.length; at += piece) {
    // The caller's buffer is used again and again.
    const part = bytes.subarray(at, at + piece);
    buffer.set(part);
    reader.push(buffer.subarray(0, part.length));
  }
  reader.end();
  return found;
}

test("what is printed as JSON lines is read again, whatever the bytes are", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const records = fc.array(fc.tuple(bytes, bytes), { maxLength: 8 });
  fc.assert(fc.property(records, fc.integer({ min: 1, max: 50 }), (pairs, piece) => {
    const lines = pairs.flatMap(([key, value]) => {
      const { strings: [text, data], encoding } = shown([key, value]);
      return [
        { key: text, value: data, encoding },
        { key: toBase64(key), value: toBase64(value), encoding: "base64", more: [1] },
        { key: toHex(key), value: toHex(value), encoding: "hex" },
      ];
    });
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    const wanted = pairs.flatMap(([key, value]) => [0, 1, 2].map(() => ({ key, value })));
    assert.equal(read(text, piece), wanted);
  }));
});

test("without encoding it is text, blank lines are passed over, the last line needs no end", () => {
  const lines = [
    '{"key":"a","value":"\\u0000é"}\r',
    "",
    "  ",
    '{"key":"0b","value":"","encoding":"hex"}',
  ];
  assert.equal(read(lines.join("\n")), [
    { key: UTF8.encode("a"), value: UTF8.encode("\0é") },
    { key: Uint8Array.of(0x0b), value: new Uint8Array(0) },
  ]);
});

const WRONGS: readonly (readonly [string, RegExp])[] = [
  ["{", /line 2: it is no JSON/],
  ["[1]", /line 2: it is no object/],
  ["null", /line 2: it is no object/],
  ['{"key":"a"}', /line 2: value must be a text/],
  ['{"key":1,"value":"a"}', /line 2: key must be a text/],
  ['{"key":"a","value":"a","encoding":"utf16"}', /line 2: encoding must be one of text, hex/],
  ['{"key":"zz","value":"","encoding":"hex"}', /line 2, key: not pairs of hex digits/],
  ['{"key":"\\ud800","value":""}', /line 2: key has half a character/],
];

for (const [line, why] of WRONGS) {
  test(`a wrong line is named: ${line}`, () => {
    let failure: unknown;
    try {
      read(`{"key":"k","value":"v"}\n${line}\n`);
    } catch (error) {
      failure = error;
    }
    assert.instance(failure, Failure);
    assert.is((failure as Failure).exit, 2);
    assert.match((failure as Failure).message, why);
  });
}

test("bytes that are no UTF-8 are refused by the line's number", () => {
  assert.throws(() => read(Uint8Array.of(0x7b, 0xff, 0x0a)), /line 1: it is not UTF-8/);
});

test.run();
