/**
 * The gate: what it takes, what it refuses, each limit at its edge, and that its work is bounded.
 */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { choice, list, record, text as textField } from "../../../transport/wire/fields.ts";
import { u32, u64, word } from "../../../transport/wire/fields.ts";
import { guideOf } from "../../../transport/wire/guide.ts";
import { keyHash } from "../../../transport/wire/key_hash.ts";
import { DEPTH_MAX, FIELD_NAME_MAX, FOREIGN_ITEMS_MAX } from "../../../transport/wire/limits.ts";
import { MAP_FIELDS_MAX } from "../../../transport/wire/limits.ts";
import { Gate } from "../../../transport/wire/scan.ts";
import type { ScanOptions } from "../../../transport/wire/scan.ts";
import { array, BREAK, bytes, encoded, FALSE, head, joined, MAJOR, map } from "./cbor_bytes.ts";
import { NULL, rawText, text, TRUE, UNDEFINED, ZERO } from "./cbor_bytes.ts";
import { halved } from "../../limit.ts";

const test = suite("gate");

/** Why a value in a map is refused; undefined: it passes. */
function why(value: Uint8Array, options?: ScanOptions): string | undefined {
  return new Gate().scan(map(["x", value]), options)?.why;
}

function whole(payload: Uint8Array): string | undefined {
  return new Gate().scan(payload)?.why;
}

test("takes what messages are made of", () => {
  const good = [
    encoded(0),
    encoded(-1),
    encoded(2n ** 64n - 1n),
    encoded(1.5),
    head(MAJOR.uint, 1, 1),
    head(MAJOR.uint, 1, 2),
    head(MAJOR.uint, 1, 4),
    head(MAJOR.uint, 1, 8),
    Uint8Array.of(0xf9, 0x3c, 0),
    Uint8Array.of(0xfa, 0, 0, 0, 0),
    TRUE,
    FALSE,
    NULL,
    text(""),
    text("é€😀"),
    bytes(new Uint8Array(300)),
    array(),
    map(),
    encoded([[1], { a: [{}] }]),
  ];
  for (const value of good) assert.is(why(value), undefined, String(value));
});

test("refuses what no message holds, by name and place", () => {
  const bad: [Uint8Array, string][] = [
    [joined(head(MAJOR.tag, 2), bytes(new Uint8Array(9))), "tag"],
    [joined(head(MAJOR.tag, 0), text("2020")), "tag"],
    [joined(head(MAJOR.tag, 55799), ZERO), "tag"],
    [joined(Uint8Array.of(0x5f), bytes(ZERO), BREAK), "indefinite length"],
    [joined(Uint8Array.of(0x7f), text("a"), BREAK), "indefinite length"],
    [joined(Uint8Array.of(0x9f), ZERO, BREAK), "indefinite length"],
    [joined(Uint8Array.of(0xbf), text("a"), ZERO, BREAK), "indefinite length"],
    [BREAK, "break without a beginning"],
    [UNDEFINED, "simple value"],
    [Uint8Array.of(0xe0), "simple value"],
    [Uint8Array.of(0xf8, 0xff), "simple value"],
    [Uint8Array.of(0xfc), "simple value"],
    [Uint8Array.of(0x1c), "integer of an unknown form"],
    [Uint8Array.of(0x3f), "integer of an unknown form"],
    [Uint8Array.of(0x5c), "length of an unknown form"],
    [head(MAJOR.bytes, 1, 8), "length of an unknown form"],
    [head(MAJOR.array, 2n ** 63n), "length of an unknown form"],
    [head(MAJOR.bytes, 1), "length beyond its end"],
    [head(MAJOR.text, 2 ** 32 - 1), "length beyond its end"],
    [head(MAJOR.array, 2 ** 32 - 1), "count beyond its end"],
    [joined(head(MAJOR.array, 2), ZERO), "count beyond its end"],
    [joined(head(MAJOR.map, 1), text("")), "count beyond its end"],
    [joined(head(MAJOR.map, 1), rawText(0x61, 0x62)), "ends in the middle"],
    [Uint8Array.of(0x19, 0), "length beyond its end"],
    [Uint8Array.of(0x59, 0), "ends in the middle"],
    [Uint8Array.of(0xfb, 0, 0), "length beyond its end"],
    [new Uint8Array(), "ends in the middle"],
    [joined(head(MAJOR.map, 1), ZERO, ZERO), "key that is no text"],
    [map(["a", ZERO], ["b", ZERO], ["a", ZERO]), "key twice"],
    [map(["__proto__", ZERO], ["__proto__", ZERO]), "key twice"],
  ];
  for (const [value, due] of bad) assert.is(why(value), due, String(value));
  assert.is(whole(new Uint8Array()), "not a map");
  assert.is(whole(array(ZERO)), "not a map");
  assert.is(whole(ZERO), "not a map");
  assert.is(whole(joined(map(), ZERO)), "bytes after its end");
  assert.equal(new Gate().scan(map(["x", BREAK])), { why: "break without a beginning", at: 3 });
});

