/**
 * The thread of a node's metadata, with real threads, files and NATS: what is written is everywhere, stays over a
 * restart of all, and a thread that dies is replaced while its node goes on.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ClusterAnswer } from "../../cli/answers.ts";
import { askOnce } from "../../cli/commands/asking.ts";
import { until } from "../../cli/processes.ts";
import { limit } from "../limit.ts";
import { command, DevCluster } from "./dev_rig.ts";

const WAIT_MS = 20_000;

interface Shown {
  readonly key: string;
  readonly value: string | null;
}

/** The records of scope c as a node has them; none while its thread is started. */
async function list(dev: DevCluster, node: number): Promise<Shown[]> {
  return await askOnce(dev.paths(node), "meta list").catch(() => []) as Shown[];
}

async function everywhere(dev: DevCluster, key: string, value: string): Promise<void> {
  for (let node = 0; node < dev.nodes; node++) {
    const isThere = await until(
      async () => (await list(dev, node)).some((one) => one.key === key && one.value === value),
      WAIT_MS,
    );
    assert.ok(isThere, `n${node} has ${key}=${value}`);
  }
}

/** Writes; a thread that is just being started says "busy" or "not interested yet". */
async function set(dev: DevCluster, node: number, key: string, value: string): Promise<void> {
  const isDone = await until(
    () => askOnce(dev.paths(node), "meta set", { key, value }).then(() => true, () => false),
    WAIT_MS,
  );
  assert.ok(isDone, `${key} was written at n${node}`);
}

async function failures(dev: DevCluster, node: number): Promise<number> {
  const said = await askOnce(dev.paths(node), "meta status").catch(() => undefined);
  return (said as { failures: number } | undefined)?.failures ?? -1;
}

const test = suite("metadata thread");

test.either(
  "records reach all nodes; a thread that dies is replaced, its node serves on, and others notice nothing",
  limit(120_000, async () => {
    const dev = await DevCluster.up(3);
    try {
      await set(dev, 0, "first", "1");
      await everywhere(dev, "first", "1");
      const before = await askOnce(dev.paths(1), "cluster status") as ClusterAnswer;
      await askOnce(dev.paths(0), "chaos shard");
      assert.ok(await until(async () => await failures(dev, 0) === 1, WAIT_MS), "it was replaced");
      const after = await askOnce(dev.paths(1), "cluster status") as ClusterAnswer;
      assert.is(after.version, before.version, "no new document, no new view");
      assert.ok((await askOnce(dev.paths(0), "cluster status") as ClusterAnswer).serving);
      await set(dev, 0, "second", "2");
      await everywhere(dev, "second", "2");
      await everywhere(dev, "first", "1");
    } finally {
      await dev.down();
    }
  }),
);

test.either(
  "what was written is still there when all nodes have been stopped and started",
  limit(120_000, async () => {
    const dev = await DevCluster.up(3);
    try {
      await set(dev, 2, "kept", "yes");
      await everywhere(dev, "kept", "yes");
      assert.is((await command(["dev", "down", "--home", dev.home])).exit, 0);
      assert.is((await command(["dev", "up", "--home", dev.home])).exit, 0);
      await everywhere(dev, "kept", "yes");
    } finally {
      await dev.down();
    }
  }),
);

test.run();
