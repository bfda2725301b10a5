/** Whole nodes with data threads under faults: the histories of their programs fit one copy of each record. */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { DataSwarm } from "./data_swarm.ts";

const test = suite("data threads under faults");

/** 170: a call was told as done although its copy came too late to be kept, and the owner died. */
const SEEDS = [1, 2, 170] as const;

for (const seed of SEEDS) {
  test(
    `seed ${seed}`,
    limit(120_000, async () => {
      const { objections, counts, story } = await DataSwarm.run(seed);
      assert.equal(objections, [], story.join("; "));
      assert.ok((counts["update ok"] ?? 0) > 100, JSON.stringify(counts));
      assert.ok((counts["append ok"] ?? 0) > 50, JSON.stringify(counts));
    }),
  );
}

test.run();
