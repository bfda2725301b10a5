/**
 * Three nodes of ctdbx for the benchmarks of transactions: the processes of `ctdbx dev up`, programs that use the
 * library.
 *
 * Does NOT promise: a node that stays dead; its supervisor starts it again at once.
 */

import { join } from "node:path";
import type { Cluster, Database } from "../../../actors/client/types.ts";
import { connect } from "../../../actors/mod.ts";
import { DevCluster, kill, processesOf } from "../../live/dev_rig.ts";
import { askOnce } from "../../../cli/commands/asking.ts";
import { cpuOf } from "../workloads/our_world.ts";
import type { CommitClient, CommitCosts, CommitTable, CommitWorld, Kind } from "./world.ts";

/** What nodes tell of a database. */
interface DbAnswer {
  readonly name: string;
  readonly commit?: { readonly primary?: number | null };
}

interface StatsAnswer {
  readonly name: string;
  readonly counts?: Readonly<Record<string, number>>;
}

const NODES = 3;
/** Benchmarks wait long where something is slow, so that it is seen how slow, ms. */
const TIMEOUT_MS = 120_000;
const TRIES = 1000;

/** A program at a node. */
class OurCommitClient implements CommitClient {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  get pnn(): number {
    return this.cluster.pnn;
  }

  async open(name: string, type: Kind): Promise<CommitTable> {
    const db: Database = await this.cluster.attach(name, { type, timeoutMs: TIMEOUT_MS });
    const options = { timeoutMs: TIMEOUT_MS, tries: TRIES };
    await db.transaction((tx) => tx.put(`opened by ${this.pnn}`, "yes"), options);
    return {
      transact: async (keys, value) => {
        await db.transaction(async (tx) => {
          await Promise.all(keys.map((key) => tx.get(key)));
          for (const key of keys) tx.put(key, value);
        }, options);
      },
      store: async (keys, value) => {
        await db.transaction((tx) => {
          for (const key of keys) tx.put(key, value);
        }, options);
      },
      read: (key) => db.read(key),
    };
  }

  async locked(name: string, work: () => void): Promise<void> {
    const lock = await this.cluster.lock(name, { timeoutMs: TIMEOUT_MS });
    work();
    await lock.release();
  }

  async close(): Promise<void> {
    await this.cluster.close();
  }
}

/** See the head. */
export class OurCommits implements CommitWorld {
  readonly name = "ctdbx";
  readonly about = "TypeScript, the library";
  readonly nodes: number;
  readonly dev: DevCluster;
  readonly #isLent: boolean;
  #pids: number[] = [];

  private constructor(dev: DevCluster, isLent: boolean) {
    this.dev = dev;
    this.#isLent = isLent;
    this.nodes = dev.nodes;
  }

  /** Starts one, below the folder for temporary files. */
  static async start(nodes = NODES): Promise<OurCommits> {
    return await OurCommits.#of(await DevCluster.up(nodes), false);
  }

  /** The same on a cluster that is up, and stays so. */
  static async of(dev: DevCluster): Promise<OurCommits> {
    return await OurCommits.#of(dev, true);
  }

  static async #of(dev: DevCluster, isLent: boolean): Promise<OurCommits> {
    const world = new OurCommits(dev, isLent);
    await world.#find();
    return world;
  }

  async #find(): Promise<void> {
    const all = Array.from({ length: this.nodes }, (_, pnn) => this.dev.pid(pnn));
    this.#pids = await Promise.all(all);
  }

  async client(pnn: number): Promise<CommitClient> {
    const home = join(this.dev.home, `n${pnn}`);
    return new OurCommitClient(await connect({ home, timeoutMs: TIMEOUT_MS }));
  }

  async central(name: string): Promise<number> {
    const all = await this.dev.json<readonly DbAnswer[]>("db status");
    const primary = all.find((one) => one.name === name)?.commit?.primary;
    if (typeof primary !== "number") throw new Error(`Cannot tell who is primary of ${name}`);
    return primary;
  }

  async costs(name: string): Promise<CommitCosts> {
    const nodes = Array.from({ length: this.nodes }, (_, at) => at);
    const all = await Promise.all(nodes.map((at) => askOnce(this.dev.paths(at), "db stats")));
    const counts = (all as StatsAnswer[][]).map((stats) =>
      stats.find((one) => one.name === name)?.counts ?? {}
    );
    const sum = (what: string): number =>
      counts.reduce((total, each) => total + (each[what] ?? 0), 0);
    return {
      entries: Math.max(...counts.map((each) => each["log entries"] ?? 0)),
      syncs: sum("log syncs") + sum("file syncs"),
    };
  }

  traced(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async kill(pnn: number): Promise<number> {
    const killedMs = performance.now();
    kill(this.#pids[pnn] as number, "SIGKILL");
    return await Promise.resolve(killedMs);
  }

  async revive(): Promise<void> {
    await this.dev.well();
    await this.#find();
  }

  cpuMs(): number {
    const server = processesOf(join(this.dev.home, "nats"));
    return [...this.#pids, ...server].reduce((sum, pid) => sum + cpuOf(pid), 0);
  }

  async end(): Promise<void> {
    if (!this.#isLent) await this.dev.down();
  }
}
