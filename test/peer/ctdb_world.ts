/**
 * Stock ctdbd as a RecordWorld: three daemons, and clients that do what smbd does.
 *
 * `fill` writes records into the daemon's file as ctdbd itself would have left them: keys whose lmaster is the node,
 * with the node as dmaster. It is not part of what is measured.
 *
 * One setting is not the default: a traverse may take longer than 20 s. ctdbd cuts it off there and says that it is
 * done, so that a million records could not be counted.
 *
 * Does NOT promise: other settings; hurryVacuum is for short runs.
 */

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Tdb } from "../../actors/storage/tdb.ts";
import { openTdb } from "../../actors/storage/tdb_open.ts";
import { RealImageStore } from "../../transport/real_image.ts";
import { KEY_BYTES, putKey } from "../bench/tdb/stream.ts";
import { bytesOf, jenkins } from "../bench/twins/hash.ts";
import { within } from "../bench/workloads/measure.ts";
import type {
  NativeLoop,
  RecordClient,
  RecordTable,
  RecordWorld,
} from "../bench/workloads/world.ts";
import { CtdbClient } from "./ctdb_client.ts";
import { compileFetchLoop, CtdbCluster } from "./ctdb_cluster.ts";
import { readNodemap, readVnnmap, type Vnnmap, writeLtdb } from "./ctdb_records.ts";
import { CtdbTable } from "./ctdb_table.ts";
import { CONTROL, DISCONNECTED, LTDB_BYTES, RECORD, textBytes, textOf } from "./ctdb_wire.ts";
import { wordBytes, wordOf } from "./ctdb_wire.ts";

const NODES = 3;
const ASK_EVERY_MS = 5;
const TRAVERSE_TIMEOUT_S = 300;
/** A leader tells of itself each second; an election takes some seconds. */
const LEADER_LIMIT_MS = 30_000;
/** Recovery of a large database freezes it for so long at most. */
const LOCK_TIMEOUT_MS = 60_000;
/** `recmode` of a cluster that serves. */
const NORMAL = 0;
const ACTIVE = 1;

/** Files that clients of this process have open: one handle for all clients of a node. */
export class CtdbFiles {
  readonly #store: RealImageStore;
  readonly #open = new Map<string, Promise<Tdb>>();

  constructor(store = new RealImageStore()) {
    this.#store = store;
  }

  /** The database file at a path. */
  open(path: string): Promise<Tdb> {
    const found = this.#open.get(path);
    if (found !== undefined) return found;
    const options = { noSync: true, lockTimeoutMs: LOCK_TIMEOUT_MS };
    const made = openTdb(this.#store, path, options);
    this.#open.set(path, made);
    return made;
  }

  /** Closes those whose path begins so. */
  async close(prefix: string): Promise<void> {
    for (const [path, opened] of this.#open) {
      if (!path.startsWith(prefix)) continue;
      this.#open.delete(path);
      (await opened).close();
    }
  }
}

/** A client with its files. */
export class CtdbProgram implements RecordClient {
  readonly client: CtdbClient;
  readonly #files: CtdbFiles;

  constructor(client: CtdbClient, files: CtdbFiles) {
    this.client = client;
    this.#files = files;
  }

  /** Connects to the socket at a path. */
  static async connect(socket: string, files: CtdbFiles): Promise<CtdbProgram> {
    return new CtdbProgram(await CtdbClient.connect(socket), files);
  }

  get pnn(): number {
    return this.client.pnn;
  }

