/**
 * What a node is made of, and what its parts may look at: they take this, and not the node that makes them.
 *
 *   NodeOptions ──▶ node.ts ──▶ Node, which is NodeParts ◀── verbs, monitoring, explain, wirings of parts
 *
 * Does NOT promise: all parts from the first moment; what is made later is not there yet while the earlier is made.
 */
import type { LeaderLock } from "../transport/leader_lock.ts";
import type { Identity } from "../transport/wire/durable.ts";
import type { World } from "../transport/world.ts";
import type { Addresses } from "./addresses/addresses.ts";
import type { NetworkPorts } from "./addresses/network_ports.ts";
import type { Cluster } from "./cluster.ts";
import type { Verb } from "./control.ts";
import type { DataHandle, DataLink } from "./data_link.ts";
import type { EventHandle } from "./events/link.ts";
import type { Scripts } from "./events/scripts.ts";
import type { ClusterState } from "./machines/cluster/state.ts";
import type { Timing } from "./machines/cluster/tunables.ts";
import type { Monitoring, MonitoringOptions } from "./monitoring/monitoring.ts";
import type { NodeConfig } from "./node_config.ts";
import type { Post } from "./post.ts";
import type { Resources } from "./resources/resources.ts";
import type { ServicePorts } from "./services/ports.ts";
import type { NodeServices } from "./services/wiring.ts";
import type { ShardHandle, Shards } from "./shards.ts";
import type { Tunables } from "./tunables/tunables.ts";

/** What a node is made of. */
export interface NodeOptions {
  readonly world: World;
  readonly config: NodeConfig;
  /** Folder of its durable state; absolute. */
  readonly stateFolder: string;
  /** Folder of this boot's files; absolute. */
  readonly runFolder: string;
  /** Path of its socket. */
  readonly socketPath: string;
  /** Chooses who tries to lead; the node closes it. */
  readonly lock: LeaderLock;
  /** More verbs, of who runs the node. */
  readonly verbs?: ReadonlyMap<string, Verb>;
  /** Starts the thread of the node's metadata; without it the node has none. */
  readonly shard?: () => Promise<ShardHandle>;
  /** Starts the thread of the node's databases; without it the node has none. */
  readonly data?: () => Promise<DataHandle>;
  /** Who looks at services and tells of them; without it the node has no checks and no notifications. */
  readonly services?: ServicePorts;
  /** Starts the event daemon; without it the node runs no scripts. */
  readonly scripts?: () => Promise<EventHandle>;
  /** The machine's network; without it the node sets no real addresses. */
  readonly network?: NetworkPorts;
  /** How far the clock of `world` is ahead of the machine's, ms; for faults made on demand. */
  readonly aheadMs?: () => number;
  readonly timing?: Timing;
  /** What only the process knows, for monitors. */
  readonly monitoring?: MonitoringOptions;
  /** The node has ended by itself. Called once. */
  readonly onEnd: (why: string, isFault: boolean) => void;
}

/** A running node, as its parts see it. */
export interface NodeParts {
  readonly identity: Identity;
  readonly cluster: Cluster;
  readonly post: Post;
  readonly world: World;
  readonly config: NodeConfig;
  /** Undefined: the node has no metadata. */
  readonly shards: Shards | undefined;
  /** Undefined: the node has no databases. */
  readonly data: DataLink | undefined;
  /** Undefined: the node is to be of a version without public addresses. */
  readonly addresses: Addresses | undefined;
  /** Undefined: the same, without resources of programs. */
  readonly resources: Resources | undefined;
  /** Undefined: the node has no event scripts. */
  readonly scripts: Scripts | undefined;
  /** What monitors are told. */
  readonly monitoring: Monitoring;
  /** How it is, by its checks and other parts; its notifications. */
  readonly services: NodeServices;
  /** What operators set while the cluster runs. */
  readonly tunables: Tunables;
  /** What the cluster machine knows; to be looked at, never changed. */
  readonly state: ClusterState;
  readonly nowMs: number;
  /** What its parts say of how it is. */
  readonly health: NodeServices["health"];
  /** Are the databases of this life at the view in force? Without any they always are. */
  readonly hasRecords: boolean;
  /** Why the lock's last operation had no result, a phrase; undefined when it had one. */
  readonly lockTrouble: string | undefined;
  /** As after a planned end, and who runs the node is told; who asked for it is answered first. */
  stopSoon(): void;
}
