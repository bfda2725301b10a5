/**
 * How long a development cluster takes to start, to lose a node, and to change its leader: real processes, real faults.
 *
 *   start | start again after kill -9 of all | SIGSTOP, kill -9 of a daemon, of both its processes: follower, leader
 *
 * The times are read off the survivors' sockets, which are asked again and again; so each is late by one question.
 *
 * Does NOT promise: figures that hold elsewhere; the machine's load is in them.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { RealHost } from "../transport/real_host.ts";
import { waitUp } from "./dev_up.ts";
import { Daemon } from "./control_client.ts";
import { devNode, KeptCluster, makeCluster, planOf } from "./dev_cluster.ts";
import { isAlive } from "./processes.ts";

/** Longest wait for anything, ms. */
const LIMIT_MS = 60_000;
/** Between two questions, ms. */
const ASK_EVERY_MS = 2;

/** One time that was taken. */
export interface FailoverTime {
  readonly what: string;
  readonly ms: number;
}

/** What a node says of the cluster. */
interface Said {
  readonly leader?: string;
  readonly serving: boolean;
  readonly nodes: readonly {
    readonly name: string;
    readonly isMember: boolean;
    readonly incarnation?: string;
  }[];
}

/** Runs all trials once with `nodes` nodes; tells each time as it comes. The cluster's files are removed. */
export async function failoverTrial(
  nodes: number,
  onTime: (time: FailoverTime) => void,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "ctdbx-failover-"));
  const trial = new Trial(home, nodes, onTime);
  try {
    await makeCluster(home, nodes);
    await trial.start("start of all nodes until all is well");
    await trial.killAll();
    await trial.start("start after kill -9 of all until all is well");
    for (const who of ["follower", "leader"] as const) {
      await trial.pause(who);
      await trial.kill(who, false);
      await trial.kill(who, true);
    }
  } finally {
    await trial.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

class Trial {
  readonly #home: string;
  readonly #nodes: number;
  readonly #onTime: (time: FailoverTime) => void;
  #cluster: KeptCluster | undefined;

  constructor(home: string, nodes: number, onTime: (time: FailoverTime) => void) {
    this.#home = home;
    this.#nodes = nodes;
    this.#onTime = onTime;
  }

  async start(what: string): Promise<void> {
    const startMs = performance.now();
    this.#cluster = new KeptCluster(this.#home, planOf(this.#home));
    await this.#cluster.start();
    await waitUp(this.#home, this.#nodes, () => true, LIMIT_MS);
    this.#onTime({ what, ms: performance.now() - startMs });
  }

  /** Everything dies at once, the server too. */
  async killAll(): Promise<void> {
    const pids = this.#cluster?.pids() ?? [];
    for (let index = 0; index < this.#nodes; index++) pids.push(await this.#daemonPid(index));
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await this.#gone(pids);
    this.#cluster = undefined;
  }

  async stop(): Promise<void> {
    await this.#cluster?.stop();
  }

  /** Stops a daemon until it is out of the view; then lets it go on and waits until all is well again. */
  async pause(who: "follower" | "leader"): Promise<void> {
    const index = await this.#indexOf(who);
    const pid = await this.#daemonPid(index);
    process.kill(pid, "SIGSTOP");
    const startMs = performance.now();
    try {
      await this.#times(`SIGSTOP of the ${who}`, who, index, startMs);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await this.#well();
  }

  /** Kills a daemon, or it and its supervisor. */
  async kill(who: "follower" | "leader", withSupervisor: boolean): Promise<void> {
    const index = await this.#indexOf(who);
    const pid = await this.#daemonPid(index);
    const supervisor = this.#supervisorPid(index);
    if (withSupervisor) process.kill(supervisor, "SIGKILL");
    process.kill(pid, "SIGKILL");
    const startMs = performance.now();
    const what = withSupervisor ? "kill -9 of daemon and supervisor" : "kill -9 of the daemon";
    await this.#times(`${what}, ${who}`, who, index, startMs);
    if (withSupervisor) {
      await this.#gone([pid, supervisor]);
      await this.#cluster?.restart(index);
    }
    await this.#well();
  }

  /** Takes the times of one fault, as another node sees it. */
  async #times(
    what: string,
    who: "follower" | "leader",
    index: number,
    startMs: number,
  ): Promise<void> {
    const name = `n${index}`;
    const witness = await Daemon.dial(new RealHost(), devNode(this.#home, index === 0 ? 1 : 0));
    try {
      const before = incarnationOf(await status(witness), name);
      if (who === "leader") {
        await this.#until(witness, ({ leader }) => leader !== undefined && leader !== name);
        this.#onTime({ what: `${what} -> another leader`, ms: performance.now() - startMs });
      }
      await this.#until(witness, (said) => said.serving && incarnationOf(said, name) !== before);
      this.#onTime({ what: `${what} -> out of the view`, ms: performance.now() - startMs });
    } finally {
      witness.close();
    }
  }

  async #until(witness: Daemon, isSo: (said: Said) => boolean): Promise<void> {
    const endMs = performance.now() + LIMIT_MS;
    while (!isSo(await status(witness))) {
      if (performance.now() > endMs) {
        throw new Error("Cannot take the time: it has not come in a minute");
      }
      await sleep(ASK_EVERY_MS);
    }
  }

  async #well(): Promise<void> {
    await waitUp(this.#home, this.#nodes, () => true, LIMIT_MS);
    // What the fault has left behind, such as a leader's first seconds, is not part of the next one.
    await sleep(1500);
  }

  async #indexOf(who: "follower" | "leader"): Promise<number> {
    const node = await Daemon.dial(new RealHost(), devNode(this.#home, 0));
    const { leader } = await status(node);
    node.close();
    const index = Number(leader?.slice(1));
    return who === "leader" ? index : (index + 1) % this.#nodes;
  }

  async #daemonPid(index: number): Promise<number> {
    const node = await Daemon.dial(new RealHost(), devNode(this.#home, index));
    const { pid } = await node.ask("node process", {}) as { pid: number };
    node.close();
    return pid;
  }

  #supervisorPid(index: number): number {
    return Number(readFileSync(join(devNode(this.#home, index).run, "supervisor.pid"), "utf8"));
  }

  async #gone(pids: readonly number[]): Promise<void> {
    while (pids.some(isAlive)) await sleep(ASK_EVERY_MS);
  }
}

async function status(node: Daemon): Promise<Said> {
  return await node.ask("cluster status", {}) as Said;
}

/** The life of a node that is in the view; undefined: none is. */
function incarnationOf({ nodes }: Said, name: string): string | undefined {
  return nodes.find((node) => node.name === name)?.incarnation;
}
