/**
 * What a node's tunables govern in it: values of machines, and what is looked at and told in the log.
 *
 *   Tunables ─┬─▶ live values of the cluster machine           ├─▶ the data thread: record and commit machines
 *             ├─▶ warnings: databases, the leader lock         '─▶ whoever reads node.tunables.get() at each use
 *
 * Does NOT promise: an effect on what has begun.
 */
import type { NodeId } from "../../transport/wire/terms.ts";
import type { Timing } from "../machines/cluster/tunables.ts";
import type { NodeOptions, NodeParts } from "../node_parts.ts";
import type { Shards } from "../shards.ts";
import { clusterPatch, dataPatch, LiveValues } from "./feeds.ts";
import { savedPath } from "./saved.ts";
import { Tunables, type TunableStore } from "./tunables.ts";
import { watchDatabases } from "./warnings.ts";

/** Those of a node that is being put together; they hold what its own copy says. */
export function tunablesOf(
  node: NodeParts,
  { shard, stateFolder }: Pick<NodeOptions, "shard" | "stateFolder">,
): Tunables {
  return new Tunables({
    world: node.world,
    self: node.identity.nodeId,
    path: savedPath(stateFolder),
    store: shard === undefined ? undefined : storeOf(node),
    nodesWhenLeading: () => nodesWhenLeading(node),
  });
}

/** Scope c of a node's metadata. */
function storeOf(node: NodeParts): TunableStore {
  const use = (): Shards => {
    const { shards } = node;
    if (shards === undefined) throw new RangeError("Cannot use metadata before the node is whole");
    return shards;
  };
  return {
    read: async (prefix) => await use().thread.read("c", prefix),
    write: async (key, value, by) => await use().thread.write("c", key, value, by),
    watch: (prefix, onChange) => use().watch("c", prefix, onChange),
  };
}

/** The values that the cluster machine is to read: they follow the tunables. `made`: what it would have otherwise. */
export function clusterTiming(tunables: Tunables, made: Timing): Timing {
  const live = new LiveValues(made);
  const feed = (): void => live.feed(clusterPatch((name) => tunables.setValue(name)));
  feed();
  tunables.watch(feed);
  return live.values;
}

/** The nodes of the cluster, when this one leads. */
function nodesWhenLeading({ state }: NodeParts): readonly NodeId[] | undefined {
  if (state.lead === undefined || state.adopted === undefined) return undefined;
  return state.adopted.nodes.map(({ nodeId }) => nodeId);
}

/** The tunables take effect, and follow the cluster's. Answers how to end it. */
export function startTunables(node: NodeParts): () => void {
  const { tunables, data } = node;
  let told = JSON.stringify(dataPatch(() => undefined));
  const feed = (): void => {
    const patch = dataPatch((name) => tunables.setValue(name));
    if (JSON.stringify(patch) === told) return;
    told = JSON.stringify(patch);
    data?.tune(patch);
  };
  feed();
  const ends = [tunables.watch(feed), watchDatabases(node)];
  tunables.start();
  return () => {
    for (const end of ends) end();
    tunables.stop();
  };
}
