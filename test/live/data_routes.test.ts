/**
 * Nodes of one cluster at two nats-servers, whose route can be cut: each node stays connected to its own server, and
 * hears only those that are there, too. What programs were told must fit one copy of each record (history/judge.ts).
 *
 *   n0, n1 ── server A ══ route through a proxy ══ server B ── n2
 *
 * Does NOT promise: three servers, of which two hear each other by a third: routes hand nothing on.
 */

import * as assert from "uvu/assert";
import { limit } from "../limit.ts";
import { sharedSuite } from "../suite.ts";
import { eventually } from "./dev_rig.ts";
import { type Run, withOwnRun } from "./history/run.ts";
import { freePorts, NatsRig } from "./nats.ts";
import type { Proxy } from "./proxy.ts";

const test = sharedSuite("records over two servers");
/** Less than a node's lease, and so long that the others have removed the node, ms. */
const SHORT_MS = 1200;
const LONG_MS = 5000;
const WORK_MS = 600;

/** Two servers with a route from the second one to the first, over a proxy. */
async function pair(rig: NatsRig): Promise<{ addresses: string[]; route: Proxy }> {
  const [one = 0, other = 0] = await freePorts(2);
  const first = await rig.server({ name: "a", cluster: { name: "pair", port: one, routes: [] } });
  const route = await rig.proxy(one);
  const second = await rig.server({
    name: "b",
    cluster: { name: "pair", port: other, routes: [route.address] },
  });
  await route.accepted(1);
  return { addresses: [first.address, first.address, second.address], route };
}

/** The configuration of a node at another server, without what belongs to the dev cluster's own. */
function moved(text: string, address: string, lockPath: string): string {
  return text.replace(/servers = .*/, `servers = ["${address}"]`)
    .replace(/nkey = .*\n/, "")
    .replace(/\[nats\.users\]\n(?:.+\n)*/, "")
    .replace(/\[lock\]\n(?:.+\n)*/, `[lock]\nkind = "file"\npath = ${JSON.stringify(lockPath)}\n`);
}

async function withRoute(work: (run: Run, route: Proxy) => Promise<void>): Promise<void> {
  const rig = new NatsRig();
  try {
    const { addresses, route } = await pair(rig);
    const lockPath = `${rig.folder("lock")}.record`;
    const configure = (text: string, node: number) => moved(text, addresses[node] ?? "", lockPath);
    const result = await withOwnRun({ least: 200, configure }, async (run) => {
      await run.work(WORK_MS);
      await work(run, route);
      await run.well();
      await run.work(WORK_MS);
    });
    assert.ok(result.ends >= 1, JSON.stringify(result));
  } finally {
    await rig.end();
  }
}

/** Has others yield until this node leads. */
async function leadBy(run: Run, node: number): Promise<void> {
  await eventually(`node ${node} leads`, async () => {
    if (await run.dev.leader().catch(() => undefined) === node) return true;
    await run.dev.run("leader yield");
    await run.well();
    return false;
  });
}

/** Waits until the two at the first server have a leader among them. */
async function ledByOthers(run: Run): Promise<void> {
  await eventually("the others have a leader of their own", async () => {
    const leader = await run.dev.leader(0).catch(() => 2);
    return leader !== 2;
  });
}

test(
  "the route is cut for less than a lease, and for longer; it hangs, both ways and one way; the leader is alone",
  limit(240_000, () =>
    withRoute(async (run, route) => {
      route.cut();
      await run.work(SHORT_MS);
      route.heal();
      await run.well();
      await run.work(WORK_MS);
      const lives = run.lives.ends.length;
      route.cut();
      await run.work(LONG_MS);
      // The node alone is out; those who are most go on.
      await ledByOthers(run);
      route.heal();
      await run.well();
      await run.untilEnds(lives + 1);
      route.hang();
      await run.work(LONG_MS);
      route.heal();
      await run.well();

      // The leader is made the one at a server of its own.
      await leadBy(run, 2);
      for (const way of ["in", "out"] as const) {
        route.hang(way);
        await run.work(LONG_MS);
        route.heal();
        await run.well();
      }
      await leadBy(run, 2);
      route.cut();
      await run.work(LONG_MS);
      await ledByOthers(run);
      route.heal();
    })),
);

test.run();
