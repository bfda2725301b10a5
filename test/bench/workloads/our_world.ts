/**
 * Three nodes of ctdbx on one nats-server as a RecordWorld: the processes of `ctdbx dev up`, programs that use the
 * library.
 *
 * `fill` puts records by a program at the node, many at a time, into slots whose home it is. `kill` kills the daemon,
 * as a crash would: its supervisor tells the others, and starts it again at once. CPU time is that of the daemons and
 * of the nats-server.
 *
 * Does NOT promise: a node that stays dead.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodePaths } from "../../../cli/config.ts";
import { Daemon } from "../../../cli/control_client.ts";
import { RealHost } from "../../../transport/real_host.ts";
import { DevCluster, kill, processesOf } from "../../live/dev_rig.ts";
import { KEY_BYTES, putKey } from "../tdb/stream.ts";
import { bytesOf, jenkins } from "../twins/hash.ts";
import { nativeLoop, OurProgram } from "./ours.ts";
import type { NativeLoop, RecordClient, RecordWorld } from "./world.ts";

const NODES = 3;
const ASK_EVERY_MS = 2;
/** Keys of a node begin at this number, times its own. */
const KEYS_EACH = 1 << 24;
/** Records of `fill` under way. */
const AT_ONCE = 512;
const NS_PER_MS = 1e6;

/** What a node says of the cluster. */
interface Said {
  readonly leader?: string;
  readonly serving: boolean;
  readonly generation?: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly isMember: boolean;
    readonly incarnation?: string;
  }[];
}

/** What a node says of its databases. */
type Databases = readonly {
  readonly state: string;
  readonly slotsOpening?: number | null;
  readonly keysQueried?: number | null;
}[];

/** See the head. */
export class OurWorld implements RecordWorld {
  readonly name = "ctdbx";
  readonly about = "TypeScript";
  readonly nodes: number;
  readonly native: NativeLoop = {
    client: "the library's view of the file",
    run: (pnn, name, keys, batch, onLater) =>
      nativeLoop(this.#home(pnn), name, keys, { bytes: this.#bytes, batch, onLater }),
  };
  /** Of the values that were filled in last. */
  #bytes = 0;
  readonly #dev: DevCluster;
  readonly #clients = new Set<OurProgram>();
  readonly #watchers: (Daemon | undefined)[] = [];
  /** The life of each node, as of when all were well. */
  #lives: (string | undefined)[] = [];
  #pids: number[] = [];

  private constructor(dev: DevCluster) {
    this.#dev = dev;
    this.nodes = dev.nodes;
  }

  /** Starts one. */
  static async start(nodes = NODES): Promise<OurWorld> {
    return await OurWorld.of(await DevCluster.up(nodes));
  }

  /** The same on a cluster that is up, which ends with it. */
  static async of(dev: DevCluster): Promise<OurWorld> {
    const world = new OurWorld(dev);
    try {
      for (let pnn = 0; pnn < dev.nodes; pnn++) await world.#watch(pnn);
      await world.#findAll();
      return world;
    } catch (error) {
      await world.end();
      throw error;
    }
  }

  #paths(pnn: number): NodePaths {
    return this.#dev.paths(pnn);
  }

