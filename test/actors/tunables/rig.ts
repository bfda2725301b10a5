/**
 * Simulated nodes with metadata: their shards run in the thread of the test, in the world of their machine.
 *
 * Does NOT promise: threads; test/live has those.
 */

import { Shard, type ShardStart, type ShardView } from "../../../actors/shard.ts";
import type { ShardHandle } from "../../../actors/shards.ts";
import type { ShardThread } from "../../../actors/worker.ts";
import { nodeVerbs } from "../../../actors/verbs/verbs.ts";
import { CtdbxError } from "../../../transport/wire/errors.ts";
import { SimCluster, turn } from "../sim_nodes.ts";

/** The shard of a machine, as the node's main thread has it. */
export function shardOf(cluster: SimCluster, n: number): () => Promise<ShardHandle> {
  return () => {
    let shard: Shard | undefined;
    const use = (): Shard => {
      if (shard !== undefined) return shard;
      throw new CtdbxError("state", "Cannot use the shard: it has not started");
    };
    const thread = {
      start: (start: ShardStart): Promise<void> => {
        shard = new Shard(cluster.machines[n]!.world!, start, (error) => {
          cluster.ends.push(`shard ${n}: ${error}`);
        });
        return Promise.resolve();
      },
      view: (view: ShardView) => Promise.resolve(use().view(view)),
      write: (scope: string, key: string, value: string | null, by: string) =>
        use().write(scope, key, value, by),
      read: (scope: string, prefix: string) => use().read(scope, prefix),
      watch: (scope: string, prefix: string, onChange: () => void) =>
        Promise.resolve(use().watch(scope, prefix, onChange)),
      status: () => Promise.resolve(use().status()),
      stop: () => shard?.stop() ?? Promise.resolve(),
    } as unknown as ShardThread;
    return Promise.resolve({ thread, ended: new Promise<Error>(() => {}), end: () => {} });
  };
}

/** Three nodes with metadata that all serve, and have scope c. */
export async function startedWithMetadata(
  seed: number,
  dataOf?: SimCluster["dataOf"],
): Promise<SimCluster> {
  const cluster = new SimCluster(seed, 3, 2);
  cluster.dataOf = dataOf;
  cluster.shardOf = (n) => shardOf(cluster, n);
  await cluster.create();
  await cluster.until(() => cluster.allServe && cluster.leader !== undefined, 10_000);
  // Until the scope is warm everywhere nothing can be read.
  for (const n of cluster.machines.keys()) await looked(cluster, n);
  return cluster;
}

/** Does something with a node, while virtual time goes on. */
export async function during<T>(cluster: SimCluster, work: Promise<T>): Promise<T> {
  let isOver = false;
  const end = work.finally(() => void (isOver = true));
  end.catch(() => {});
  while (!isOver) await cluster.run(5);
  return await end;
}

/** Waits until a node can read its tunables. */
export async function looked(cluster: SimCluster, n: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const isDone = await during(
      cluster,
      cluster.nodes[n]!.tunables.look().then(() => true, () => false),
    );
    if (isDone) return;
    await cluster.run(100);
  }
  throw new Error(`n${n} cannot read its tunables`);
}

/** Asks a node as a program of its machine does. */
export async function asked(
  cluster: SimCluster,
  n: number,
  verb: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  const work = nodeVerbs(cluster.nodes[n]!).get(verb)!;
  const call = {
    by: { way: "socket", uid: 7, pid: 99 } as const,
    item: () => false,
    onCancel: () => {},
  };
  return await during(cluster, Promise.resolve().then(() => work(args, call)));
}

/** What a tunable is at each node that runs. */
export function values(cluster: SimCluster, name: string): (number | undefined)[] {
  return cluster.nodes.map((node) => node?.tunables.get(name));
}

export { turn };
