/**
 * A cluster of this machine, to try things with: one nats-server, N nodes with a supervisor each, below one folder.
 *
 *   HOME/dev.json            how many nodes, which port
 *   HOME/nats/               the server's configuration, store and users
 *   HOME/keys/               keys for the bus: n0.nkey ..., and admin, monitor, client for programs beside
 *   HOME/n0/ n1/ ...         each the home of a node: ctdbx.toml, state/, run/, and what dev_addresses.ts has
 *   HOME/keeper.pid          the process that has started all of it, and ends it with itself
 *
 * Does NOT promise: safety of the data against a loss of this machine; all nodes share its disk.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { genesis } from "../actors/machines/cluster/document.ts";
import { id128, makeIdentity, readIdentity } from "../actors/storage/node_identity.ts";
import { MetaFile } from "../actors/storage/meta_file.ts";
import { tagOfKey } from "../transport/nats_keys.ts";
import { type NatsRole, natsUsersOf } from "../transport/nats_roles.ts";
import { RealClock } from "../transport/real_clock.ts";
import { RealDice } from "../transport/real_dice.ts";
import { RealDisk } from "../transport/real_disk.ts";
import { RealHost } from "../transport/real_host.ts";
import { type NatsServer, startNatsServer } from "../transport/real_nats_server.ts";
import { type User, USER_ROLES } from "../transport/wire/messages/membership.ts";
import type { ClusterId, Incarnation, NodeId, Token } from "../transport/wire/terms.ts";
import type { Child } from "../transport/world.ts";
import { type NodePaths, pathsInHome } from "./config.ts";
import { devSections, writeDevFiles } from "./dev_addresses.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure, systemFailure } from "./failure.ts";
import { usersFileText } from "./nats_users.ts";
import { isAlive, pidIn, supervisorOf, until } from "./processes.ts";
import { selfCommand } from "./self.ts";

/** Nodes of one such cluster. */
export const DEV_NODES_MAX = 64;
/** The name of the cluster in subjects. */
export const DEV_CLUSTER = "dev";
/** The format that a new one begins with. */
const DEV_FORMAT = 2;
/** A supervisor that has died is started again after this, ms. */
const AGAIN_MS = 500;
/** A supervisor that is no child of ours gets so long to end, ms. */
const FOREIGN_MS = 10_000;

/** What dev.json says. */
export interface DevPlan {
  readonly nodes: number;
  /** Port of the nats-server; 0 until it has one. */
  readonly port: number;
  readonly clusterId: string;
}

/** The folder of the cluster: the named one, the one above when that is a node of such a cluster, or the usual one. */
export function devHome(named: string | undefined): string {
  if (named !== undefined) {
    const folder = resolve(named);
    // CTDBX_HOME names a node where somebody works at one.
    const isNode = /^n\d+$/.test(basename(folder)) && !existsSync(join(folder, "dev.json"));
    return isNode && existsSync(join(folder, "..", "dev.json")) ? dirname(folder) : folder;
  }
  const state = process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state");
  return join(state, "ctdbx", "dev");
}

/** The plan of a cluster that was made; undefined: there is none. */
export function readPlan(home: string): DevPlan | undefined {
  const path = join(home, "dev.json");
  if (!existsSync(path)) return undefined;
  return JSON.parse(readFileSync(path, "utf8")) as DevPlan;
}

/** The plan, which must be there. */
export function planOf(home: string): DevPlan {
  const plan = readPlan(home);
  if (plan !== undefined) return plan;
  throw new Failure(EXIT.notFound, `Cannot find a cluster in ${home}`, "`ctdbx dev up` makes one");
}

function writePlan(home: string, plan: DevPlan): void {
  writeFileSync(join(home, "dev.json"), `${JSON.stringify(plan, undefined, 2)}\n`, { mode: 0o600 });
}

/** The places of node `index`. */
export function devNode(home: string, index: number): NodePaths {
  return pathsInHome(join(home, `n${index}`));
}

/** The process that keeps the cluster of this folder; undefined: it is down. */
export function keeperOf(home: string): number | undefined {
  const path = join(home, "keeper.pid");
  return pidIn(path, ["dev", "keep"]) ?? pidIn(path, ["dev", "run"]);
}

function makeHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { exit, message } = systemFailure(error, `Cannot make a cluster in ${home}`);
    throw new Failure(exit, message, "--home names another folder");
  }
}

/**
 * Makes the files of a new cluster: identities, keys, the document before all others. `isOpen`: no keys, whoever
 * reaches the server may say anything.
 */
