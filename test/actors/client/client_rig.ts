/**
 * Programs of simulated nodes: whole data threads on a simulated network, and the client library over their sockets.
 *
 *   const rig = await ClientRig.start(1, 3);   const one = await rig.connect(0);   await rig.do(one.attach("visits"))
 *
 * Does NOT promise: processes of their own; a program shares the thread, and so the maps, of its node.
 */
import { ClusterClient } from "../../../actors/client/cluster.ts";
import { dialNats } from "../../../actors/client/nats_dial.ts";
import type { Cluster, Database } from "../../../actors/client/types.ts";
import { SeededDice } from "../../../transport/sim/dice.ts";
import { SimMachine } from "../../../transport/sim/world.ts";
import type { Tag } from "../../../transport/wire/terms.ts";
import { DataRig, SOCKET } from "../data/data_rig.ts";

/** How a program is. */
export interface ProgramWish {
  /** Does it map the files? Default true. */
  readonly mapped?: boolean;
  readonly timeoutMs?: number;
  /** Which it runs in, for comparing code; default: nothing is compared. */
  readonly runtime?: string;
}

/** A cluster of data threads, with programs. */
export class ClientRig {
  readonly data: DataRig;
  readonly clusters: ClusterClient[] = [];

  private constructor(data: DataRig) {
    this.data = data;
  }

  static async start(seed: number, count: number): Promise<ClientRig> {
    return new ClientRig(await DataRig.start(seed, count));
  }

  /** A program connects to a node. */
  async connect(
    n: number,
    { mapped = true, timeoutMs = 3000, runtime }: ProgramWish = {},
  ): Promise<ClusterClient> {
    const { clock, images } = this.data.node(n).world;
    const cluster = await this.do(ClusterClient.open({
      clock,
      way: "local",
      pid: 1000 + this.clusters.length,
      program: "test",
      timeoutMs,
      images: mapped ? images : undefined,
      ...runtime === undefined ? {} : { runtime },
      dial: async (events) => {
        const stream = await this.data.node(n).world.host.dial(SOCKET, events);
        return { write: (bytes) => stream.write(bytes.slice()), close: () => stream.close() };
      },
    }));
    this.clusters.push(cluster);
    return cluster;
  }

  /** A program on a machine without a node: it has the bus alone. */
  async connectOver(name: string, timeoutMs = 10_000): Promise<ClusterClient> {
    const { network } = this.data;
    const machine = new SimMachine({ name, network, dice: new SeededDice(this.clusters.length) });
    const { bus, clock, dice } = machine.boot();
    const tag = "program".padEnd(10, "a") as Tag;
    const parts = { bus, clock, dice, cluster: "rig", tag, inbox: `_INBOX_${name}`, timeoutMs };
    const cluster = await this.do(ClusterClient.open({
      clock,
      way: "nats",
      pid: 1,
      program: name,
      timeoutMs,
      images: undefined,
      dial: (events) => dialNats(parts, events),
    }));
    this.clusters.push(cluster);
    return cluster;
  }

  /** Lets virtual time go on until something is done. */
  async do<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    work.then(() => isOver = true, () => isOver = true);
    await this.data.until(() => isOver, 60_000);
    return await work;
  }

  /** A program at each node, and the database of that name at each. */
  async databases(name: string, wish?: ProgramWish): Promise<Database[]> {
    const made: Database[] = [];
    for (let n = 0; n < this.data.nodes.length; n++) {
      const cluster: Cluster = await this.connect(n, wish);
      made.push(await this.do(cluster.attach(name)));
    }
    return made;
  }

  async end(): Promise<void> {
    for (const cluster of this.clusters) await cluster.close();
  }
}