  async attach(name: string): Promise<RecordTable> {
    const { dbId, path } = await this.where(name);
    return new CtdbTable(this.client, dbId, await this.#files.open(path));
  }

  /** Attaches; the number and the file. */
  async where(name: string): Promise<{ dbId: number; path: string }> {
    const attached = await this.client.control(CONTROL.attach, { data: textBytes(name) });
    const dbId = wordOf(attached.data);
    const { data } = await this.client.control(CONTROL.getDbPath, { data: wordBytes(dbId) });
    return { dbId, path: textOf(data) };
  }

  async listen(srvid: bigint, onMessage: (data: Uint8Array) => void): Promise<void> {
    await this.client.listen(srvid, onMessage);
  }

  send(pnn: number, srvid: bigint, data: Uint8Array): void {
    this.client.send(pnn, srvid, data);
  }

  close(): void {
    this.client.close();
  }

  async vnnmap(): Promise<Vnnmap> {
    return readVnnmap((await this.client.control(CONTROL.getVnnmap)).data);
  }

  /** Does this node see that one as cut off? */
  async seesAsOut(pnn: number): Promise<boolean> {
    const nodes = readNodemap((await this.client.control(CONTROL.getNodemap)).data);
    return nodes.some((node) => node.pnn === pnn && (node.flags & DISCONNECTED) !== 0);
  }

  async recmode(): Promise<number> {
    return (await this.client.control(CONTROL.getRecmode)).status;
  }
}

/** Three nodes of stock ctdbd. */
export class CtdbWorld implements RecordWorld {
  readonly name = "ctdbd";
  readonly about = "TypeScript";
  readonly nodes = NODES;
  readonly #cluster: CtdbCluster;
  readonly #files = new CtdbFiles();
  readonly #clients = new Set<CtdbProgram>();
  /** The one of each node that asks for its state; undefined: the node is dead. */
  readonly #watchers: (CtdbProgram | undefined)[] = [];
  #loop: string | undefined;

  private constructor(cluster: CtdbCluster) {
    this.#cluster = cluster;
    this.#loop = compileFetchLoop(cluster.folder);
  }

  /** Starts one. */
  static async start(): Promise<CtdbWorld> {
    const world = new CtdbWorld(await CtdbCluster.start(NODES));
    try {
      for (let pnn = 0; pnn < NODES; pnn++) await world.#watch(pnn);
      return world;
    } catch (error) {
      await world.end();
      throw error;
    }
  }

  async #watch(pnn: number): Promise<void> {
    const watcher = await CtdbProgram.connect(this.#cluster.socket(pnn), this.#files);
    this.#watchers[pnn] = watcher;
    await tune(watcher.client, "TraverseTimeout", TRAVERSE_TIMEOUT_S);
    await within(LEADER_LIMIT_MS, `the wait for a leader`, watcher.client.watchLeader());
  }

  #alive(): CtdbProgram[] {
    return this.#watchers.filter((each) => each !== undefined);
  }

  #at(pnn: number): CtdbProgram {
    const watcher = this.#watchers[pnn];
    if (watcher === undefined) throw new Error(`Cannot ask node ${pnn}: it is dead`);
    return watcher;
  }

  address(pnn: number): string {
    return `ctdbd:${this.#cluster.socket(pnn)}`;
  }