export async function makeCluster(
  home: string,
  nodes: number,
  { isOpen = false }: { readonly isOpen?: boolean } = {},
): Promise<DevPlan> {
  makeHome(home);
  const world = { disk: new RealDisk(), dice: new RealDice() };
  const clusterId = id128(world.dice) as ClusterId;
  const ids = Array.from({ length: nodes }, () => id128(world.dice) as NodeId);
  // Loaded when it is needed: many commands look at this file, and few make keys.
  const keys = isOpen ? undefined : await import("../transport/real_nkeys.ts");
  const accepted = genesis({
    clusterId,
    format: DEV_FORMAT,
    ...keys === undefined ? {} : { users: makeDevUsers(home, keys) },
    nodes: ids.map((nodeId, index) => ({
      nodeId,
      name: `n${index}`,
      addr: `127.0.0.1:${4379 + index}`,
      isVoter: index < 7,
      ...keys === undefined ? {} : { natsKey: makeDevKey(home, keys, "node", `n${index}`) },
    })),
  });
  if (!isOpen) {
    const known = usersFileText(DEV_CLUSTER, natsUsersOf(accepted), accepted.version);
    mkdirSync(join(home, "nats"), { recursive: true, mode: 0o700 });
    writeFileSync(devUsersFile(home), known, { mode: 0o600 });
  }
  for (const [index, nodeId] of ids.entries()) {
    const { state } = devNode(home, index);
    const { diskId } = await makeIdentity(world, state, { name: `n${index}`, nodeId });
    const durable = { diskId, promised: 0n as Token, accepted, incarnation: 0n as Incarnation };
    await new Promise<void>((done, fail) =>
      new MetaFile(world.disk, state).save(
        durable,
        (error) => error === undefined ? done() : fail(error),
      )
    );
  }
  const plan = { nodes, port: 0, clusterId };
  writePlan(home, plan);
  return plan;
}

/** What makes keys. */
type Nkeys = typeof import("../transport/real_nkeys.ts");

/** Somebody of each role beside the nodes. */
function makeDevUsers(home: string, keys: Nkeys): User[] {
  return USER_ROLES.map((role) => {
    const natsKey = makeDevKey(home, keys, role, role);
    return { role, name: role, natsKey, tag: tagOfKey(natsKey) };
  });
}

/** Makes a key and its file; answers the public key. */
function makeDevKey(home: string, keys: Nkeys, role: NatsRole, name: string): string {
  const { seed, publicKey } = keys.newNkey();
  const path = devKey(home, name);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = keys.keyFileText({ role, name, cluster: DEV_CLUSTER, seed });
  writeFileSync(path, text, { mode: 0o600 });
  return publicKey;
}

/** Path of the key of a node, or of "admin", "monitor", "client". */
export function devKey(home: string, name: string): string {
  return join(home, "keys", `${name}.nkey`);
}

/** Who may connect; a cluster that was made before there were roles has no such file, and everybody may. */
function devUsersFile(home: string): string {
  return join(home, "nats", "users.conf");
}

/** Has the cluster of this folder roles? */
export function hasRoles(home: string): boolean {
  return existsSync(devUsersFile(home));
}

/** Forgets a cluster that is down: all its files. */
export function removeCluster(home: string): void {
  if (readPlan(home) !== undefined) rmSync(home, { recursive: true, force: true });
}

/** The nodes' tags, by index. */
export function nodeIds(home: string, plan: DevPlan): NodeId[] {
  const disk = new RealDisk();
  return Array.from({ length: plan.nodes }, (_, index) => {
    const identity = readIdentity(disk, devNode(home, index).state);
    if (identity !== undefined) return identity.nodeId;
    throw new Failure(EXIT.corrupt, `Cannot use ${home}: n${index} has no identity`);
  });
}

function writeConfig(home: string, index: number, port: number, nodes: number): void {
  const lock = nodes === 1 ? "single" : "jetstream";
  const roles = hasRoles(home)
    ? `nkey = ${quoted(devKey(home, `n${index}`))}

[nats.users]
file = ${quoted(devUsersFile(home))}
pid = ${quoted(devPidFile(home))}
`
    : "";
  const text = `# Made by \`ctdbx dev up\`.
cluster = "${DEV_CLUSTER}"
name = "n${index}"
chaos = true

[nats]
servers = ["127.0.0.1:${port}"]
${roles}
[lock]
kind = "${lock}"
${devSections(home, index)}`;
  mkdirSync(join(home, `n${index}`), { recursive: true, mode: 0o700 });
  writeDevFiles(home, index, nodes);
  writeFileSync(devNode(home, index).config, text, { mode: 0o600 });
}

