/**
 * Programs at three real nodes work on the same records while links of nodes to the server are cut, hang, pass one way
 * only, and the server is restarted: what they were told must fit one copy of each record, up to the documented
 * fall-back (history/judge.ts).
 */

import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { follower, withOwnRun } from "./history/run.ts";

const test = sharedSuite("records and broken links");
/** Work between two faults, ms. */
const WORK_MS = 600;
/** More than all of a node's lease with its margins: the node is removed meanwhile, ms. */
const LONG_MS = 4500;

test(
  "links cut, hanging, deaf, mute; and a restart of the server",
  limit(180_000, async () => {
    await withOwnRun({ least: 150, proxies: true }, async (run) => {
      await run.well();
      const [leader, node] = [await run.dev.leader(), await follower(run)];
      await run.work(WORK_MS);
      run.proxies[node]?.cut();
      await run.work(WORK_MS);
      run.proxies[node]?.heal();
      await run.work(WORK_MS);
      for (const way of ["in", "out"] as const) {
        run.proxies[node]?.hang(way);
        await run.work(LONG_MS);
        run.proxies[node]?.heal();
        await run.well();
      }
      run.proxies[leader]?.hang();
      await run.work(LONG_MS);
      run.proxies[leader]?.heal();
      await run.well();
      await run.restartServer();
      await run.work(WORK_MS);
    });
  }),
);

test.run();
