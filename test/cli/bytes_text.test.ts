/** Bytes as text and back: what is shown can be typed again. */

import { Buffer } from "node:buffer";
import fc from "fast-check";
import { sharedSuite } from "../suite.ts";
import * as assert from "uvu/assert";
import { escapeBytes, fromText, shown, toBase64, toHex } from "../../cli/bytes_text.ts";
import { Failure } from "../../cli/failure.ts";

const test = sharedSuite("cli/bytes_text");
const anyBytes = fc.uint8Array({ maxLength: 200 });

test("what is shown in an encoding can be typed back in it", () => {
  fc.assert(fc.property(anyBytes, (bytes) => {
    assert.equal(fromText(escapeBytes(bytes), "escaped", "it"), bytes);
    assert.equal(fromText(toHex(bytes), "hex", "it"), bytes);
    assert.equal(fromText(toBase64(bytes), "base64", "it"), bytes);
  }));
});

test("typed text is its UTF-8", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    fc.pre(!text.includes("\uFFFD"));
    assert.equal(fromText(text, "text", "it"), new TextEncoder().encode(text));
  }));
});

test("escapes are those of tdbdump and five of C", () => {
  const bytes = fromText(String.raw`a\00\ff\n\t\r\\\"\x41\5C`, "escaped", "it");
  assert.equal([...bytes], [0x61, 0, 255, 10, 9, 13, 0x5c, 0x22, 0x41, 0x5c]);
  assert.is(
    escapeBytes(Uint8Array.of(0x22, 0x5c, 0x7f, 0x20, 0x7e, 10)),
    String.raw`\22\5C\7F ~\0A`,
  );
});

for (
  const [encoding, text, why] of [
    ["escaped", String.raw`ab\zz`, "byte 3 begins an escape"],
    ["escaped", "ab\\", "byte 3 begins an escape"],
    ["escaped", String.raw`\x4`, "byte 1 begins an escape"],
    ["hex", "abc", "not pairs of hex digits"],
    ["hex", "zz", "not pairs of hex digits"],
    ["base64", "a*b=", "not base64"],
    ["text", "a\uFFFDb", "not UTF-8"],
  ] as const
) {
  test(`refuses ${JSON.stringify(text)} as ${encoding} and says why`, () => {
    try {
      fromText(text, encoding, "the key");
    } catch (error) {
      assert.instance(error, Failure);
      assert.is((error as Failure).exit, 2);
      assert.ok((error as Failure).message.startsWith("Cannot read the key: "));
      assert.ok((error as Failure).message.includes(why), (error as Failure).message);
      return;
    }
    assert.unreachable("it was accepted");
  });
}

test("JSON gets text when all parts are UTF-8, else hex for all of them", () => {
  const text = new TextEncoder().encode("\uFEFFné\0");
  assert.equal(shown([text, new Uint8Array(0)]), { strings: ["\uFEFFné\0", ""], encoding: "text" });
  assert.equal(shown([Uint8Array.of(65), Uint8Array.of(0xff)]), {
    strings: ["41", "ff"],
    encoding: "hex",
  });
  assert.equal(shown([Uint8Array.of(65)], "base64"), { strings: ["QQ=="], encoding: "base64" });
});

test("the largest value is read from hex and base64, too", () => {
  const value = new Uint8Array(16 * 1024 * 1024);
  for (let at = 0; at < value.length; at += 1) value[at] = at % 251;
  const same = (one: Uint8Array) => Buffer.compare(one, value) === 0;
  assert.ok(same(fromText(toHex(value), "hex", "it")));
  assert.ok(same(fromText(toBase64(value), "base64", "it")));
});

test.run();
