/**
 * The nats-server that a node keeps for itself and others: [nats.server] in its configuration.
 *
 *   supervisor ──▶ STATE/nats/nats.conf, users.conf ──▶ nats-server ──dies──▶ again, 0.1 s to 10 s later
 *                  RUN/nats.pid, RUN/nats.log
 *
 * Its death is not the node's: the daemon loses its bus, as with any server, and waits. With a key of its own in
 * [nats] the node demands keys of everybody, and permissions hold; without one whoever reaches the port may speak.
 *
 * Does NOT promise: a second server for when this machine is gone; [nats.server] cluster makes several into one.
 */

import { appendFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { NodeParts } from "../actors/node_parts.ts";
import type { NodeConfig } from "../actors/node_config.ts";
import type { NatsServerPlan } from "../actors/node_nats.ts";
import { MetaFile } from "../actors/storage/meta_file.ts";
import { readIdentity } from "../actors/storage/node_identity.ts";
import { Supervision } from "../actors/supervision.ts";
import type { ClusterOptions, Listen } from "../transport/nats_config.ts";
import type { NatsUser } from "../transport/nats_roles.ts";
import { readSecret, readSecretText } from "../transport/real_nkeys.ts";
import { type NatsServer, type NatsStart, startNatsServer } from "../transport/real_nats_server.ts";
import { tagOf } from "../transport/wire/terms.ts";
import type { Disk, World } from "../transport/world.ts";
import type { NodePaths } from "./config.ts";
import { UsersKeeper, type UsersOptions } from "./nats_users.ts";

/** A log that is longer is put aside, and the one put aside before is dropped, bytes. 4 MiB. */
const LOG_BYTES_MAX = 4 * 1024 * 1024;
const USERS_FILE = "users.conf";

/** The files of a managed server. */
export interface ManagedFiles {
  /** Its folder, durable. */
  readonly folder: string;
  readonly users: string;
  readonly pid: string;
  readonly log: string;
}

/** Where a node's own server has its files. */
export function managedFiles({ state, run }: NodePaths): ManagedFiles {
  const folder = join(state, "nats");
  return {
    folder,
    users: join(folder, USERS_FILE),
    pid: join(run, "nats.pid"),
    log: join(run, "nats.log"),
  };
}

/** What keeps the users of a node's server, or of another that it is told of; undefined: nobody asked for it. */
export function usersOptions(
  config: NodeConfig,
  paths: NodePaths,
  { disk, log }: { readonly disk: Disk; readonly log: World["log"] },
): UsersOptions | undefined {
  const { server, users } = config.nats;
  const { cluster } = config;
  if (users !== undefined) return { log, cluster, ...users };
  const own = server === undefined ? undefined : ownUser(config, paths, disk);
  if (server === undefined || keyOf(config) === undefined) return undefined;
  const files = managedFiles(paths);
  return { log, cluster, file: files.users, pidFile: files.pid, own };
}

/** The public key that a node logs in with; undefined: another way, or none. */
function keyOf({ nats: { keyFile } }: NodeConfig): string | undefined {
  if (keyFile === undefined) return undefined;
  const secret = readSecret(keyFile);
  return secret.kind === "nkey" ? secret.publicKey : undefined;
}

/** This node as a user; undefined: it has no key, or no identity yet. */
function ownUser(config: NodeConfig, paths: NodePaths, disk: Disk): NatsUser | undefined {
  const key = keyOf(config);
  const nodeId = readIdentity(disk, paths.state)?.nodeId;
  if (key === undefined || nodeId === undefined) return undefined;
  return { role: "node", name: config.name, key, tag: tagOf(nodeId) };
}

/** One node's server. */
export class ManagedNats {
  readonly #world: World;
  readonly #config: NodeConfig;
  readonly #plan: NatsServerPlan;
  readonly #paths: NodePaths;
  readonly #files: ManagedFiles;
  readonly #supervision: Supervision;
  #server: NatsServer | undefined;
  #isStopping = false;

  constructor(world: World, config: NodeConfig, plan: NatsServerPlan, paths: NodePaths) {
    this.#world = world;
    this.#config = config;
    this.#plan = plan;
    this.#paths = paths;
    this.#files = managedFiles(paths);
    const start = (onFailure: (error: unknown) => void) => this.#start(onFailure);
    this.#supervision = new Supervision({ name: "nats-server", start }, world.clock, world.log);
  }

  /** Starts it, and again whenever it ends. Resolves when the first start has succeeded or failed. */
  start(): Promise<void> {
    return this.#supervision.start();
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#supervision.stop();
    await this.#server?.stop();
  }

  async #start(onFailure: (error: unknown) => void): Promise<void> {
    const { host, disk, clock, log } = this.#world;
    // A file of a former server may name a process that is somebody else's by now.
    rmSync(this.#files.pid, { force: true });
    const options = usersOptions(this.#config, this.#paths, this.#world);
    if (options !== undefined) {
      const doc = new MetaFile(disk, this.#paths.state).load()?.accepted;
      new UsersKeeper({ ...options, pidFile: undefined }).update(doc);
    }
    const server = await startNatsServer({ host, disk, clock }, this.#startOptions(options));
    if (this.#isStopping) return await server.stop();
    this.#server = server;
    const { pid } = server.child;
    log.write("info", `nats-server listens on ${server.address}`, { pid });
    if (options === undefined) {
      log.write("warning", "nats-server lets everybody in: this node has no key (nats.nkey)");
    }
    void server.child.ended.then(({ code, signal }) => {
      this.#server = undefined;
      if (!this.#isStopping) onFailure(new Error(signal ?? `exit code ${code}`));
    });
  }

  #startOptions(users: UsersOptions | undefined): NatsStart {
    const { name, cluster } = this.#config;
    const { listen, advertise, store, hasStore, tls } = this.#plan;
    const { folder, pid } = this.#files;
    return {
      name: `${cluster}-${name}`.slice(0, 64),
      folder,
      pidFile: pid,
      client: listenOf(listen),
      ...hasStore ? { storeFolder: store ?? join(folder, "store") } : {},
      ...advertise === undefined ? {} : { advertise },
      ...tls === undefined ? {} : { tls },
      ...this.#plan.cluster === undefined ? {} : { cluster: clusterOf(this.#plan.cluster) },
      ...users === undefined ? {} : { roles: { cluster, users: USERS_FILE } },
      onLine: (line) => this.#keepLine(line),
    };
  }

  #keepLine(line: string): void {
    const { log } = this.#files;
    if (/Failed to reload/.test(line)) this.#world.log.write("error", line.replace(/^.*\] /, ""));
    try {
      appendFileSync(log, `${line}\n`, { mode: 0o600 });
      if (statSync(log).size > LOG_BYTES_MAX) renameSync(log, `${log}.1`);
    } catch {
      // A full disk loses its log, not the server.
    }
  }
}

/** Host and port of host:port; RangeError comes later, when it is none. */
export function listenOf(address: string): Listen {
  const at = address.lastIndexOf(":");
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(at + 1)),
  };
}

function clusterOf(cluster: NonNullable<NatsServerPlan["cluster"]>): ClusterOptions {
  const { name, listen, routes, secretFile } = cluster;
  const secret = secretFile === undefined ? {} : { secret: readSecretText(secretFile).trim() };
  return { ...listenOf(listen), name, routes, ...secret };
}

/** Keeps the users of a server as the document of a running node has them, where its configuration asks for that. */
export function keepUsers(node: NodeParts, paths: NodePaths): void {
  const { config, world } = node;
  let options: UsersOptions | undefined;
  try {
    options = usersOptions(config, paths, world);
  } catch (error) {
    return world.log.write("error", "The users of the nats-server are not kept", { error });
  }
  if (options === undefined) return;
  const keeper = new UsersKeeper(options);
  let seen: bigint | undefined;
  const look = () => {
    const { adopted } = node.state;
    if (adopted !== undefined && adopted.version === seen) return;
    seen = adopted?.version;
    keeper.update(adopted);
  };
  node.monitoring.events.watch(["cluster"], look);
  look();
}