/** A text of TOML. */
function quoted(path: string): string {
  return JSON.stringify(path);
}

function devPidFile(home: string): string {
  return join(home, "nats", "nats.pid");
}

/** A cluster whose processes are children of this one. */
export class KeptCluster {
  readonly #home: string;
  readonly #plan: DevPlan;
  readonly #host = new RealHost();
  #server: NatsServer | undefined;
  readonly #supervisors: Child[] = [];
  #stopping = false;

  constructor(home: string, plan: DevPlan) {
    this.#home = home;
    this.#plan = plan;
  }

  /** Starts server and nodes; they end with this process, or with `stop`. */
  async start(): Promise<void> {
    const { nodes } = this.#plan;
    this.#server = await this.#startServer(this.#plan.port);
    const { port } = this.#server;
    writePlan(this.#home, { ...this.#plan, port });
    for (let index = 0; index < nodes && !this.#stopping; index++) {
      writeConfig(this.#home, index, port, nodes);
      await this.restart(index);
    }
    // An end that was asked for meanwhile has not seen all of it.
    if (this.#stopping) await this.stop();
  }

  /** Starts the supervisor of a node, at first or after it has ended. */
  async restart(index: number): Promise<void> {
    const paths = devNode(this.#home, index);
    mkdirSync(paths.run, { recursive: true, mode: 0o700 });
    const home = join(this.#home, `n${index}`);
    const command = [...selfCommand(), "daemon", "supervise", "--home", home];
    const logPath = join(paths.run, "supervisor.out");
    this.#supervisors[index] = await this.#host.start(command, { logPath });
  }

  /** The processes that it has started: supervisors, and the server. */
  pids(): number[] {
    const server = this.#server === undefined ? [] : [this.#server.child.pid];
    return [...this.#supervisors.map(({ pid }) => pid), ...server];
  }

  #startServer(port: number): Promise<NatsServer> {
    rmSync(devPidFile(this.#home), { force: true });
    const folder = join(this.#home, "nats");
    return startNatsServer(
      { host: this.#host, disk: new RealDisk(), clock: new RealClock() },
      {
        name: "ctdbx-dev",
        folder,
        storeFolder: join(folder, "store"),
        pidFile: devPidFile(this.#home),
        ...hasRoles(this.#home) ? { roles: { cluster: DEV_CLUSTER, users: "users.conf" } } : {},
        client: { host: "127.0.0.1", port },
      },
    );
  }

  /**
   * Starts again what dies: the server, and supervisors; one that has ended in order (`daemon stop`) stays down. `say`
   * is told. Resolves after `stop`; throws when something cannot be started again.
   */
  async keep(say: (text: string) => void): Promise<void> {
    const { nodes } = this.#plan;
    const all = Array.from({ length: nodes }, (_, index) => this.#keepNode(index, say));
    await Promise.all([this.#keepServer(say), ...all]);
  }

  async #keepServer(say: (text: string) => void): Promise<void> {
    for (let server = this.#server; server !== undefined; server = this.#server) {
      const { code, signal } = await server.child.ended;
      if (this.#stopping) return;
      say(`nats-server has ended (${signal ?? `exit code ${code}`}); it is started again`);
      this.#server = await this.#startServer(server.port);
    }
  }

  async #keepNode(index: number, say: (text: string) => void): Promise<void> {
    for (;;) {
      const { code, signal } = await this.#supervisors[index]?.ended ?? { code: 0 };
      if (this.#stopping || code === 0) return;
      say(`the supervisor of n${index} has ended (${signal ?? `exit code ${code}`}); again`);
      await pause(AGAIN_MS);
      if (this.#stopping) return;
      await this.restart(index);
    }
  }

  /** Ends the nodes in order, then the server. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const child of this.#supervisors) {
      child.signal("SIGCONT");
      child.signal("SIGTERM");
    }
    await Promise.all([
      ...this.#supervisors.map((child) => child.ended),
      ...Array.from({ length: this.#plan.nodes }, (_, index) => this.#stopForeign(index)),
    ]);
    await this.#server?.stop();
  }

  /** Ends the supervisor of a node that somebody else has started (`daemon start`). */
  async #stopForeign(index: number): Promise<void> {
    const pid = supervisorOf(devNode(this.#home, index).run);
    if (pid === undefined || this.#supervisors.some((child) => child.pid === pid)) return;
    process.kill(pid, "SIGTERM");
    if (await until(() => !isAlive(pid), FOREIGN_MS)) return;
    process.kill(pid, "SIGKILL");
    await until(() => !isAlive(pid), FOREIGN_MS);
  }
}
