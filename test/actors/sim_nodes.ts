/**
 * Whole nodes in the simulated world: machines, files, a register for the lock, and virtual time.
 *
 *   const cluster = await started(seed);   await cluster.until(() => cluster.leader !== undefined, 5000);
 *
 * Does NOT promise: many faults; the swarm and the live tests have those.
 */

import * as assert from "uvu/assert";
import type { DataHandle } from "../../actors/data_link.ts";
import type { NetworkPorts } from "../../actors/addresses/network_ports.ts";
import { genesis } from "../../actors/machines/cluster/document.ts";
import { Node } from "../../actors/node.ts";
import type { EventHandle } from "../../actors/events/link.ts";
import type { NodeConfig } from "../../actors/node_config.ts";
import type { CheckConfig } from "../../actors/services/checks_config.ts";
import type { ServicePorts } from "../../actors/services/ports.ts";
import type { ShardHandle } from "../../actors/shards.ts";
import { MetaFile } from "../../actors/storage/meta_file.ts";
import { type GivenIdentity, makeIdentity } from "../../actors/storage/node_identity.ts";
import { isServing, leaderOf } from "../../actors/views.ts";
import { SimTime } from "../../transport/sim/clock.ts";
import { SeededDice } from "../../transport/sim/dice.ts";
import { SimLock, SimRegister } from "../../transport/sim/lock.ts";
import { SimNetwork } from "../../transport/sim/network.ts";
import { SimMachine } from "../../transport/sim/world.ts";
import type { World } from "../../transport/world.ts";
import type { Document } from "../../transport/wire/messages/document.ts";
import type { ClusterId, Incarnation, NodeId, Token } from "../../transport/wire/terms.ts";

/** Folders of each machine. */
export const STATE = "/var/lib/ctdbx/sim";
export const RUN = "/run/ctdbx/sim";
/** The id of the cluster. */
export const CLUSTER_ID = "c".repeat(32) as ClusterId;
/** Virtual time between two turns of the event loop, ms. */
export const STEP_MS = 5;

/** Lets everything that promises continue run. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Three nodes and their machines. */
export class SimCluster {
  readonly time = new SimTime();
  readonly dice: SeededDice;
  readonly machines: SimMachine[] = [];
  readonly nodes: (Node | undefined)[] = [];
  readonly ids: NodeId[] = [];
  readonly ends: string[] = [];
  readonly register: SimRegister;
  readonly network: SimNetwork;
  /** Format of the first document. */
  readonly format: number;
  /** The versions that nodes run, where it is not the newest. */
  readonly levels = new Map<number, number>();
  /** How nodes start the thread of their databases; undefined: they have none. */
  dataOf: ((n: number) => () => Promise<DataHandle>) | undefined;
  /** Checks of nodes, and who looks; undefined: they have none. */
  servicesOf:
    | ((n: number, world: World) => { checks: readonly CheckConfig[]; services: ServicePorts })
    | undefined;
  /** What else a node is made of; undefined: nothing. */
  moreOf:
    | ((n: number, world: World) => {
      readonly config?: Partial<NodeConfig>;
      readonly scripts?: () => Promise<EventHandle>;
      readonly network?: NetworkPorts;
    })
    | undefined;
  /** The same of their metadata. */
  shardOf: ((n: number) => () => Promise<ShardHandle>) | undefined;

  constructor(seed: number, count: number, format = 1) {
    this.format = format;
    this.dice = new SeededDice(seed);
    const network = new SimNetwork(this.time, this.dice);
    this.network = network;
    this.register = new SimRegister(this.time, this.dice);
    for (let n = 0; n < count; n++) this.addMachine();
  }

  /** One more machine, on which nothing is installed; answers its number. */
  addMachine(): number {
    const { dice, network } = this;
    const n = this.machines.length;
    const clock = { rate: 0.995 + n / 300 };
    this.machines.push(new SimMachine({ name: `n${n}`, network, dice, clock }));
    this.ids.push(`${n}`.repeat(32) as NodeId);
    return n;
  }

