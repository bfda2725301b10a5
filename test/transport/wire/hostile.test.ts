/**
 * Hostile messages end in a refusal, with little work: a corpus of known tricks, and a sample of mutations.
 * test/long/messages.ts runs as many mutations as one likes.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { REFUSAL_MEANING } from "../../../transport/wire/envelope.ts";
import { DEPTH_MAX, MESSAGE_MAX } from "../../../transport/wire/limits.ts";
import { limit } from "../../limit.ts";
import { array, BREAK, bytes, encoded, head, INFINITE, joined, MAJOR, map } from "./cbor_bytes.ts";
import { NAN, rawText, text, UNDEFINED, ZERO } from "./cbor_bytes.ts";
import { Mutations } from "./mutation.ts";
import {
  codecOf,
  documentOf,
  ONE,
  OTHER,
  received,
  refused,
  subjectFor,
  wrapped,
} from "./two_nodes.ts";

const test = suite("hostile messages");

const RUNS = 12_000;
/** As many bytes as a message may have, less the envelope. */
const FULL = MESSAGE_MAX - 512;
/** A message of that size costs at most so many steps of the gate for a byte; most stop at the first head. */
const STEPS = 3;

function repeated(piece: Uint8Array, count: number): Uint8Array {
  const made = new Uint8Array(piece.length * count);
  for (let i = 0; i < count; i++) made.set(piece, i * piece.length);
  return made;
}

/** As many pieces as fit, as an array. */
function full(piece: Uint8Array): Uint8Array {
  const count = Math.floor((FULL - 32) / piece.length);
  return joined(head(MAJOR.array, count), repeated(piece, count));
}

const DOC = documentOf(4);

/** Bodies of "view" that must be refused, by what they try; in unknown fields or in those declared. */
const CORPUS: Record<string, Uint8Array> = {
  "a bignum of 256 KiB": map(["doc", joined(head(MAJOR.tag, 2), bytes(new Uint8Array(FULL - 32)))]),
  "a bignum in an unknown field": map(["x", joined(head(MAJOR.tag, 3), bytes(new Uint8Array(9)))]),
  "a date": map(["x", joined(head(MAJOR.tag, 0), text("2026-01-01T00:00:00Z"))]),
  "a shared reference": map([
    "x",
    joined(head(MAJOR.tag, 28), array(joined(head(MAJOR.tag, 29), ZERO))),
  ]),
  "a record definition": map(["x", joined(head(MAJOR.tag, 57344), array(array(text("a")), ZERO))]),
  "a regular expression": map(["x", joined(head(MAJOR.tag, 279), array(text("(a+)+$"), text("")))]),
  "a typed array": map(["x", joined(head(MAJOR.tag, 64), bytes(new Uint8Array(8)))]),
  "arrays 256 Ki deep": map(["x", repeated(head(MAJOR.array, 1), FULL - 32)]),
  "maps 64 Ki deep": map([
    "doc",
    repeated(joined(head(MAJOR.map, 1), text("doc")), Math.floor(FULL / 5) - 10),
  ]),
  "an array of 2^32-1 items": map(["x", head(MAJOR.array, 2 ** 32 - 1)]),
  "a map of 2^64-1 fields": map(["x", head(MAJOR.map, 2n ** 64n - 1n)]),
  "a text of 4 GiB": map(["x", head(MAJOR.text, 2 ** 32 - 1)]),
  "an array without end": map(["x", joined(Uint8Array.of(0x9f), repeated(ZERO, 1000))]),
  "texts in pieces": map(["x", joined(Uint8Array.of(0x7f), text("a"), BREAK)]),
  "zeros in an unknown field": map(["x", full(ZERO)]),
  "empty maps in an unknown field": map(["x", full(map())]),
  "short texts in an unknown field": map(["x", full(text("é"))]),
  "zeros for a document": map(["doc", full(ZERO)]),
  "zeros for voters": map(["doc", map(["voters", full(ZERO)])]),
  "a million nodes, each empty": map(["doc", map(["nodes", full(map())])]),
  "members that are numbers": map(["doc", map(["view", map(["members", array(ZERO, ZERO)])])]),
  "a name of 256 KiB": map([
    "doc",
    map(["nodes", array(map(["name", text("x".repeat(FULL - 64))]))]),
  ]),
  "a key of 256 KiB": map(["k".repeat(FULL - 32), ZERO]),
  "a key twice": map(["doc", ZERO], ["doc", ZERO]),
  "a key twice, inside": map(["doc", map(["version", ZERO], ["version", ZERO])]),
  "a number for a key": joined(head(MAJOR.map, 1), ZERO, ZERO),
  "bytes for a key": joined(head(MAJOR.map, 1), bytes(new TextEncoder().encode("doc")), ZERO),
  "33 fields": encoded(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`f${i}`, 0]))),
  "text that is no UTF-8": map(["x", rawText(0xc3, 0x28)]),
  "text that is half a surrogate": map(["x", rawText(0xed, 0xa0, 0x80)]),
  "text that is overlong": map(["x", rawText(0xc0, 0xaf)]),
  "undefined": map(["doc", UNDEFINED]),
  "NaN for a version": map(["doc", map(["version", NAN])]),
  "infinity for a version": map(["doc", map(["version", INFINITE])]),
  "null for the document": encoded({ doc: null }),
  "a text for the document": encoded({ doc: "doc" }),
  "nothing": map(),
  "no bytes": new Uint8Array(),
  "a document's proto": encoded({ ["__proto__"]: { doc: DOC } }),
  "fields by proto": joined(head(MAJOR.map, 1), text("__proto__"), map(["doc", encoded(DOC)])),
  "a version below zero": encoded({ doc: { ...DOC, version: -1n } }),
  "slots by the wrong pool": encoded({
    doc: { ...DOC, view: { ...DOC.view, slots: { pool: [] } } },
  }),
  "a pool of a million": map(["doc", map(["view", map(["slots", map(["pool", full(map())])])])]),
};

