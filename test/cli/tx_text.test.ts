/** The lines of a transaction: both forms, in whatever pieces, and every error with its line. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { escapeBytes, toBase64, toHex } from "../../cli/bytes_text.ts";
import { Failure } from "../../cli/failure.ts";
import { TxReader, type TxWrite } from "../../cli/tx_text.ts";

const test = suite("cli/tx_text");
const UTF8 = new TextEncoder();

/** The writes of a text, which comes in pieces of so many bytes. */
function read(text: string | Uint8Array, step = 1 << 20): TxWrite[] {
  const bytes = typeof text === "string" ? UTF8.encode(text) : text;
  const found: TxWrite[] = [];
  const reader = new TxReader((write) => found.push(write));
  for (let at = 0; at < bytes.length; at += step) {
    const piece = bytes.slice(at, at + step);
    reader.push(piece);
    // It may be used again.
    piece.fill(0);
  }
  reader.end();
  return found;
}

function texts(writes: readonly TxWrite[]): (readonly [string, string | undefined])[] {
  const text = new TextDecoder();
  return writes.map(({ key, value }) => [
    text.decode(key),
    value === undefined ? undefined : text.decode(value),
  ]);
}

function refusal(text: string | Uint8Array): string {
  try {
    read(text);
  } catch (error) {
    assert.instance(error, Failure);
    assert.is((error as Failure).exit, 2);
    return (error as Failure).message;
  }
  throw new Error(`taken: ${text}`);
}

test("both forms, a line each, whatever they are divided into", () => {
  const text = [
    '{"op":"put","key":"a","value":"1"}',
    '"b"\t "2 with blanks, \\no escapes"',
    "",
    '  {"op":"del","key":"c"}  \r',
    '"d" ""',
    " \t\r",
    '{"op":"put","key":"\u00e9","value":"\\"\\n"}',
    '"l\u00e4st" "no end of line"',
  ].join("\n");
  const wanted = [
    ["a", "1"],
    ["b", "2 with blanks, \\no escapes"],
    ["c", undefined],
    ["d", undefined],
    ["\u00e9", '"\n'],
    ["l\u00e4st", "no end of line"],
  ];
  for (const step of [1, 2, 7, 1000]) assert.equal(texts(read(text, step)), wanted);
  assert.equal(read(""), []);
  assert.equal(read("\n\n"), []);
});

test("bytes of every kind, in each encoding", () => {
  const some = fc.uint8Array({ minLength: 1, maxLength: 60 });
  const forms = { hex: toHex, base64: toBase64, escaped: escapeBytes };
  fc.assert(
    fc.property(some, some, fc.constantFrom("hex", "base64", "escaped"), (key, value, encoding) => {
      const show = forms[encoding as keyof typeof forms];
      const line = { op: "put", key: show(key), value: show(value), encoding };
      assert.equal(read(`${JSON.stringify(line)}\n`, 5), [{ key, value }]);
    }),
  );
  // In quotes all but a quote and the end of a line stands for itself; not blanks at their ends only.
  const plain = some.filter((bytes) => !bytes.includes(0x22) && !bytes.includes(10));
  fc.assert(fc.property(plain, plain, (key, value) => {
    const quoted = [0x22, ...key, 0x22, 0x20, 0x22, ...value, 0x22, 10];
    assert.equal(read(Uint8Array.from(quoted), 3), [{ key, value }]);
  }));
});

test("what is wrong is named with its line, in either form", () => {
  const good = '{"op":"put","key":"a","value":"1"}\n\n"b" "2"\n';
  const lines: readonly (readonly [string, RegExp])[] = [
    ["a b", /neither \{ nor "/],
    ["[1]", /neither \{ nor "/],
    ["# a remark", /neither \{ nor "/],
    ['{"op":"put","key":"a"', /no JSON/],
    ['{"op":"put","key":"a"}', /value must be a text/],
    ['{"op":"put","key":7,"value":"1"}', /key must be a text/],
    ['{"op":"put","key":"a","value":""}', /empty value would delete/],
    ['{"op":"put","key":"","value":"1"}', /key is empty/],
    ['{"op":"del","key":"a","value":"1"}', /takes no value/],
    ['{"op":"get","key":"a"}', /op must be put or del/],
    ['{"key":"a","value":"1"}', /op must be put or del/],
    ['{"op":"del","key":"a","vlaue":"1"}', /no field "vlaue"/],
    ['{"op":"del","key":"a","encoding":"utf"}', /encoding must be one of/],
    ['{"op":"del","key":"6","encoding":"hex"}', /line 4, key: not pairs of hex digits/],
    ['{"op":"del","key":"\\ud800"}', /half a character/],
    ['"a"', /no value behind the key/],
    ['"a" b', /value between quotes/],
    ['"a""b"', /a blank must come/],
    ['"a', /key has no closing quote/],
    ['"a" "b', /value has no closing quote/],
    ['"a" "b" "c"', /something follows the value/],
    ['"a" "b\\" c"', /something follows the value/],
    ['"" "b"', /key is empty/],
    [`"${"k".repeat(65_536)}" "b"`, /KEY_MAX is 65535/],
  ];
  for (const [line, words] of lines) {
    const message = refusal(`${good}${line}\n${good}`);
    assert.match(message, words);
    assert.match(message, /line 4/, line);
  }
  assert.match(refusal(Uint8Array.of(0x7b, 0xff, 0x7d)), /line 1: it is not UTF-8/);
});

test("a line that has no end is not kept for ever", () => {
  const reader = new TxReader(() => {});
  const piece = new Uint8Array(16 * 1024 * 1024).fill(0x78);
  assert.throws(
    () => {
      for (let n = 0; n < 10; n++) reader.push(piece);
    },
    (error: unknown) => error instanceof Failure && /longer than that of/.test(error.message),
  );
});

test.run();
