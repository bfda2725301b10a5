/**
 * The benchmark of transactions on ctdbx itself, small: each workload gives the result that it must, what it costs is
 * counted, and the table of bars holds it against figures of another.
 */

import * as assert from "uvu/assert";
import { type CommitWish, NAMES, runCommits } from "../bench/commits.ts";
import { catchUp } from "../bench/commits/catch_up.ts";
import { commitBars } from "../bench/commits/bars.ts";
import { measureDisk } from "../bench/commits/disk_floor.ts";
import { OurCommits } from "../bench/commits/ours.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { tool } from "../tools.ts";

const test = sharedSuite("benchmark of transactions");

test("a node that missed 1 % gets the entries, or the pages that differ", async () => {
  for (const [way, bytes] of [["log", 300_000], ["pages", 1_000_000]] as const) {
    const { more: { sentBytes = 0, missedBytes = 0 } } = await catchUp(way, bytes);
    assert.is(missedBytes, bytes / 100);
    assert.ok(sentBytes > missedBytes && sentBytes < bytes, `${way}: ${sentBytes} bytes`);
  }
});

test(
  "the workloads run on three nodes, their results are right, and syncs are counted",
  limit(180_000, async () => {
    tool("nats-server");
    // The last one needs no real node.
    const names = NAMES.filter((name) => name !== "catch-up");
    const wish: CommitWish = { names, scale: "small", seconds: 0.3, peerKeys: 0 };
    const { figures, failed } = await runCommits(() => OurCommits.start(), wish);
    assert.equal(failed, []);
    assert.equal(figures.map(({ workload, what, hash }) => `${workload}, ${what} ${hash}`), [
      "transactions persistent, 1 client 4df9a4919fd67113",
      "transactions persistent, 4 clients 3bb12ad9f66a8622",
      "transactions replicated, 1 client 9bf31de2dcec9717",
      "transactions replicated, 4 clients b40516bb209245de",
      "large transaction, 10 keys, persistent f5cefa79f8a1842a",
      "large transaction, 300 keys, persistent d088e69b50c8953b",
      "glock, 1 client 3a5641b6a1d78e32",
      "glock, 3 nodes that want it 98c220fe8917f4ba",
      "failover, primary killed, persistent, 8 clients d127a8c84b64c9c3",
      "behind, 1 % of 2.00 MB missed 5e92d9343255d95d",
    ]);
    const [one, , memory] = figures;
    // Each of three copies syncs its log for each entry; the file's syncs come on top, shared by many.
    assert.ok((one?.more["syncsEach"] ?? 0) >= 3, JSON.stringify(one?.more));
    assert.is(memory?.more["syncsEach"], 0);
    const rows = commitBars(figures, figures);
    assert.equal(rows.map(({ isMet }) => isMet), [false, false, true, false]);
    const disk = await measureDisk(0.1);
    assert.ok(disk.perSecond > 0 && disk.threePerSecond > 0);
  }),
);

test.run();