  async client(pnn: number): Promise<RecordClient> {
    const client = await CtdbProgram.connect(this.#cluster.socket(pnn), this.#files);
    this.#clients.add(client);
    return client;
  }

  async fill(name: string, pnn: number, count: number, bytes: number): Promise<Uint8Array> {
    // Everywhere, as ctdbd would ask for it there at the first fetch.
    for (const watcher of this.#alive()) await watcher.where(name);
    const watcher = this.#at(pnn);
    const { map } = await watcher.vnnmap();
    const tdb = await this.#files.open((await watcher.where(name)).path);
    const keys = new Uint8Array(KEY_BYTES * count);
    const words = new Uint32Array(KEY_BYTES / 4);
    const key = new Uint8Array(words.buffer);
    const seen = bytesOf(key);
    const record = new Uint8Array(LTDB_BYTES + bytes);
    writeLtdb(record, { rsn: 1n, dmaster: pnn, flags: RECORD.migratedWithData });
    for (let counter = 0, made = 0; made < count; counter++) {
      putKey(words, 0, counter);
      if (map[jenkins(seen, 0, KEY_BYTES) % map.length] !== pnn) continue;
      if (!tdb.tryLockChain(key)) await tdb.lockChain(key);
      tdb.store(key, record);
      tdb.unlockChain(key);
      keys.set(key, KEY_BYTES * made++);
    }
    return keys;
  }

  async wipe(name: string): Promise<void> {
    const watcher = this.#at(this.#alive()[0]?.pnn ?? 0);
    await watcher.where(name);
    await this.#cluster.ctdb(watcher.pnn, "wipedb", name);
  }

  /** The stock tool at a node; what it wrote. Throws when it fails. */
  tool(pnn: number, ...words: string[]): Promise<string> {
    return this.#cluster.ctdb(pnn, ...words);
  }

  async hurryVacuum(seconds: number): Promise<void> {
    for (const { client } of this.#alive()) await tune(client, "VacuumInterval", seconds);
  }

  get native(): NativeLoop | undefined {
    const program = this.#loop;
    if (program === undefined) return undefined;
    return {
      client: "libtdb, C",
      run: (pnn, name, keys, batch) => this.#runLoop(program, pnn, name, { keys, batch }),
    };
  }

  async #runLoop(
    program: string,
    pnn: number,
    name: string,
    { keys, batch }: { keys: Uint8Array; batch: number },
  ): Promise<Float64Array> {
    const watcher = this.#at(pnn);
    const { dbId, path } = await watcher.where(name);
    const data = wordBytes(dbId);
    const flags = wordOf((await watcher.client.control(CONTROL.dbOpenFlags, { data })).data);
    const folder = join(this.#cluster.folder, "loop");
    mkdirSync(folder, { recursive: true });
    const [order, out] = [join(folder, "keys"), join(folder, "times")];
    writeFileSync(order, keys);
    const words = [path, String(flags), String(pnn), order, String(batch), out];
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr?.on("data", (text) => errors += String(text));
    const code = await new Promise((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`Cannot run fetch_loop: ${errors.trim()}`);
    const ns = new BigUint64Array(Uint8Array.from(readFileSync(out)).buffer);
    rmSync(folder, { recursive: true });
    return Float64Array.from(ns, Number);
  }

  async leader(): Promise<number> {
    const watcher = this.#alive()[0];
    if (watcher === undefined) throw new Error("Cannot tell who leads: all nodes are dead");
    return watcher.client.leader ?? await watcher.client.watchLeader();
  }

  async epoch(): Promise<string> {
    const maps = await Promise.all(this.#alive().map((watcher) => watcher.vnnmap()));
    return [await this.leader(), ...maps.map(({ generation }) => generation)].join(" ");
  }

  kill(pnn: number): number {
    const killedMs = this.#cluster.kill(pnn);
    for (const client of this.#clients) {
      if (client.pnn === pnn) this.#drop(client);
    }
    this.#watchers[pnn]?.close();
    this.#watchers[pnn] = undefined;
    return killedMs;
  }

  #drop(client: CtdbProgram): void {
    this.#clients.delete(client);
    client.close();
  }

  async untilOut(pnn: number): Promise<void> {
    await this.#untilAll((watcher) => watcher.seesAsOut(pnn));
  }

  async untilRecovered(without?: number): Promise<void> {
    await this.#untilAll(async (watcher) => {
      if (await watcher.recmode() !== NORMAL) return false;
      return without === undefined || !(await watcher.vnnmap()).map.includes(without);
    });
  }

  async #untilAll(isSo: (watcher: CtdbProgram) => Promise<boolean>): Promise<void> {
    for (;;) {
      const found = await Promise.all(this.#alive().map(isSo));
      if (!found.includes(false)) return;
      await sleep(ASK_EVERY_MS);
    }
  }

  async revive(pnn: number): Promise<void> {
    await this.#cluster.untilGone(pnn);
    await this.#files.close(join(this.#cluster.folder, `node.${pnn}`));
    await this.#cluster.startAll();
    await this.#watch(pnn);
    await this.untilRecovered();
  }

  async recover(): Promise<void> {
    const before = await this.epoch();
    const watcher = this.#at(this.#alive()[0]?.pnn ?? 0);
    await watcher.client.control(CONTROL.setRecmode, { data: wordBytes(ACTIVE) });
    await this.#untilAll(async () => await this.epoch() !== before);
    await this.untilRecovered();
  }

  cpuMs(): number {
    return this.#cluster.cpuMs();
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const watcher of this.#alive()) watcher.close();
    await this.#files.close(this.#cluster.folder);
    await this.#cluster.end();
  }
}

/** Sets a tunable of a node. */
async function tune(client: CtdbClient, tunable: string, value: number): Promise<void> {
  const name = textBytes(tunable);
  const data = new Uint8Array(8 + name.length);
  data.set(wordBytes(value, name.length));
  data.set(name, 8);
  await client.control(CONTROL.setTunable, { data });
}