  /** Virtual time goes on. */
  async run(forMs: number): Promise<void> {
    const endMs = this.time.nowMs + forMs;
    while (this.time.nowMs < endMs) {
      this.time.runTo(this.time.nowMs + STEP_MS);
      await turn();
    }
  }

  /** Time goes on until something is so, at most `limitMs`. */
  async until(isSo: () => boolean, limitMs: number): Promise<void> {
    const endMs = this.time.nowMs + limitMs;
    while (!isSo()) {
      assert.ok(this.time.nowMs < endMs, `it has not come in ${limitMs} ms`);
      await this.run(STEP_MS);
    }
  }

  /** Gives each machine its files, and starts all nodes. */
  async create(): Promise<void> {
    const accepted = genesis({
      clusterId: CLUSTER_ID,
      format: this.format,
      nodes: this.ids.map((nodeId, n) => ({
        nodeId,
        name: `n${n}`,
        addr: `n${n}:4379`,
        isVoter: true,
      })),
    });
    for (const n of this.machines.keys()) {
      await this.install(n, accepted, {});
      await this.start(n);
    }
  }

  /** Gives a machine the files of a node; `accepted` undefined: one that is to join. Answers its diskId. */
  async install(
    n: number,
    accepted: Document | undefined,
    more: Partial<GivenIdentity>,
  ): Promise<string> {
    const world = this.machines[n]!.boot();
    const made = makeIdentity(world, STATE, { name: `n${n}`, nodeId: this.ids[n]!, ...more });
    const { diskId } = await this.time.drive(made, turn);
    const durable = { diskId, promised: 0n as Token, accepted, incarnation: 0n as Incarnation };
    const saved = new Promise<void>((done, fail) =>
      new MetaFile(world.disk, STATE).save(
        durable,
        (error) => error === undefined ? done() : fail(error),
      )
    );
    await this.time.drive(saved, turn);
    return diskId;
  }

  /** Starts the node of a machine, which is booted first when it is down. */
  async start(n: number): Promise<void> {
    const machine = this.machines[n]!;
    const world = machine.world ?? machine.boot();
    const { checks, ...ports } = this.servicesOf?.(n, world) ?? {};
    const { config: more, ...others } = this.moreOf?.(n, world) ?? {};
    const starting = Node.start({
      world,
      config: {
        cluster: "sim",
        name: `n${n}`,
        nats: { servers: ["none"] },
        lock: { kind: "single" },
        log: { level: "info" },
        chaos: false,
        ...this.levels.has(n) ? { level: this.levels.get(n)! } : {},
        ...checks === undefined ? {} : { checks },
        ...more,
      },
      stateFolder: STATE,
      runFolder: RUN,
      socketPath: `${RUN}/ctdbx.sock`,
      lock: new SimLock(this.register, world.life, world.clock),
      ...this.dataOf === undefined ? {} : { data: this.dataOf(n) },
      ...this.shardOf === undefined ? {} : { shard: this.shardOf(n) },
      ...ports,
      ...others,
      onEnd: (why) => void this.ends.push(`n${n}: ${why}`),
    });
    this.nodes[n] = await this.time.drive(starting, turn);
  }

  /** The process of a node is killed, or its machine loses power. */
  crash(n: number, how: "process" | "power"): void {
    this.machines[n]!.crash(how);
    this.nodes[n] = undefined;
  }

  serves(n: number): boolean {
    const node = this.nodes[n];
    return node !== undefined && isServing(node.state, node.nowMs);
  }

  get allServe(): boolean {
    return this.nodes.every((_, n) => this.serves(n));
  }

  /** The node that leads, as all that run see it; undefined: they differ, or none is known. */
  get leader(): number | undefined {
    const seen = new Set(
      this.nodes.flatMap((node) => node === undefined ? [] : [leaderOf(node.state)]),
    );
    const [one] = seen;
    return seen.size === 1 && one !== undefined ? this.ids.indexOf(one) : undefined;
  }
}

/** Three nodes that all serve. */
export async function started(seed: number): Promise<SimCluster> {
  const cluster = new SimCluster(seed, 3);
  await cluster.create();
  await cluster.until(() => cluster.allServe && cluster.leader !== undefined, 10_000);
  return cluster;
}
