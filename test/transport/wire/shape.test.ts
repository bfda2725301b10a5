/**
 * Shapes: what comes out of a decoder, made into what a declaration says, and nothing else.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as fields from "../../../transport/wire/fields.ts";
import { packOf, shapeOf } from "../../../transport/wire/shape.ts";

const { choice, list, ms, optional, orNull, pooled, record, text, u32, u64, word } = fields;
const test = suite("shape");

test("whole numbers become what the declaration says, all else stays for the check", () => {
  const shape = shapeOf(record("R", "", { big: u64(""), small: u32(""), time: ms("") }));
  assert.equal(shape({ big: 7, small: 7n, time: 7n }), { big: 7n, small: 7, time: 7 });
  assert.equal(shape({ big: 7n, small: 7, time: 7.5 }), { big: 7n, small: 7, time: 7.5 });
  const odd = { big: 2 ** 53, small: 2n ** 53n, time: "7" };
  assert.equal(shape(odd), odd);
  assert.equal(shape({ big: 1.5, small: null }), { big: 1.5, small: null });
  for (const value of [5, null, "x", [1], undefined]) assert.is(shape(value), value);
});

test("only own fields that are declared come through, into an object of its own", () => {
  const shape = shapeOf(record("R", "", { toString: optional(text("")), own: u32("") }));
  const made = shape({ own: 1, more: 2 }) as object;
  assert.equal(Object.keys(made), ["own"]);
  assert.is(Object.getPrototypeOf(made), Object.prototype);
  const inherited = Object.create({ own: 1 });
  assert.equal(shape(inherited), {});
  assert.equal(Object.keys(shape({ own: undefined }) as object), []);
});

test("of a choice, the record whose words are there is taken", () => {
  const one = record("One", "", { is: word("a"), as: word("x"), n: u64("") });
  const two = record("Two", "", { is: word("a"), as: word("y"), m: u64("") });
  const shape = shapeOf(choice("", [one, two]));
  assert.equal(shape({ is: "a", as: "x", n: 1, m: 2 }), { is: "a", as: "x", n: 1n });
  assert.equal(shape({ is: "a", as: "y", n: 1, m: 2 }), { is: "a", as: "y", m: 2n });
  assert.equal(shape({ is: "a" }), {});
  assert.equal(shape({ is: "b", as: "x" }), {});
  assert.is(shape("a"), "a");
  const perhaps = shapeOf(orNull(u64("")));
  assert.equal([perhaps(5), perhaps(null), perhaps("5")], [5n, null, "5"]);
});

test("a pooled list is packed once for equal items, and comes back with them shared", () => {
  const item = record("Item", "", { n: u64(""), s: optional(text("")), r: optional(u32("")) });
  const schema = record("R", "", { inner: record("I", "", { items: pooled("", item, 6) }) });
  const a = { n: 1n };
  const odd = [a, { n: 1n, s: "" }, { n: 1n, s: "1" }, { n: 1n, r: 0 }, { n: 11n }, { n: 1n }];
  const packed = packOf(schema)?.({ inner: { items: odd } }) as {
    inner: { items: { pool: unknown[]; at: Uint8Array } };
  };
  assert.is(packed.inner.items.pool.length, 5);
  assert.equal([...packed.inner.items.at], [0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 0, 0]);
  const back = shapeOf(schema)(packed) as { inner: { items: object[] } };
  assert.equal(back, { inner: { items: odd } });
  assert.is(back.inner.items[0], back.inner.items[5]);
  assert.is(packOf(record("R", "", { n: u32(""), l: list("", u32(""), 3) })), undefined);
});

test("texts that hold what separates keys of a pool stay different", () => {
  const item = record("Item", "", { s: optional(text("")), t: optional(text("")) });
  const schema = record("R", "", { items: pooled("", item, 5) });
  const items = [{ s: "a,;" }, { s: "a", t: ";" }, { s: 'a",";' }, { t: "a,;" }, {
    s: "a,",
    t: "",
  }];
  const packed = packOf(schema)?.({ items }) as { items: { pool: unknown[] } };
  assert.equal(packed.items.pool, items);
});

test("limits: a pool of more items, or more places, than the list may have is left as it is", () => {
  const schema = pooled("", u64(""), 4);
  const shape = shapeOf(schema);
  const at = (count: number) => new Uint8Array(2 * count);
  assert.equal(shape({ pool: [5, 6, 7, 8], at: at(4) }), [5n, 5n, 5n, 5n]);
  assert.equal(shape({ pool: [5], at: at(3) }), [5n, 5n, 5n]);
  for (const value of [{ pool: [1, 2, 3, 4, 5], at: at(4) }, { pool: [1], at: at(5) }]) {
    assert.is(shape(value), value);
  }
  for (const value of [{ pool: [1], at: new Uint8Array(3) }, { pool: [1], at: [0, 0] }, {}]) {
    assert.is(shape(value), value);
  }
  assert.equal(shape({ pool: [5], at: Uint8Array.of(1, 0) }), [undefined]);
  // Bytes that begin at an odd place of their buffer.
  assert.equal(shape({ pool: [5, 6], at: Uint8Array.of(9, 1, 0).subarray(1) }), [6n]);
});

test.run();
