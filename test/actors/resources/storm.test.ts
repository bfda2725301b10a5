/**
 * Resources under faults by the dice: at no instant has one two owners; when the faults are over all are owned, evenly.
 * `npm run test:long -- resources` runs as many as one likes.
 */
import { suite } from "uvu";
import { runStorm } from "./storm.ts";

const test = suite("resources under faults");

for (const seed of [1, 2, 1016]) {
  test.either(`seed ${seed}: never two owners, and all are owned when it is over`, () =>
    runStorm(seed));
}

test.run();