for (const [name, body] of Object.entries(CORPUS)) {
  test(`refused: ${name}`, () => {
    const receiver = codecOf(OTHER);
    const payload = wrapped("view", body);
    assert.ok(payload.length <= MESSAGE_MAX);
    const { refused: code, from } = refused(receiver.decode(subjectFor("view"), payload, 0));
    assert.ok(["form", "body"].includes(code), code);
    assert.is(from, ONE);
    assert.ok(receiver.work <= STEPS * payload.length, `${receiver.work} steps`);
    // Of what is large, next to nothing was looked at.
    if (body.length > 100_000) assert.ok(receiver.work < 4000, `${receiver.work} steps`);
  });
}

for (const length of [0, 1, 2, 5, 20, 60, 100]) {
  test(`a message cut after ${length} bytes is refused`, () => {
    const payload = wrapped("view", encoded({ doc: DOC })).slice(0, length);
    const result = refused(codecOf(OTHER).decode(subjectFor("view"), payload, 0));
    assert.is(result.refused, "form");
  });
}

test("names that all objects have are fields like others", () => {
  const odd = {
    nonce: 5,
    constructor: 1,
    toString: "x",
    valueOf: { a: [1] },
    hasOwnProperty: null,
  };
  const fields = { ...odd, ["__proto__"]: { nonce: 6, polluted: true } };
  const result = codecOf(OTHER).decode(subjectFor("probe"), wrapped("probe", encoded(fields)), 0);
  const { message } = received(result);
  assert.equal(Object.keys(message), ["kind", "nonce"]);
  assert.is(Object.getPrototypeOf(message), Object.prototype);
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
  const only = encoded({ ["__proto__"]: { nonce: 6 } });
  const none = refused(codecOf(OTHER).decode(subjectFor("probe"), wrapped("probe", only), 0));
  assert.is(none.refused, "body");
});

test("the envelope is as hard as the body", () => {
  const take = (payload: Uint8Array) => {
    const receiver = codecOf(OTHER);
    const result = refused(receiver.decode(subjectFor("probe"), payload, 0));
    assert.ok(receiver.work < 2500, `${receiver.work} steps`);
    return result.refused;
  };
  assert.is(take(map(["v", full(ZERO)])), "form");
  assert.is(take(map(["x", repeated(head(MAJOR.array, 1), FULL)])), "form");
  assert.is(take(map(["kind", text("k".repeat(FULL))])), "form");
  assert.is(take(map(["v", joined(head(MAJOR.tag, 2), bytes(new Uint8Array(FULL)))])), "form");
  assert.is(take(full(map(["v", ZERO]))), "form");
  assert.is(take(map(["v", ZERO], ["v", ZERO])), "form");
  let deep: Uint8Array = ZERO;
  for (let i = 0; i < DEPTH_MAX; i++) deep = map(["a", deep]);
  assert.is(take(map(["v", encoded(1)], ["x", deep])), "form");
});

test.either(
  `${RUNS} mutations end in a message or a refusal`,
  limit(120_000, () => {
    const mutations = new Mutations();
    for (let seed = 1; seed <= RUNS; seed++) {
      try {
        mutations.run(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    // The mutations reach what they are for.
    for (const verdict of Object.keys(REFUSAL_MEANING).concat("message", "waits")) {
      if (verdict === "subject") continue;
      assert.ok((mutations.counts.get(verdict) ?? 0) > 5, `${verdict} never came`);
    }
  }),
);

test.run();
