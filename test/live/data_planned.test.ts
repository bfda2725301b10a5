/**
 * Each node in turn is stopped in order and started again, under load (promise 19): the records that it had are handed
 * over first, so no acknowledged change is lost, and no operation at the other nodes fails.
 */

import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { withRun } from "./history/run.ts";

const test = sharedSuite("records and planned stops");
/** No deletions: a call to a record that is deleted and made again meanwhile may end "unknown", stops or not. */
const MIX = { read: 35, append: 18, delete: 0, lock: 7 } as const;

test(
  "a rolling restart loses nothing, and nothing fails at the other nodes",
  limit(240_000, async () => {
    const result = await withRun({ least: 500, mix: MIX }, async (run) => {
      for (let node = 0; node < run.dev.nodes; node++) {
        await run.work(500);
        await run.restart(node);
      }
      await run.work(500);
    });
    assert.equal(result.failedElsewhere, []);
    assert.is(result.ends, 0);
  }),
);

test.run();
