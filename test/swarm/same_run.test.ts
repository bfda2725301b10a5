/**
 * A seed gives the same run again, another does not: of the cluster, of addresses, of records, of commits. The one
 * thing in a swarm that a runtime could change, so that it is looked at on both; the rest of the swarms is one's.
 *
 * Does NOT promise: the same run in another version of the program.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runAddressSeed } from "../../actors/machines/sim/addresses/address_swarm.ts";
import { runCommitSeed } from "../../actors/machines/sim/commits/commit_swarm.ts";
import { runRecordSeed } from "../../actors/machines/sim/records/record_swarm.ts";
import { runSeed } from "../../actors/machines/sim/swarm.ts";
import { SLOTS } from "../../transport/wire/limits.ts";
import { FEW } from "./record_broken.ts";

const test = suite("the same seed");

/** How long things go wrong: short. */
const SHORT = { faultsMs: 5_000 };

const RUNS: Readonly<Record<string, (seed: number) => string>> = {
  cluster: (seed) => runSeed(seed, { ...SHORT, quietMs: 10_000 }).hash,
  addresses: (seed) => runAddressSeed(seed, SHORT).hash,
  records: (seed) => runRecordSeed(seed, { ...SHORT, slots: FEW }).hash,
  commits: (seed) => runCommitSeed(seed, SHORT).hash,
};

for (const [name, hashOf] of Object.entries(RUNS)) {
  test(`${name}: the same run again; another seed, another run`, () => {
    const hash = hashOf(7);
    assert.is(hashOf(7), hash);
    assert.is.not(hashOf(8), hash);
  });
}

test("records: how many slots there are is a part of it", () => {
  const hashOf = (slots?: number) => {
    return runRecordSeed(7, { ...SHORT, ...(slots === undefined ? {} : { slots }) }).hash;
  };
  const hash = hashOf();
  assert.is(hashOf(SLOTS), hash);
  assert.is.not(hashOf(FEW), hash);
});

test.run();
