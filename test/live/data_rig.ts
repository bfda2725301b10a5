/**
 * A cluster of real nodes with a volatile database, and programs of this process at any of them.
 *
 * Does NOT promise: a second cluster beside it; each test that spoils one makes its own.
 */

import { join } from "node:path";
import type { Cluster, ConnectOptions, Database } from "../../actors/client/types.ts";
import { connect } from "../../actors/mod.ts";
import { CtdbxError, type ErrorCode } from "../../transport/wire/errors.ts";
import { DevCluster } from "./dev_rig.ts";
import { Peer, runtimeCommand, thisRuntime } from "./peer.ts";

const HOLDER = "test/live/history/holder.ts";

/** See the head. */
export class DataRig {
  readonly dev: DevCluster;
  readonly #clusters: Cluster[] = [];
  readonly #peers: Peer[] = [];

  private constructor(dev: DevCluster) {
    this.dev = dev;
  }

  /** With nodes; skips the test when there is no nats-server. */
  static async up(nodes = 3): Promise<DataRig> {
    return new DataRig(await DevCluster.borrow(nodes));
  }

  home(node: number): string {
    return join(this.dev.home, `n${node}`);
  }

  /** A program of this process at a node. */
  async cluster(node: number, more: ConnectOptions = {}): Promise<Cluster> {
    const cluster = await connect({ home: this.home(node), ...more });
    this.#clusters.push(cluster);
    return cluster;
  }

  /** A database as a program at a node has it. */
  async database(node: number, name: string): Promise<Database> {
    return await (await this.cluster(node)).attach(name);
  }

  /** A program of its own at a node; see history/holder.ts. */
  holder(node: number, name: string): Peer {
    const command = [...runtimeCommand(thisRuntime(), HOLDER), this.home(node), name];
    const peer = new Peer(`holder ${this.#peers.length}`, command);
    this.#peers.push(peer);
    return peer;
  }

  async down(): Promise<void> {
    for (const peer of this.#peers) await peer.kill();
    for (const cluster of this.#clusters) await cluster.close();
    await this.dev.giveBack();
  }
}

/** Runs with a cluster, and ends all that was started. */
export async function withData(
  nodes: number,
  work: (rig: DataRig) => Promise<void>,
): Promise<void> {
  const rig = await DataRig.up(nodes);
  try {
    await work(rig);
  } finally {
    await rig.down();
  }
}

/** The code that an operation fails with; undefined: it did not. */
export async function codeOf(work: () => Promise<unknown>): Promise<ErrorCode | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof CtdbxError) return error.code;
    throw error;
  }
}

/** Bytes as text; "-": there are none. */
export function shown(value: Uint8Array | undefined): string {
  return value === undefined ? "-" : new TextDecoder().decode(value);
}
