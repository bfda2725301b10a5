/**
 * Clusters of metadata machines under faults: everything is the same everywhere in the end, nothing that was deleted
 * comes back, the newest write counts, none is lost but with its last copy.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../../../limit.ts";
import { runSeed } from "./swarm.ts";

const test = suite("metadata swarm");

test.either(
  "thirty seeds are clean, and enough happens in them",
  limit(120_000, () => {
    const sums = { writes: 0, excused: 0, rounds: 0 };
    for (let seed = 1; seed <= 30; seed++) {
      const { faults, writes, excused, rounds } = runSeed(seed);
      assert.equal(faults, [], `seed ${seed}`);
      sums.writes += writes;
      sums.excused += excused;
      sums.rounds += rounds;
    }
    // Otherwise the faults, the ledger or the rounds are broken.
    assert.ok(sums.writes > 4000, `${sums.writes} writes`);
    assert.ok(sums.rounds > 200, `${sums.rounds} rounds`);
    assert.ok(sums.excused > 250 && sums.excused < sums.writes / 2, `${sums.excused} excused`);
  }),
);

test("the same seed gives the same run, on every runtime", () => {
  // They change when a message, a draw of the dice or a time does.
  assert.equal([1, 2, 3].map((seed) => runSeed(seed).trace), [570222079, 60871349, 3985011266]);
});

test.run();
