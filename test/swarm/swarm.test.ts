/**
 * A short swarm: whole clusters under faults, with seeds that stay and fresh ones. `npm run test:long -- swarm` runs
 * more.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runLayout } from "../../actors/machines/sim/layouts.ts";
import { runSeed } from "../../actors/machines/sim/swarm.ts";
import type { SeedResult } from "../../actors/machines/sim/swarm.ts";
import { limit } from "../limit.ts";

const test = suite("swarm");

/** These seeds are run every time. */
const KEPT = 40;
/** Layouts of cuts that are run every time. */
const LAYOUTS = 40;
/** Fresh seeds. */
const FRESH = 20;

function assertClean(kind: string, { seed, violations, classes }: SeedResult): void {
  const texts = violations.map(({ atMs, rule, text }) => `${atMs.toFixed(1)} ${rule}: ${text}`);
  assert.equal(
    texts,
    [],
    `${kind} ${seed} (${classes.join(" ")}); again: npm run test:long -- swarm 1 ${seed}`,
  );
}

test(
  "The seeds that stay run clean",
  limit(120_000, () => {
    for (let seed = 1; seed <= KEPT; seed++) assertClean("seed", runSeed(seed));
  }),
);

test(
  "Fresh seeds run clean",
  limit(120_000, () => {
    const first = Date.now() >>> 0;
    for (let seed = first; seed < first + FRESH; seed++) assertClean("seed", runSeed(seed >>> 0));
  }),
);

test(
  "One-way cuts that stay: at most two leaders, and one where it is possible",
  limit(120_000, () => {
    for (let seed = 1; seed <= LAYOUTS; seed++) assertClean("layout", runLayout(seed));
  }),
);

test.run();
