/**
 * The benchmarks of records and of transactions on ctdbx itself, small, on one cluster: each workload gives the result
 * that it must, what it costs is counted, and the table of bars holds it against figures of another. Those that take
 * long even when they are small are left to `npm run bench -- volatile --small`.
 */

import * as assert from "uvu/assert";
import { type CommitWish, NAMES, runCommits } from "../bench/commits.ts";
import { commitBars } from "../bench/commits/bars.ts";
import { measureDisk } from "../bench/commits/disk_floor.ts";
import { OurCommits } from "../bench/commits/ours.ts";
import { lineOf, runWorkloads, WORKLOADS } from "../bench/peer_records.ts";
import { rowOf, type ScalingRow } from "../bench/scaling.ts";
import { barRows } from "../bench/workloads/bars.ts";
import { measureFloor } from "../bench/workloads/floor.ts";
import { measureRings } from "../bench/workloads/floor_ring.ts";
import { OurWorld } from "../bench/workloads/our_world.ts";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { DevCluster } from "./dev_rig.ts";

interface Context {
  dev: DevCluster | undefined;
}

const test = sharedSuite<Context>("benchmarks on three nodes", { dev: undefined });
/** Of each client at three nodes; at one node more, for there they cost little, and must send nothing. */
const ROW_OPERATIONS = 100;
const LONG: readonly string[] = ["fetch-loop", "hot-mix", "vacuum", "traverse", "recovery"];

/** What the row of a cluster must say; `hash` is of its results. */
function isRow({ nodes, hash, messagesPerOperation }: ScalingRow, wanted: string): void {
  assert.is(`${nodes} ${hash}`, wanted);
  if (nodes > 1) assert.ok(messagesPerOperation > 0, `${messagesPerOperation} messages`);
  else assert.ok(Math.abs(messagesPerOperation) < 0.05, "one node sends nothing");
}

test.after(limit(60_000, ({ dev }) => dev?.giveBack()));

/** The cluster of three nodes; skips the test when there is no nats-server. */
async function cluster(context: Context): Promise<DevCluster> {
  return context.dev ??= await DevCluster.borrow(3);
}

/** The row of a node that is alone, in a cluster of its own. */
async function rowAlone(): Promise<ScalingRow> {
  const world = await OurWorld.start(1);
  try {
    return await rowOf(world, "small");
  } finally {
    await world.end();
  }
}

test(
  "records: the scaling rows of three nodes and of one, which sends nothing; the workloads' results are right",
  limit(180_000, async (context) => {
    const floor = await measureFloor("small");
    const world = await OurWorld.of(await cluster(context));
    try {
      // Side by side: they mostly wait for counters to be told.
      const rows = await Promise.allSettled([rowOf(world, "small", ROW_OPERATIONS), rowAlone()]);
      const [three, one] = rows.map((row) => {
        if (row.status === "rejected") throw row.reason;
        return row.value;
      }) as [ScalingRow, ScalingRow];
      isRow(three, "3 784bcfbbcfd2e22b");
      isRow(one, "1 12954fa55c997a0c");
      const chosen = WORKLOADS.filter(({ name }) => !LONG.includes(name));
      const { figures, failed } = await runWorkloads(world, chosen, "small", floor, () => {});
      assert.equal(failed, []);
      for (const figure of figures) assert.match(lineOf(figure), figure.hash);
      assert.equal(figures.map(({ workload, hash }) => `${workload} ${hash}`), [
        "fetch-ring 3ada92f28b4ceda3",
        "remote-call 5feceb66ffc86f38",
        "remote-read 5feceb66ffc86f38",
        "hot-counter 447e2f73eb140288",
        "message-ring 1d1e4c837a2b1ed6",
        "one-way dc7dfad562cd9830",
      ]);
      // Figures of the peer as if they were the same: all ratios to it are 1.
      const rings = await measureRings("small");
      const bars = barRows(figures, figures, { ...floor, ...rings });
      assert.ok(bars.length >= 5, JSON.stringify(bars));
      const bare = bars.filter(({ what }) => what.includes("bare ring"));
      assert.equal(bare.map(({ peer, bar, isMet }) => [peer, bar, isMet]), [
        ["-", "-", undefined],
        ["-", "-", undefined],
      ]);
      assert.ok(bare.every(({ ratio = 0 }) => ratio > 0), JSON.stringify(bare));
      const rates = bars.filter(({ what }) => what.includes(": rate"));
      assert.ok(rates.every(({ ratio, isMet }) => ratio === 1 && isMet === false));
    } finally {
      world.leave();
    }
  }),
);

test(
  "transactions: the workloads' results are right, and syncs are counted",
  limit(180_000, async (context) => {
    // That one needs no real node, and is a unit test.
    const names = NAMES.filter((name) => name !== "catch-up");
    const wish: CommitWish = { names, scale: "small", seconds: 0.1, peerKeys: 0 };
    const { figures, failed } = await runCommits(
      async () => OurCommits.of(await cluster(context)),
      wish,
    );
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
      "failover, primary killed, persistent, 2 clients d127a8c84b64c9c3",
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
