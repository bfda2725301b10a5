/** The queue of the simulator. */

import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TimeHeap } from "../../../transport/sim/heap.ts";

const test = suite("time heap");

test("Comes out by time, and of equal times in the order of going in", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (times) => {
    const heap = new TimeHeap<{ atMs: number; seq: number }>();
    for (const atMs of times) heap.push({ atMs, seq: 0 });
    const out: { atMs: number; seq: number }[] = [];
    for (let next = heap.pop(); next !== undefined; next = heap.pop()) out.push(next);
    assert.is(out.length, times.length);
    const sorted = times.map((atMs, seq) => ({ atMs, seq }))
      .sort((one, other) => one.atMs - other.atMs || one.seq - other.seq);
    assert.equal(out, sorted);
  }));
});

test.run();
