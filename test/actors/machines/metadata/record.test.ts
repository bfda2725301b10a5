/**
 * Records of metadata: which of two writes counts, and what may be written.
 */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  databaseScope,
  faultOf,
  isNewer,
  isSameWrite,
  isScope,
  nodeScope,
  sizeOf,
} from "../../../../actors/machines/metadata/record.ts";
import { META_KEY_MAX, META_VALUE_MAX } from "../../../../transport/wire/limits.ts";
import type { NodeId } from "../../../../transport/wire/terms.ts";
import { cborBytesOf } from "../../../../actors/machines/sim/metadata/bytes.ts";

const test = suite("metadata records");

const A = "a".repeat(32) as NodeId;
const B = "b".repeat(32) as NodeId;
const write = fc.record({ c: fc.bigInt({ min: 0n, max: 5n }), w: fc.constantFrom(A, B) });

test("of two writes exactly one is newer, unless they are the same", () => {
  fc.assert(fc.property(write, write, (one, other) => {
    const newer = [isNewer(one, other), isNewer(other, one), isSameWrite(one, other)];
    assert.is(newer.filter((yes) => yes).length, 1);
  }));
});

test("the stamp counts first, then the writer", () => {
  assert.ok(isNewer({ c: 2n, w: A }, { c: 1n, w: B }));
  assert.ok(isNewer({ c: 2n, w: B }, { c: 2n, w: A }));
  // As numbers and not as text.
  assert.ok(isNewer({ c: 10n, w: A }, { c: 9n, w: A }));
});

test("newer is transitive", () => {
  fc.assert(fc.property(write, write, write, (one, two, three) => {
    fc.pre(isNewer(one, two) && isNewer(two, three));
    assert.ok(isNewer(one, three));
  }));
});

test("scopes are c, d/DATABASE and n/NODE ID", () => {
  const good = ["c", databaseScope("a.tdb"), databaseScope("x".repeat(127)), nodeScope(A)];
  const bad = [
    "",
    "d/",
    "d/a b",
    "d/../a",
    databaseScope("x".repeat(128)),
    "n/1",
    "C",
    "c/",
    `${nodeScope(A)}0`,
  ];
  assert.equal(good.filter(isScope), good);
  assert.equal(bad.filter(isScope), []);
});

const fault = (scope: string, key: string, value: string | null) =>
  faultOf(scope, key, value) ?? "";

test("keys and values have limits, and are text", () => {
  const key = "k".repeat(META_KEY_MAX);
  const value = "v".repeat(META_VALUE_MAX);
  assert.is(faultOf("c", key, value), undefined);
  assert.is(faultOf("c", key, null), undefined);
  assert.match(fault("c", `${key}k`, ""), /1 to 256 characters/);
  assert.match(fault("c", "", ""), /1 to 256 characters/);
  assert.match(fault("c", "a\nb", ""), /control/);
  assert.match(fault("c", "a\u007f", ""), /control/);
  assert.match(fault("c", "a", `${value}v`), /META_VALUE_MAX is 16384/);
  assert.match(fault("c", "a\ud800", ""), /surrogate/);
  assert.match(fault("c", "a", "\udc00"), /surrogate/);
  assert.match(fault("x", "a", ""), /no scope/);
});

test("a record takes no more bytes in a message than was said", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(fc.property(text, text, text, (key, value, by) => {
    const record = { scope: nodeScope(A), key, value, by, c: 1n << 63n, w: B, wallMs: 1.5 };
    assert.ok(cborBytesOf(record) <= sizeOf(record));
  }));
});

test.run();
