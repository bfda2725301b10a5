/**
 * The benchmarks of records on ctdbx itself, small: each workload gives the result that it must, and its row. Those
 * that take long even when they are small are left to `npm run bench -- volatile --small`.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lineOf, runWorkloads, WORKLOADS } from "../bench/peer_records.ts";
import { scaling } from "../bench/scaling.ts";
import { barRows } from "../bench/workloads/bars.ts";
import { measureFloor } from "../bench/workloads/floor.ts";
import { measureRings } from "../bench/workloads/floor_ring.ts";
import { OurWorld } from "../bench/workloads/our_world.ts";
import { limit, skip } from "../limit.ts";
import { tool } from "../tools.ts";

const test = suite("benchmarks of clustered records");
const LONG: readonly string[] = ["fetch-loop", "hot-mix", "vacuum", "traverse", "recovery"];

test(
  "the workloads run on three nodes, and results are right",
  limit(180_000, async () => {
    tool("nats-server");
    if ("Deno" in globalThis) skip("on Bun only: it takes 30 s, and the library is tested on both");
    const floor = await measureFloor("small");
    const world = await OurWorld.start();
    try {
      const chosen = WORKLOADS.filter(({ name }) => !LONG.includes(name));
      const { figures, failed } = await runWorkloads(world, chosen, "small", floor, () => {});
      assert.equal(failed, []);
      for (const figure of figures) assert.match(lineOf(figure), figure.hash);
      assert.equal(figures.map(({ workload, hash }) => `${workload} ${hash}`), [
        "fetch-ring bc52dd634277c4a3",
        "remote-call 5feceb66ffc86f38",
        "remote-read 5feceb66ffc86f38",
        "hot-counter 447e2f73eb140288",
        "message-ring 3635e8e60f849481",
        "one-way dc7dfad562cd9830",
      ]);
      // Figures of the peer as if they were the same: all ratios to it are 1.
      const rings = await measureRings("small");
      const rows = barRows(figures, figures, { ...floor, ...rings });
      assert.ok(rows.length >= 5, JSON.stringify(rows));
      const bare = rows.filter(({ what }) => what.includes("bare ring"));
      assert.equal(bare.map(({ peer, bar, isMet }) => [peer, bar, isMet]), [
        ["-", "-", undefined],
        ["-", "-", undefined],
      ]);
      assert.ok(bare.every(({ ratio = 0 }) => ratio > 0), JSON.stringify(bare));
      const rates = rows.filter(({ what }) => what.includes(": rate"));
      assert.ok(rates.every(({ ratio, isMet }) => ratio === 1 && isMet === false));
    } finally {
      await world.end();
    }
  }),
);

test(
  "the scaling row counts what one to three nodes send for the same work",
  limit(120_000, async () => {
    tool("nats-server");
    if ("Deno" in globalThis) skip("on Bun only: it takes 20 s, and the library is tested on both");
    const rows = await scaling("small");
    assert.equal(rows.map(({ nodes, hash }) => `${nodes} ${hash}`), [
      "1 12954fa55c997a0c",
      "2 fc53614a37077c40",
      "3 02f24dea4a8edd19",
    ]);
    const [one, two, three] = rows;
    assert.ok(Math.abs(one?.messagesPerOperation ?? 1) < 0.05, "one node sends nothing");
    assert.ok((two?.messagesPerOperation ?? 0) > 0 && (three?.messagesPerOperation ?? 0) > 0);
  }),
);

test.run();
