/**
 * The metadata benchmark itself, small: what it counts is what it says, and the same on every runtime.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { FLAT_WITHIN, spreadOf } from "./meta.ts";
import { busBytesOf, cborBytesOf } from "../../actors/machines/sim/metadata/bytes.ts";
import { measure } from "../../actors/machines/sim/metadata/traffic.ts";

const test = suite("metadata benchmark");

test("bytes are counted as CBOR has them", () => {
  const cases: readonly [value: unknown, bytes: number][] = [
    [23, 1],
    [24, 2],
    [256, 3],
    [65536, 5],
    [2 ** 32, 9],
    [1n << 40n, 9],
    [-1, 1],
    [1.5, 9],
    [true, 1],
    [null, 1],
    ["", 1],
    ["é😀", 7],
    ["x".repeat(24), 26],
    [[1, [2]], 4],
    [{ a: 1, b: undefined }, 4],
  ];
  for (const [value, bytes] of cases) assert.is(cborBytesOf(value), bytes, String(value));
  // A body of n bytes more is a message of n bytes more, and of its longer head.
  const one = busBytesOf({ kind: "md_read", text: "x".repeat(30) } as never);
  assert.is(busBytesOf({ kind: "md_read", text: "x".repeat(31) } as never), one + 1);
});

test(
  "a change costs those who are interested and the leader, and the size of the cluster nobody",
  limit(60_000, () => {
    const found = [9, 36].map((nodes) => measure(nodes, 20_000, 0, 1));
    for (const { mostBeyond, perChange, changes, nodes } of found) {
      assert.is(mostBeyond, 1);
      assert.ok(perChange > 2 && perChange < 3.2, `${perChange} per change`);
      // Own scopes every 10 s, databases every 5 s: 2.4 and 8/3*4 per node in 20 s.
      assert.ok(Math.abs(changes / nodes - 12.7) < 1.5, `${changes} changes of ${nodes} nodes`);
    }
    const [small, large] = found;
    assert.ok(spreadOf(found) <= FLAT_WITHIN, `${small?.medianBytes} and ${large?.medianBytes}`);
    assert.ok((large?.leaderBytes ?? 0) > 2 * (large?.mostBytes ?? Infinity));
  }),
);

test(
  "with two messages in a hundred lost, repair costs little",
  limit(60_000, () => {
    const [without, lossy] = [0, 20].map((loss) => measure(12, 40_000, loss, 2));
    const more = (lossy?.medianBytes ?? Infinity) / (without?.medianBytes ?? 0);
    assert.ok(more < 1.2, `${more}`);
    // Bytes per node and second for records that are sent again.
    assert.ok((lossy?.kinds.get("md_records") ?? 0) > 2 + (without?.kinds.get("md_records") ?? 0));
  }),
);

test("the count is the same on every runtime", () => {
  assert.is(measure(6, 10_000, 50, 3).hash, "26f33153");
});

test.run();
