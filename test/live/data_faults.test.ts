/**
 * Programs at three real nodes work on the same records while daemons, their data threads and programs are killed, and
 * daemons stopped: what they were told must fit one copy of each record, up to the documented fall-back
 * (history/judge.ts). Faults of links have data_links.test.ts.
 *
 * Does NOT promise: rare faults; the swarm has those, and `npm run test:long -- data` goes on for as long as wanted.
 */

import * as assert from "uvu/assert";
import { askOnce } from "../../cli/commands/asking.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { follower, withRun } from "./history/run.ts";

const test = sharedSuite("records under faults");
/** Work between two faults, ms. */
const WORK_MS = 600;
/** Half of a node's lease, and more than all of it with its margins: the node is removed meanwhile, ms. */
const SHORT_MS = 1200;
const LONG_MS = 4500;

test(
  "kill -9 of daemons and programs, a data thread that dies, daemons stopped for half a lease and for two",
  limit(180_000, async () => {
    const result = await withRun({ least: 500 }, async (run) => {
      await run.work(WORK_MS);
      await run.kill(await follower(run));
      await run.killProgram(0);
      await run.well();
      await run.kill(await run.dev.leader());
      await run.well();
      await run.work(WORK_MS);

      // A life of the node ends, its daemon goes on, and nobody else is elected.
      const [leader, node] = [await run.dev.leader(), await follower(run)];
      const [pid, lives] = [await run.dev.pid(node), run.lives.ends.length];
      await askOnce(run.dev.paths(node), "chaos data");
      await run.untilEnds(lives + 1);
      await run.well();
      assert.is(await run.dev.pid(node), pid);
      assert.is(await run.dev.leader(), leader);

      await run.stop(node, SHORT_MS);
      await run.killProgram(1);
      await run.stop(node, LONG_MS);
      await run.well();
      await run.stop(leader, LONG_MS);
      await run.well();
      await run.work(WORK_MS);
    });
    assert.ok(result.ends >= 4, JSON.stringify(result));
  }),
);

test.run();
