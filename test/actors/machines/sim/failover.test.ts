/**
 * How long a failure takes, in simulated time: within the rows of section 5 of the paper and the bars of the product.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FAILOVERS, quantileOf, runFailover } from "../../../../actors/machines/sim/failover.ts";
import type { Failover, FailoverTimes } from "../../../../actors/machines/sim/failover.ts";
import { BROKEN } from "../../../swarm/broken.ts";

const test = suite("failover");

const RUNS = 60;
/** Milliseconds: half of the runs, and all of them. The paper: 1 160 .. 2 240, 3 380 .. 3 590, 2 670 .. 2 850. */
const BARS: Readonly<Record<Failover, { document?: [number, number]; view: [number, number] }>> = {
  "leader stopped": { document: [1_250, 2_300], view: [3_450, 5_000] },
  "leader killed": { document: [150, 1_200], view: [200, 1_300] },
  "leader lost power": { document: [1_250, 2_300], view: [3_450, 5_000] },
  "follower stopped": { view: [2_750, 3_200] },
  "follower killed": { view: [80, 500] },
};
/** Of a node that has nothing to do with it. */
const PAUSE: [number, number] = [20, 600];

function runs(what: Failover, count = RUNS): FailoverTimes[] {
  return Array.from({ length: count }, (_, index) => runFailover(what, index + 1));
}

function assertBelow(values: number[], [half, all]: [number, number], what: string): void {
  assert.not.ok(values.some(Number.isNaN), `${what}: did not happen in each run`);
  const found = [quantileOf(values, 0.5), quantileOf(values, 1)];
  assert.ok((found[0] ?? NaN) <= half && (found[1] ?? NaN) <= all, `${what}: ${found} ms`);
}

for (const what of FAILOVERS) {
  test.either(what, () => {
    const times = runs(what);
    const { document, view } = BARS[what];
    if (document !== undefined) {
      assertBelow(times.map(({ documentMs }) => documentMs), document, "first document");
    }
    assertBelow(times.map(({ viewMs }) => viewMs), view, "view without it");
    assertBelow(times.map(({ pauseMs }) => pauseMs), PAUSE, "pause of the others");
  });
}

test.either("Without rule F the others are frozen while a silent member is waited out", () => {
  const rules = BROKEN["no rule F"];
  assert.ok(rules !== undefined);
  const pauses = [1, 2, 3, 4, 5].map((seed) =>
    runFailover("follower stopped", seed, rules).pauseMs
  );
  assert.ok(Math.min(...pauses) > 900, `${pauses}`);
});

test.run();
