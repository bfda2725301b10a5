/** Times and counters of the record workloads. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adding, counterOf } from "./workloads/counter.ts";
import { hashOf, LateError, mustBe, Times, within } from "./workloads/measure.ts";

const test = suite("record workloads: measuring");

test("percentiles are those of all samples, whatever their order", () => {
  const times = new Times();
  for (let index = 0; index < 5000; index++) times.add((index * 7919) % 5000 + 1);
  assert.equal([0.5, 0.99, 0.999, 1].map((part) => times.us(part) / 1000), [
    2500,
    4950,
    4995,
    5000,
  ]);
  times.add(0.25);
  assert.is(times.us(0), 250);
  assert.is(times.count, 5001);
  assert.ok(Number.isNaN(new Times().us(0.5)));
});

test("operations that could not begin while one took long are counted as late", () => {
  const times = new Times();
  times.addPaced(0.5, 1);
  assert.is(times.count, 1);
  times.addPaced(4.5, 1);
  assert.equal([0, 0.4, 0.6, 0.8, 1].map((part) => times.us(part)), [500, 1500, 2500, 3500, 4500]);
});

test("a figure has rates and a hash of its result", () => {
  const times = new Times();
  times.add(2);
  const world = { name: "w", about: "c" };
  const told = { workload: "x", what: "y", unit: "z", seconds: 2, count: 10, result: [1n] };
  const figure = times.figure(world, told);
  assert.is(figure.rate, 5);
  assert.is(figure.p999Us, 2000);
  assert.is(figure.client, "c");
  assert.is(figure.hash, hashOf([1n]));
  assert.is.not(hashOf([1n]), hashOf([2n]));
  assert.throws(() => mustBe("a", 1, 2), "a is 1, not 2");
});

test("a counter carries into its upper half, and keeps the rest of its value", () => {
  const value = new Uint8Array(12).fill(9);
  new DataView(value.buffer).setBigUint64(0, 0xffff_ffffn, true);
  const next = adding(2, 12)(value);
  assert.is(counterOf(next), 0x1_0000_0001);
  assert.equal(next?.subarray(8), value.subarray(8));
  assert.is(counterOf(adding(3)(undefined)), 3);
  assert.is(counterOf(undefined), 0);
});

test("what takes too long is given up", async () => {
  assert.is(await within(10_000, "it", Promise.resolve(5)), 5);
  const never = new Promise<void>(() => {});
  const error = await within(1, "it", never).catch((caught: unknown) => caught);
  assert.instance(error, LateError);
});

test.run();