  async #watch(pnn: number): Promise<void> {
    this.#watchers[pnn]?.close();
    this.#watchers[pnn] = await Daemon.dial(new RealHost(), this.#paths(pnn));
  }

  async #findAll(): Promise<void> {
    const all = Array.from({ length: this.nodes }, (_, pnn) => this.#dev.pid(pnn));
    this.#pids = await Promise.all(all);
    const { nodes } = await status(this.#one());
    this.#lives = this.#pids.map((_, pnn) => lifeOf(nodes, pnn));
  }

  #alive(): Daemon[] {
    return this.#watchers.filter((each) => each !== undefined);
  }

  #one(): Daemon {
    const watcher = this.#alive()[0];
    if (watcher === undefined) throw new Error("Cannot ask: all nodes are dead");
    return watcher;
  }

  address(pnn: number): string {
    return `ctdbx:${this.#home(pnn)}`;
  }

  #home(pnn: number): string {
    return join(this.#dev.home, `n${pnn}`);
  }

  async client(pnn: number): Promise<RecordClient> {
    const client = await OurProgram.connect(this.#home(pnn));
    this.#clients.add(client);
    return client;
  }

  async fill(name: string, pnn: number, count: number, bytes: number): Promise<Uint8Array> {
    this.#bytes = bytes;
    const program = await OurProgram.connect(this.#home(pnn));
    try {
      const db = await program.cluster.attach(name);
      const keys = await this.#keysOf(pnn, count);
      const value = new Uint8Array(bytes);
      let next = 0;
      const hand = async (): Promise<void> => {
        while (next < count) {
          const at = KEY_BYTES * next++;
          await db.put(keys.slice(at, at + KEY_BYTES), value);
        }
      };
      await Promise.all(Array.from({ length: Math.min(count, AT_ONCE) }, hand));
      return keys;
    } finally {
      program.close();
    }
  }

  /** Keys of slots whose home is this node, as the other world has keys whose lmaster is the node. */
  async #keysOf(pnn: number, count: number): Promise<Uint8Array> {
    const { homes } = await this.#one().ask("slot map", {}) as { homes: readonly number[] };
    const keys = new Uint8Array(KEY_BYTES * count);
    const words = new Uint32Array(KEY_BYTES / 4);
    const key = new Uint8Array(words.buffer);
    const seen = bytesOf(key);
    for (let counter = pnn * KEYS_EACH, made = 0; made < count; counter++) {
      putKey(words, 0, counter);
      if (homes[jenkins(seen, 0, KEY_BYTES) % homes.length] !== pnn) continue;
      keys.set(key, KEY_BYTES * made++);
    }
    return keys;
  }

  async wipe(name: string): Promise<void> {
    const client = await this.client(this.#watchers.findIndex((each) => each !== undefined));
    await client.attach(name);
    client.close();
    await this.#one().ask("db wipe", { name, why: "benchmark" });
    await this.untilRecovered();
  }

  /** It comes all the time anyway. */
  hurryVacuum(): Promise<void> {
    return Promise.resolve();
  }

  async leader(): Promise<number> {
    const { leader } = await status(this.#one());
    if (leader === undefined) throw new Error("Cannot tell who leads: nobody does");
    return Number(leader.slice(1));
  }

  async epoch(): Promise<string> {
    const all = await Promise.all(this.#alive().map(status));
    return all.map(({ leader, generation }) => `${leader} ${generation}`).join();
  }

  kill(pnn: number): number {
    const pid = this.#pids[pnn] as number;
    const killedMs = performance.now();
    kill(pid, "SIGKILL");
    for (const client of this.#clients) {
      if (client.pnn !== pnn) continue;
      this.#clients.delete(client);
      client.close();
    }
    this.#watchers[pnn]?.close();
    this.#watchers[pnn] = undefined;
    return killedMs;
  }

  async untilOut(pnn: number): Promise<void> {
    await this.#untilAll(async (watcher) => {
      const { nodes, serving } = await status(watcher);
      return serving && lifeOf(nodes, pnn) !== this.#lives[pnn];
    });
  }

  async untilRecovered(): Promise<void> {
    await this.#untilAll(async (watcher) => {
      const all = await watcher.ask("db status", {}) as Databases;
      return all.every(({ state, slotsOpening, keysQueried }) =>
        state === "ready" && (slotsOpening ?? 0) === 0 && (keysQueried ?? 0) === 0
      );
    });
  }

  async #untilAll(isSo: (watcher: Daemon) => Promise<boolean>): Promise<void> {
    for (;;) {
      const found = await Promise.all(this.#alive().map(isSo));
      if (!found.includes(false)) return;
      await sleep(ASK_EVERY_MS);
    }
  }

  async revive(pnn: number): Promise<void> {
    await this.#dev.well();
    await this.#watch(pnn);
    await this.#findAll();
    await this.untilRecovered();
  }

  async recover(): Promise<void> {
    const before = await this.epoch();
    await this.#one().ask("recovery run", { why: "benchmark" });
    await this.#untilAll(async () => await this.epoch() !== before);
    await this.untilRecovered();
  }

  cpuMs(): number {
    const server = processesOf(join(this.#dev.home, "nats")).filter(isServer);
    return [...this.#pids, ...server].reduce((sum, pid) => sum + cpuOf(pid), 0);
  }

  /** Messages that all nodes have published so far, as far as their daemons know: up to a second late. */
  async messages(): Promise<number> {
    const all = await Promise.all(this.#alive().map((each) => each.ask("node status", {})));
    return (all as { messagesSent?: number }[])
      .reduce((sum, { messagesSent = 0 }) => sum + messagesSent, 0);
  }

  /** Closes all connections; the cluster stays. */
  leave(): void {
    for (const client of this.#clients) client.close();
    for (const watcher of this.#alive()) watcher.close();
  }

  async end(): Promise<void> {
    this.leave();
    await this.#dev.down();
  }
}

async function status(node: Daemon): Promise<Said> {
  return await node.ask("cluster status", {}) as Said;
}

/** The life of a node that is in the view; undefined: none is. */
function lifeOf(nodes: Said["nodes"], pnn: number): string | undefined {
  return nodes.find(({ name }) => name === `n${pnn}`)?.incarnation;
}

function isServer(pid: number): boolean {
  return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("nats-server");
}

/** CPU time of all threads of a process, ms; 0: it is gone. */
export function cpuOf(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const ns = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0])
    );
    return ns.reduce((sum, each) => sum + each, 0) / NS_PER_MS;
  } catch {
    return 0;
  }
}
