/**
 * Clusters of message machines under faults: what a program sends comes once, in order, or its absence is told.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runMessageSeed } from "../../../../actors/machines/sim/messages/swarm.ts";
import { limit } from "../../../limit.ts";

const test = suite("messages swarm");

test.either(
  "eight seeds are clean, and enough happens in them",
  limit(120_000, () => {
    const sums = { sent: 0, refused: 0, got: 0, gaps: 0, any: 0, lives: 0, slow: 0, excused: 0 };
    for (let seed = 1; seed <= 8; seed++) {
      const { faults, sent, refused, seen } = runMessageSeed(seed);
      assert.equal(faults, [], `seed ${seed}`);
      sums.sent += sent;
      sums.refused += refused;
      for (const [name, count] of Object.entries(seen)) sums[name as keyof typeof seen] += count;
    }
    // Otherwise the faults, the traffic or the judge are broken.
    const least = {
      sent: 20_000,
      refused: 2500,
      got: 12_500,
      gaps: 60,
      any: 30,
      lives: 125,
      slow: 30,
      excused: 750,
    };
    for (const [name, count] of Object.entries(least)) {
      assert.ok(sums[name as keyof typeof least] >= count, `${name}: ${JSON.stringify(sums)}`);
    }
    assert.ok(sums.excused < sums.got / 4, `${sums.excused} excused`);
  }),
);

test("the same seed gives the same run, on every runtime", () => {
  // They change when a message, a draw of the dice or a time does.
  assert.equal([1, 2, 3].map((seed) => runMessageSeed(seed).trace), [
    4128014260,
    152321007,
    1955662654,
  ]);
});

test.run();