test("limits: levels", () => {
  const deep = (levels: number) => {
    let value: Uint8Array = ZERO;
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? array(value) : map(["m", value]);
    return value;
  };
  // The outermost map is the first level.
  assert.is(why(deep(DEPTH_MAX - 2)), undefined);
  assert.is(why(deep(DEPTH_MAX - 1)), undefined);
  assert.is(why(deep(DEPTH_MAX)), `deeper than ${DEPTH_MAX} levels`);
  assert.is(
    why(joined(...Array.from({ length: 100_000 }, () => head(MAJOR.array, 1)))),
    `deeper than ${DEPTH_MAX} levels`,
  );
});

test("limits: fields of a map, and the length of a name", () => {
  const many = (count: number) =>
    map(...Array.from({ length: count }, (_, i) => [`k${i}`, ZERO] as const));
  assert.is(why(many(MAP_FIELDS_MAX - 1)), undefined);
  assert.is(why(many(MAP_FIELDS_MAX)), undefined);
  assert.is(why(many(MAP_FIELDS_MAX + 1)), `map of more than ${MAP_FIELDS_MAX} fields`);
  const named = (length: number) => map(["n".repeat(length), ZERO]);
  assert.is(why(named(FIELD_NAME_MAX - 1)), undefined);
  assert.is(why(named(FIELD_NAME_MAX)), undefined);
  assert.is(why(named(FIELD_NAME_MAX + 1)), "name of a field too long");
});

test("limits: bytes outside of byte strings", () => {
  const value = array(bytes(new Uint8Array(100)), text("x".repeat(20)), ZERO);
  const plain = map(["x", value]).length - 100;
  assert.is(why(value, { plainMax: plain + 1 }), undefined);
  assert.is(why(value, { plainMax: plain }), undefined);
  assert.is(why(value, { plainMax: plain - 1 }), "too much around the body");
  const ending = map(["x", text("y".repeat(50))]);
  assert.is(new Gate().scan(ending, { plainMax: ending.length })?.why, undefined);
  assert.is(
    new Gate().scan(ending, { plainMax: ending.length - 1 })?.why,
    "too much around the body",
  );
});

test("the same key in two maps, also in one inside of the other, is no key twice", () => {
  assert.is(why(array(map(["a", ZERO]), map(["a", ZERO]))), undefined);
  assert.is(why(map(["a", map(["a", map(["a", ZERO])])], ["b", map(["a", ZERO])])), undefined);
  assert.is(why(map(["a", map(["b", ZERO])], ["b", ZERO], ["a", ZERO])), "key twice");
});

test("a key in a longer form is the same key", () => {
  const long = joined(Uint8Array.of(0x78, 1), new TextEncoder().encode("a"));
  assert.is(why(joined(head(MAJOR.map, 2), text("a"), ZERO, long, ZERO)), "key twice");
});

test("text is UTF-8 exactly when the runtime says so", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const isUtf8 = (raw: Uint8Array) => {
    try {
      decoder.decode(raw);
      return true;
    } catch {
      return false;
    }
  };
  // Bytes near the edges of the forms come often.
  const edges = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0];
  edges.push(0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff);
  const byte = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 0, max: 255 }));
  let good = 0;
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 6 }), fc.nat(80), (raw, padding) => {
      const pad = Array.from({ length: padding }, () => 0x61);
      const due = isUtf8(Uint8Array.from(raw));
      if (due) good += 1;
      const value = rawText(...pad, ...raw);
      assert.is(why(value), due ? undefined : "text that is no UTF-8");
      const key = joined(head(MAJOR.map, 1), rawText(...raw), ZERO);
      assert.is(why(key), due ? undefined : "text that is no UTF-8");
    }),
    halved({ numRuns: 3000 }),
  );
  assert.ok(good > 200, `${good} were UTF-8`);
});

const GUIDE = guideOf(record("Test", "", {
  number: u32(""),
  big: u64(""),
  name: textField("", 4),
  list: list("", record("Item", "", { n: u32("") }), 3),
}));

