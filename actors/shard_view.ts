/**
 * What a shard must know of the cluster, made from what the cluster machine knows.
 *
 * Does NOT promise: that it is so now; the shard's machine lives with late news.
 */
import type { ClusterState } from "./machines/cluster/state.ts";
import type { ShardView } from "./shard.ts";
import { leaderOf } from "./views.ts";

/** The view for the shards; undefined: the node has adopted no document yet. */
export function shardViewOf(state: ClusterState): ShardView | undefined {
  const { adopted, lead, sign } = state;
  if (adopted === undefined) return undefined;
  const members = new Set(adopted.view.members.map(({ pnn }) => pnn));
  const leader = leaderOf(state);
  const token = leader === state.me ? lead?.token : sign.token;
  return {
    clusterId: adopted.clusterId,
    generation: adopted.generation,
    nodes: adopted.nodes.map(({ pnn, nodeId, adminFlags }) => ({ pnn, nodeId, adminFlags })),
    present: adopted.nodes.filter(({ pnn }) => members.has(pnn)).map(({ nodeId }) => nodeId),
    leader: leader === undefined || token === undefined ? undefined : { nodeId: leader, token },
  };
}

/** A text that differs when a view does. */
export function shardViewKey({ generation, nodes, present, leader }: ShardView): string {
  const about = nodes.map(({ pnn, adminFlags }) => `${pnn}${adminFlags.join()}`);
  return [generation, leader?.nodeId, leader?.token, present.join(), about.join()].join(" ");
}
