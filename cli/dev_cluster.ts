/**
 * A cluster of this machine, to try things with: one nats-server, N nodes with a supervisor each, below one folder.
 *
 *   HOME/dev.json            how many nodes, which port
 *   HOME/nats/               the server's configuration, store and log
 *   HOME/n0/ n1/ ...         each the home of a node: ctdbx.toml, state/, run/
 *   HOME/keeper.pid          the process that has started all of it, and ends it with itself
 *
 * Does NOT promise: safety of the data against a loss of this machine; all nodes share its disk.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { genesis } from "../actors/machines/cluster/document.ts";
import { id128, makeIdentity, readIdentity } from "../actors/storage/node_identity.ts";
import { MetaFile } from "../actors/storage/meta_file.ts";
import { RealClock } from "../transport/real_clock.ts";
import { RealDice } from "../transport/real_dice.ts";
import { RealDisk } from "../transport/real_disk.ts";
import { RealHost } from "../transport/real_host.ts";
import { type NatsServer, startNatsServer } from "../transport/real_nats_server.ts";
import type { ClusterId, Incarnation, NodeId, Token } from "../transport/wire/terms.ts";
import type { Child } from "../transport/world.ts";
import { type NodePaths, pathsInHome } from "./config.ts";
import { EXIT } from "./exit_codes.ts";
import { Failure } from "./failure.ts";
import { pidIn } from "./processes.ts";
import { selfCommand } from "./self.ts";

/** Nodes of one such cluster. */
export const DEV_NODES_MAX = 64;
/** The name of the cluster in subjects. */
export const DEV_CLUSTER = "dev";

/** What dev.json says. */
export interface DevPlan {
  readonly nodes: number;
  /** Port of the nats-server; 0 until it has one. */
  readonly port: number;
  readonly clusterId: string;
}

/** The folder when none is named. */
export function devHome(named: string | undefined): string {
  if (named !== undefined) return resolve(named);
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
  return pidIn(join(home, "keeper.pid"), ["dev", "keep"]) ??
    pidIn(join(home, "keeper.pid"), ["dev", "up"]);
}

/** Makes the files of a new cluster: identities, the document before all others, configurations. */
export async function makeCluster(home: string, nodes: number): Promise<DevPlan> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const world = { disk: new RealDisk(), dice: new RealDice() };
  const clusterId = id128(world.dice) as ClusterId;
  const ids = Array.from({ length: nodes }, () => id128(world.dice) as NodeId);
  const accepted = genesis({
    clusterId,
    nodes: ids.map((nodeId, index) => ({
      nodeId,
      name: `n${index}`,
      addr: `127.0.0.1:${4379 + index}`,
      isVoter: index < 7,
    })),
  });
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
  const text = `# Made by \`ctdbx dev up\`.
cluster = "${DEV_CLUSTER}"
name = "n${index}"
chaos = true

[nats]
servers = ["127.0.0.1:${port}"]

[lock]
kind = "${lock}"
`;
  mkdirSync(join(home, `n${index}`), { recursive: true, mode: 0o700 });
  writeFileSync(devNode(home, index).config, text, { mode: 0o600 });
}

/** A cluster whose processes are children of this one. */
export class KeptCluster {
  readonly #home: string;
  readonly #plan: DevPlan;
  readonly #host = new RealHost();
  #server: NatsServer | undefined;
  readonly #supervisors: Child[] = [];

  constructor(home: string, plan: DevPlan) {
    this.#home = home;
    this.#plan = plan;
  }

  /** Starts server and nodes; they end with this process, or with `stop`. */
  async start(): Promise<void> {
    const { nodes } = this.#plan;
    const folder = join(this.#home, "nats");
    this.#server = await startNatsServer(
      { host: this.#host, disk: new RealDisk(), clock: new RealClock() },
      {
        name: "ctdbx-dev",
        folder,
        storeFolder: join(folder, "store"),
        client: { host: "127.0.0.1", port: this.#plan.port },
      },
    );
    const { port } = this.#server;
    writePlan(this.#home, { ...this.#plan, port });
    for (let index = 0; index < nodes; index++) {
      writeConfig(this.#home, index, port, nodes);
      const paths = devNode(this.#home, index);
      mkdirSync(paths.run, { recursive: true, mode: 0o700 });
      const command = [
        ...selfCommand(),
        "daemon",
        "supervise",
        "--home",
        join(this.#home, `n${index}`),
      ];
      this.#supervisors.push(
        await this.#host.start(command, { logPath: join(paths.run, "supervisor.out") }),
      );
    }
  }

  /** Resolves when the server or a supervisor has ended by itself, with a sentence about it. */
  async broken(): Promise<string> {
    const ends = this.#supervisors.map((child, index) =>
      child.ended.then(() => `the supervisor of n${index} has ended`)
    );
    const server = this.#server;
    if (server !== undefined) ends.push(server.child.ended.then(() => "nats-server has ended"));
    return await Promise.race(ends);
  }

  /** Ends the nodes in order, then the server. */
  async stop(): Promise<void> {
    for (const child of this.#supervisors) {
      child.signal("SIGCONT");
      child.signal("SIGTERM");
    }
    await Promise.all(this.#supervisors.map((child) => child.ended));
    await this.#server?.stop();
  }
}