test("with a guide, types, lengths and counts are those declared", () => {
  const scan = (fields: object) => new Gate().scan(encoded(fields), { guide: GUIDE })?.why;
  assert.is(scan({ number: 1, big: 2n, name: "abcd", list: [{ n: 1 }, {}, {}] }), undefined);
  assert.is(scan({ number: 1.5, big: 1.5 }), undefined);
  assert.is(scan({ name: "\u{1F600}".repeat(4) }), undefined);
  assert.is(scan({ name: "x".repeat(17) }), "longer than declared");
  assert.is(scan({ list: [{}, {}, {}, {}] }), "more items than declared");
  const type = "another type than declared";
  for (const fields of [{ number: "1" }, { number: -1 }, { big: [] }, { name: 5 }, { list: {} }]) {
    assert.is(scan(fields), type);
  }
  for (const fields of [{ list: [1] }, { list: [[]] }, { list: [{ n: {} }] }]) {
    assert.is(scan(fields), type);
  }
  assert.is(new Gate().scan(encoded({ other: [{ x: ["y"] }] }), { guide: GUIDE }), undefined);
});

test("with a guide of a choice, a field may be what it is in any of its records", () => {
  const one = record("One", "", { is: word("one"), x: u32("") });
  const two = record("Two", "", { is: word("two"), x: list("", u32(""), 2), y: textField("", 4) });
  const guide = guideOf(record("Either", "", { either: choice("", [one, two]) }));
  const scan = (either: object) => new Gate().scan(encoded({ either }), { guide })?.why;
  assert.is(scan({ is: "one", x: 5 }), undefined);
  assert.is(scan({ is: "two", x: [5, 6], y: "y" }), undefined);
  assert.is(scan({ x: "5" }), "another type than declared");
  assert.is(scan({ x: [1, 2, 3] }), "more items than declared");
  assert.is(scan({ x: ["5"] }), "another type than declared");
  assert.is(scan({ is: "x".repeat(13) }), "longer than declared");
});

test("limits: what lies in fields that are not declared", () => {
  const scan = (count: number) => {
    const extra = Array.from({ length: count - 1 }, () => 0);
    return new Gate().scan(encoded({ number: 1, extra }), { guide: GUIDE })?.why;
  };
  assert.is(scan(FOREIGN_ITEMS_MAX - 1), undefined);
  assert.is(scan(FOREIGN_ITEMS_MAX), undefined);
  assert.is(scan(FOREIGN_ITEMS_MAX + 1), "too much in unknown fields");
});

test("a gate that has refused something takes the next", () => {
  const gate = new Gate();
  assert.ok(gate.scan(map(["a", array(map(["b", BREAK]))])) !== undefined);
  assert.is(gate.scan(map(["a", array(map(["b", ZERO]))])), undefined);
  assert.is(
    gate.scan(encoded({ number: "x" }), { guide: GUIDE })?.why,
    "another type than declared",
  );
  assert.is(gate.scan(encoded({ number: "x" })), undefined);
});

/** Keys whose hashes end alike, so that they meet in the table; not the same hashes. */
function crowdedKeys(count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const key = i.toString(36);
    const raw = new TextEncoder().encode(key);
    const hash = keyHash(raw, 0, raw.length);
    if (((hash ^ (hash >>> 15)) & (2 * MAP_FIELDS_MAX - 1)) === 0) keys.push(key);
  }
  return keys;
}

test("work is linear in the bytes, for keys that crowd in one place, too", () => {
  const keys = crowdedKeys(MAP_FIELDS_MAX);
  const crowd = encoded(Object.fromEntries(keys.map((key) => [key, 0])));
  const cases: Uint8Array[] = [
    array(...Array.from({ length: 2000 }, () => crowd)),
    array(...Array.from({ length: 5000 }, () => encoded([{ ab: "é" }]))),
    text("é".repeat(100_000)),
    joined(head(MAJOR.array, 250_000), new Uint8Array(250_000)),
    bytes(new Uint8Array(250_000)),
  ];
  const gate = new Gate();
  for (const value of cases) {
    const payload = map(["x", value]);
    assert.is(gate.scan(payload), undefined);
    const perByte = gate.work / payload.length;
    assert.ok(perByte <= 1 + MAP_FIELDS_MAX / 4, `${perByte} steps for each byte`);
  }
  assert.ok(gate.work < 10, "the bytes of a byte string are not looked at");
});

test("any bytes end in a verdict, with bounded work", () => {
  const gate = new Gate();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
      gate.scan(raw);
      assert.ok(gate.work <= (2 + MAP_FIELDS_MAX / 4) * raw.length + 2);
      gate.scan(joined(Uint8Array.of(0xa1, 0x61, 0x78), raw));
      assert.ok(gate.work <= (2 + MAP_FIELDS_MAX / 4) * (raw.length + 3) + 2);
    }),
    halved({ numRuns: 5000 }),
  );
});

test.run();
