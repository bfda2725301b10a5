/**
 * The metadata of a real cluster, by questions that only tests ask.
 *
 * Does NOT promise: an answer while a node's metadata thread is started.
 */

import { askOnce } from "../../cli/commands/asking.ts";
import { type DevCluster, eventually } from "./dev_rig.ts";

interface Shown {
  readonly key: string;
  readonly value: string | null;
}

/** The records of scope c as a node has them; none while its thread is started. */
async function list(dev: DevCluster, node: number): Promise<Shown[]> {
  return await askOnce(dev.paths(node), "meta list").catch(() => []) as Shown[];
}

/** Waits until each node has a record with this value. */
export async function everywhere(dev: DevCluster, key: string, value: string): Promise<void> {
  for (let node = 0; node < dev.nodes; node++) {
    await eventually(
      `n${node} has ${key}=${value}`,
      async () => (await list(dev, node)).some((one) => one.key === key && one.value === value),
    );
  }
}

/** Writes; a thread that is just being started says "busy" or "not interested yet". */
export async function set(
  dev: DevCluster,
  node: number,
  key: string,
  value: string,
): Promise<void> {
  await eventually(
    `${key} is written at n${node}`,
    () => askOnce(dev.paths(node), "meta set", { key, value }).then(() => true, () => false),
  );
}

/** How often the thread of a node has died in this life of its daemon; -1: it does not say. */
export async function failures(dev: DevCluster, node: number): Promise<number> {
  const said = await askOnce(dev.paths(node), "meta status").catch(() => undefined);
  return (said as { failures: number } | undefined)?.failures ?? -1;
}
