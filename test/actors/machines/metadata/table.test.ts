/**
 * The table of a scope: its sums follow from what it holds, whatever happened before.
 */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { childrenOf, PATH_MAX, pathOf, Table } from "../../../../actors/machines/metadata/table.ts";
import type { MetaRecord } from "../../../../transport/wire/messages/metadata.ts";
import type { NodeId } from "../../../../transport/wire/terms.ts";

const test = suite("metadata table");

const W = "0".repeat(31);
const record = (key: string, c: bigint, value: string | null = "x", w = 1): MetaRecord => ({
  scope: "c",
  key,
  value,
  c,
  w: `${W}${w}` as NodeId,
  wallMs: 0,
  by: "",
});
const records = fc.uniqueArray(
  fc.record({
    key: fc.string({ minLength: 1, maxLength: 6 }),
    c: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
  }),
  { selector: ({ key }) => key, maxLength: 40 },
).map((list) => list.map(({ key, c }) => record(key, c)));

function tableOf(list: readonly MetaRecord[]): Table {
  const table = new Table();
  for (const one of list) table.put(one);
  return table;
}

test("the hash has the value of the protocol", () => {
  const table = tableOf([record("a", 1n), record("b", 1n << 40n, null)]);
  assert.equal([table.hash, table.count, table.tombstones], [16824502299602437955n, 2, 1]);
  assert.is(pathOf("health"), "6da79695");
});

test("the hash does not depend on the order, and not on what was there before", () => {
  fc.assert(fc.property(records, records, (list, others) => {
    const table = tableOf(list);
    const again = tableOf([...list].reverse());
    for (const other of others) if (again.get(other.key) === undefined) again.put(other);
    for (const other of others) if (table.get(other.key) === undefined) again.drop(other.key);
    assert.equal([again.hash, again.count], [table.hash, table.count]);
  }));
});

test("any other key, stamp or writer is another hash", () => {
  const one = record("a", 7n);
  const others = [
    { ...one, key: "b" },
    { ...one, c: 8n },
    { ...one, c: 7n + (1n << 32n) },
    { ...one, w: `${W}2` as NodeId },
  ];
  const hashes = [one, ...others].map((other) => tableOf([other]).hash);
  assert.is(new Set(hashes).size, 5);
  // Two keys that have each other's stamps.
  const crossed = [
    tableOf([record("a", 1n), record("b", 2n)]),
    tableOf([record("a", 2n), record("b", 1n)]),
  ];
  assert.is.not(crossed[0]?.hash, crossed[1]?.hash);
});

test("a record replaces the one of its key", () => {
  const table = tableOf([record("a", 1n), record("a", 2n, null)]);
  assert.equal([table.count, table.tombstones, table.maxC()], [1, 1, 2n]);
  table.put(record("a", 3n));
  assert.equal([table.count, table.tombstones, table.hash], [
    1,
    0,
    tableOf([record("a", 3n)]).hash,
  ]);
});

test("the 16 parts of a path are together what the path is", () => {
  fc.assert(fc.property(records, fc.integer({ min: 0, max: 2 }), (list, depth) => {
    const table = tableOf(list);
    const path = pathOf(list[0]?.key ?? "").slice(0, depth);
    const [whole] = table.sums([path]);
    const parts = table.sums(childrenOf(path));
    assert.is(parts.reduce((sum, { count }) => sum + count, 0), whole?.count);
    const low = 0xffff_ffffn;
    const lanes = (hash: bigint) => [hash >> 32n, hash & low] as const;
    const sums = parts.map(({ hash }) => lanes(hash));
    const high = sums.reduce((sum, [one]) => sum + one, 0n) & low;
    const rest = sums.reduce((sum, [, one]) => sum + one, 0n) & low;
    assert.equal([high, rest], [...lanes(whole?.hash ?? 0n)]);
    assert.equal(
      parts.map((part) => part.count),
      childrenOf(path).map((one) => table.within(one).length),
    );
  }));
});

test("the empty path is everything", () => {
  const list = Array.from({ length: 300 }, (_, i) => record(`key ${i}`, BigInt(i + 1)));
  const table = tableOf(list);
  assert.equal(table.sums([""]), [{ path: "", hash: table.hash, count: 300 }]);
  assert.is(table.within("").length, 300);
  assert.is(pathOf("x").length, PATH_MAX);
  // Keys that are alike are spread over all parts.
  for (const { count } of table.sums(childrenOf(""))) {
    assert.ok(count > 4 && count < 40, `${count}`);
  }
});

test("the floor rises only, and takes tombstones up to it along", () => {
  const table = tableOf([
    record("a", 1n, null),
    record("b", 2n),
    record("c", 5n, null),
    record("d", 6n, null),
  ]);
  assert.equal(table.raiseFloor(5n).sort(), ["a", "c"]);
  assert.equal([table.floor, table.count, table.tombstones], [5n, 2, 1]);
  assert.equal(table.raiseFloor(4n), []);
  assert.is(table.floor, 5n);
});

test.run();
