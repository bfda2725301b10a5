/**
 * Whole nodes with real data threads in simulated time.
 *
 *   const whole = await Whole.up(1);   await whole.attach(0, "visits");   await whole.set(1, "visits", "key", "value");
 *
 * Does NOT promise: supervisors; a node that is killed is waited out.
 */

import { StatePage } from "../../../actors/storage/state_page.ts";
import { DataShard, type ShardParts } from "../../../actors/data/shard.ts";
import type { OpEnd } from "../../../actors/data/types.ts";
import type { DataHandle } from "../../../actors/data_link.ts";
import type { OpWish } from "../../../actors/machines/record/events.ts";
import { RUN, SimCluster } from "../sim_nodes.ts";
import { b, okOf, t } from "./data_rig.ts";

/** Nodes, and the data thread that each has now. */
export class Whole {
  readonly cluster: SimCluster;
  readonly shards: (DataShard | undefined)[] = [];
  readonly threads: number[] = [];
  /** What data threads are made with. */
  readonly #made: Partial<ShardParts>;

  constructor(seed: number, count: number, made: Partial<ShardParts> = {}) {
    this.#made = made;
    this.cluster = new SimCluster(seed, count, 2);
    this.cluster.dataOf = (n) => () => Promise.resolve(this.#thread(n));
  }

  static async up(seed: number, count = 3, made: Partial<ShardParts> = {}): Promise<Whole> {
    const whole = new Whole(seed, count, made);
    await whole.cluster.create();
    await whole.until(() => whole.cluster.nodes.every((_, n) => whole.serves(n)));
    return whole;
  }

  #thread(n: number): DataHandle {
    const { promise, resolve } = Promise.withResolvers<Error>();
    const world = this.cluster.machines[n]!.world!;
    const shard = new DataShard(world, {
      ...this.#made,
      // A thread that has died says nothing more, and its socket is closed.
      onFailure: (error) => {
        void shard.stop().finally(() => resolve(error as Error));
      },
    });
    this.shards[n] = shard;
    this.threads[n] = (this.threads[n] ?? 0) + 1;
    return { thread: shard, ended: promise, end: () => resolve(new Error("it was ended")) };
  }

  /** A process is killed: nothing of it does anything any more. */
  crash(n: number): void {
    this.cluster.crash(n, "process");
    this.shards[n] = undefined;
  }

  /** Does the page of a node grant anything now? */
  serves(n: number): boolean {
    const { world, images } = this.cluster.machines[n]!;
    if (world === undefined || !images.exists(`${RUN}/state`)) return false;
    const page = StatePage.open(images, `${RUN}/state`);
    const endNs = page.read()?.leaseEndNs ?? 0n;
    page.close();
    return endNs > BigInt(Math.floor(world.clock.nowMs() * 1e6));
  }

  async until(isSo: () => boolean, limitMs = 20_000): Promise<void> {
    await this.cluster.until(isSo, limitMs);
  }

  async attach(n: number, name: string): Promise<void> {
    const shard = this.shards[n]!;
    const { clock } = this.cluster.machines[n]!.world!;
    let isHere = false;
    shard.host.attach(name, { create: true, hashSize: 101 }, clock.nowMs() + 10_000)
      .then(() => isHere = true, () => {});
    await this.until(() => isHere);
  }

  /** Begins an operation; its end comes into the answer. */
  begin(n: number, name: string, key: string, wish: OpWish, limitMs = 10_000): OpEnd[] {
    const ends: OpEnd[] = [];
    const { host } = this.shards[n]!;
    const { clock } = this.cluster.machines[n]!.world!;
    const database = host.database(name);
    if (database === undefined) throw new Error(`${name} is not at node ${n}`);
    database.op(host.newClient(), key, wish, clock.nowMs() + limitMs, (end) => ends.push(end));
    return ends;
  }

  async op(n: number, name: string, key: string, wish: OpWish): Promise<OpEnd> {
    const ends = this.begin(n, name, key, wish);
    await this.until(() => ends.length > 0);
    return ends[0]!;
  }

  async set(n: number, name: string, key: string, value: string): Promise<void> {
    okOf(await this.op(n, name, key, { what: "call", procedure: "set", args: b(value) }));
  }

  async read(n: number, name: string, key: string): Promise<string> {
    return t(okOf(await this.op(n, name, key, { what: "read" }))) ?? "";
  }

  generationOf(n: number): bigint {
    return this.cluster.nodes[n]?.state.adopted?.generation ?? 0n;
  }
}
